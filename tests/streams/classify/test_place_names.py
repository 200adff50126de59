"""Cells and towns that a report names in words."""

from __future__ import annotations

from functools import cache

import pytest

from models.city import CityPack
from models.settings import CHECKOUT
from streams.classify.place_names import names_of


@cache
def pack(city: str) -> CityPack:
    return CityPack.load(CHECKOUT / "cities" / city)


@pytest.mark.parametrize(
    ("city", "words", "zh"),
    [
        ("liyang", "上黄镇西埝村有人掉进河里", "西埝村村委会"),
        ("liyang", "西埝村着火了", "西埝村村委会"),
        ("liyang", "竹箦镇街上有人打架", "竹箦镇"),
        ("liyang", "路边有人晕倒", ""),
        ("liyang", "", ""),
        ("san_francisco", "smoke somewhere in Lakeshore", "Lakeshore"),
        ("san_francisco", "SMOKE IN LAKESHORE", "Lakeshore"),
        ("san_francisco", "lakeshores are wet", ""),
    ],
)
def test_the_longest_name_that_is_said_is_the_place(city: str, words: str, zh: str) -> None:
    found = names_of(pack(city).cells).find(words)
    assert (found.names["zh"] if found else "") == zh
    if found is not None:
        assert pack(city).cells.locate(found.lon, found.lat) is not None


def test_a_village_of_which_there_are_several_counts_with_its_town() -> None:
    cells = pack("liyang").cells
    by_name: dict[str, set[str]] = {}
    for cell in cells:
        by_name.setdefault(cell.name.zh, set()).add(cell.town)
    several = [(name, sorted(towns)) for name, towns in by_name.items() if len(towns) > 1]
    for name, towns in several:
        short = name.removesuffix("村委会").removesuffix("居委会")
        assert names_of(cells).find(f"{short}着火") is None
        found = names_of(cells).find(f"{towns[0]}{short}着火")
        assert found is not None
        there = cells.locate(found.lon, found.lat)
        assert there is not None
        assert there.town == towns[0]
