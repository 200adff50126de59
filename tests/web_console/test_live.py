"""The live channel with real sockets: who may connect, resume, heartbeats, slow screens."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from models import events as ev
from models.events import encode
from models.inbox import InboxRow
from models.settings import Settings
from models.store import Store
from models.words import Role
from tests.waiting import HANG_S, until
from web_console import live as live_module
from web_console.accounts import COOKIE
from web_console.console import Console
from web_console.pipeline import DELAYED_S

HOME, DRILL = "tiny", "tiny.exercise"
Connect = Callable[..., connect]


@pytest.fixture
async def connecting(console: Console, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connect]:
    """The channel and the feed of a console; connects with a session's token.

    The channel waits as long as a slow machine takes, for a hello and for the end of a connection.
    """
    monkeypatch.setattr(live_module, "HELLO_WITHIN_S", HANG_S)
    monkeypatch.setattr(live_module, "CLOSE_WITHIN_S", HANG_S)
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server = await console.live.start(sock=listening)
    feed = asyncio.create_task(console.feed.run())

    def to(token: str | None, **options: Any) -> connect:
        headers = {"Cookie": f"other=1; {COOKIE}={token}"} if token else {}
        return connect(
            f"ws://127.0.0.1:{port}/live",
            additional_headers=headers,
            open_timeout=HANG_S,
            ping_interval=None,
            **options,
        )

    yield to
    assert not feed.done(), feed.exception()
    feed.cancel()
    server.close()
    await asyncio.gather(feed, server.wait_closed(), return_exceptions=True)


async def hello(
    socket: ClientConnection, seq: int | None = None, jurisdiction: str = HOME
) -> dict[str, Any]:
    await socket.send(json.dumps({"type": "hello", "jurisdiction": jurisdiction, "seq": seq}))
    return await next_of(socket, "snapshot", "delta", "error")


async def next_of(socket: ClientConnection, *kinds: str) -> dict[str, Any]:
    while True:
        frame: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), HANG_S))
        if frame["type"] in kinds:
            return frame


async def beat_that(
    socket: ClientConnection, says: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Return the first heartbeat that says something."""
    async with asyncio.timeout(HANG_S):
        while not says(beat := await next_of(socket, "heartbeat")):
            pass
    return beat


async def close_code(socket: ClientConnection) -> int:
    await asyncio.wait_for(_read_to_the_end(socket), HANG_S)
    assert socket.close_code is not None
    return socket.close_code


async def _read_to_the_end(socket: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        async for _ in socket:
            pass


def commit(store: Store, events: list[ev.Event], jurisdiction: str = HOME) -> None:
    """Write events as a desk does."""
    at = datetime.now(UTC)
    lease = store.claim(jurisdiction, exercise=jurisdiction != HOME, at=at)
    store.commit_step(lease, events, [encode(event) for event in events], wall=at)


async def test_snapshot_then_deltas_out_of_the_journal_alone(
    connecting: Connect, token_of: Any, store: Store, journal_writer: Any
) -> None:
    # No broker at all: screens follow the journal.
    writer = journal_writer()
    writer.open_incident(1)
    commit(store, writer.events)
    async with connecting(token_of("c", Role.COMMANDER)) as socket:
        first = await hello(socket)
        assert first["type"] == "snapshot"
        assert [one["id"] for one in first["situation"]["incidents"]] == ["i1"]
        known = len(writer.events)
        writer.open_incident(2)
        commit(store, writer.events[known:])
        delta = await next_of(socket, "delta")
        assert (delta["from"], delta["seq"]) == (2, 4)
        assert delta["upsert"]["incidents"][0]["id"] == "i2"
        assert delta["log"][-1]["type"] == "incident.opened"
        assert delta["log"][-1]["incident"] == "i2"


async def test_who_comes_back_gets_what_was_missed(
    connecting: Connect, console: Console, token_of: Any, store: Store, journal_writer: Any
) -> None:
    writer = journal_writer()
    writer.open_incident(1)
    commit(store, writer.events)
    token = token_of("c", Role.COMMANDER)
    async with connecting(token) as socket:
        assert (await hello(socket))["seq"] == 2
    writer.open_incident(2)
    commit(store, writer.events[2:])
    await until(lambda: console.hub.known_seq(HOME) == 4)
    async with connecting(token) as socket:
        frame = await hello(socket, 2)
        assert (frame["type"], frame["from"], frame["seq"]) == ("delta", 2, 4)


async def test_heartbeats_tell_time_and_pipeline(connecting: Connect, token_of: Any) -> None:
    async with connecting(token_of("c", Role.COMMANDER)) as socket:
        before = datetime.now(UTC)
        await hello(socket)
        beat = await beat_that(socket, lambda one: one["pipeline"]["state"] == "ok")
        assert beat["clock"] is None
        assert before <= datetime.fromisoformat(beat["now"]) <= datetime.now(UTC)


async def test_an_exercise_shows_the_drills_clock(
    connecting: Connect, token_of: Any, begin_drill: Any
) -> None:
    began = datetime.now(UTC)
    night = begin_drill(began)
    async with connecting(token_of("c", Role.COMMANDER, DRILL)) as socket:
        assert (await hello(socket, None, DRILL))["exercise"] is True
        beat = await beat_that(socket, lambda one: one["clock"] is not None)
        assert (beat["clock"]["speed"], beat["clock"]["over"]) == (60.0, False)
        passed = datetime.now(UTC) - began
        assert night <= datetime.fromisoformat(beat["now"]) <= night + 60 * passed


@pytest.mark.parametrize("how", ["ended", "left"])
async def test_an_exercise_whose_drill_no_process_drives_is_over(
    connecting: Connect, token_of: Any, begin_drill: Any, store: Store, how: str
) -> None:
    begin_drill(datetime.now(UTC))
    async with connecting(token_of("c", Role.COMMANDER, DRILL)) as socket:
        await hello(socket, None, DRILL)
        await beat_that(socket, lambda one: one["clock"] and not one["clock"]["over"])
        if how == "ended":
            store.set_drill(DRILL, state="ended")
        else:
            store.set_drill(DRILL, updated_at=datetime.now(UTC) - timedelta(minutes=1))
        await beat_that(socket, lambda one: one["clock"]["over"])


@pytest.mark.parametrize(("late", "other"), [(HOME, DRILL), (DRILL, HOME)])
async def test_a_late_inbox_is_told_as_delayed_to_its_side_alone(
    connecting: Connect, token_of: Any, store: Store, late: str, other: str
) -> None:
    received_at = datetime.now(UTC) - timedelta(seconds=60)
    async with (
        connecting(token_of("c", Role.COMMANDER, HOME, DRILL)) as socket,
        connecting(token_of("d", Role.COMMANDER, HOME, DRILL)) as beside,
    ):
        await hello(socket, None, late)
        await hello(beside, None, other)
        store.put(
            [
                InboxRow(
                    event_id="late",
                    jurisdiction=late,
                    topic="reports",
                    key=late,
                    body=b"{}",
                    received_at=received_at,
                    exercise=late == DRILL,
                )
            ]
        )
        # A machine so slow that the database seems to hang has a cause to tell of.
        beat = await beat_that(
            socket,
            lambda one: one["pipeline"]["state"] == "delayed" and not one["pipeline"]["cause"],
        )
        # Nobody had seen it for a minute: it was acknowledged now, with an old time.
        assert DELAYED_S < beat["pipeline"]["oldest_unfinished_s"] < 60
        assert datetime.fromisoformat(beat["pipeline"]["since"]) > received_at
        beat = await beat_that(beside, lambda one: not one["pipeline"]["cause"])
        assert beat["pipeline"]["state"] == "ok"
        store.finish(late, ["late"], datetime.now(UTC))
        beat = await beat_that(socket, lambda one: one["pipeline"]["state"] == "ok")
        assert beat["pipeline"]["oldest_unfinished_s"] == 0


async def test_nobody_signed_in_is_told_and_closed(connecting: Connect) -> None:
    for token in (None, "forged"):
        async with connecting(token) as socket:
            assert (await next_of(socket, "error"))["code"] == 4401
            assert await close_code(socket) == 4401


@pytest.mark.parametrize(
    ("seq", "code"),
    [
        *(("-1", None), ("9223372036854775808", None), ("-9223372036854775809", None)),
        *(("1" + "0" * 30, None), ("9" * 5000, 4400), ("1e400", 4400), ("NaN", 4400)),
        *(("0.5", 4400), ('"1"', 4400), ("[]", 4400)),
    ],
)
async def test_a_hello_with_a_seq_that_is_none_gets_everything_or_is_told(
    seq: str, code: int | None, connecting: Connect, token_of: Any
) -> None:
    async with connecting(token_of("c", Role.COMMANDER)) as socket:
        await socket.send(f'{{"type":"hello","jurisdiction":"tiny","seq":{seq}}}')
        if code is None:
            assert (await next_of(socket, "snapshot", "delta", "error"))["type"] == "snapshot"
        else:
            assert await close_code(socket) == code


@pytest.mark.parametrize(
    ("jurisdiction", "code"),
    [(r"\u0000", 4403), ("", 4403), ("x" * 9000, 4403), (r"\ud83d", 4400), ("../tiny", 4403)],
)
async def test_a_hello_to_nowhere_is_refused(
    jurisdiction: str, code: int, connecting: Connect, token_of: Any
) -> None:
    async with connecting(token_of("c", Role.ADMIN)) as socket:
        await socket.send(f'{{"type":"hello","jurisdiction":"{jurisdiction}"}}')
        assert await close_code(socket) == code


async def test_a_foreign_jurisdiction_is_refused(connecting: Connect, token_of: Any) -> None:
    async with connecting(token_of("c", Role.COMMANDER, DRILL)) as socket:
        # Who belongs to the exercise has no business in the real one.
        assert (await hello(socket, None, HOME))["code"] == 4403
        assert await close_code(socket) == 4403
    async with connecting(token_of("d", Role.COMMANDER)) as socket:
        assert (await hello(socket, None, "atlantis"))["code"] == 4403


async def test_no_hello_in_time(
    connecting: Connect, token_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "HELLO_WITHIN_S", 0.05)
    async with connecting(token_of("c", Role.COMMANDER)) as socket:
        assert await close_code(socket) == 4408


@pytest.mark.parametrize("message", ["nonsense", "[]", '{"type":"order"}', b"\xff", "[" * 5000])
async def test_what_cannot_be_read_ends_the_connection(
    message: str | bytes, connecting: Connect, token_of: Any
) -> None:
    async with connecting(token_of("c", Role.COMMANDER)) as socket:
        await socket.send(message)
        assert await close_code(socket) == 4400


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://127.0.0.1:8740", True),
        ("http://127.0.0.1:9999", False),
        ("http://evil.example:8740", False),
        ("null", False),
        ("http://[broken", False),
    ],
)
async def test_only_our_pages_connect(
    origin: str, allowed: bool, connecting: Connect, token_of: Any
) -> None:
    token = token_of("c", Role.COMMANDER)
    if allowed:
        async with connecting(token, origin=origin) as socket:
            assert (await hello(socket))["type"] == "snapshot"
    else:
        with pytest.raises(InvalidStatus) as refused:
            await connecting(token, origin=origin)
        assert refused.value.response.status_code == 403


async def test_a_slow_screen_is_dropped_and_the_others_are_not(
    connecting: Connect, console: Console, token_of: Any, journal_writer: Any, store: Store
) -> None:
    writer = journal_writer()
    token = token_of("c", Role.COMMANDER)
    console.live.queue_bytes = 100_000
    async with connecting(token) as fast, connecting(token, max_queue=1) as slow:
        await hello(fast)
        await hello(slow)
        room = await console.hub.room(HOME)
        assert room.watched == 2
        slow.transport.pause_reading()

        # The system's own socket buffers swallow some megabytes first.
        for number in range(400):
            if room.watched < 2:
                break
            room.take(
                writer.append(
                    ev.RoadClosed(
                        closure=f"c{number}", lon=1.0, lat=1.0, radius_m=5.0, reason="x" * 60_000
                    )
                )
            )
            room.flush()
            assert (await next_of(fast, "delta"))["seq"] == room.seq
        assert room.watched == 1
        slow.transport.resume_reading()
        assert await close_code(slow) == 1013
        assert fast.close_code is None


async def test_a_session_that_ends_closes_its_screens(
    connecting: Connect,
    token_of: Any,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_module, "CHECK_SESSION_S", 0.1)
    token = token_of("c", Role.COMMANDER)
    async with connecting(token) as socket:
        await hello(socket)
        store.change_account("c", disabled=True)
        assert await close_code(socket) == 4401


async def test_a_worker_sees_own_things_only(
    connecting: Connect, token_of: Any, store: Store, journal_writer: Any
) -> None:
    writer = journal_writer()
    writer.open_incident(1, reporter="worker1")  # in cell-a
    writer.open_incident(2, reporter="other")  # in cell-b
    writer.open_incident(3, reporter="worker1")  # in no cell, but the worker's own report
    commit(store, writer.events)
    token = token_of("worker1", Role.GRID_WORKER, cells=("cell-a",))
    async with connecting(token) as socket:
        frame = await hello(socket)
        shown = [one["id"] for one in frame["situation"]["incidents"]]
        assert shown == ["i1", "i3"]
        writer.open_incident(4, reporter="worker1")
        known = writer.events[6:]
        commit(store, known)
        delta = await next_of(socket, "delta")
        assert [one["id"] for one in delta["upsert"]["incidents"]] == ["i4"]
        assert delta["log"] == []


async def test_settings_of_a_screen_queue_reach_the_channel(
    console: Console, settings: Settings
) -> None:
    assert console.live.queue_bytes == settings.screen_queue
