"""``gridcommand chaos``: pull the plugs of a system of one's own, and see what it kept."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

if TYPE_CHECKING:
    from gridcommand.rehearsal.checker import Verdict


def add_to(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(rich_help_panel="Look after")(chaos)


def chaos(
    minutes: Annotated[float, typer.Option(min=0.1, max=600, help="How long reports flow.")] = 2.0,
    city: Annotated[
        str, typer.Option(help="City pack: a name under cities/ or a path.")
    ] = "san_francisco",
    seed: Annotated[int, typer.Option(help="Decides what is done, to what, and when.")] = 1,
    rate: Annotated[float, typer.Option(min=1, max=1000, help="Reports a second.")] = 200.0,
    readings: Annotated[
        float, typer.Option(min=0, max=10_000, help="Sensors' readings a second.")
    ] = 2000.0,
    kafka: Annotated[
        bool,
        typer.Option("--kafka", help="On an Apache Kafka and a PostgreSQL started for it."),
    ] = False,
    broker_away: Annotated[
        float,
        typer.Option(min=0, max=600, help="Instead of all else, the broker is silent so long."),
    ] = 0.0,
    keep: Annotated[
        Path | None, typer.Option(help="Data folder to use and to leave; a new one if not given.")
    ] = None,
) -> None:
    """Pull the plugs of a system of one's own at random while reports flow.

    Processes are ended by `kill -9` and halted, with `--kafka` broker and database too; the
    database is locked; evil reports come; screens that never read come and go; with `--kafka` a
    second worker comes and goes. The same seed plans the same.

    Starts its own system in a folder of its own on free loopback ports, with the settings of
    this shell left out, and touches only what it started. The last line is the checker's verdict
    as JSON; exit code 1 when anything acknowledged is lost, doubled or undecided, a unit was sent
    to two places, an alarm of a sensor is missing or told twice, a screen shows something else
    than the journal says, the journal doesn't hold, or decisions took longer than 10 s to flow
    again (longer by as much as the machine is slower than the yardstick's reference).

    Example: `gridcommand chaos --minutes 5 --seed 7`, `gridcommand chaos --kafka --city liyang`,
    `gridcommand chaos --minutes 11 --broker-away 10`
    """
    from gridcommand.rehearsal.chaos import Load, run
    from gridcommand.rehearsal.faults import away, plan, targets
    from gridcommand.rehearsal.servers import EMBEDDED, HOW, kafka_and_postgresql, missing
    from gridcommand.rehearsal.system import RehearsalError

    if kafka and (lacking := missing()):
        raise RehearsalError(f"{lacking} here. {HOW}")
    # Told to end, or its terminal closed, it ends all that it started as it does for Ctrl-C.
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.default_int_handler)
    began = time.monotonic()

    def tell(sentence: str) -> None:
        typer.echo(f"{time.monotonic() - began:7.1f} s  {sentence}", err=True)

    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = stack.enter_context(kafka_and_postgresql()) if kafka else EMBEDDED
        tell(f"starting a system of {city} in {folder}, on {servers.name}")
        seconds = minutes * 60
        faults = (
            away(seconds, broker_away * 60)
            if broker_away
            else plan(seed, seconds, targets(servers), partitions=kafka)
        )
        verdict = asyncio.run(
            run(
                folder,
                faults,
                seconds=seconds,
                seed=seed,
                load=Load(rate, readings),
                tell=tell,
                servers=servers,
                city=city,
            )
        )
    typer.echo(_in_words(verdict))
    typer.echo(msgspec.json.encode(verdict).decode())
    if not verdict.holds:
        raise typer.Exit(1)


def _in_words(verdict: Verdict) -> str:
    watched = verdict.watched
    said = [
        f"{'holds' if verdict.holds else 'BROKEN'}: {verdict.acknowledged} acknowledged, "
        f"{verdict.decided} decided, {verdict.dead_lettered} dead-lettered, {verdict.lost} lost, "
        f"{verdict.doubled} doubled, {verdict.two_places} in two places, "
        f"{verdict.waiting} undecided, {verdict.unseen} not seen",
        f"longest silence {verdict.longest_silence_s:.1f} s, decisions back "
        f"{verdict.recovered_s:.1f} s after an outage",
        f"of {watched.conditions} conditions at sensors {watched.missed} missed, "
        f"{watched.doubled} doubled",
    ]
    if verdict.silence_too_long_s:
        said.append(f"a silence was {verdict.silence_too_long_s:.1f} s longer than it may be")
    if verdict.journal:
        said.append(f"journal: {verdict.journal}")
    return "; ".join((*said, *verdict.examples))
