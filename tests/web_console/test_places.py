"""Places by name, as somebody says them on the telephone."""

from __future__ import annotations

import pytest

from models.city import CityPack
from models.settings import CHECKOUT
from web_console.places import CELL, CROSSING, FACILITY, STREET, Places


@pytest.fixture(scope="module")
def cities() -> dict[str, Places]:
    return {
        city: Places(CityPack.load(CHECKOUT / "cities" / city))
        for city in ("liyang", "san_francisco")
    }


@pytest.mark.parametrize(
    ("city", "asked", "kind", "name"),
    [
        ("san_francisco", "Valencia St & 24th St", CROSSING, "Valencia St / 24th St"),
        ("san_francisco", "corner of valencia and 24th", CROSSING, "Valencia St / 24th St"),
        ("san_francisco", "1600 Clay Street", STREET, "Clay St"),
        ("san_francisco", "smoke on market street!", STREET, "Market St"),
        ("liyang", "濑江新村", CELL, "濑江新村居委会"),
        ("liyang", "溧城街道卫生院", FACILITY, "溧城街道卫生院"),
        ("liyang", "竹箦5横路12号", STREET, "竹箦5横路"),
        ("liyang", "竹箦５横路", STREET, "竹箦5横路"),
    ],
)
def test_the_likeliest_comes_first(
    cities: dict[str, Places], city: str, asked: str, kind: str, name: str
) -> None:
    first = cities[city].find(asked)[0]
    assert (first.kind, first.zh) == (kind, name)


def test_two_streets_of_one_node_are_a_crossing_in_chinese_too(cities: dict[str, Places]) -> None:
    (crossing, *_) = cities["liyang"].find("竹箦5横路与竹箦5纵路路口")
    assert (crossing.kind, crossing.zh) == (CROSSING, "竹箦5横路 / 竹箦5纵路")


def test_a_number_is_not_the_end_of_another(cities: dict[str, Places]) -> None:
    assert "4th St" not in [one.zh for one in cities["san_francisco"].find("Valencia & 24th St")]


@pytest.mark.parametrize("asked", ["", "   ", "\u200b", "no such street at all", "&", "和", "路口"])
def test_what_names_nothing_finds_nothing_or_little(cities: dict[str, Places], asked: str) -> None:
    for places in cities.values():
        assert len(places.find(asked, 5)) <= 5
    assert not cities["san_francisco"].find("no such street at all")
