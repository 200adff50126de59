"""What a worker opens when it is told its partitions, and what it says when it ends."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import pytest

from models.errors import StoreError
from models.journal import Head
from models.settings import CHECKOUT, Settings
from models.topics import all_topics
from streams import worker
from streams.app import make_app, running
from streams.errors import BrokerError, OpeningError
from streams.updates import Updates
from streams.worker import let_in, open_desks, partition_of
from tests.waiting import HANG_S, until

HOME = "tiny"
PARTITIONS = 4
MINE = ("desk", partition_of(HOME, PARTITIONS))
TURNS = 20
"""Of the event loop: more than it takes until all that waits for no input or output has gone on."""


class World:
    """Database, broker and shell, each of which may fail as often as it is told."""

    def __init__(self) -> None:
        self.failing: list[str] = []
        self.tried: list[tuple[str, tuple[str, int]]] = []
        self.opened: list[tuple[str, tuple[str, int]]] = []
        self.told = 0

    def _may_fail(self, name: str) -> None:
        if name in self.failing:
            self.failing.remove(name)
            raise StoreError(f"{name} can't be had")

    def heads(self) -> list[Head]:
        self._may_fail("heads")
        return [Head("elsewhere", False, 1, 1, b"", None)]

    def drills(self) -> list[Any]:
        return []

    async def partitions(self, topic: str) -> int:
        self._may_fail("partitions")
        assert topic in {spec.name for spec in all_topics()}
        return PARTITIONS

    async def open(self, jurisdiction: str, place: tuple[str, int]) -> None:
        self.tried.append((jurisdiction, place))
        if "open" in self.failing:
            raise OpeningError("told by the shell, and tried again by it")
        self.opened.append((jurisdiction, place))

    async def reassigned(self) -> None:
        self.told += 1


async def opening(world: World, held: set[tuple[str, int]]) -> None:
    await open_desks(world, world, HOME, held, world.partitions)  # type: ignore[arg-type]


async def test_desks_are_opened_when_database_and_broker_are_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.worker.OPEN_AGAIN_S", 0.0)
    world = World()
    world.failing = ["heads", "heads", "partitions"]
    await asyncio.wait_for(opening(world, {MINE}), HANG_S)
    assert world.opened == [(HOME, MINE)]
    assert world.told == 1
    assert world.failing == []


async def test_a_desk_of_another_partition_is_not_opened() -> None:
    world = World()
    await opening(world, {("desk", (MINE[1] + 1) % PARTITIONS), ("reports", MINE[1])})
    assert world.told == 1
    assert world.tried == []


async def test_one_that_cannot_be_opened_is_left_to_the_shell() -> None:
    world = World()
    world.failing = ["open"]
    await asyncio.wait_for(opening(world, {MINE}), HANG_S)
    assert world.tried == [(HOME, MINE)]
    assert world.opened == []


async def test_updates_are_flushed_once_the_broker_has_them() -> None:
    happened: list[str] = []
    asked, answers = asyncio.Event(), asyncio.Event()

    class Slow:
        async def publish(self, _topic: str, _key: str, events: Sequence[bytes]) -> dict[int, str]:
            asked.set()
            await answers.wait()
            happened.extend(f"sent {event.decode()}" for event in events)
            return {}

    updates = Updates(Slow())  # type: ignore[arg-type]
    await updates.flush()
    running = asyncio.create_task(updates.run())
    await updates.put(HOME, [b"1"])

    async def flush() -> None:
        await updates.flush()
        happened.append("flushed")

    flushing = asyncio.create_task(flush())
    await asyncio.wait_for(asked.wait(), HANG_S)
    for _ in range(TURNS):
        await asyncio.sleep(0)
    answers.set()
    await asyncio.wait_for(flushing, HANG_S)
    assert happened == ["sent 1", "flushed"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_updates_of_an_exercise_go_to_its_own_topic() -> None:
    sent: list[tuple[str, str]] = []

    class There:
        async def publish(self, topic: str, key: str, _events: Sequence[bytes]) -> dict[int, str]:
            sent.append((topic, key))
            return {}

    updates = Updates(There())  # type: ignore[arg-type]
    await updates.put(HOME, [b"1"])
    await updates.put(HOME + ".exercise", [b"2"])
    running = asyncio.create_task(updates.run())
    await asyncio.wait_for(updates.flush(), HANG_S)
    assert sent == [("updates", HOME), ("exercise.updates", HOME + ".exercise")]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_of_updates_that_wait_too_long_the_oldest_go_and_the_rest_keeps_its_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.updates.CAPACITY", 5)
    sent: list[tuple[str, list[bytes]]] = []

    class Back:
        async def publish(self, topic: str, key: str, events: Sequence[bytes]) -> dict[int, str]:
            sent.append((key, list(events)))
            return {}

    updates = Updates(Back())  # type: ignore[arg-type]
    await updates.put(HOME, [b"1", b"2", b"3"])
    await updates.put(HOME + ".exercise", [b"4"])
    await updates.put(HOME, [b"5", b"6"])
    assert (updates.waiting, updates.dropped) == (5, 1)
    await updates.put(HOME, [b"7", b"8", b"9"])
    assert (updates.waiting, updates.dropped) == (5, 4)
    running = asyncio.create_task(updates.run())
    await asyncio.wait_for(updates.flush(), HANG_S)
    assert sent == [(HOME, [b"5", b"6", b"7", b"8", b"9"])]
    assert (updates.waiting, updates.dropped) == (0, 0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_worker_that_the_group_leaves_outside_ends_but_only_while_a_broker_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered: asyncio.Queue[bool] = asyncio.Queue()
    asked = 0

    async def answers(_servers: str) -> bool:
        nonlocal asked
        asked += 1
        return await answered.get()

    class Inside(asyncio.Event):
        looks = 0

        async def wait(self) -> Literal[True]:
            self.looks += 1
            return await super().wait()

    monkeypatch.setattr("streams.worker.answers", answers)
    monkeypatch.setattr("streams.worker.LET_IN_WITHIN_S", 0.01)
    monkeypatch.setattr("streams.worker.LOOK_S", 0.0)
    inside = Inside()
    inside.set()
    watching = asyncio.create_task(let_in(inside, "127.0.0.1:1"))
    await until(lambda: inside.looks > 10 or watching.done())
    assert not watching.done()
    assert asked == 0

    inside.clear()  # partitions are taken away, and none given
    answered.put_nowait(False)
    # It asks again: the broker that didn't answer has been thought of.
    await until(lambda: asked == 2 or watching.done())
    assert not watching.done()
    answered.put_nowait(True)
    with pytest.raises(BrokerError, match="didn't let this one in"):
        await asyncio.wait_for(watching, HANG_S)


async def test_a_start_that_hangs_ends_with_what_the_watch_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.app.EMBEDDED_SESSION_S", 0.0)
    stopped: list[None] = []

    class Hanging:
        async def start(self) -> None:
            await asyncio.Event().wait()

        async def stop(self) -> None:
            stopped.append(None)

    async def nobody_lets_us_in() -> None:
        raise BrokerError("not let in")

    watching = asyncio.create_task(nobody_lets_us_in())
    with pytest.raises(BrokerError, match="not let in"):
        async with running(cast("Any", Hanging()), Settings(data_dir=tmp_path), watching):
            pytest.fail("it can't have started")
    assert stopped == [None]


async def test_nobody_waits_for_tables_that_there_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = make_app(Settings(broker_port=1)).tables
    recovering: list[None] = []

    async def start() -> None:
        recovering.append(None)

    async def sleep(_seconds: float) -> None:
        pytest.fail("somebody might make a table meanwhile")

    monkeypatch.setattr(tables.recovery, "start", start)
    monkeypatch.setattr(tables, "_update_channels", start)
    monkeypatch.setattr(tables, "sleep", sleep)
    await tables.on_start()
    assert len(recovering) == 2


def test_a_city_is_loaded_with_its_solver_so_that_no_plan_waits_for_it() -> None:
    """In a process of its own: here others have loaded it."""
    code = (
        "import sys; from models.settings import Settings; from streams.worker import load_city;"
        "load_city(Settings(city='liyang')); assert 'ortools.sat.python.cp_model' in sys.modules"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


async def test_a_worker_starts_where_the_models_are_damaged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("encoder.onnx is damaged")

    monkeypatch.setattr(worker, "load_reader", fail)
    await worker._load_reader()
    assert "by words alone" in caplog.text
