"""The streets as a map draws them: GeoJSON out of the pack's road table, made once per pack.

For: ``/api/roads.geojson``. Not for: routes (``dispatch`` knows roads). The file is kept gzip'd in
``data_dir/cache`` under the pack's hash and sent as it is. Segments of one street, class and
layer are joined into one MultiLineString, which halves the bytes and the map's work.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from models.city import CityPack
from models.csv_files import TableError, clean, rows_of
from models.errors import CityPackError

DECIMALS: Final = 6
"""Of a degree: about 0.1 m."""

Line = list[tuple[float, float]]


def roads_file(pack: CityPack, data_dir: Path) -> Path:
    """Return the pack's streets as a gzip'd GeoJSON file, making it if it isn't there.

    Takes about a second for 15,000 segments.

    Raises
    ------
    CityPackError
        When the road table can't be read.
    """
    path = data_dir / "cache" / f"roads-{pack.pack_hash[:16]}.geojson.gz"
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as out:
        out.write(b'{"type":"FeatureCollection","features":[')
        for number, feature in enumerate(_features(pack.edges_path)):
            out.write(b"," if number else b"")
            out.write(json.dumps(feature, ensure_ascii=False, separators=(",", ":")).encode())
        out.write(b"]}")
    part.replace(path)
    return path


def _features(edges: Path) -> Iterator[dict[str, Any]]:
    streets: dict[tuple[str, str], list[Line]] = {}
    drawn: set[tuple[str, str]] = set()
    header: list[str] = []
    try:
        for _, values in rows_of(edges):
            if not header:
                header = [clean(name).lower() for name in values]
                continue
            row = dict(zip(header, values, strict=False))
            geometry = row["geometry"]
            if (geometry, row["name"]) in drawn:
                continue
            drawn.add((geometry, row["name"]))
            streets.setdefault((row["road_class"], row["name"]), []).append(_line(geometry))
    except (TableError, KeyError, ValueError) as error:
        raise CityPackError(f"{edges}: the roads can't be drawn: {error!r}") from error
    for (road_class, name), lines in sorted(streets.items()):
        yield {
            "type": "Feature",
            "properties": {"class": road_class, "name": name},
            "geometry": {"type": "MultiLineString", "coordinates": lines},
        }


def _line(geometry: str) -> Line:
    points = (point.split() for point in geometry.split(";"))
    return [(round(float(lon), DECIMALS), round(float(lat), DECIMALS)) for lon, lat in points]
