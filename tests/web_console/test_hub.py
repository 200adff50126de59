"""The hub, and invariant 10: whatever is cut, a screen shows what the journal says, or its age."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import events as ev
from models.brief import NEWEST
from models.errors import NewerVersionError
from models.fold import apply
from models.lifecycles import IncidentState, UnitState
from models.situation import Incident, Situation, dump
from models.words import Grade, Posture, Role
from tests.conftest import InvariantCases
from tests.web_console import virtual_time
from web_console import frames
from web_console.frames import KINDS, Pipeline
from web_console.hub import GATHER_S, POSITIONS_S, Hub, Room
from web_console.views import Viewer, WorkerView

COMMANDER = Viewer(name="commander", role=Role.COMMANDER)
WORKER = Viewer(name="worker1", role=Role.GRID_WORKER, cells=frozenset({"cell-a"}))
HOME = "tiny"

# Which kind of event, about whom; and what happens to the screen after it.
STEP = st.tuples(st.integers(0, 8), st.integers(0, 11))
FATE = st.sampled_from(["keep", "keep", "keep", "flush", "cut", "lose", "skip", "beat", "late"])
SCRIPTS = st.lists(st.tuples(STEP, FATE), min_size=1, max_size=40)
DELAYED = Pipeline("delayed", datetime(2026, 7, 1, 3, tzinfo=UTC), 42.0)


def over_scripts(
    cases: InvariantCases, check: Callable[[list[Any]], Coroutine[Any, Any, None]]
) -> None:
    """Let something hold for every script, and see that there were as many as asked for."""
    ran = 0

    @cases.seeded
    @cases.settings()
    @given(script=SCRIPTS)
    def each(script: list[Any]) -> None:
        nonlocal ran
        ran += 1
        asyncio.run(check(script))

    each()
    assert ran >= cases.count


def clock(jurisdiction: str) -> tuple[datetime, None]:
    return datetime.now(UTC), None


class Page:
    """A screen that folds frames as the pages do, and refuses a frame that doesn't follow."""

    def __init__(self, viewer: Viewer = COMMANDER) -> None:
        self.viewer = viewer
        self.gone = False
        self.seq: int | None = None
        self.state: dict[str, Any] = {}
        self.kinds: list[str] = []
        self.refused: list[str] = []
        self.unshown = 0
        self.pipeline: dict[str, Any] = {}
        self.heard = -1
        """The journal's seq as the last heartbeat said it: beyond ours, we are behind."""

    def send_whole(self, frame: bytes) -> None:
        self.send(frame)

    def send(self, raw: bytes) -> None:
        frame = json.loads(raw)
        self.kinds.append(frame["type"])
        self.unshown = frame.get("unshown", self.unshown)
        match frame["type"]:
            case "snapshot":
                situation = frame["situation"]
                self.state = {kind: {e["id"]: e for e in situation[kind]} for kind in KINDS}
                self.state["rules"] = situation["rules"]
                self.seq = frame["seq"]
            case "delta":
                assert frame["from"] == self.seq, "a hole between two deltas"
                self.seq = frame["seq"]
                for kind, entities in frame["upsert"].items():
                    if kind == "rules":
                        self.state["rules"] = entities
                    else:
                        self.state[kind].update({e["id"]: e for e in entities})
                for kind, ids in frame["remove"].items():
                    for entity_id in ids:
                        # It may have come and gone between two deltas.
                        self.state[kind].pop(entity_id, None)
            case "heartbeat":
                self.pipeline, self.heard = frame["pipeline"], frame["seq"]
            case "refused":
                self.refused.append(frame["order"])


def expected(situation: Situation) -> dict[str, Any]:
    whole = msgspec.json.decode(msgspec.json.encode(frames.everything(situation)))
    state = {kind: {e["id"]: e for e in whole[kind]} for kind in KINDS}
    return state | {"rules": whole["rules"]}


def folded(events: list[ev.Event]) -> Situation:
    situation = Situation(jurisdiction=HOME, exercise=False)
    for event in events:
        apply(situation, event)
    return situation


def test_invariant_10_a_screen_never_lies_whatever_was_cut(
    invariant_cases: InvariantCases, journal_writer: Callable[[], Any], fake_journal: Any
) -> None:
    """Whatever its seq is, it shows what the journal says up to there; and says when it's late."""

    async def check(script: list[Any]) -> None:
        writer, journal = journal_writer(), fake_journal([])
        hub = Hub(journal, clock)
        room = await hub.room(HOME)
        page = Page()
        room.join(page, None)
        watching = True
        for (step, which), fate in script:
            known = len(writer.events)
            writer.write(step, which)
            new = writer.events[known:]
            journal.bodies.extend(ev.encode(event) for event in new)
            # "skip": the topic lost the first of them, the journal has it.
            await hub.take(HOME, new[1:] if fate == "skip" else new)
            if fate == "flush":
                room.flush()
            elif fate == "cut":
                room.leave(page)
                watching = False
            elif fate == "lose":
                # A new page with nothing, as after a reload.
                room.leave(page)
                page = Page()
                watching = False
            elif fate in ("beat", "late"):
                hub.pipelines[False] = DELAYED if fate == "late" else Pipeline()
                hub.beat()
                if watching:
                    is_late = fate == "late"
                    assert (page.heard, page.seq) == (room.seq, room.seq)
                    assert page.pipeline["state"] == ("delayed" if is_late else "ok")
                    assert page.pipeline["since"] == ("2026-07-01T03:00:00Z" if is_late else None)
                    assert page.pipeline["oldest_unfinished_s"] == (42.0 if is_late else 0.0)
            if page.seq is not None:
                assert page.state == expected(folded(writer.events[: page.seq]))
            if not watching and which % 2:
                room.join(page, page.seq)
                watching = True
        if not watching:
            room.join(page, page.seq)
        await hub.heal(room, len(writer.events))
        room.flush()
        truth = folded(writer.events)
        assert page.seq == truth.seq == len(writer.events)
        assert page.state == expected(truth)
        assert dump(room.situation) == dump(truth)

    over_scripts(invariant_cases, check)


def test_invariant_10_a_workers_deltas_lead_to_what_a_worker_may_see(
    invariant_cases: InvariantCases, journal_writer: Callable[[], Any], fake_journal: Any
) -> None:
    async def check(script: list[Any]) -> None:
        writer = journal_writer()
        hub = Hub(fake_journal([]), clock)
        room = await hub.room(HOME)
        page = Page(WORKER)
        room.join(page, None)
        for (step, which), fate in script:
            known = len(writer.events)
            writer.write(step, which)
            await hub.take(HOME, writer.events[known:])
            if fate != "keep":
                room.flush()
        room.beat(DELAYED)
        view = WorkerView(WORKER, room.reporters).everything(room.situation)
        whole = msgspec.json.decode(msgspec.json.encode(view))
        for kind in KINDS:
            assert page.state[kind] == {e["id"]: e for e in whole[kind]}
        assert page.state["proposals"] == {}
        assert page.seq == page.heard == room.seq
        assert page.pipeline["state"] == "delayed"

    over_scripts(invariant_cases, check)


async def test_a_screen_that_was_away_gets_only_what_it_missed(
    journal_writer: Callable[[], Any], fake_journal: Any
) -> None:
    writer = journal_writer()
    for step in range(20):
        writer.write(step, step)
    hub = Hub(fake_journal(writer.events), clock)
    room = await hub.room(HOME)
    page = Page()
    page.state, page.seq = expected(folded(writer.events[:-3])), len(writer.events) - 3
    room.join(page, page.seq)
    assert page.kinds == ["delta"]
    assert page.state == expected(folded(writer.events))


async def test_a_screen_gets_every_change_since_its_seq_or_all_anew(
    journal_writer: Callable[[], Any], fake_journal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One event each for a unit of its own: none can be missed and stay unseen."""
    kept, count = 5, 12
    monkeypatch.setattr("web_console.hub.RESUMABLE", kept)
    writer = journal_writer()
    for number in range(count):
        writer.append(
            ev.UnitRegistered(
                unit=f"u{number}", kind="engine", skills=(), owner="government", lon=119.4, lat=31.4
            )
        )
    room = await Hub(fake_journal(writer.events), clock).room(HOME)
    for seq in range(count + 1):
        page = Page()
        page.state, page.seq = expected(folded(writer.events[:seq])), seq
        room.join(page, seq)
        assert (page.kinds, page.seq) == (["delta" if seq >= count - kept else "snapshot"], count)
        assert page.state == expected(folded(writer.events)), f"from {seq} on"


@pytest.mark.parametrize("seq", [None, -1, 10**9])
async def test_what_no_page_can_have_seen_gets_a_snapshot(
    seq: int | None, journal_writer: Callable[[], Any], fake_journal: Any
) -> None:
    writer = journal_writer()
    writer.write(0, 0)
    room = await Hub(fake_journal(writer.events), clock).room(HOME)
    page = Page()
    room.join(page, seq)
    assert page.kinds == ["snapshot"]


async def test_a_room_starts_from_the_snapshot_and_reads_only_the_tail(
    journal_writer: Callable[[], Any], fake_journal: Any
) -> None:
    writer = journal_writer()
    for step in range(30):
        writer.write(step, step)
    journal = fake_journal(writer.events)
    journal.snapshot = dump(folded(writer.events[:20]))
    room = await Hub(journal, clock).room(HOME)
    assert dump(room.situation) == dump(folded(writer.events))
    page = Page()
    room.join(page, 5)  # older than the tail: what it touched isn't known any more
    assert page.kinds == ["snapshot"]


async def test_two_who_ask_for_a_room_at_once_share_it(
    journal_writer: Callable[[], Any], fake_journal: Any
) -> None:
    journal = fake_journal([])
    hub = Hub(journal, clock)
    rooms = await asyncio.gather(*(hub.room(HOME) for _ in range(5)))
    assert len({id(room) for room in rooms}) == 1
    assert journal.reads == 1


async def test_a_refused_order_is_told_to_whose_it_was(
    journal_writer: Callable[[], Any], fake_journal: Any
) -> None:
    writer = journal_writer()
    hub = Hub(fake_journal([]), clock)
    room = await hub.room(HOME)
    mine, other = Page(), Page(Viewer(name="other", role=Role.COMMANDER))
    room.join(mine, None)
    room.join(other, None)
    event = writer.append(
        ev.OrderRefused(order="o1", by="commander", code="unit_taken", detail="taken")
    )
    await hub.take(HOME, [event])
    room.flush()
    assert (mine.refused, other.refused) == (["o1"], [])
    assert "delta" in other.kinds


async def test_a_word_that_can_not_be_used_is_told_to_the_worker_whose_it_was(
    journal_writer: Callable[[], Any], fake_journal: Any
) -> None:
    hub = Hub(fake_journal([]), clock)
    room = await hub.room(HOME)
    worker, commander = Page(Viewer(name="worker1", role=Role.GRID_WORKER)), Page()
    room.join(worker, None)
    room.join(commander, None)
    refused = ev.EventRefused(event="w1", by="worker1", code="placed_already", detail="it has one")
    await hub.take(HOME, [journal_writer().append(refused)])
    room.flush()
    assert (worker.refused, commander.refused) == (["w1"], [])


@pytest.mark.parametrize("again", [False, True])
def test_a_position_that_is_set_aside_is_logged_once_and_shown_always(
    journal_writer: Callable[[], Any], fake_journal: Any, again: bool
) -> None:
    async def check() -> None:
        writer = journal_writer()
        writer.write(1, 0)
        room = await Hub(fake_journal(writer.events), clock, at_once).room(HOME)
        known = room.situation.units["u1"]
        kept, kept_at = (known.lon, known.lat), known.position_at
        told = ev.UnitPositionsReported(positions={"u1": (0.0, 0.0)})
        aside = ev.UnitPositionSetAside(
            unit="u1", lon=0.0, lat=0.0, away_m=1e7, kept=kept, kept_at=kept_at, again=again
        )
        page = Page()
        room.join(page, None)
        room.take(writer.append(told))
        room.take(event := writer.append(aside))
        room.flush()
        unit = page.state["units"]["u1"]
        assert (unit["lon"], unit["lat"]) == kept
        assert (unit["far"]["lon"], unit["far"]["away_m"]) == (0.0, 1e7)
        assert (frames.log_entry(event) is None) == again

    virtual_time.run(check())


async def at_once(call: Callable[..., Any], *args: Any) -> Any:
    """Ask the journal without a thread, for which no virtual time waits."""
    return call(*args)


def test_positions_wait_a_quarter_of_a_second_and_everything_else_does_not(
    journal_writer: Callable[[], Any], fake_journal: Any
) -> None:
    async def check() -> None:
        writer = journal_writer()
        writer.write(1, 0)
        room = await Hub(fake_journal(writer.events), clock, at_once).room(HOME)
        page = Page()
        room.join(page, None)
        # The first after a pause goes at once, so that the next has something to wait for.
        room.take(writer.append(ev.PostureSet(posture=Posture.EMERGENCY, by="x")))
        room.flush()
        page.kinds.clear()
        room.take(writer.append(ev.UnitPositionsReported(positions={"u1": (119.0, 31.0)})))
        await asyncio.sleep(POSITIONS_S - 0.001)
        assert page.kinds == []
        await asyncio.sleep(0.002)
        assert page.kinds == ["delta"]
        assert page.state["units"]["u1"]["lon"] == 119.0

        page.kinds.clear()
        room.take(writer.append(ev.UnitPositionsReported(positions={"u1": (120.0, 31.0)})))
        room.take(writer.append(ev.RoadClosed(closure="c", lon=119.0, lat=31.0, radius_m=5.0)))
        await asyncio.sleep(GATHER_S + 0.001)
        assert page.kinds == ["delta"]
        assert page.state["units"]["u1"]["lon"] == 120.0

    virtual_time.run(check())


async def test_a_hub_knows_for_how_long_a_plan_has_been_due(
    journal_writer: Callable[[], Any], fake_journal: Any
) -> None:
    writer = journal_writer()
    writer.write(1, 0)
    hub = Hub(fake_journal(writer.events), clock, at_once)
    room = await hub.room(HOME)
    room.take(writer.append(ev.ClockTicked()))
    assert room.plan_due_at is None
    room.take(writer.append(ev.PostureSet(posture=Posture.EMERGENCY, by="x")))
    due_at = room.plan_due_at
    assert due_at is not None
    room.take(writer.append(ev.PostureSet(posture=Posture.ROUTINE, by="x")))
    assert hub.plan_due_s(due_at + 30.0, exercise=False) == pytest.approx(30.0)
    assert hub.plan_due_s(due_at + 30.0, exercise=True) == 0.0
    room.take(writer.append(ev.ClockTicked()))
    assert hub.plan_due_s(due_at + 30.0, exercise=False) == 0.0


def named(caplog: pytest.LogCaptureFixture, words: str) -> list[tuple[str, str]]:
    """Return event and jurisdiction of each line of the log that says these words."""
    said = [vars(one) for one in caplog.records if words in one.message]
    return [(one["event"], one["jurisdiction"]) for one in said]


async def test_an_event_that_cannot_be_folded_blinds_nobody(
    journal_writer: Callable[[], Any], fake_journal: Any, caplog: pytest.LogCaptureFixture
) -> None:
    writer = journal_writer()
    room: Room = await Hub(fake_journal([]), clock).room(HOME)
    page = Page()
    room.join(page, None)
    # A unit that the situation doesn't have: apply fails on it.
    room.take(writer.append(ev.UnitMoved(unit="ghost", state=UnitState.AVAILABLE)))
    room.take(writer.append(ev.RoadClosed(closure="c", lon=1.0, lat=1.0, radius_m=5.0)))
    room.flush()
    assert room.unshown == 1
    assert named(caplog, "can't be folded") == [("e1", HOME)]
    assert "c" in page.state["closures"]
    assert page.seq == 2


async def test_a_screen_that_is_gone_is_forgotten(fake_journal: Any) -> None:
    room = await Hub(fake_journal([]), clock).room(HOME)
    page = Page()
    room.join(page, None)
    page.gone = True
    room.beat(Pipeline())
    assert room.watched == 0


def of_a_newer_desk(event: ev.Event) -> bytes:
    """Return an event as a version writes it that knows more than we do."""
    wire = json.loads(ev.encode(event))
    return json.dumps(wire | {"type": "gridcommand.drone.launched", "data": {"d": 1}}).encode()


async def test_an_event_of_a_newer_desk_is_gone_past_and_screens_are_told(
    journal_writer: Callable[[], Any], fake_journal: Any, caplog: pytest.LogCaptureFixture
) -> None:
    writer, journal = journal_writer(), fake_journal([])
    hub = Hub(journal, clock)
    room = await hub.room(HOME)
    page = Page()
    room.join(page, None)
    writer.open_incident(1)
    new = writer.append(ev.PostureSet(posture=Posture.EMERGENCY, by="x"))
    writer.open_incident(2)
    journal.bodies = [
        of_a_newer_desk(event) if event is new else ev.encode(event) for event in writer.events
    ]
    await hub.heal(room, len(writer.events))
    room.beat(Pipeline())
    assert page.seq == room.seq == 5
    assert page.state["incidents"].keys() == {"i1", "i2"}
    assert page.unshown == 1
    assert named(caplog, "seq 3, can't be read") == [(new.id, HOME)]
    # Who comes later is told at once; and who was away gets what it missed.
    late, away = Page(), Page()
    room.join(late, None)
    assert late.unshown == 1
    away.state, away.seq = expected(folded(writer.events[:2])), 2
    room.join(away, 2)
    assert away.state["incidents"].keys() == {"i1", "i2"}


async def test_a_journal_that_holds_no_event_at_all_is_gone_past(
    journal_writer: Callable[[], Any], fake_journal: Any
) -> None:
    writer = journal_writer()
    writer.open_incident(1)
    journal = fake_journal(writer.events)
    journal.bodies[0] = b"\x00"
    room = await Hub(journal, clock).room(HOME)
    assert (room.seq, room.unshown) == (2, 1)


async def test_a_newer_desks_snapshot_says_which_version_to_run(fake_journal: Any) -> None:
    journal = fake_journal([])
    journal.snapshot = b'{"jurisdiction":"tiny","exercise":false,"seq":"of letters"}'
    with pytest.raises(NewerVersionError, match="run consoles of the desk's version"):
        await Hub(journal, clock).room(HOME)


async def test_rooms_that_nobody_needs_are_closed_and_open_again(
    journal_writer: Callable[[], Any], fake_journal: Any
) -> None:
    writer = journal_writer()
    writer.open_incident(1)
    hub = Hub(fake_journal(writer.events), clock)
    kept, watched, unused = [await hub.room(name) for name in ("kept", "watched", HOME)]
    page = Page()
    watched.join(page, None)
    hub.close_unused({"kept"}, unused_s=60.0)
    assert len(list(hub.rooms)) == 3
    hub.close_unused({"kept"}, unused_s=0.0)
    assert list(hub.rooms) == [kept, watched]
    assert not hub.follows(HOME)
    again = await hub.room(HOME)
    assert again is not unused
    assert dump(again.situation) == dump(unused.situation)
    # Who goes may come back in a moment.
    watched.leave(page)
    hub.close_unused({"kept"}, unused_s=60.0)
    assert hub.follows("watched")


def test_of_very_many_reports_the_newest_go_out_and_a_workers_own() -> None:
    reports = [f"r{number}" for number in range(5000)]
    now = datetime(2026, 7, 1, 3, tzinfo=UTC)
    incident = Incident(
        id="i", number="1", state=IncidentState.OPEN, category="natural.earthquake", priority=1,
        grade=Grade.I, confidence=1.0, opened_at=now, updated_at=now, updated_seq=5000,
        reports=reports, texts=["it shakes"] * 4999,
    )  # fmt: skip
    situation = Situation(jurisdiction=HOME, exercise=False, incidents={"i": incident})
    upsert, _ = frames.changes(situation, [("incidents", "i")])
    (shown,) = upsert["incidents"]
    assert shown.report_count == 5000
    assert shown.reports == reports[-NEWEST:]
    assert len(shown.texts) == NEWEST
    assert frames.everything(situation)["incidents"] == [shown]
    assert incident.reports == reports, "what the journal says stays"

    view = WorkerView(
        Viewer(name="far away", role=Role.GRID_WORKER), {"r7": "far away", "r9": "other"}
    )
    (own,) = view.everything(situation)["incidents"]
    assert own.reports == ["r7", *shown.reports]
    (changed,) = view.changes(situation, [("incidents", "i")])[0]["incidents"]
    assert changed == own
