"""The report of a fast replay: its figures from the journal again, its certificate, its errors."""

from __future__ import annotations

import json
import re
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
from streams.measures import Measures
from streams.overload import Overload
from streams.recording import Recording

POLICIES = [Policy(), Policy(name="closest-idle")]
HOURS = timedelta(hours=2)
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
    """Two hours with three times the calls, under two policies."""
    until = recording.described.first + HOURS
    return compare(recording, san_francisco, plans, POLICIES, load=3, until=until)


@pytest.fixture(scope="module")
def report(compared: Compared) -> dict[str, Any]:
    """What those two hours came to."""
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
        if reached:
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
    other = compare(
        recording,
        san_francisco,
        plans,
        POLICIES,
        load=3,
        seed=2,
        until=recording.described.first + HOURS,
    )[0]
    assert other["certificate"]["certificate"] != report["certificate"]["certificate"]


def test_the_page_is_whole_and_needs_no_network(
    compared: Compared, san_francisco: CityPack
) -> None:
    report, measured, _ = compared
    html = page(report, measured, RoadGraph.load(san_francisco))
    assert "http" not in html
    assert report["certificate"]["certificate"] in html
    assert html.count("<svg") >= 4
    assert len(re.findall('lang="zh"', html)) == len(re.findall('lang="en"', html))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "no file of closures"),
        ('{"closures": [{"id": "a"}]}', "lon"),
        ('{"closures": [{"id": "a", "lon": 500, "lat": 1, "radius_m": 5}]}', "no place on earth"),
        ('{"closures": [{"id": "a", "lon": 5, "lat": 1, "radius_m": 0}]}', "radius_m"),
        ('{"closures": [{"id": "a"}]}', "say where"),
        ('{"closures": [{"id": "a", "edges": ["e"], "ring": [[1, 1], [1, 2]]}]}', "say where"),
        ('{"closures": [{"id": "a", "ring": [[1, 1], [1, 2]]}]}', "3 corners"),
        ('{"closures": [{"id": "a", "ring": [[1, 1], [1, 2], [500, 1]]}]}', "no place on earth"),
        ('{"closures": [{"id": "a", "edges": ["e"], "speed": 1}]}', "speed"),
        (
            '{"closures": [{"id": "a", "lon": 5, "lat": 1, "radius_m": 5},'
            ' {"id": "a", "lon": 5, "lat": 1, "radius_m": 5}]}',
            "twice",
        ),
        (
            '{"closures": [{"id": "a", "lon": 5, "lat": 1, "radius_m": 5,'
            ' "until": "2001-01-01T00:00:00Z"}]}',
            "before it begins",
        ),
    ],
)
def test_a_broken_file_of_closures_is_named(
    tmp_path: Path, recording: Recording, content: str, says: str
) -> None:
    file = tmp_path / "closures.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(RecordingError, match=says):
        read_closures(file, recording)
    with pytest.raises(RecordingError, match="nowhere"):
        read_closures(tmp_path / "nowhere.json", recording)


def test_a_fleet_replaces_the_units_and_a_broken_one_is_named(
    tmp_path: Path, san_francisco: CityPack
) -> None:
    file = tmp_path / "fleet.csv"
    file.write_text(
        "id,kind,skills,owner,station,lon,lat,call_sign\n"
        "E9,engine,fire_suppression,government,S,119.4,31.4,\n",
        encoding="utf-8",
    )
    other = san_francisco.with_fleet(file)
    assert [u.id for u in other.units] == ["E9"]
    assert other.pack_hash != san_francisco.pack_hash
    file.write_text("id,kind\nE9,engine\n", encoding="utf-8")
    with pytest.raises(CityPackError, match=r"fleet\.csv"):
        san_francisco.with_fleet(file)


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
