"""The fast path: every call accounted for, the same journal each time, in any process."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from gridcommand.rehearsal.yardstick import slowness
from models.city import CityPack
from models.events import DeskOpened, Event, decode
from models.fold import apply
from models.journal import GENESIS
from models.settings import CHECKOUT
from models.situation import Situation
from playbooks.engine import PlaybookSet
from streams import fast
from streams.calls_import import import_calls
from streams.classify.reports import classify
from streams.errors import RulesError
from streams.fast import FastResult, replay
from streams.opening import opening_events
from streams.recording import Recording
from tests.streams.payloads import payloads

RECORDING = CHECKOUT / "cities" / "san_francisco" / "drills" / "new_year_2017.jsonl.gz"
PLANS = CHECKOUT / "playbooks" / "plans" / "san_francisco"


@pytest.fixture(scope="module")
def recording() -> Recording:
    """New Year 2017."""
    return Recording.load(RECORDING)


@pytest.fixture(scope="module")
def plans() -> PlaybookSet:
    """San Francisco's playbooks."""
    return PlaybookSet.load(PLANS)


@pytest.fixture(scope="module")
def roads(san_francisco: CityPack) -> RoadGraph:
    """San Francisco's streets."""
    return RoadGraph.load(san_francisco)


@pytest.fixture(scope="module")
def night(
    recording: Recording,
    san_francisco: CityPack,
    plans: PlaybookSet,
    roads: RoadGraph,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[FastResult, Path]:
    """The first two hours, and their journal."""
    out = tmp_path_factory.mktemp("fast") / "journal.jsonl"
    until = recording.described.first + timedelta(hours=2)
    return replay(recording, san_francisco, plans, until=until, graph=roads, out=out), out


def test_every_call_is_accounted_for(night: tuple[FastResult, Path]) -> None:
    result, _ = night
    assert result.calls == result.closed + result.open + len(result.dead_letters)
    assert result.calls == result.closed == result.incidents > 30
    assert result.refused == 0
    assert all(times.reached == times.incidents for times in result.response_s.values())


def test_empty_years_are_told_and_cost_no_looks(
    san_francisco: CityPack, plans: PlaybookSet, roads: RoadGraph, tmp_path: Path
) -> None:
    """A look each quarter of an hour of 28 years took longer than anybody waited."""
    table = tmp_path / "calls.csv"
    table.write_text(
        "call_number,received,call_type,lat,lon\n"
        + "".join(f"{y},{y}-03-01 12:00:00,Structure Fire,37.78,-122.41\n" for y in (1999, 2027))
    )
    summary = import_calls(table, "years", san_francisco, tmp_path)
    looks: list[datetime] = []
    words: list[str] = []
    result = replay(
        Recording.load(summary.path), san_francisco, plans, graph=roads,
        watch=lambda at, _: looks.append(at), progress=words.append,
    )  # fmt: skip
    assert (result.calls, result.closed) == (2, 2)
    assert {at.year for at in looks} == {1999, 2027}
    assert len(looks) < 100
    begin = looks[0]
    assert all((at - begin).total_seconds() % fast.LOOK_EVERY_S == 0 for at in looks)
    assert words == ["no call for 10,227 days: from 1999-03-01 20:00 to 2027-03-01 20:00 UTC"]


@pytest.mark.timely
def test_a_night_takes_less_than_a_hundredth_of_life(night: tuple[FastResult, Path]) -> None:
    assert night[0].times_life > 100 / slowness()


def test_the_journal_is_whole_and_folds(night: tuple[FastResult, Path]) -> None:
    result, out = night
    situation = Situation(jurisdiction="us-ca-sf.exercise", exercise=True)
    lines = out.read_bytes().splitlines()
    assert len(lines) == result.events
    for number, line in enumerate(lines, start=1):
        event = decode(line)
        assert (event.seq, event.exercise) == (number, True)
        apply(situation, event)
    assert not any(unit.assignment for unit in situation.units.values())


def test_another_process_with_another_hash_seed_gives_the_same_journal(
    night: tuple[FastResult, Path],
) -> None:
    code = (
        "import sys; from datetime import timedelta; from pathlib import Path;"
        "from models.city import CityPack; from playbooks.engine import PlaybookSet;"
        "from streams.fast import replay; from streams.recording import Recording;"
        "city, plans, recording = map(Path, sys.argv[1:]); r = Recording.load(recording);"
        "print(replay(r, CityPack.load(city), PlaybookSet.load(plans),"
        " until=r.described.first + timedelta(hours=2)).journal_hash)"
    )
    arguments = [str(CHECKOUT / "cities" / "san_francisco"), str(PLANS), str(RECORDING)]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == night[0].journal_hash


def test_another_policy_is_another_journal(
    night: tuple[FastResult, Path],
    recording: Recording,
    san_francisco: CityPack,
    plans: PlaybookSet,
    roads: RoadGraph,
) -> None:
    slow = replay(
        recording,
        san_francisco,
        plans,
        Policy(turnout_s=300.0),
        until=recording.described.first + timedelta(hours=2),
        graph=roads,
    )
    assert slow.journal_hash != night[0].journal_hash
    # Less than the 240 s of turnout: crews on the road already go instead, from farther off.
    assert slow.response_s[1].median_s > night[0].response_s[1].median_s + 60


def test_a_report_that_can_not_be_classified_is_a_dead_letter(
    recording: Recording,
    san_francisco: CityPack,
    plans: PlaybookSet,
    roads: RoadGraph,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def picky(report: object, pack: CityPack, *, is_exercise: bool) -> object:
        if "Alarms" in report.code:  # type: ignore[attr-defined]
            raise RulesError("no alarms today")
        return classify(report, pack, is_exercise=is_exercise)  # type: ignore[arg-type]

    monkeypatch.setattr(fast, "classify", picky)
    until = recording.described.first + timedelta(hours=2)
    result = replay(recording, san_francisco, plans, until=until, graph=roads)
    assert set(result.dead_letters.values()) == {"no alarms today"}
    assert result.closed > 0
    assert result.calls == result.closed + result.open + len(result.dead_letters)
    assert "no alarms today" in result.text()


def test_the_chain_is_the_journals(night: tuple[FastResult, Path]) -> None:
    result, out = night
    chain = GENESIS
    for line in out.read_bytes().splitlines():
        chain = hashlib.sha256(chain + line).digest()
    assert chain.hex() == result.journal_hash


def test_an_opening_tells_only_what_is_new(
    recording: Recording,
    san_francisco: CityPack,
    plans: PlaybookSet,
    night: tuple[FastResult, Path],
) -> None:
    situation = Situation(jurisdiction="us-ca-sf.exercise", exercise=True)
    for line in night[1].read_bytes().splitlines():
        apply(situation, decode(line))

    def opening() -> list[Event]:
        return opening_events(
            situation,
            san_francisco,
            plans,
            automatic_priorities=(2,),
            correlation_radius_m=situation.rules.correlation_radius_m,
            correlation_window_s=situation.rules.correlation_window_s,
            at=recording.described.last,
        )

    assert opening() == []
    situation.rules.pack_hash = "older"
    situation.units["E01"].kind = "balloon"
    del situation.units["E02"]
    told = opening()
    assert [e.type for e in told] == [
        "gridcommand.desk.opened",
        "gridcommand.unit.registered",
        "gridcommand.unit.registered",
    ]
    (opened,) = payloads(told, DeskOpened)
    assert opened.automatic_priorities == (1, 2, 3, 4), "a person's setting outlives a start"
    assert told == opening()
