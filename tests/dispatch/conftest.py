"""Small named worlds for the tests of dispatch."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dispatch.roads import RoadGraph
from models.city import CityPack

pytest.register_assert_rewrite("tests.dispatch.desk_checks", "tests.dispatch.desk_machine")

WEST, SOUTH, STEP = 119.40, 31.40, 0.005
"""Corner and spacing of the grid in degrees: blocks of about 475 m by 556 m."""

ENGINE = "fire_suppression|medical_first_response"


def write_tiny_city(path: Path, *, side: int = 4) -> Path:
    """A town of `side` × `side` crossings, four cells, four units, two facilities.

    Streets ``h<row><column>`` run east, ``v<row><column>`` north; ``h00`` is one-way east.
    """
    path.mkdir(parents=True, exist_ok=True)
    nodes, edges = ["id,lon,lat"], []
    for row in range(side):
        for column in range(side):
            lon, lat = WEST + column * STEP, SOUTH + row * STEP
            nodes.append(f"n{row}{column},{lon:.6f},{lat:.6f}")
            ways = [("h", 0, 1, 475), ("v", 1, 0, 556)]
            for letter, up, right, length in ways:
                if row + up < side and column + right < side:
                    end = f"{lon + right * STEP:.6f} {lat + up * STEP:.6f}"
                    oneway = "F" if (letter, row, column) == ("h", 0, 0) else "B"
                    name = f"Row {row}" if letter == "h" else f"Column {column}"
                    edges.append(
                        f"{letter}{row}{column},n{row}{column},n{row + up}{column + right},"
                        f"{length},residential,36,{oneway},{name},streets,"
                        f"{lon:.6f} {lat:.6f};{end}"
                    )
    header = "id,u,v,length_m,road_class,speed_kmh,oneway,name,layer,geometry"
    _gz(path / "roads_nodes.csv.gz", "\n".join(nodes))
    _gz(path / "roads_edges.csv.gz", "\n".join([header, *edges]))
    half, size = side * STEP / 2, side * STEP
    features = []
    for row in range(2):
        for column in range(2):
            west, south = WEST - STEP / 2 + column * half, SOUTH - STEP / 2 + row * half
            ring = [[west, south], [west + half, south], [west + half, south + half],
                    [west, south + half], [west, south]]  # fmt: skip
            features.append(
                {
                    "type": "Feature",
                    "properties": {
                        "code": f"tiny-r{row}c{column}",
                        "name_zh": f"{row}{column}号网格",
                        "name_en": f"Cell {row}{column}",
                        "town": "Tiny",
                        "jurisdiction": "tiny",
                        "worker": f"worker-{row}{column}",
                    },
                    "geometry": {"type": "Polygon", "coordinates": [ring]},
                }
            )
    (path / "cells.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8"
    )
    east, north = WEST + size - STEP, SOUTH + size - STEP
    (path / "units.csv").write_text(
        "id,kind,skills,owner,station,lon,lat,call_sign\n"
        f"E01,engine,{ENGINE},government,S1,{WEST},{SOUTH},Engine 1\n"
        f"E02,engine,{ENGINE},government,S2,{east},{north},Engine 2\n"
        f"T01,truck,aerial_ladder|technical_rescue,government,S1,{WEST},{SOUTH},Truck 1\n"
        f"M01,medic,medical_advanced|medical_transport,enterprise,S2,{east},{north},Medic 1\n",
        encoding="utf-8",
    )
    (path / "facilities.csv").write_text(
        "id,kind,name_zh,name_en,lon,lat\n"
        f"S1,fire_station,一号消防站,Station 1,{WEST},{SOUTH}\n"
        f"S2,fire_station,二号消防站,Station 2,{east},{north}\n",
        encoding="utf-8",
    )
    (path / "codes.yaml").write_text(
        "codes:\n"
        "  Structure Fire: {category: accident.fire.structure, priority: 1}\n"
        "  Medical Incident: {category: health.medical, priority: 2, grade: IV}\n"
        "priority_map:\n"
        '  "Potentially Life-Threatening|3": 1\n'
        '  "*|2": 3\n',
        encoding="utf-8",
    )
    (path / "city.yaml").write_text(
        "id: tiny\n"
        "names: {zh: 小城, en: Tiny}\n"
        "timezone: Asia/Shanghai\n"
        "jurisdiction: tiny\n"
        f"center: [{WEST + size / 2}, {SOUTH + size / 2}]\n"
        "zoom: 13\n"
        "datum: WGS-84\n"
        "roads_notice: null\n"
        "attribution: made for tests\n",
        encoding="utf-8",
    )
    return path


def _gz(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


@pytest.fixture
def tiny_city_path(tmp_path: Path) -> Path:
    """Folder of the tiny city, to be spoilt at will."""
    return write_tiny_city(tmp_path / "tiny")


@pytest.fixture(scope="session")
def tiny_city(tmp_path_factory: pytest.TempPathFactory) -> CityPack:
    """A loaded town of sixteen crossings."""
    return CityPack.load(write_tiny_city(tmp_path_factory.mktemp("packs") / "tiny"))


@pytest.fixture(scope="session")
def tiny_roads(tiny_city: CityPack) -> RoadGraph:
    """The road graph of the tiny city."""
    return RoadGraph.load(tiny_city)


@pytest.fixture
def random_roads() -> Callable[[int], RoadGraph]:
    """Makes small random networks: one-way streets, parallels, loops and dead ends included."""

    def make(seed: int) -> RoadGraph:
        chance = np.random.default_rng(seed)
        count = int(chance.integers(4, 14))
        places = chance.uniform([WEST, SOUTH], [WEST + 0.05, SOUTH + 0.05], (count, 2))
        nodes = {f"n{at:02d}": (float(lon), float(lat)) for at, (lon, lat) in enumerate(places)}
        edges = []
        for number in range(int(chance.integers(count, 3 * count))):
            u, v = chance.integers(0, count, 2).tolist()
            bend = places[[u, v]].mean(axis=0) + chance.uniform(-0.002, 0.002, 2)
            edges.append(
                {
                    "id": f"e{number:02d}",
                    "u": f"n{u:02d}",
                    "v": f"n{v:02d}",
                    "length_m": float(chance.integers(50, 900)),
                    "speed_kmh": float(chance.choice([20, 36, 60])),
                    "oneway": int(chance.choice([-1, 0, 0, 1])),
                    "road_class": "residential",
                    "name": f"street {number % 5}",
                    "layer": "streets",
                    "geometry": np.array([places[u], bend, places[v]]),
                }
            )
        return RoadGraph(nodes, edges)

    return make
