"""Whatever the fleet and the calls, a replay ends and nobody drives to and fro between posts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.desk import Desk
from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from models.city import CityPack, UnitSpec
from models.events import (
    DrillDescribed,
    Event,
    MoveUpOrdered,
    Payload,
    ReportReceived,
    ServiceRecorded,
    UnitStatusReported,
)
from models.lifecycles import UnitState
from models.settings import CHECKOUT
from models.words import Channel
from playbooks.engine import PlaybookSet
from streams import fast
from streams.errors import ReplayStuckError
from streams.fast import replay
from streams.recording import Recording, write_recording
from tests.dispatch.conftest import SOUTH, STEP, WEST, write_tiny_city

PLANS = PlaybookSet.load(CHECKOUT / "tests" / "dispatch" / "plans")
START = datetime.fromisoformat("2026-07-01T03:00:00+00:00")
SKILLS = {
    "engine": ("fire_suppression", "medical_first_response"),
    "medic": ("medical_advanced", "medical_transport"),
}
CODES = ("Structure Fire", "Medical Incident")
OFF_STREET = 0.0009
"""Degrees that a station may stand back from its street: some 90 m."""

steps = st.integers(0, 3)
off = st.floats(-OFF_STREET, OFF_STREET)
fleets = st.lists(st.tuples(st.sampled_from(sorted(SKILLS)), steps, steps, off, off), min_size=1,
                  max_size=8)  # fmt: skip
calls = st.lists(
    st.tuples(st.integers(0, 40), steps, steps, st.sampled_from(CODES), st.integers(0, 900)),
    min_size=3,
    max_size=12,
)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> tuple[CityPack, RoadGraph]:
    """Sixteen crossings and their streets."""
    pack = CityPack.load(write_tiny_city(tmp_path_factory.mktemp("packs") / "tiny"))
    return pack, RoadGraph.load(pack)


def with_fleet(pack: CityPack, fleet: list[tuple[str, int, int, float, float]]) -> CityPack:
    """Return the pack with these units, each at a crossing or back from it."""
    units = tuple(
        UnitSpec(
            id=f"U{number:02d}", kind=kind, skills=SKILLS[kind], owner="government", station="",
            lon=WEST + column * STEP + east, lat=SOUTH + row * STEP + north, call_sign="",
        )
        for number, (kind, column, row, east, north) in enumerate(fleet)
    )  # fmt: skip
    return replace(pack, units=units)


def recorded(path: Path, night: list[tuple[int, int, int, str, int]]) -> Recording:
    """Write a recording of these calls: minute, crossing, code and seconds of work."""

    def line(name: str, at: datetime, data: Payload) -> Event:
        return Event(
            id=name, source="/test", time=at, jurisdiction="tiny", exercise=True, data=data
        )

    lines = [
        line("head", START, DrillDescribed(name="made", city="tiny", calls=len(night), units=0,
                                           first=START, last=START + timedelta(hours=1)))
    ]  # fmt: skip
    for number, (minute, column, row, code, work_s) in enumerate(sorted(night)):
        at = START + timedelta(minutes=minute)
        report = ReportReceived(
            channel=Channel.HOTLINE, received_at=at, code=code,
            lon=WEST + column * STEP, lat=SOUTH + row * STEP,
            attributes={"source_incident": str(number)},
        )  # fmt: skip
        lines.append(line(f"c{number}", at, report))
        service = ServiceRecorded(report=f"c{number}", kind="engine", on_scene_s=float(work_s))
        lines.append(line(f"c{number}/s", at, service))
    write_recording(path, lines)
    return Recording.load(path)


def test_a_replay_ends_and_a_unit_moves_up_four_times_an_hour_at_most(
    town: tuple[CityPack, RoadGraph], tmp_path: Path
) -> None:
    pack, roads = town
    moved = 0

    @given(fleet=fleets, night=calls, late_s=st.sampled_from([90.0, 150.0, 300.0]))
    @settings(max_examples=60, deadline=None, derandomize=True)
    def holds(
        fleet: list[tuple[str, int, int, float, float]],
        night: list[tuple[int, int, int, str, int]],
        late_s: float,
    ) -> None:
        nonlocal moved
        policy = Policy(late_s=late_s, move_up_gain=1e-4)
        moves: dict[str, list[datetime]] = defaultdict(list)
        mine = with_fleet(pack, fleet)
        home = {u.id: (u.lon, u.lat) for u in mine.units}

        def observe(event: Event) -> None:
            data = event.data
            if isinstance(data, MoveUpOrdered):
                moves[data.unit].append(event.time)
                if data.post:
                    assert (data.lon, data.lat) != home[data.unit], "moved up to its own home"
                    assert data.drive_s >= policy.move_up_least_s

        result = replay(
            recorded(tmp_path / "made.jsonl", night), mine, PLANS, policy,
            graph=roads, observe=observe,
        )  # fmt: skip
        assert result.calls == len(night)
        for times in moves.values():
            for at in times:
                within = [one for one in times if at <= one < at + timedelta(hours=1)]
                assert len(within) <= 3600 / policy.move_up_stay_s
        moved += bool(moves)

    holds()
    assert moved >= 3


def test_who_came_home_stands_at_its_station_and_not_in_the_street(
    town: tuple[CityPack, RoadGraph], tmp_path: Path
) -> None:
    """A station far back from its street: none was at home again, and each counted elsewhere."""
    pack, roads = town
    fleet = [("engine", 0, 0, OFF_STREET, OFF_STREET)]
    back: list[tuple[float | None, float | None]] = []

    def observe(event: Event) -> None:
        data = event.data
        if isinstance(data, UnitStatusReported) and data.state is UnitState.AVAILABLE:
            back.append((data.lon, data.lat))

    mine = with_fleet(pack, fleet)
    replay(recorded(tmp_path / "made.jsonl", [(0, 2, 2, "Structure Fire", 60)]), mine, PLANS,
           graph=roads, observe=observe)  # fmt: skip
    (unit,) = mine.units
    assert back == [(round(unit.lon, 6), round(unit.lat, 6))]


def test_a_replay_in_which_time_stands_still_is_named(
    town: tuple[CityPack, RoadGraph], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack, roads = town
    monkeypatch.setattr(Desk, "next_due", lambda desk: desk.situation.now)
    monkeypatch.setattr(fast, "MOST_AT_ONCE", 50)
    night = recorded(tmp_path / "made.jsonl", [(0, 2, 2, "Structure Fire", 60)])
    with pytest.raises(ReplayStuckError, match=r"time stands still at 2026-07-01T03:00.*50 rounds"):
        replay(night, pack, PLANS, graph=roads)
