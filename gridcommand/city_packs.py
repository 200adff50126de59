"""Makes the city packs of this repository out of their source tables.

For: whoever gets newer tables, or a second city in the same form:
``python -m gridcommand.city_packs san_francisco --source DIR``. Not for: running a city, which
reads ``cities/`` only. The texts of a pack that people write, ``codes.yaml`` and
``ATTRIBUTION.md``, are left as they are; everything else in it is written anew, and the same
source gives the same bytes.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

import typer

from models.city import (
    CELLS_FILE,
    CITY_FILE,
    EDGES_FILE,
    FACILITIES_FILE,
    NODES_FILE,
    UNITS_FILE,
    CityPack,
)
from models.csv_files import TableError, clean, rows_of
from models.errors import GridcommandError

CITIES = Path(__file__).resolve().parent.parent / "cities"

NODE_COLUMNS = ("id", "lon", "lat")
EDGE_COLUMNS = (
    "id", "u", "v", "length_m", "road_class", "speed_kmh", "oneway", "name", "layer", "geometry",
)  # fmt: skip
TURN_COLUMNS = ("id", "from", "via", "to", "who")
UNIT_COLUMNS = ("id", "kind", "skills", "owner", "station", "lon", "lat", "call_sign")
FACILITY_COLUMNS = ("id", "kind", "name_zh", "name_en", "lon", "lat")

Row = Mapping[str, Any]


class SourceError(GridcommandError):
    """A source table is missing or not in the form that is expected."""


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file, plain or gzipped; where a row ends early its last values are empty.

    Raises
    ------
    SourceError
        It can't be read, or a row has more values than the header has names.
    """
    rows: list[dict[str, str]] = []
    header: list[str] = []
    try:
        for line, values in rows_of(path):
            if not header:
                header = [clean(name) for name in values]
            elif len(values) > len(header):
                raise SourceError(f"{path}:{line}: has more values than the header has names")
            else:
                rows.append(dict(zip_longest(header, map(clean, values), fillvalue="")))
    except TableError as error:
        raise SourceError(str(error)) from error
    return rows


def write_pack(
    target: Path,
    *,
    city: str,
    nodes: Iterable[Row],
    edges: Iterable[Row],
    cells: Sequence[Row],
    units: Iterable[Row],
    facilities: Iterable[Row],
) -> None:
    """Write a pack's generated files into `target`; rows are sorted by id here.

    `city` is the text of ``city.yaml``; `cells` are GeoJSON features.
    """
    target.mkdir(parents=True, exist_ok=True)
    (target / CITY_FILE).write_text(city, encoding="utf-8")
    for name, columns, rows in (
        (NODES_FILE, NODE_COLUMNS, nodes),
        (EDGES_FILE, EDGE_COLUMNS, edges),
        (UNITS_FILE, UNIT_COLUMNS, units),
        (FACILITIES_FILE, FACILITY_COLUMNS, facilities),
    ):
        write_table(target / name, columns, rows)
    features = sorted(cells, key=lambda cell: str(cell["properties"]["code"]))
    lines = ",\n".join(json.dumps(feature, ensure_ascii=False) for feature in features)
    (target / CELLS_FILE).write_text(
        f'{{"type": "FeatureCollection", "features": [\n{lines}\n]}}\n', encoding="utf-8"
    )


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write a CSV file, gzipped where its name says so, its rows sorted by id."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: str(row["id"])))
    data = text.getvalue().encode()
    if path.suffix == ".gz":
        # No time of making inside: the same source must give the same bytes.
        data = gzip.compress(data, compresslevel=9, mtime=0)
    path.write_bytes(data)


def cell_feature(
    code: str,
    names: tuple[str, str],
    town: str,
    jurisdiction: str,
    worker: str,
    rings: Sequence[Sequence[tuple[float, float]]],
) -> dict[str, Any]:
    """One cell as a GeoJSON feature, coordinates to about 10 cm."""
    return {
        "type": "Feature",
        "properties": {
            "code": code,
            "name_zh": names[0],
            "name_en": names[1],
            "town": town,
            "jurisdiction": jurisdiction,
            "worker": worker,
        },
        "geometry": {
            "type": "Polygon",
            "coordinates": [
                [[round(lon, 6), round(lat, 6)] for lon, lat in ring] for ring in rings
            ],
        },
    }


def line_text(points: Iterable[tuple[float, float]]) -> str:
    """Geometry column of an edge."""
    return ";".join(f"{lon:.6f} {lat:.6f}" for lon, lat in points)


app = typer.Typer(help=__doc__, add_completion=False)


@app.command()
def build(
    city: Annotated[str, typer.Argument(help="san_francisco or liyang.")],
    source: Annotated[Path, typer.Option(help="Folder of the source tables.")],
    target: Annotated[
        Path | None, typer.Option(help="Folder of the pack; default cities/<city>.")
    ] = None,
) -> None:
    """Build one city pack and check it by loading it."""
    from gridcommand import pack_liyang, pack_san_francisco

    builders: dict[str, Callable[[Path, Path], None]] = {
        "san_francisco": pack_san_francisco.build,
        "liyang": pack_liyang.build,
    }
    if city not in builders:
        raise typer.BadParameter(f"{city!r} is none of {', '.join(builders)}", param_hint="CITY")
    folder = target or CITIES / city
    try:
        builders[city](source, folder)
        pack = CityPack.load(folder)
    except GridcommandError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(
        f"{folder}: {len(pack.units)} units, {len(pack.facilities)} facilities, "
        f"{len(pack.cells)} cells, {len(pack.codes)} codes, speed factor {pack.speed_factor}"
    )


if __name__ == "__main__":
    app()
