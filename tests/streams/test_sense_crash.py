"""Sense that crashes at any moment tells what it would have told without, once each.

A record counts as handled when the windows with it in are kept; those since come again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.episodes import Episode, SenseMemory
from models.errors import FencedError, StoreError
from models.inbox import InboxRow
from models.registers import Device
from models.senml import Reading
from streams.sense_keeper import SenseKeeper
from tests.conftest import InvariantCases

START = datetime(2026, 7, 1, tzinfo=UTC)
LIVE = "readings"
CITY: Any = SimpleNamespace(jurisdiction="320481", facilities=())
BUTTON_OFF_S = 300
DEVICES = ("a", "b", "c", "d")
LEVELS = {
    "temperature": ("Cel", (20.0, 25.0, 35.0, 62.0)),
    "smoke": ("ppm", (20.0, 200.0, 500.0)),
    "sos": ("", (0.0, 1.0)),
    "water_depth": ("m", (0.0, 0.1, 0.2, 0.3)),
}


@dataclass
class Table:
    """A partition's memory as the database has it."""

    epoch: int = 0
    windows: bytes = b""
    episodes: dict[tuple[str, str], Episode] = field(default_factory=dict)
    told: dict[str, bytes] = field(default_factory=dict)
    is_away: bool = False

    def claim_sense(self, place: str, at: datetime) -> SenseMemory:
        self.epoch += 1
        return SenseMemory(self.epoch, self.windows, list(self.episodes.values()))

    def sense_epoch(self, place: str) -> int:
        return self.epoch

    def note_episodes(
        self,
        place: str,
        epoch: int,
        episodes: Mapping[tuple[str, str], Episode],
        reports: Sequence[InboxRow],
    ) -> None:
        self._fence(epoch)
        self.episodes.update(episodes)
        for row in reports:
            self.told.setdefault(row.event_id, row.body)

    def keep_windows(self, place: str, epoch: int, doc: bytes, at: datetime) -> None:
        if self.is_away:
            raise StoreError("away")
        self._fence(epoch)
        self.windows = doc

    def has_ended(self, jurisdiction: str, report: str) -> bool:
        return False

    def register_mark(self) -> int:
        return 0

    def devices(self) -> list[Device]:
        return []

    def device(self, device_id: str) -> Device | None:
        return None

    def _fence(self, epoch: int) -> None:
        if epoch != self.epoch:
            raise FencedError("not ours")


@dataclass
class Offsets:
    """Which records of a partition their group has handled."""

    held: list[int] = field(default_factory=list)

    def next_after(self, last: int) -> int:
        """Where a consumer begins again that was given all up to ``last``."""
        return min(self.held, default=last + 1)


@dataclass
class Given:
    """A record as an agent hands it on."""

    offset: int
    offsets: Offsets

    def hold(self) -> None:
        self.offsets.held.append(self.offset)

    def let_go(self) -> None:
        self.offsets.held.remove(self.offset)


@st.composite
def steps(draw: st.DrawFn) -> list[object]:
    """Readings of some devices and quantities, and when windows are kept and sense crashes."""
    devices = draw(st.lists(st.sampled_from(DEVICES), min_size=1, max_size=4, unique=True))
    quantities = draw(st.lists(st.sampled_from(sorted(LEVELS)), min_size=1, max_size=2))
    # Now and then longer than a button's episode lasts.
    after = st.integers(1, 20) | st.integers(BUTTON_OFF_S - 20, BUTTON_OFF_S + 20)
    device, level = st.sampled_from(devices), st.integers(0, 3)
    reading = st.tuples(after, device, st.sampled_from(quantities), level)
    some = st.lists(reading, min_size=1, max_size=15)
    parts = draw(st.lists(st.tuples(some, st.sampled_from(["keep", "crash"])), min_size=3))
    return [one for readings, then in parts for one in (*readings, then)]


def records_of(drawn: Sequence[object]) -> list[Reading | str]:
    """Places of all devices first, then what was drawn, each reading after the one before."""
    at = START.timestamp()
    found: list[Reading | str] = []
    for number, name in enumerate(DEVICES):
        for quantity, value in (("lon", 119.4 + number * 0.001), ("lat", 31.4)):
            at += 1
            found.append(Reading(name, quantity, value, "", at))
    for one in drawn:
        if not isinstance(one, tuple):
            found.append(str(one))
            continue
        after, name, quantity, level = one
        at += after
        unit, values = LEVELS[quantity]
        found.append(Reading(name, quantity, values[level % len(values)], unit, at))
    return found


async def told_by(records: Sequence[Reading | str], *, crashes: bool) -> Table:
    """Let sense take records in, and crash and keep windows where they say."""
    table, offsets = Table(), Offsets()
    readings = [one for one in records if isinstance(one, Reading)]
    offset = due = 0

    def started() -> SenseKeeper:
        offsets.held.clear()
        return SenseKeeper(CITY, table, now=lambda: _time_of(readings[max(due, 1) - 1]))

    keeper = started()

    async def read_until(end: int) -> None:
        nonlocal offset
        for one in range(offset, end):
            given, reading = Given(one, offsets), readings[one]
            await keeper.take(LIVE, 0, [reading], _time_of(reading), exercise=False, record=given)
        offset = end

    for one in records:
        if isinstance(one, Reading):
            due += 1
            await read_until(due)
        elif one == "keep":
            await keeper.keep()
            assert not offsets.held
            assert keeper.handled(LIVE, 0) == 0
        elif crashes:
            # It may die again before it has caught up, and keep windows before that.
            for share, keeps in ((0.5, False), (0.5, True), (1.0, False)):
                offset = offsets.next_after(offset - 1)
                keeper = started()
                await read_until(offset + round(share * (due - offset)))
                if keeps:
                    await keeper.keep()
    return table


def _time_of(reading: Reading) -> datetime:
    return datetime.fromtimestamp(reading.at, UTC)


def test_a_crash_at_any_moment_changes_nothing_of_what_is_told(
    invariant_cases: InvariantCases,
) -> None:
    telling = crashing = 0

    @invariant_cases.seeded
    @invariant_cases.settings()
    @given(drawn=steps())
    def holds(drawn: list[object]) -> None:
        nonlocal telling, crashing
        records = records_of(drawn)
        without = asyncio.run(told_by(records, crashes=False))
        with_crashes = asyncio.run(told_by(records, crashes=True))
        assert list(with_crashes.told) == list(without.told)
        telling += bool(without.told)
        crashing += bool(without.told) and "crash" in records

    holds()
    assert telling >= invariant_cases.count / 5
    assert crashing >= invariant_cases.count / 10


async def test_a_record_is_held_until_windows_are_kept_also_while_the_database_is_away() -> None:
    table, offsets = Table(), Offsets()
    keeper = SenseKeeper(CITY, table, now=lambda: START)

    async def take(offset: int) -> None:
        reading = Reading("a", "temperature", 20.0, "Cel", START.timestamp() + offset)
        given = Given(offset, offsets)
        await keeper.take(LIVE, 0, [reading], START, exercise=False, record=given)

    for offset in (7, 8, 9):
        await take(offset)
    assert (offsets.held, keeper.handled(LIVE, 0)) == ([7], 3)
    assert keeper.handled(LIVE, 1) == 0
    table.is_away = True
    with pytest.raises(StoreError):
        await keeper.keep()
    assert offsets.held == [7]
    table.is_away = False
    await keeper.keep()
    assert (offsets.held, keeper.handled(LIVE, 0)) == ([], 0)
    # Partitions are told anew: what is held now comes again, from farther back or farther on.
    await take(10)
    await take(11)
    keeper.doubt()
    assert keeper.handled(LIVE, 0) == 0
    await take(11)
    await take(10)
    assert keeper.handled(LIVE, 0) == 1
    await take(11)
    assert keeper.handled(LIVE, 0) == 2
