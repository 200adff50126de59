"""``gridcommand drill``: recordings and their replay."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gridcommand.configuration import load_settings
from gridcommand.processes import configure_logging, run_until_stopped, tell_ready
from gridcommand.recordings import SUFFIX, find_recording, own_folder, recordings
from gridcommand.run_commands import CityOption
from gridcommand.run_file import broker_beside
from models.errors import GridcommandError
from models.settings import Settings

SPEED = 60.0
"""Times life of a drill in the running system."""


class ReportError(GridcommandError):
    """A report that can't be written."""


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
    all_times: Annotated[
        bool,
        typer.Option(
            "--all-times", help="Keep calls that lie more than 30 days from all others, too."
        ),
    ] = False,
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
        calls,
        name,
        CityPack.load(settings.city_path),
        own_folder(settings),
        typer.echo,
        all_times=all_times,
    )
    typer.echo(summary.text())
    typer.echo(f"Replay it: gridcommand up --city {settings.city} --drill {name}")


@app.command("run")
def run(
    name: Annotated[str, typer.Argument(help="Name or path of a recording.")],
    city: CityOption = None,
    speed: Annotated[
        float | None,
        typer.Option(min=0.1, max=10_000, help="Without --fast: times life; 60 by default."),
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Straight through the desk, as fast as it goes.")
    ] = False,
    policy: Annotated[
        str | None, typer.Option(help="With --fast: the policy; the settings' own by default.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="With --fast: a second policy on the same calls.")
    ] = None,
    load: Annotated[
        float | None, typer.Option(min=1.0, max=20.0, help="With --fast: so many times the calls.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="With --load: what the copies are drawn from; 1 by default.")
    ] = None,
    closures: Annotated[
        Path | None, typer.Option(help="With --fast: road closures, a JSON file.")
    ] = None,
    fleet: Annotated[
        Path | None, typer.Option(help="With --fast: other units, a CSV file like units.csv.")
    ] = None,
    recorded_turnout: Annotated[
        bool,
        typer.Option(
            "--recorded-turnout",
            help="With --fast: crews turn out as recorded, not in the 60 s of the standard.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="With --fast: write the report here (JSON), and a page beside it."),
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option(help="With --fast: write the journal here, .jsonl or .jsonl.gz."),
    ] = None,
) -> None:
    """Replay a recording: into the running system, or --fast by itself.

    Examples:

    - `gridcommand drill run new_year_2017 --speed 600` goes into the `gridcommand up` that runs

    - `gridcommand drill run new_year_2017 --fast` needs nothing, prints the journal's hash

    - `gridcommand drill run new_year_2017 --fast --against closest-idle --load 4 --out busy.json`
    """
    settings = load_settings(city=city)
    only_fast = {
        "--policy": policy, "--against": against, "--load": load, "--seed": seed,
        "--closures": closures, "--fleet": fleet, "--out": out, "--journal": journal,
        "--recorded-turnout": recorded_turnout or None,
    }  # fmt: skip
    if not fast and (given := [name for name, value in only_fast.items() if value is not None]):
        raise typer.BadParameter(
            f"{given[0]} needs --fast: a drill in the running system has the policy, units and "
            "roads of that system",
            param_hint=given[0],
        )
    if fast and speed is not None:
        raise typer.BadParameter(
            "--fast goes as fast as it can; leave one of both out", param_hint="--speed"
        )
    path = find_recording(settings, name)
    if fast:
        _can_be_written(out, journal, (path, closures, fleet))
        configure_logging(settings)
        seed = 1 if seed is None else seed
        _run_fast(
            settings, path, policy, against, load or 1.0, seed, closures, fleet, recorded_turnout,
            out, journal,
        )  # fmt: skip
        return
    from streams.drill import run_drill

    if not (settings.kafka_servers or settings.broker_port):
        settings = load_settings(broker_port=broker_beside(settings))
    tell_ready()
    run_until_stopped(settings, lambda stop: run_drill(settings, path, speed or SPEED, stop))


def _can_be_written(out: Path | None, journal: Path | None, read: tuple[Path | None, ...]) -> None:
    """Find out before the run whether its results can be put where they are wanted."""
    taken = {one.resolve(): "is what the drill reads" for one in read if one is not None}
    wanted = [("--out", out), ("--journal", journal)]
    if out is not None:
        if out.suffix.lower() in (".html", ".htm"):
            raise typer.BadParameter(
                f"{out}: the report is JSON, and the page is written beside it: "
                f"say {out.with_suffix('.json')}",
                param_hint="--out",
            )
        wanted.append(("--out", out.with_suffix(".html")))
    for hint, path in wanted:
        if path is None:
            continue
        if not path.parent.is_dir():
            raise typer.BadParameter(f"there is no folder {path.parent}", param_hint=hint)
        if path.is_dir():
            raise typer.BadParameter(
                f"{path} is a folder: name a file in it, such as {path / 'report.json'}",
                param_hint=hint,
            )
        if path.resolve() in taken:
            raise typer.BadParameter(f"{path} {taken[path.resolve()]}", param_hint=hint)
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise typer.BadParameter(f"{path} can't be written", param_hint=hint)
        taken[path.resolve()] = "is written already"


def _run_fast(
    settings: Settings,
    path: Path,
    policy: str | None,
    against: str | None,
    load: float,
    seed: int,
    closures: Path | None,
    fleet: Path | None,
    recorded_turnout: bool,
    out: Path | None,
    journal: Path | None,
) -> None:
    from dispatch.policies import rule_named
    from dispatch.policy import Policy
    from dispatch.roads import RoadGraph
    from models.city import CityPack
    from playbooks.engine import PlaybookSet
    from streams.fast_page import page
    from streams.fast_report import compare, text
    from streams.recording import Recording

    names = list(dict.fromkeys([policy or settings.policy, *([against] if against else [])]))
    for one in names:
        rule_named(one)
    pack = CityPack.load(settings.city_path)
    own = Policy.of(settings, pack.calibration if recorded_turnout else None)
    report, measured, results = compare(
        Recording.load(path),
        pack,
        PlaybookSet.load(settings.plans_dir),
        [msgspec.structs.replace(own, name=one) for one in names],
        load=load,
        seed=seed,
        closures=closures,
        fleet=fleet,
        journal=journal,
        progress=lambda told: typer.echo(told, err=True),
    )
    for one, result in results.items():
        typer.echo(f"{one}:\n{result.text()}" if len(results) > 1 else result.text())
    typer.echo(text(report))
    if out is not None:
        shown = out.with_suffix(".html")
        document = json.dumps(report, ensure_ascii=False, indent=1) + "\n"
        try:
            out.write_text(document, encoding="utf-8")
            shown.write_text(page(report, measured, RoadGraph.load(pack)), encoding="utf-8")
        except OSError as error:
            raise ReportError(f"{error.filename}: can't be written: {error.strerror}") from error
        typer.echo(f"{out} and {shown} written")


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
    from models.named import unknown
    from models.rights import runs_here
    from streams.record import record as record_stream

    settings = load_settings(city=city)
    home = CityPack.load(settings.city_path).jurisdiction
    who = home if jurisdiction is None else jurisdiction
    if not runs_here(who, {home}):
        raise typer.BadParameter(
            unknown("jurisdiction", who, {home: ()}), param_hint="--jurisdiction"
        )
    out = own_folder(settings) / f"{name}{SUFFIX}"
    out.parent.mkdir(parents=True, exist_ok=True)
    typer.echo(f"Recording {who} to {out}; Ctrl-C ends it.")
    run_until_stopped(settings, lambda stop: record_stream(settings, who, out, stop))
    typer.echo(f"{out} written; replay it: gridcommand drill run {name}")
