"""What neighbours lend is read whole, or refused with file, line and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import CityPackError
from models.neighbours import read_neighbours

GOOD = """\
neighbours:
  - id: next
    names: {zh: 邻区, en: Next}
    cost_s: 600
    units:
      - {id: N1, kind: engine, skills: [fire_suppression], lon: 119.4, lat: 31.4}
"""


def test_none_without_a_file(tmp_path: Path) -> None:
    assert read_neighbours(tmp_path / "neighbours.yaml", ()) == ()


def test_what_stands_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "neighbours.yaml"
    path.write_text(GOOD, encoding="utf-8")
    [neighbour] = read_neighbours(path, {"E1"})
    assert (neighbour.cost_s, neighbour.units[0].skills) == (600.0, ("fire_suppression",))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("id: N1", "id: E1", "is a unit already"),
        ("id: N1", "id: Ｅ１", "is a unit already"),
        ("id: N1", 'id: "N\\u200b1"', "nobody sees"),
        ("id: next", 'id: "\\u2060"', "has no id"),
        ("cost_s: 600", "cost_s: -1", "give 0 to"),
        ("[fire_suppression]", "[flying]", "see models/skills.py"),
        ("lat: 31.4", "lat: 131.4", "no place on earth"),
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
        read_neighbours(path, {"E1"})
