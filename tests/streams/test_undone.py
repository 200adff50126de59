"""Whoever counts by a desk's journal or its rows is right when a merge or closing is undone."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.store import Store
from streams.drill import _Waiting
from streams.measures import Measures
from streams.tally import Tally
from tests.dispatch.conftest import write_tiny_city
from tests.dispatch.desk_world import DeskWorld
from tests.templates import sqlite_database

ONE, TWO = "i000001", "i000002"


class Read:
    """A desk's journal, counted as it goes on."""

    def __init__(self, world: DeskWorld) -> None:
        self.world = world
        self.read = 0
        self.tally, self.measures, self.waiting = Tally(), Measures(), _Waiting()

    def counts(self) -> tuple[int, int, int]:
        """Open incidents; reports of open and of ended ones."""
        for event in self.world.journal[self.read :]:
            self.tally.observe(event)
            self.measures.observe(event)
            self.waiting.observe(event)
        self.read = len(self.world.journal)
        tally = self.tally
        return tally.open_incidents, tally.open_reports, tally.closed_reports

    def excluded(self) -> dict[str, int]:
        """Why calls are left out."""
        self.counts()
        found = [self.measures.excluded(urgent=urgent) for urgent in (True, False)]
        return {why: sum(one[why] for one in found) for why in found[0]}


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Two incidents, of which the second was told twice, on a desk that sends nobody by itself."""
    city = CityPack.load(write_tiny_city(tmp_path / "tiny"))
    world = DeskWorld(city, RoadGraph.load(city), automatic=())
    world.report(at=(1, 0), priority=3)
    world.report(at=(2, 3), priority=1)
    world.report(at=(2, 3), priority=1)
    world.settle()
    return Read(world)


def test_each_report_counts_once_through_a_merge_and_back(read: Read) -> None:
    world = read.world
    assert read.counts() == (2, 3, 0)
    world.say(ev.MergeIncidents(incident=ONE, duplicate=TWO, by="wang"))
    assert read.counts() == (1, 3, 0)
    assert (read.excluded()["merged"], read.measures.cases[ONE].priority) == (1, 1)
    world.say(ev.UnmergeIncident(incident=TWO, by="li", reason="two fires"))
    assert read.counts() == (2, 3, 0)
    assert (read.excluded()["merged"], read.measures.cases[ONE].priority) == (0, 3)
    assert {p: one.incidents for p, one in read.tally.response_times().items()} == {1: 1, 3: 1}


def test_one_that_was_reopened_is_open_and_no_longer_cancelled(read: Read) -> None:
    world = read.world
    world.say(ev.CloseIncident(incident=TWO, cancelled=True, by="wang", reason="a joke"))
    assert read.counts() == (1, 1, 2)
    assert read.excluded()["cancelled"] == 1
    world.now += timedelta(seconds=90)
    world.say(ev.ReopenIncident(incident=TWO, by="li", reason="it burns"))
    assert read.counts() == (2, 3, 0)
    assert read.excluded()["cancelled"] == 0
    world.say(ev.CloseIncident(incident=TWO, by="wang", reason="out"))
    assert read.counts() == (1, 1, 2)


def test_a_drills_stand_in_leaves_alone_what_a_person_decides_after_a_reopening(
    read: Read,
) -> None:
    world = read.world
    world.say(ev.SendUnits(incident=TWO, units=("E02",), by="wang"))
    world.say(ev.CloseIncident(incident=TWO, by="wang", reason="mistake"))
    world.say(ev.CloseIncident(incident=ONE, by="wang", reason="out"))
    world.say(ev.ReopenIncident(incident=TWO, by="li", reason="it burns"))
    world.settle()
    read.counts()
    assert world.situation.proposals, "one waits"
    assert not read.waiting.any


def test_a_sensors_incident_is_over_only_while_it_is(read: Read, tmp_path: Path) -> None:
    """What decides whether a press is a new alarm: the desk's rows, as they are written."""
    world = read.world
    report = world.situation.incidents[TWO].reports[0]
    with closing(Store(sqlite_database(tmp_path / "test.db"), tmp_path / "archive")) as store:

        def is_over(*orders: ev.Order) -> bool:
            for order in orders:
                world.say(order)
            new = world.journal[read.read :]
            read.read = len(world.journal)
            store.commit_step(
                store.claim(world.jurisdiction, exercise=False, at=world.now),
                new,
                [ev.encode(one) for one in new],
                wall=world.now,
                entities=[world.situation.incidents[name] for name in (ONE, TWO)],
            )
            return store.has_ended(world.jurisdiction, report)

        assert not is_over()
        assert not is_over(ev.MergeIncidents(incident=ONE, duplicate=TWO, by="wang"))
        assert is_over(ev.CloseIncident(incident=ONE, by="wang", reason="out"))
        assert not is_over(ev.UnmergeIncident(incident=TWO, by="li", reason="two fires"))
        assert is_over(ev.CloseIncident(incident=TWO, by="wang", reason="out"))
        assert not is_over(ev.ReopenIncident(incident=TWO, by="li", reason="it burns"))
