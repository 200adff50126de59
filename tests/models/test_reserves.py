"""A city's reserves are read whole, or refused with file, line and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import CityPackError
from models.pack_names import PackNames
from models.reserves import Around, read_reserves
from models.words import Posture

PACK = PackNames(stations={"S1": ("一号站", "Station 1")})
GOOD = """\
reserves:
  - id: town
    names: {zh: 主城区, en: the town}
    skills: [fire_suppression]
    around: {facility: S1, radius_m: 500}
    keep: {emergency: 2}
    breaks_for: []
"""


def test_none_without_a_file(tmp_path: Path) -> None:
    assert read_reserves(tmp_path / "reserves.yaml", PACK) == ()


def test_what_stands_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "reserves.yaml"
    path.write_text(GOOD, encoding="utf-8")
    [rule] = read_reserves(path, PACK)
    assert (rule.keep, rule.around) == ({Posture.EMERGENCY: 2}, Around("S1", 500.0))
    assert rule.breaks_for == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("fire_suppression", "fire_supression", "did you mean 'fire_suppression'"),
        ("skills: [fire_suppression]", "kind: engin", "did you mean 'engine'"),
        ("skills: [fire_suppression]", "skills: []", "neither skills nor kind"),
        ("emergency: 2", "emergency: -1", "give 0 to"),
        ("emergency: 2", "war: 2", "Invalid enum value 'war'"),
        ("breaks_for: []", "breaks_for: [0]", "priorities are 1 to 4"),
        ("S1", "Station 2", "did you mean 'S1'"),
        ("radius_m: 500", "radius_m: 0", "radius_m above 0"),
        (", en: the town", "", "names in zh and en"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "reserves.yaml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(CityPackError, match=r"reserves\.yaml:\d+: .*" + message):
        read_reserves(path, PACK)


def test_the_line_is_that_of_the_rule_and_not_of_the_list(tmp_path: Path) -> None:
    path = tmp_path / "reserves.yaml"
    second = GOOD.partition("\n")[2].replace("id: town", "id: hill").replace("S1", "S2")
    path.write_text(GOOD + second, encoding="utf-8")
    with pytest.raises(CityPackError, match=r"reserves\.yaml:8: reserve 'hill'"):
        read_reserves(path, PACK)
