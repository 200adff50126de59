"""What a rehearsal's screen counts as shown, and how its phones wait."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gridcommand.rehearsal import clients
from gridcommand.rehearsal.clients import Phones, Screen
from tests.waiting import HANG_S, until

SYSTEM: Any = SimpleNamespace(base_url="http://127.0.0.1:1", session=lambda _role: "token")


def snapshot(seq: int, *reports: str) -> dict[str, Any]:
    incident = {"id": "i1", "reports": list(reports), "report_count": 900}
    return {"type": "snapshot", "seq": seq, "situation": {"incidents": [incident], "rules": {}}}


def delta(begin: int, seq: int, *lines: tuple[str, str]) -> dict[str, Any]:
    log = [{"type": kind, "cause": cause} for kind, cause in lines]
    return {"type": "delta", "from": begin, "seq": seq, "upsert": {}, "remove": {}, "log": log}


def test_a_report_is_seen_by_its_line_in_the_log_though_the_incident_doesnt_name_it() -> None:
    screen = Screen(SYSTEM, "home")
    screen._take(snapshot(10, "r9"))
    screen._take(delta(10, 14, ("report.linked", "r10"), ("task.moved", "r11")))
    assert screen.seen.keys() == {"r9", "r10"}
    assert screen.last_report == "r10"
    assert not screen.gaps


def test_what_a_snapshot_shows_without_naming_it_is_seen_when_that_came() -> None:
    screen = Screen(SYSTEM, "home")
    screen._take(snapshot(10, "r9"))
    screen._take(snapshot(20, "r19"))
    screen.add_shown([(3, "r3"), (9, "r9"), (12, "r12"), (21, "r21")])
    (first, second) = (at for _, at in screen.snapshots)
    assert screen.seen["r3"] == first
    assert screen.seen["r12"] == second
    assert "r21" not in screen.seen


async def test_a_phone_is_not_out_of_patience_before_it_is_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its patience begins with its try, and only as many try as a connection can be had for."""
    taken_in: set[str] = set()
    answer = asyncio.Event()

    async def take_in(request: web.Request) -> web.Response:
        taken_in.add((await request.json())["id"])
        await answer.wait()
        return web.json_response({}, status=clients.ACKNOWLEDGED)

    monkeypatch.setattr(clients, "ANSWER_S", HANG_S)
    app = web.Application()
    app.router.add_post("/api/reports", take_in)
    async with TestServer(app) as server:
        phones = Phones(SYSTEM, str(server.make_url("")).rstrip("/"))
        sending = asyncio.create_task(
            phones.send_all([{"text": "smoke"}], rate=10_000, seconds=0.03)
        )
        await until(lambda: len(phones.waiting) == 300 and len(taken_in) == clients.AT_ONCE)
        assert phones.tries == len(phones.begun) == clients.AT_ONCE
        answer.set()
        assert await asyncio.wait_for(sending, HANG_S) == 300
    assert len(phones.acknowledged) == phones.tries == 300


async def test_a_report_is_begun_when_it_is_sent_for_the_first_time() -> None:
    tries: list[float] = []

    async def take_in(_request: web.Request) -> web.Response:
        tries.append(time.monotonic())
        if len(tries) == 1:
            return web.json_response({}, status=503, headers={"Retry-After": "1"})
        return web.json_response({}, status=clients.ACKNOWLEDGED)

    app = web.Application()
    app.router.add_post("/api/reports", take_in)
    async with TestServer(app) as server:
        phones = Phones(SYSTEM, str(server.make_url("")).rstrip("/"))
        before = time.monotonic()
        assert await phones.send_all([{"text": "smoke"}], rate=10.0, seconds=0.1) == 1
    (begun,), (acknowledged,) = phones.begun.values(), phones.acknowledged.values()
    assert before < begun < tries[0] < tries[1] < acknowledged
