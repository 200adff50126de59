"""``gridcommand city``: what a city's engineer does with a city pack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gridcommand.configuration import load_settings
from gridcommand.run_commands import CityOption

app = typer.Typer(no_args_is_help=True, help="City packs.", rich_markup_mode="markdown")


@app.callback()
def _city() -> None:
    """City packs."""


@app.command()
def calibrate(
    responses: Annotated[
        Path,
        typer.Option(
            help="CSV (or .csv.gz), a row for each unit sent: unit_id, dispatch, response, "
            "on_scene, lon, lat; times in the city's local time or with their offset."
        ),
    ],
    city: CityOption = None,
    kinds: Annotated[
        str, typer.Option(help="Kinds of units, by comma, whose runs begin at their station.")
    ] = "engine,truck",
    out: Annotated[
        Path | None, typer.Option(help="Where to write; default calibration.yaml in the pack.")
    ] = None,
) -> None:
    """Fit travel and turnout times to recorded responses; say how far off they were and are.

    Example: `gridcommand city calibrate --city san_francisco --responses calls.csv.gz`
    """
    from gridcommand.calibrate import calibrate as fit_to
    from models.city import CityPack

    pack = CityPack.load(load_settings(city=city).city_path)
    wanted = frozenset(kind.strip() for kind in kinds.split(",") if kind.strip())
    fit_to(pack, responses, wanted, out)


@app.command()
def build(
    name: Annotated[str, typer.Argument(help="Name of the new pack: letters, digits, _ and -.")],
    osm: Annotated[Path, typer.Option(help="OpenStreetMap extract: .osm.pbf, .osm or .opl.")],
    boundary: Annotated[Path, typer.Option(help="GeoJSON polygon of the area.")],
    cells: Annotated[
        Path | None, typer.Option(help="GeoJSON of grid cells; squares of 500 m without it.")
    ] = None,
    timezone: Annotated[str, typer.Option(help="IANA name, such as Europe/Berlin.")] = "UTC",
    out: Annotated[
        Path | None, typer.Option(help="Folder that gets the pack; default is cities_dir.")
    ] = None,
) -> None:
    """Make a city pack of an OpenStreetMap extract; say what was dropped and why.

    Example: `gridcommand city build mytown --osm town.osm.pbf --boundary town.geojson`
    """
    import re

    from gridcommand.city_build import build as make

    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", name):
        raise typer.BadParameter(f"{name!r} must be small letters, digits, _ and -")
    folder = (out or load_settings().cities_dir) / name
    make(folder, osm, boundary, cells, timezone, typer.echo)
