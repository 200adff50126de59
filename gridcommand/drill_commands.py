"""``gridcommand drill``: recordings and their replay."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from gridcommand.configuration import load_settings
from gridcommand.processes import configure_logging, run_until_stopped, tell_ready
from gridcommand.recordings import SUFFIX, find_recording, own_folder, recordings
from gridcommand.run_commands import CityOption

app = typer.Typer(
    no_args_is_help=True,
    help="Recordings of real or written nights, and their replay as exercise.",
    rich_markup_mode="markdown",
)


@app.command("list")
def list_recordings(city: CityOption = None) -> None:
    """List the recordings of a city.

    Example: `gridcommand drill list --city san_francisco`
    """
    settings = load_settings(city=city)
    found = recordings(settings)
    for name, path in found.items():
        typer.echo(f"{name:<24} {path.stat().st_size / 1e6:6.2f} MB  {path}")
    if not found:
        typer.echo(
            f"{settings.city_path.name} has no recording yet: "
            "gridcommand drill import CALLS.csv.gz --name NAME makes one"
        )


@app.command("import")
def import_recording(
    calls: Annotated[Path, typer.Argument(help="Calls file, .csv or .csv.gz, one row a unit.")],
    name: Annotated[str, typer.Option(help="Name of the recording: letters, digits, _ and -.")],
    city: CityOption = None,
) -> None:
    """Make a recording out of a file of calls for service.

    Example: `gridcommand drill import calls_2016-06.csv.gz --name june_2016`
    """
    from models.city import CityPack
    from streams.calls_import import import_calls

    if not re.fullmatch(r"[\w-]+", name):
        raise typer.BadParameter(f"{name!r}: letters, digits, _ and - only", param_hint="--name")
    if not calls.is_file():
        raise typer.BadParameter(f"there is no file {calls}", param_hint="CALLS")
    settings = load_settings(city=city)
    summary = import_calls(
        calls, name, CityPack.load(settings.city_path), own_folder(settings), typer.echo
    )
    typer.echo(summary.text())
    typer.echo(f"Replay it: gridcommand up --city {settings.city} --drill {name}")


@app.command("run")
def run(
    name: Annotated[str, typer.Argument(help="Name or path of a recording.")],
    city: CityOption = None,
    speed: Annotated[float, typer.Option(min=0.1, max=10_000, help="Times life.")] = 60.0,
    fast: Annotated[
        bool, typer.Option("--fast", help="Straight through the desk, as fast as it goes.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="With --fast: write the journal here, .jsonl or .jsonl.gz.")
    ] = None,
) -> None:
    """Replay a recording: into the running system, or --fast by itself.

    Examples:

    - `gridcommand drill run new_year_2017 --speed 600` needs broker and worker running

    - `gridcommand drill run new_year_2017 --fast` needs nothing, prints the journal's hash
    """
    settings = load_settings(city=city)
    path = find_recording(settings, name)
    if fast:
        from models.city import CityPack
        from playbooks.engine import PlaybookSet
        from streams.fast import replay
        from streams.recording import Recording

        configure_logging(settings)
        result = replay(
            Recording.load(path),
            CityPack.load(settings.city_path),
            PlaybookSet.load(settings.plans_dir),
            out=out,
            progress=lambda text: typer.echo(text, err=True),
        )
        typer.echo(result.text())
        return
    from streams.drill import run_drill

    tell_ready()
    run_until_stopped(settings, lambda stop: run_drill(settings, path, speed, stop))


@app.command("record")
def record(
    name: Annotated[str, typer.Argument(help="Name of the recording.")],
    jurisdiction: Annotated[
        str | None, typer.Option(help="Whose events; the city's own by default.")
    ] = None,
    city: CityOption = None,
) -> None:
    """Record what comes in, until Ctrl-C, as a recording that replays.

    Example: `gridcommand drill record tonight`
    """
    from models.city import CityPack
    from streams.record import record as record_stream

    settings = load_settings(city=city)
    who = jurisdiction or CityPack.load(settings.city_path).jurisdiction
    out = own_folder(settings) / f"{name}{SUFFIX}"
    out.parent.mkdir(parents=True, exist_ok=True)
    typer.echo(f"Recording {who} to {out}; Ctrl-C ends it.")
    run_until_stopped(settings, lambda stop: record_stream(settings, who, out, stop))
    typer.echo(f"{out} written; replay it: gridcommand drill run {name}")
