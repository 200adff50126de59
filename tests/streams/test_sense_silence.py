"""Silence of devices beside outages of ours: who lives is not told as silent, who is dead is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.city import CityPack
from models.episodes import Episode
from models.senml import Reading
from models.store import Store
from streams.sense import SenseState
from streams.sense_keeper import SILENCE_EVERY_S, SenseKeeper
from streams.sense_rules import SenseRules, SilenceRule

START = datetime(2026, 7, 1, tzinfo=UTC)
AFTER_S = 900
MISSED = SilenceRule(
    id="missed", quantity="beat", after_s=AFTER_S, category="city.other", priority=4,
    zh="设备失联", en="Device silent", unit="",
)  # fmt: skip
RULES = SenseRules([MISSED])
STEP_S = int(SILENCE_EVERY_S)
LIVE = "readings"


class Town:
    """Devices that speak at their own interval, until they die, and a sense that hears them.

    Parameters
    ----------
    every_s
        How often each device speaks: a beat is lost that nobody hears.
    """

    def __init__(self, every_s: Iterable[int]) -> None:
        self.every_s = {f"d{number}": every_s for number, every_s in enumerate(every_s)}
        self.dead: set[str] = set()
        self.told: Counter[str] = Counter()
        self.sense = SenseState(RULES)
        self._episodes: dict[tuple[str, str], Episode] = {}
        self._s = 0

    def live(self, for_s: int) -> None:
        """Let time pass while all is well."""
        self._pass(for_s, is_heard=True, is_listening=True)

    def lose_the_console(self, for_s: int) -> None:
        """Hear nobody, and don't know why."""
        self._pass(for_s, is_heard=False, is_listening=True)

    def lose_the_broker(self, for_s: int) -> None:
        """Hear nobody, and know why."""
        self._pass(for_s, is_heard=False, is_listening=False)
        self.sense.hear_again()

    def lose_the_worker(self, for_s: int) -> None:
        """Restart sense; what devices said meanwhile is lost with the embedded broker."""
        kept, self.sense = self.sense.dump(), SenseState(RULES)
        self._pass(for_s, is_heard=False, is_listening=False)
        self.sense.restore(kept, self._episodes.values())
        self.sense.hear_again()

    def _pass(self, for_s: int, *, is_heard: bool, is_listening: bool) -> None:
        for _ in range(for_s // STEP_S):
            self._s += STEP_S
            at = START.timestamp() + self._s
            for number, (name, every_s) in enumerate(self.every_s.items()):
                if is_heard and name not in self.dead and (self._s + 35 * number) % every_s == 0:
                    heard = self.sense.sense([Reading(name, "beat", 1, "", at)])
                    self._episodes |= heard.episodes
            if is_listening:
                passed = self.sense.listen(STEP_S, START + timedelta(seconds=self._s))
                self._episodes |= passed.episodes
                self.told.update(alarm.device for alarm in passed.alarms)


OUTAGES: list[Callable[[Town, int], None]] = [
    Town.lose_the_console,
    Town.lose_the_broker,
    Town.lose_the_worker,
]


@pytest.mark.parametrize("every_s", [60, 300, 400, 440])
@pytest.mark.parametrize("outage_s", [30, 600, 1500, 7200])
@pytest.mark.parametrize("outage", OUTAGES)
def test_an_outage_of_ours_is_not_told_as_silence_of_theirs(
    outage: Callable[[Town, int], None], outage_s: int, every_s: int
) -> None:
    """Whenever it begins, where a device speaks twice in a silence's length."""
    for lucky_s in range(0, every_s, 120):
        town = Town([every_s] * 40)
        town.live(1800 + lucky_s)
        outage(town, outage_s)
        town.live(3600)
        # When nobody is heard for a whole silence and it can't be known why, one tells it for all.
        is_for_all = outage is Town.lose_the_console and outage_s >= AFTER_S
        assert town.told.total() == is_for_all


@pytest.mark.parametrize("outage", OUTAGES)
def test_who_dies_during_an_outage_is_told_once_when_it_could_be_heard_for_long_enough(
    outage: Callable[[Town, int], None],
) -> None:
    town = Town([300] * 40)
    town.live(1800)
    town.dead = {"d7", "d8"}
    outage(town, 600)
    town.live(AFTER_S - STEP_S)
    assert not town.told
    town.live(2 * STEP_S)
    assert town.told == {"d7": 1, "d8": 1}
    town.live(7200)
    assert town.told == {"d7": 1, "d8": 1}


@pytest.mark.parametrize("outage", OUTAGES)
def test_outages_that_come_again_and_again_hide_nobody_who_is_dead(
    outage: Callable[[Town, int], None],
) -> None:
    town = Town([60] * 40)
    town.live(1800)
    town.dead = {"d7"}
    for _ in range(10):
        outage(town, 300)
        town.live(300)
    assert town.told == {"d7": 1}


def test_a_town_of_two_devices_misses_the_one_that_is_dead() -> None:
    """Between two beats of the other nobody is heard for longer than an outage may last."""
    town = Town([300, 300])
    town.live(1800)
    town.dead = {"d1"}
    town.live(2 * AFTER_S + 300)
    assert town.told == {"d1": 1}


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from(OUTAGES), st.integers(5, 800), st.integers(5, 1500)), max_size=8
    )
)
def test_devices_that_speak_often_outlast_any_outages(
    outages: list[tuple[Callable[[Town, int], None], int, int]],
) -> None:
    """One beat gets through between two outages: then no number of them makes a silence.

    Each is shorter than a silence by more than the time between two beats of anybody, for after a
    whole silence of all one tells it for all.
    """
    town = Town([60] * 8)
    town.live(600)
    for outage, outage_s, between_s in outages:
        outage(town, outage_s)
        town.live(60 + between_s)
    town.live(3600)
    assert not town.told


# ── as a worker has it ────────────────────────────────────────────────────────────────────────


class Clock:
    """Monotonic time that passes when somebody listens."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


class Ears:
    """A keeper whose broker goes away and comes back."""

    def __init__(self, pack: CityPack, store: Store) -> None:
        self.clock, self.hears = Clock(), True
        self._pack, self._store = pack, store
        self.restart()

    def restart(self) -> None:
        """Be killed, and start again."""
        self.keeper = SenseKeeper(
            self._pack,
            self._store,
            RULES,
            now=lambda: START + timedelta(seconds=self.clock.s),
            monotonic=self.clock,
            hears=lambda: self.hears,
        )

    async def beat(self, *devices: str) -> None:
        """Let devices speak now."""
        now_s = START.timestamp() + self.clock.s
        readings = [Reading(name, "beat", 1, "", now_s) for name in devices]
        await self.keeper.take(
            LIVE, 0, readings, START + timedelta(seconds=self.clock.s), exercise=False
        )

    async def listen(self, for_s: float, *speakers: str) -> None:
        """Let time pass, while some speak every minute."""
        for step in range(int(for_s // SILENCE_EVERY_S)):
            self.clock.s += SILENCE_EVERY_S
            if speakers and step % 12 == 0:
                await self.beat(*speakers)
            await self.keeper.watch_silence()
            if step % 2:
                await self.keeper.keep()


@pytest.fixture
def store(tmp_path: Path) -> Iterable[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'test.db'}")
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def ears(liyang: CityPack, store: Store) -> Ears:
    return Ears(liyang, store)


def told(store: Store) -> int:
    return len(store.unfinished_after(0, 100))


async def test_while_the_broker_is_away_not_even_one_is_told_for_all(
    ears: Ears, store: Store
) -> None:
    await ears.beat("d1", "d2")
    await ears.listen(600)
    ears.hears = False
    await ears.listen(3600)
    ears.hears = True
    await ears.listen(600)
    assert not told(store), "600 s before and 600 s after are no silence of 900 s"
    await ears.listen(3600)
    assert told(store) == 1


async def test_who_is_not_heard_after_the_broker_came_back_is_told_once(
    ears: Ears, store: Store
) -> None:
    await ears.listen(60, "d1", "d2")
    await ears.listen(600, "d2")
    ears.hears = False
    await ears.listen(3600)
    ears.hears = True
    await ears.listen(AFTER_S - 10, "d2")
    assert not told(store)
    await ears.listen(30, "d2")
    assert told(store) == 1
    ears.restart()
    await ears.listen(3600, "d2")
    assert told(store) == 1


async def test_a_worker_that_was_away_hears_devices_out_before_it_tells(
    ears: Ears, store: Store
) -> None:
    await ears.listen(60, "d1", "d2")
    await ears.listen(600, "d2")
    ears.restart()
    await ears.listen(AFTER_S - 10, "d2")
    assert not told(store)
    await ears.listen(30, "d2")
    assert told(store) == 1


async def test_a_worker_that_ends_again_and_again_misses_who_is_silent_all_the_same(
    ears: Ears, store: Store
) -> None:
    await ears.beat("d1", "d2")
    for _ in range(12):
        await ears.listen(200, "d2")
        ears.restart()
    assert told(store) == 1


async def test_a_worker_that_stood_still_hears_devices_out_before_it_tells(
    ears: Ears, store: Store
) -> None:
    await ears.beat("d1", "d2")
    await ears.listen(800, "d2")
    ears.clock.s += 3600
    await ears.listen(800, "d2")
    assert not told(store)
    await ears.listen(200, "d2")
    assert told(store) == 1


async def test_partitions_that_moved_make_nobody_silent(ears: Ears, store: Store) -> None:
    """A broker that came back empty, before anybody looked whether it was there."""
    await ears.beat("d1", "d2")
    await ears.listen(800, "d2")
    ears.keeper.doubt()
    await ears.keeper.assign({(LIVE, 0)})
    await ears.listen(800, "d2")
    assert not told(store)
    await ears.listen(200, "d2")
    assert told(store) == 1
