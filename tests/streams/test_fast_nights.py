"""The default policy against the nearest idle unit over many nights, not over one.

A made town with few engines: most calls can wait, some are a life in danger, and all want an
engine. Each seed is a night, and both policies get the same. ``benchmarks/policies.py`` does the
same on San Francisco's recorded week.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dispatch.policy import DEFAULT_POLICY, Policy
from dispatch.roads import RoadGraph
from models.city import CityPack, UnitSpec
from models.events import DrillDescribed, Event, Payload, ReportReceived, ServiceRecorded
from models.settings import CHECKOUT
from models.words import Channel
from playbooks.engine import PlaybookSet
from streams.fast import replay
from streams.intervals import Interval, difference
from streams.measures import Measures
from streams.recording import Recording, write_recording
from tests.dispatch.conftest import ENGINE, SOUTH, STEP, WEST, write_tiny_city

OURS, THEIRS = DEFAULT_POLICY, "closest-idle"
PLANS = PlaybookSet.load(CHECKOUT / "tests" / "dispatch" / "plans")
START = datetime.fromisoformat("2026-07-01T03:00:00+00:00")
NIGHTS = range(1, 9)
SIDE = 10
POSTS = ((1, 1), (8, 1), (1, 8), (8, 8), (4, 5))
URGENT_SHARE = 0.3
WORK_S = (300.0, 1200.0)

BUSY_AN_HOUR, BUSY_HOURS = 10.0, 8.0
"""Two of the five engines are out at a time, and now and then all."""
QUIET_AN_HOUR, QUIET_HOURS = 0.5, 40.0
"""Hardly ever is more than one engine out: there is nothing to be clever about."""
NOTICED_S = 5.0
"""A smaller difference in the mean is none."""


class Nights:
    """What both policies made of each night of a load."""

    def __init__(self, path: Path) -> None:
        self.path = path
        pack = CityPack.load(write_tiny_city(path / "tiny", side=SIDE))
        units = (
            UnitSpec(
                id=f"E{number:02d}",
                kind="engine",
                skills=tuple(ENGINE.split("|")),
                owner="government",
                station="",
                lon=WEST + column * STEP,
                lat=SOUTH + row * STEP,
                call_sign="",
            )
            for number, (column, row) in enumerate(POSTS)
        )
        self.pack = replace(pack, units=tuple(units))
        self.roads = RoadGraph.load(self.pack)
        self.of = cache(self._of)

    def difference(self, kind: str, figure: str, an_hour: float, hours: float) -> Interval:
        """Return how much more the default policy has of a figure."""
        ours, theirs = (
            [float(night[kind][figure]) for night in self.of(name, an_hour, hours)]
            for name in (OURS, THEIRS)
        )
        return difference(ours, theirs)

    def _of(self, policy: str, an_hour: float, hours: float) -> list[dict[str, Any]]:
        figures = []
        for seed in NIGHTS:
            measured, rules = Measures(), Policy(name=policy)
            recording = self._recorded(seed, an_hour, hours)
            replay(recording, self.pack, PLANS, rules, graph=self.roads, observe=measured.observe)
            groups = {
                name: measured.group(urgent=name == "urgent", late_s=rules.late_s)
                for name in ("urgent", "other")
            }
            assert sum(one["calls"] for one in groups.values()) == recording.described.calls
            figures.append(groups)
        return figures

    def _recorded(self, seed: int, an_hour: float, hours: float) -> Recording:
        path = self.path / f"{seed}-{an_hour:g}-{hours:g}.jsonl"
        chance = np.random.default_rng(seed)
        times_s = np.sort(chance.uniform(0, hours * 3600, chance.poisson(an_hour * hours)))
        end = START + timedelta(hours=hours)
        described = DrillDescribed(
            name="made", city="tiny", calls=len(times_s), units=0, first=START, last=end
        )
        lines = [_line("head", START, described)]
        for number, second in enumerate(times_s.tolist()):
            at = START + timedelta(seconds=round(second))
            column, row = chance.integers(0, SIDE, 2).tolist()
            report = ReportReceived(
                channel=Channel.SYSTEM,
                received_at=at,
                code="accident.fire.structure",
                lon=WEST + column * STEP,
                lat=SOUTH + row * STEP,
                attributes={
                    "source_incident": str(number),
                    "priority": 1 if chance.random() < URGENT_SHARE else 3,
                },
            )
            work = ServiceRecorded(
                report=f"c{number}", kind="engine", on_scene_s=float(chance.uniform(*WORK_S))
            )
            lines += [_line(f"c{number}", at, report), _line(f"c{number}/s", at, work)]
        write_recording(path, lines)
        return Recording.load(path)


def _line(name: str, at: datetime, data: Payload) -> Event:
    return Event(id=name, source="/test", time=at, jurisdiction="tiny", exercise=True, data=data)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """Of a hundred crossings and five engines."""
    return Nights(tmp_path_factory.mktemp("nights"))


def test_when_it_is_busy_fewer_urgent_calls_are_late_and_help_comes_sooner(nights: Nights) -> None:
    late = nights.difference("urgent", "late", BUSY_AN_HOUR, BUSY_HOURS)
    mean_s = nights.difference("urgent", "mean_s", BUSY_AN_HOUR, BUSY_HOURS)
    assert late.high < 0, late
    assert mean_s.high < 0, mean_s


def test_when_nothing_is_in_conflict_nobody_comes_later(nights: Nights) -> None:
    late = nights.difference("urgent", "late", QUIET_AN_HOUR, QUIET_HOURS)
    assert late.high <= 0, late
    for kind in ("urgent", "other"):
        mean_s = nights.difference(kind, "mean_s", QUIET_AN_HOUR, QUIET_HOURS)
        assert mean_s.high < NOTICED_S, (kind, mean_s)
