"""Commands that run the system: ``up``, and one for each process of it; ``doctor``, ``docs``.

Each imports its room only when it is called: help stays fast, and a room that is broken doesn't
keep the others from running.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gridcommand.configuration import load_settings
from gridcommand.processes import run_until_stopped, tell_ready, wait_at_gate

CityOption = Annotated[
    str | None, typer.Option("--city", help="City pack: a name under cities/ or a path.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to ``app``."""
    app.command(rich_help_panel="Run")(up)
    for one in (worker, console, broker):
        app.command(rich_help_panel="Run, one process")(one)
    app.command(rich_help_panel="Look after")(doctor)
    app.command(hidden=True)(prepare)
    app.command(hidden=True)(docs)


def up(
    city: CityOption = None,
    drill: Annotated[
        str | None, typer.Option(help="Replay this recording; `gridcommand drill list` shows all.")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Replay the city's first recording, if it has one.")
    ] = False,
    speed: Annotated[
        float, typer.Option(min=0.1, max=10_000, help="Speed of the drill, times life.")
    ] = 60.0,
    port: Annotated[
        int | None, typer.Option(min=1, max=65534, help="Port of the pages; port + 1 is used too.")
    ] = None,
) -> None:
    """Start everything on this machine and keep it running.

    Broker, worker, console and, if asked for, a drill; each a process of its own, restarted when
    it dies. Ctrl-C stops all; the next start goes on where this one was.

    Examples:

    - `gridcommand up --demo` San Francisco's New Year's night, 60 times life

    - `gridcommand up --city liyang` live, no drill

    - `gridcommand up --drill new_year_2017 --speed 600 --port 9000`
    """
    from gridcommand.supervisor import supervise

    settings = load_settings(city=city, web_port=port)
    raise typer.Exit(supervise(settings, drill=drill, demo=demo, speed=speed))


def worker(
    stages: Annotated[
        list[str] | None,
        typer.Option("--stage", help="Only this: classify, sense or desk; again for another."),
    ] = None,
) -> None:
    """Run a stream worker: relay, sense, classify and desk, or some of them.

    Start as many as there is work for; Kafka spreads the partitions over them. Where one city's
    desk needs a core of its own, run workers for it and others for the rest; don't run whole ones
    beside these.

    Examples:

    - `GRIDCOMMAND_KAFKA_SERVERS=kafka:9092 gridcommand worker` all of it

    - `gridcommand worker --stage desk` and `gridcommand worker --stage classify --stage sense`
    """
    from streams.groups import STAGES
    from streams.worker import load_city, run_worker

    unknown = sorted(set(stages or ()) - set(STAGES))
    if unknown:
        raise typer.BadParameter(
            f"{unknown[0]!r} is none of {', '.join(STAGES)}", param_hint="--stage"
        )
    settings = load_settings()
    try:
        city = load_city(settings)
    finally:
        # Whoever holds us there looks at the same files, and its word about them comes first.
        wait_at_gate()
    run_until_stopped(
        settings,
        lambda stop: run_worker(
            settings, city, stop, stages=stages or tuple(STAGES), on_ready=tell_ready
        ),
    )


def console(
    port: Annotated[int | None, typer.Option(min=1, max=65534, help="Port of the pages.")] = None,
) -> None:
    """Run a console: pages, API and live channel.

    Stateless; as many as needed stand behind a load balancer.

    Example: `gridcommand console --port 8750`
    """
    from streams.sense_rules import rules_in_force
    from web_console.server import run_console

    settings = load_settings(web_port=port)
    rules = rules_in_force(settings)
    run_until_stopped(
        settings, lambda stop: run_console(settings, stop, tell_ready, rules.units_of)
    )


def broker(
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Loopback port; 0: a free one.")
    ] = None,
) -> None:
    """Run the embedded broker, for one machine and for drills.

    In production this is Apache Kafka: see the setting `kafka_servers`.

    Example: `gridcommand broker --port 29092`
    """
    from streams.broker import run_broker

    settings = load_settings(broker_port=port)
    run_until_stopped(settings, lambda stop: run_broker(settings, stop, tell_ready))


def doctor() -> None:
    """Check this machine and say what is missing and how to mend it.

    Exit code 1 when something is missing.
    """
    from gridcommand.doctor import examine

    raise typer.Exit(examine(load_settings(), sys.stdout))


def prepare(
    exercise: Annotated[bool, typer.Option("--exercise")] = False,
) -> None:
    """Check city and playbooks, migrate the database, print sign-in links as JSON."""
    from gridcommand.preparation import prepare as prepare_all

    settings = load_settings()
    typer.echo(prepare_all(settings, exercise=exercise).to_json())


def docs(
    check: Annotated[bool, typer.Option("--check", help="Only say what is not current.")] = False,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("docs"),
) -> None:
    """Write the generated reference: settings, topics, API, playbook schema."""
    from gridcommand.reference import stale_files, write_reference

    if check:
        stale = stale_files(out)
        for path in stale:
            typer.echo(f"{path} is not current: run make docs")
        raise typer.Exit(1 if stale else 0)
    for path in write_reference(out):
        typer.echo(path)
