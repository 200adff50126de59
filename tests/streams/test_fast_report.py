"""The report of a fast replay: its figures from the journal again, its certificate, its errors."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.errors import CityPackError
from models.events import Event
from models.lifecycles import AssignmentState
from models.settings import CHECKOUT
from playbooks.engine import PlaybookSet
from streams.errors import RecordingError
from streams.fast import FastResult, replay
from streams.fast_page import page
from streams.fast_report import certificate, compare, read_closures
from streams.measures import Measures, quantile
from streams.overload import Overload
from streams.recording import Recording
from tests.streams.payloads import payloads

POLICIES = [Policy(), Policy(name="closest-idle")]
HOURS = timedelta(hours=1)
Compared = tuple[dict[str, Any], dict[str, Measures], dict[str, FastResult]]


@pytest.fixture(scope="module")
def recording() -> Recording:
    """New Year 2017."""
    return Recording.load(
        CHECKOUT / "cities" / "san_francisco" / "drills" / "new_year_2017.jsonl.gz"
    )


@pytest.fixture(scope="module")
def plans() -> PlaybookSet:
    """San Francisco's playbooks."""
    return PlaybookSet.load(CHECKOUT / "playbooks" / "plans" / "san_francisco")


@pytest.fixture(scope="module")
def compared(recording: Recording, san_francisco: CityPack, plans: PlaybookSet) -> Compared:
    """An hour with three times the calls, under two policies."""
    until = recording.described.first + HOURS
    return compare(recording, san_francisco, plans, POLICIES, load=3, until=until)


@pytest.fixture(scope="module")
def report(compared: Compared) -> dict[str, Any]:
    """What that hour came to."""
    return compared[0]


def test_figures_are_those_of_the_journal(
    recording: Recording,
    san_francisco: CityPack,
    plans: PlaybookSet,
    report: dict[str, Any],
) -> None:
    journal: list[Event] = []
    replay(
        Overload.of(recording, 3, 1),
        san_francisco,
        plans,
        Policy(),
        observe=journal.append,
        until=recording.described.first + HOURS,
    )
    opened = {e.data.incident: e.data for e in journal if isinstance(e.data, ev.IncidentOpened)}
    priority = {name: one.priority for name, one in opened.items()}
    first: dict[str, float] = {}
    for event in journal:
        if isinstance(event.data, ev.IncidentRevised):
            priority[event.data.incident] = event.data.priority
        if (
            isinstance(event.data, ev.AssignmentMoved)
            and event.data.state is AssignmentState.ON_SCENE
        ):
            waited = event.time - opened[event.data.incident].received_at
            first.setdefault(event.data.incident, waited.total_seconds())
    figures = report["policies"]["joint+divert+coverage"]
    for group, mine in (("urgent", {1}), ("other", {2, 3, 4})):
        seconds = [first.get(name, 1e9) for name in opened if priority[name] in mine]
        assert figures[group]["calls"] == len(seconds)
        assert figures[group]["late"] == sum(s > 300 for s in seconds)
        reached = [s for s in seconds if s < 1e9]
        assert reached
        assert figures[group]["mean_s"] == pytest.approx(sum(reached) / len(reached), abs=0.1)
    ordered = sum(isinstance(e.data, ev.AssignmentOrdered) for e in journal)
    assert figures["run"]["assignments"] == ordered > 0


def test_the_same_run_has_the_same_certificate(
    recording: Recording,
    san_francisco: CityPack,
    plans: PlaybookSet,
    report: dict[str, Any],
) -> None:
    again = compare(
        recording, san_francisco, plans, POLICIES, load=3, until=recording.described.first + HOURS
    )[0]
    assert json.dumps(again) == json.dumps(report)
    assert certificate(again) == report["certificate"]


def test_other_calls_have_another_certificate(
    recording: Recording, san_francisco: CityPack, plans: PlaybookSet
) -> None:
    until = recording.described.first + HOURS / 2
    one, other = (
        compare(recording, san_francisco, plans, POLICIES[:1], load=3, seed=seed, until=until)[0]
        for seed in (1, 2)
    )
    assert one["policies"] != other["policies"]
    assert one["certificate"]["certificate"] != other["certificate"]["certificate"]


def test_the_page_is_whole_and_needs_no_network(
    compared: Compared, san_francisco: CityPack
) -> None:
    report, measured, _ = compared
    html = page(report, measured, RoadGraph.load(san_francisco))
    assert "http" not in html
    assert report["certificate"]["certificate"] in html
    assert html.count("<svg") == 4 + 1 + len(POLICIES)
    for said in (
        "Other: late", "其他：迟到", "Other: longest wait, s", "Full complement, other calls",
        "Other: left out: no place", "紧急：不计：并入其他事件", "ortools",
    ):  # fmt: skip
        assert said in html
    other = report["policies"]["closest-idle"]["other"]
    assert f"<td>{other['counts']['in_time']:,}</td>" in html
    assert other["curve_full"][-1][1] == pytest.approx(
        sum(c.full_s is not None and c.full_s <= 1800 for c in measured["closest-idle"].counted(
            urgent=False)) / other["calls"], abs=1e-3
    )  # fmt: skip
    assert len(re.findall('lang="zh"', html)) == len(re.findall('lang="en"', html))


@pytest.fixture
def tiny() -> RoadGraph:
    """One street, ``e``."""
    ends = {"u": (8.0, 50.0), "v": (8.01, 50.0)}
    street = {"id": "e", "u": "u", "v": "v", "length_m": 715.0, "speed_kmh": 30.0, "oneway": 0,
              "road_class": "residential", "name": "", "layer": "",
              "geometry": list(ends.values())}  # fmt: skip
    return RoadGraph(ends, [street])


def test_a_closure_that_closes_something_is_an_order(
    tmp_path: Path, recording: Recording, tiny: RoadGraph
) -> None:
    file = tmp_path / "closures.json"
    file.write_text(
        '{"closures": [{"id": "a", "edges": ["e"]},'
        ' {"id": "b", "lon": 8.005, "lat": 50, "radius_m": 50, "speed": 0.5},'
        ' {"id": "c", "ring": [[7.9, 49.9], [8.1, 49.9], [8, 50.1]]}]}'
    )
    orders = payloads(read_closures(file, recording, tiny), ev.CloseRoad)
    assert [one.closure for one in orders] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "no file of closures"),
        ('[{"id": "a"}]', 'it looks like {"closures": '),
        ('{"closures": [{"id": "a"}]}', "lon"),
        ('{"closures": [{"id": "a", "lon": 500, "lat": 1, "radius_m": 5}]}', "no place on earth"),
        ('{"closures": [{"id": "a", "lon": 5, "lat": 1, "radius_m": 0}]}', "radius_m"),
        ('{"closures": [{"id": "a"}]}', "say where"),
        ('{"closures": [{"id": "a", "edges": ["e"], "ring": [[1, 1], [1, 2]]}]}', "say where"),
        ('{"closures": [{"id": "a", "ring": [[1, 1], [1, 2]]}]}', "3 corners"),
        ('{"closures": [{"id": "a", "ring": [[1, 1], [1, 2], [500, 1]]}]}', "no place on earth"),
        ('{"closures": [{"id": "a", "edges": ["e"], "speed": 1}]}', "speed"),
        (
            '{"closures": [{"id": "a", "lon": 8, "lat": 50, "radius_m": 5},'
            ' {"id": "a", "lon": 8, "lat": 50, "radius_m": 5}]}',
            "twice",
        ),
        (
            '{"closures": [{"id": "a", "lon": 8, "lat": 50, "radius_m": 5,'
            ' "until": "2001-01-01T00:00:00Z"}]}',
            "before it begins",
        ),
        ('{"closures": [{"id": "a", "edges": ["e", "f"]}]}', "has no street 'f'"),
        (
            '{"closures": [{"id": "a", "lon": 50, "lat": 8, "radius_m": 50}]}',
            "no street of the city lies there",
        ),
        (
            '{"closures": [{"id": "a", "ring": [[1, 1], [1, 2], [2, 2]]}]}',
            "no street of the city lies there",
        ),
    ],
)
def test_a_broken_file_of_closures_is_named(
    tmp_path: Path, recording: Recording, tiny: RoadGraph, content: str, says: str
) -> None:
    file = tmp_path / "closures.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(RecordingError, match=says):
        read_closures(file, recording, tiny)
    with pytest.raises(RecordingError, match="nowhere"):
        read_closures(tmp_path / "nowhere.json", recording, tiny)


def test_a_fleet_replaces_the_units_and_a_broken_one_is_named(
    tmp_path: Path, san_francisco: CityPack
) -> None:
    file = tmp_path / "fleet.csv"
    file.write_text(
        "id,kind,skills,owner,station,lon,lat,call_sign\n"
        "E9,engine,fire_suppression,government,station-01,-122.41,37.77,\n",
        encoding="utf-8",
    )
    other = san_francisco.with_fleet(file)
    assert [u.id for u in other.units] == ["E9"]
    assert other.pack_hash != san_francisco.pack_hash
    file.write_text("id,kind\nE9,engine\n", encoding="utf-8")
    with pytest.raises(CityPackError, match=r"fleet\.csv"):
        san_francisco.with_fleet(file)


def test_a_fleet_is_the_whole_fleet(
    tmp_path: Path, recording: Recording, san_francisco: CityPack, plans: PlaybookSet
) -> None:
    mine = ev.UnitRegistered(
        unit="X1", kind="engine", skills=("fire_suppression",), owner="government", lon=-122.4,
        lat=37.78, call_sign="X1",
    )  # fmt: skip
    recording = replace(recording, units=(mine,))
    fleet = tmp_path / "fleet.csv"
    fleet.write_text(
        "id,kind,skills,owner,station,lon,lat,call_sign\n"
        "E9,engine,fire_suppression|medical_first_response,government,station-01,-122.41,37.77,\n",
        encoding="utf-8-sig",
    )
    until = recording.described.first + HOURS
    policy = [Policy(name="joint")]
    alone = compare(recording, san_francisco, plans, policy, fleet=fleet, until=until)
    assert set(alone[1]["joint"].kinds) == {"E9"}
    assert len(alone[0]["inputs"]["fleet_sha256"]) == 64
    assert alone[0]["policies"]["joint"]["run"]["assignments"] > 0
    fleet.write_text("id,kind,skills,owner,station,lon,lat,call_sign\n")
    nobody = compare(recording, san_francisco, plans, POLICIES, fleet=fleet, until=until)[0]
    for figures in nobody["policies"].values():
        assert figures["run"]["assignments"] == figures["urgent"]["counts"]["reached"] == 0
        assert figures["urgent"]["late"] == figures["urgent"]["calls"] > 0
        assert {one["mean"] for one in figures["run"]["coverage_by_hour"]} == {0.0}
    assert nobody["inputs"]["fleet_sha256"] != alone[0]["inputs"]["fleet_sha256"]


def test_all_roads_closed_is_told_as_such(
    tmp_path: Path, recording: Recording, san_francisco: CityPack, plans: PlaybookSet
) -> None:
    closures = tmp_path / "closures.json"
    closures.write_text(
        '{"closures": [{"id": "all", "lon": -122.44, "lat": 37.76, "radius_m": 20000}]}'
    )
    until = recording.described.first + HOURS / 4
    report, measured, _ = compare(
        recording, san_francisco, plans, POLICIES, closures=closures, until=until
    )
    for figures in report["policies"].values():
        assert figures["urgent"]["calls"] > 0
        assert figures["urgent"]["late"] + figures["other"]["late"] > 0
    assert "<svg" in page(report, measured, RoadGraph.load(san_francisco))


def test_coverage_is_looked_at_in_the_same_way_under_every_policy(report: dict[str, Any]) -> None:
    hours = [one["run"]["coverage_by_hour"] for one in report["policies"].values()]
    assert len(hours) == len(POLICIES)
    for of_all in hours:
        assert len(of_all) > 2
        # Four looks an hour, from the first call to the end of the run.
        assert [one["looks"] for one in of_all[1:-1]] == [4] * (len(of_all) - 2)
        assert all(0 < one["least"] <= one["mean"] <= 1 for one in of_all)
    assert [one["hour"] for one in hours[0]][:2] == [one["hour"] for one in hours[1]][:2]


def test_the_certificate_names_solvers(report: dict[str, Any]) -> None:
    solvers = report["code"]["solvers"]
    assert set(solvers) == {"ortools", "routingkit-cch", "numpy"}
    other = {**report, "code": {**report["code"], "solvers": {**solvers, "numpy": "0"}}}
    assert certificate(other)["certificate"] != report["certificate"]["certificate"]


def test_a_recording_of_another_city_is_refused(
    recording: Recording, liyang: CityPack, plans: PlaybookSet
) -> None:
    with pytest.raises(RecordingError, match=r"none of its calls lies in liyang .*san_francisco"):
        compare(recording, liyang, plans, POLICIES)


@pytest.mark.parametrize(
    ("count", "share", "rank"),
    [(10, 0.9, 9), (10, 0.5, 5), (11, 0.5, 6), (100, 0.99, 99), (101, 0.99, 100), (1, 0.5, 1)],
)
def test_a_quantile_is_the_nearest_rank(count: int, share: float, rank: int) -> None:
    assert quantile([float(number + 1) for number in range(count)], share) == rank
    assert quantile([], share) is None


def test_a_load_conserves_calls(recording: Recording) -> None:
    once = [e for e in recording.happenings() if isinstance(e.data, ev.ReportReceived)]
    thrice = [
        e
        for e in Overload.of(recording, 3, 1).happenings()
        if isinstance(e.data, ev.ReportReceived)
    ]
    assert len(thrice) == 3 * len(once)
    assert len({e.id for e in thrice}) == len(thrice)
    assert {e.id for e in once} <= {e.id for e in thrice}
    assert [e.time for e in thrice] == sorted(e.time for e in thrice)
