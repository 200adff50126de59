"""An extract is read: what is near the city, how far it is, and what can't be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridcommand import osm_extract
from gridcommand.city_build import build
from gridcommand.city_packs import SourceError
from gridcommand.osm_extract import read_extract
from tests.gridcommand.osm_inputs import NET, extract, plain, square


@pytest.mark.parametrize("content", ["", "no extract", "<osm version='0.6'><node id='1'"])
def test_a_broken_extract_is_one_sentence_and_leaves_nothing(tmp_path: Path, content: str) -> None:
    osm = tmp_path / "town.osm"
    osm.write_text(content)
    with pytest.raises(SourceError, match=r"town\.osm: no whole OpenStreetMap extract"):
        build(tmp_path / "p" / "town", osm, square(tmp_path / "a"), None, "UTC", print)
    assert not (tmp_path / "p").exists()


def test_an_extract_without_places_says_what_became_of_its_streets(tmp_path: Path) -> None:
    town = extract(tmp_path / "town.osm")
    lines = [line for line in town.read_text().splitlines() if not line.startswith("<node")]
    town.write_text("\n".join(lines))
    with pytest.raises(SourceError, match=r"no street in it.*node of a street is not in"):
        build(tmp_path / "p" / "town", town, square(tmp_path / "a"), None, "UTC", print)


def test_what_an_editor_drew_and_what_is_out_of_order_is_said_as_such(tmp_path: Path) -> None:
    drawn = plain(tmp_path / "drawn.osm", factor=-1)
    area, target = square(tmp_path / "a"), tmp_path / "p" / "town"
    with pytest.raises(SourceError, match=r"32 x node of a street has a negative id"):
        build(target, drawn, area, None, "UTC", print)
    lines = plain(tmp_path / "sorted.osm").read_text().splitlines()
    mixed = tmp_path / "mixed.osm"
    ways = [line for line in lines if line.startswith("<way")]
    nodes = [line for line in lines if line.startswith("<node")]
    mixed.write_text("\n".join([*lines[:2], *ways, *nodes, "</osm>"]))
    with pytest.raises(SourceError, match="streets come before their nodes: sort it"):
        build(target, mixed, area, None, "UTC", print)


def test_what_lies_away_is_not_kept(tmp_path: Path) -> None:
    far = {500 + at: (51 + at / 1000, 9.0) for at in range(50)}
    osm = plain(tmp_path / "t.osm", far, [(list(far), {})])
    found = read_extract(osm, (7.999, 49.999, 8.019, 50.019), print)
    assert set(found.places) == set(NET)
    assert found.dropped["street lies away from the city"] == 1
    assert found.spans == pytest.approx((8.0, 50.0, 9.0, 51.049))


def test_reading_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(osm_extract, "A_WORD_EVERY_S", 0.0)
    said: list[str] = []
    read_extract(plain(tmp_path / "t.osm"), (8, 50, 9, 51), said.append)
    assert said[-1].endswith("8 streets near the city, 0 facilities")


def test_a_street_over_180_degrees_does_not_go_around_the_earth(tmp_path: Path) -> None:
    spots = {301: (50.0, 179.998), 302: (50.0, 179.999), 303: (50.0, -179.999), 304: (50.0, -179.9)}
    osm = plain(tmp_path / "t.osm", spots, [(list(spots), {})])
    found = read_extract(osm, (179.9, 49.9, 180.0, 50.1), print)
    assert [(way.first, way.nodes) for way in found.ways] == [(0, [301, 302]), (2, [303, 304])]
    assert found.dropped["stretch over 180 degrees of longitude"] == 1
