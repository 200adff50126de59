"""What neighbours lend is read whole, or refused with file, line and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.city import OWNERS
from models.errors import CityPackError
from models.neighbours import read_neighbours
from models.pack_names import Box, PackNames

PACK = PackNames(box=Box(119.0, 31.0, 120.0, 32.0))
GOOD = """\
neighbours:
  - id: next
    names: {zh: 邻区, en: Next}
    cost_s: 600
    units:
      - {id: N1, kind: engine, skills: [fire_suppression], lon: 119.4, lat: 31.4}
"""


def test_none_without_a_file(tmp_path: Path) -> None:
    assert read_neighbours(tmp_path / "neighbours.yaml", (), PACK, OWNERS) == ()


def test_what_stands_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "neighbours.yaml"
    path.write_text(GOOD, encoding="utf-8")
    [neighbour] = read_neighbours(path, {"E1"}, PACK, OWNERS)
    assert (neighbour.cost_s, neighbour.units[0].skills) == (600.0, ("fire_suppression",))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("id: N1", "id: E1", "is a unit already"),
        ("id: N1", "id: Ｅ１", "is a unit already"),
        ("id: N1", 'id: "N\\u200b1"', "nobody sees"),
        ("id: next", 'id: "\\u2060"', "nobody sees"),
        ("cost_s: 600", "cost_s: -1", "give 0 to"),
        ("[fire_suppression]", "[flying]", "see models/skills.py"),
        ("[fire_suppression]", "[fire_supression]", "did you mean 'fire_suppression'"),
        ("kind: engine", "kind: Engine 1", "did you mean 'engine'"),
        ("id: N1", "id: N1//2", "each '/'"),
        ("lat: 31.4", "owner: navy, lat: 31.4", "owner 'navy'"),
        ("lat: 31.4", "lat: 131.4", "no place on earth"),
        ("lat: 31.4", "lat: 41.4", "far outside the city"),
        (", en: Next", "", "names in zh and en"),
        ("cost_s: 600", "price: 600", "unknown field"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "neighbours.yaml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(CityPackError, match=r"neighbours\.yaml:\d+: .*" + message):
        read_neighbours(path, {"E1"}, PACK, OWNERS)
