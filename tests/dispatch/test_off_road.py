"""Units, stations and hospitals that no street leads to are named."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from dispatch.off_road import off_road
from dispatch.roads import RoadGraph
from models.city import CityPack, Facility, Text
from models.settings import CHECKOUT
from tests.dispatch.conftest import SOUTH, WEST


def test_what_stands_at_a_street_is_not_named(tiny_city: CityPack, tiny_roads: RoadGraph) -> None:
    assert off_road(tiny_city, tiny_roads) == []


def test_what_is_far_from_every_street_is_named_farthest_first(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    first, *rest = tiny_city.units
    moved = msgspec.structs.replace(first, lon=WEST - 0.02, lat=SOUTH)
    places = [
        Facility(name, kind, Text(name, name), WEST - west, SOUTH)
        for name, kind, west in (
            ("H1", "hospital", 0.5), ("H2", "hospital", 0.001), ("D1", "depot", 0.5),
        )
    ]  # fmt: skip
    pack = replace(tiny_city, units=(moved, *rest), facilities=tuple(places))
    found = off_road(pack, tiny_roads)
    assert len(found) == 2
    assert "hospital 'H1'" in found[0]
    assert "47.5 km from the nearest street" in found[0]
    assert f"units.csv: unit {first.id!r} at lon {WEST - 0.02}" in found[1]
    assert "1.9 km" in found[1]


@pytest.mark.parametrize(
    ("city", "off"), [("liyang", []), ("san_francisco", ["'airport'", "'AP'"])]
)
def test_of_the_shipped_cities_only_the_airport_is_off_the_road(city: str, off: list[str]) -> None:
    pack = CityPack.load(CHECKOUT / "cities" / city)
    found = off_road(pack, RoadGraph.load(pack))
    assert [one.split(" at lon")[0].rsplit(" ", 1)[1] for one in found] == off
