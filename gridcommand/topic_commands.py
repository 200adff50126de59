"""``gridcommand topics``: what a Kafka cluster's topics are and should be, and making it so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gridcommand.configuration import SettingsError, load_settings
from models.errors import GridcommandError

if TYPE_CHECKING:
    from streams.topic_plan import TopicPlan

HOUR_MS = 3_600_000
WIDTHS = (12, 16, 8, 8, 0)
SETTLES_S, LOOK_S = 15.0, 0.1
"""How long a cluster may take to show what it took, and how often it is asked."""

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="The topics on an Apache Kafka cluster: partitions, retention, copies, writes in step.",
)

PartitionsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=1000,
        help="Of each topic that workers share, instead of the declared number: as many workers "
        "as this can have work.",
    ),
]


@app.command("plan")
def plan(
    partitions: PartitionsOption = None,
    reassignment: Annotated[
        Path | None,
        typer.Option(help="Write the copies that are missing for kafka-reassign-partitions.sh."),
    ] = None,
) -> None:
    """Show what is, what should be and what would change; changes nothing.

    Example: `GRIDCOMMAND_KAFKA_SERVERS=kafka:9092 gridcommand topics plan`
    """
    from streams.topic_plan import reassignment as moves_of

    _, brokers, plans = _planned(partitions)
    _show(plans, brokers)
    _say_what_changes(plans)
    if reassignment is None:
        return
    moves = moves_of(plans, brokers)
    if not moves:
        typer.echo("No copies are missing: no file is written.")
        return
    try:
        reassignment.write_text(moves)
    except OSError as error:
        raise GridcommandError(f"{reassignment} can't be written: {error.strerror}") from error
    typer.echo(
        f"{reassignment}: for kafka-reassign-partitions.sh --bootstrap-server … "
        f"--reassignment-json-file {reassignment} --execute"
    )


@app.command("apply")
def apply(
    partitions: PartitionsOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Show the plan, ask, and bring the topics there. A second time it changes nothing.

    Example: `gridcommand topics apply --partitions 12`
    """
    servers, brokers, plans = _planned(partitions)
    _show(plans, brokers)
    if not _say_what_changes(plans):
        return
    if not yes and not typer.confirm("Apply this?"):
        raise GridcommandError("nothing was changed; --yes applies without asking")
    if left := asyncio.run(_applied(servers, plans)):
        raise GridcommandError(
            f"the cluster took the changes and does not show them yet for {', '.join(left)}: "
            "look again with gridcommand topics plan"
        )
    typer.echo("Applied.")


def _planned(partitions: int | None) -> tuple[str, Sequence[int], list[TopicPlan]]:
    """Servers, broker ids and what is to be done."""
    from streams.topic_plan import plan_topics, read_cluster, wanted_topics

    settings = load_settings()
    if not settings.kafka_servers:
        raise SettingsError(
            "no Kafka is set: the embedded broker makes its topics by itself, at each start; "
            "set GRIDCOMMAND_KAFKA_SERVERS=host:port,… to plan for a cluster"
        )
    cluster = asyncio.run(read_cluster(settings.kafka_servers))
    plans = plan_topics(cluster, wanted_topics(partitions))
    return settings.kafka_servers, cluster.brokers, plans


async def _applied(servers: str, plans: Sequence[TopicPlan]) -> list[str]:
    """Do what is planned; return the topics that don't show it after `SETTLES_S`."""
    from streams.topic_plan import apply_plans, plan_topics, read_cluster

    await apply_plans(servers, plans)
    deadline = time.monotonic() + SETTLES_S
    while True:
        after = plan_topics(await read_cluster(servers), [plan.spec for plan in plans])
        left = [plan.spec.name for plan in after if plan.changes]
        if not left or time.monotonic() > deadline:
            return left
        await asyncio.sleep(LOOK_S)


def _show(plans: Sequence[TopicPlan], brokers: Sequence[int]) -> None:
    typer.echo(f"{len(brokers)} broker{'s' if len(brokers) != 1 else ''}")
    heads = ("partitions", "retention", "copies", "in step", "")
    row = " ".join(f"{head:<{width}}" for head, width in zip(heads, WIDTHS, strict=True))
    typer.echo(f"{'topic':<24} {row}".rstrip())
    for each in plans:
        spec, now = each.spec, each.is_now
        if now is None:
            cells = [
                str(spec.partitions),
                _hours(spec.retention_ms),
                str(each.copies),
                str(each.in_step),
                "is made",
            ]
        else:
            cells = [
                _step(now.partitions, max(now.partitions, spec.partitions)),
                _step(_hours(now.retention_ms), _hours(spec.retention_ms)),
                str(now.copies),
                _step(now.in_step, max(now.in_step, each.in_step)),
                "changes" if each.changes else "stays",
            ]
        row = " ".join(f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True))
        typer.echo(f"{spec.name:<24} {row}")
        for note in each.notes:
            typer.echo(f"  - {note}")


def _say_what_changes(plans: Sequence[TopicPlan]) -> bool:
    changed = sum(each.changes for each in plans)
    typer.echo(f"{changed} of {len(plans)} topics change." if changed else "Nothing to change.")
    return bool(changed)


def _step(now: object, then: object) -> str:
    return f"{now}" if now == then else f"{now} -> {then}"


def _hours(milliseconds: int) -> str:
    return "for ever" if milliseconds < 0 else f"{milliseconds / HOUR_MS:g} h"
