"""What clients were told, against what the journal says: lost, doubled, longest silence.

For ``gridcommand chaos`` and the tests that pull plugs. Believes nothing that the system says of
itself but the journal, whose chain it proves first. Relies on
:mod:`gridcommand.rehearsal.ledger` for what the journal adds up to and on
:mod:`gridcommand.rehearsal.silence` for times.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from gridcommand.rehearsal import silence
from gridcommand.rehearsal.ledger import Ledger
from gridcommand.rehearsal.sensors import Watched
from gridcommand.rehearsal.silence import Outage
from models.dead_letters import DeadLetterRow
from models.errors import EventError, JournalBrokenError
from models.events import Event, decode
from models.fold import apply
from models.situation import Situation
from models.store import Store
from models.words import is_exercise
from web_console import frames

EXAMPLES = 5
AT_ONCE = 500


class Shown(Protocol):
    """What a screen has at the end, as :class:`gridcommand.rehearsal.clients.Screen` keeps it.

    Attributes
    ----------
    seq
        As the last frame had it; None where none came.
    kinds
        Kind to id to entity.
    gaps
        Frames that didn't follow on the one before.
    """

    seq: int | None
    kinds: dict[str, dict[str, Any]]
    gaps: list[tuple[int, int | None]]


class Watching(Protocol):
    """Sensors that sent meanwhile, as :class:`gridcommand.rehearsal.sensors.Sensors`."""

    def told(self, store: Store) -> Watched:
        """Compare what they saw with what the journal has."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run.

    Attributes
    ----------
    acknowledged
        Reports that a client was told are safe.
    decided
        Of these, in the journal with the incident that they opened or joined.
    dead_lettered
        Of these, in the dead letters with a reason, and not replayed since.
    waiting
        Of these, still in the inbox: neither lost nor decided.
    lost
        Of these, nowhere.
    doubled
        Reports decided more than once, or decided and a dead letter that nobody replayed;
        assignments ordered or ended twice; requirements filled beyond what they ask for.
    two_places
        Orders to units that served another assignment.
    unseen
        Decided, and on no screen.
    screens_wrong
        Screens that had a gap, or showed something else than the journal says.
    swallowed
        Reports with evil content of which the journal made something.
    longest_silence_s
        Longest time in which no decision came to the screen while one was owed.
    silence_too_long_s
        By how much one was longer than it may be; 0: none was.
    recovered_s
        Longest time from the end of an outage to the next decision that was owed.
    unanswered
        Reports whose senders were still without an answer at the end.
    watched
        What became of the conditions that sensors saw.
    journal
        What is wrong with the journal itself; empty: nothing.
    examples
        Some of what is lost, doubled or wrong, in words.
    """

    acknowledged: int
    decided: int
    dead_lettered: int
    waiting: int
    lost: int
    doubled: int
    unseen: int
    longest_silence_s: float
    two_places: int = 0
    screens_wrong: int = 0
    swallowed: int = 0
    silence_too_long_s: float = 0.0
    recovered_s: float = 0.0
    unanswered: int = 0
    watched: Watched = Watched()
    journal: str = ""
    examples: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every promise was kept."""
        return not (
            self.lost
            or self.doubled
            or self.two_places
            or self.waiting
            or self.unanswered
            or self.unseen
            or self.screens_wrong
            or self.swallowed
            or self.silence_too_long_s
            or self.watched.missed
            or self.watched.doubled
            or self.journal
        )


def check(
    store: Store,
    jurisdiction: str,
    acknowledged: Mapping[str, float],
    seen: Mapping[str, float],
    *,
    ended: float | None = None,
    unanswered: int = 0,
    sensors: Watching | None = None,
    screens: Sequence[Shown] = (),
    evil: Collection[str] = (),
    outages: Sequence[Outage] = (),
    silence_at_most_s: float | None = None,
) -> Verdict:
    """Compare what clients were told with a journal.

    Parameters
    ----------
    acknowledged
        Report to when its sender was told that it is safe, in seconds of any one clock.
    seen
        Report to when it was first on a screen, of the same clock.
    ended
        When watching ended, of the same clock: what was still owed then counts as silence.
    unanswered
        Senders that never got an answer.
    sensors
        Those that sent readings meanwhile.
    screens
        Compared with the journal up to where each of them is.
    evil
        Reports that were made safe too, and of which nothing can come but a dead letter.
    outages
        What was broken when, of the same clock.
    silence_at_most_s
        Longest silence allowed; each outage in it allows as much again, and its own length.
        None: any.

    Notes
    -----
    Reads the journal twice, some 40 µs an event.
    """
    journal = _proven(store, jurisdiction)
    ledger, comparison = Ledger(), _Comparison(jurisdiction, screens)
    for event in _events(store, jurisdiction):
        ledger.take(event)
        comparison.take(event)
    wrong_screens = comparison.result()
    letters = list(_letters(store, jurisdiction))
    # A letter that was replayed is history; one that failed again is open again.
    dead = {one.event_id for one in letters if one.reason and one.code and not one.replayed_at}
    told, sick = set(acknowledged) | set(evil), set(evil)
    decided = ledger.decided
    open_ids = _unfinished(store, jurisdiction)
    lost = told - decided - dead - open_ids
    doubled = {**{one: f"report {one}: decided and a dead letter" for one in dead & decided},
               **ledger.twice()}  # fmt: skip
    owed = {one: at for one, at in acknowledged.items() if one not in dead - decided}
    quiet = silence.silences(owed, seen, ended)
    too_long_s = (
        0.0 if silence_at_most_s is None else silence.too_long_s(quiet, outages, silence_at_most_s)
    )
    examples = (
        [f"report {one}: lost" for one in sorted(lost)],
        [doubled[one] for one in sorted(doubled)],
        ledger.doubled,
        ledger.two_places,
        [f"report {one}: evil, and decided" for one in sorted(sick & decided)],
        list(wrong_screens.values()),
    )
    return Verdict(
        acknowledged=len(told),
        decided=len(told & decided),
        dead_lettered=len(told & dead - decided),
        waiting=len(told & open_ids - decided - dead),
        lost=len(lost),
        doubled=len(doubled) + len(ledger.doubled),
        two_places=len(ledger.two_places),
        unseen=len((told & decided) - seen.keys()),
        screens_wrong=len(wrong_screens),
        swallowed=len(sick & decided),
        longest_silence_s=round(silence.longest_s(quiet), 2),
        silence_too_long_s=round(too_long_s, 2),
        recovered_s=round(silence.recovered_s(quiet, outages), 2),
        unanswered=unanswered,
        watched=sensors.told(store) if sensors else Watched(),
        journal=journal or comparison.broken,
        examples=tuple(one for some in examples for one in some[:EXAMPLES]),
    )


class _Comparison:
    """Screens against the situation that the journal adds up to, each at its own seq."""

    def __init__(self, jurisdiction: str, screens: Sequence[Shown]) -> None:
        self.broken = ""
        self._situation = Situation(jurisdiction=jurisdiction, exercise=is_exercise(jurisdiction))
        self._wrong: dict[int, str] = {}
        self._waiting: dict[int, Shown] = {}
        for number, screen in enumerate(screens):
            if screen.gaps:
                begin, had = screen.gaps[0]
                self._wrong[number] = f"screen {number}: had seq {had}, and the next from {begin}"
            else:
                self._waiting[number] = screen
        self._compare()

    def take(self, event: Event) -> None:
        """Go on by an event of the journal."""
        if not self._waiting:
            return
        try:
            apply(self._situation, event)
        except (KeyError, ValueError) as error:
            self.broken = self.broken or f"seq {event.seq} can't be folded: {error!r}"
        self._compare()

    def result(self) -> dict[int, str]:
        """Return what is wrong with which screen, when the journal has ended."""
        beyond = {
            number: f"screen {number}: it is at seq {screen.seq}, the journal ends at "
            f"{self._situation.seq}"
            for number, screen in self._waiting.items()
        }
        return {**self._wrong, **beyond}

    def _compare(self) -> None:
        seq = self._situation.seq
        for number in [n for n, screen in self._waiting.items() if screen.seq == seq]:
            if differs := difference(self._waiting.pop(number).kinds, self._situation):
                self._wrong[number] = f"screen {number}: {differs} at seq {seq}"


def difference(kinds: Mapping[str, Mapping[str, Any]], situation: Situation) -> str:
    """Return the first thing that a screen shows otherwise than the situation; empty for none."""
    whole = json.loads(msgspec.json.encode(frames.everything(situation)))
    for kind in frames.KINDS:
        truth = {one["id"]: one for one in whole[kind]}
        has = kinds.get(kind, {})
        for name in sorted(truth.keys() | has.keys()):
            if name not in has:
                return f"{kind} {name} isn't shown"
            if name not in truth:
                return f"{kind} {name} is shown and isn't there"
            if has[name] != truth[name]:
                return f"{kind} {name} is shown otherwise"
    return ""


def _proven(store: Store, jurisdiction: str) -> str:
    if store.head(jurisdiction) is None:
        return f"{jurisdiction}: there is no journal"
    try:
        store.verify(jurisdiction)
    except JournalBrokenError as error:
        return str(error)
    return ""


def _events(store: Store, jurisdiction: str) -> Iterator[Event]:
    for entry in store.entries(jurisdiction):
        try:
            yield decode(entry.body)
        except EventError:
            continue  # the proof has said so


def _unfinished(store: Store, jurisdiction: str) -> set[str]:
    found: set[str] = set()
    after = 0
    while rows := store.unfinished_after(after, AT_ONCE):
        found.update(row.event_id for row in rows if row.jurisdiction == jurisdiction)
        after = rows[-1].id
    return found


def _letters(store: Store, jurisdiction: str) -> Iterator[DeadLetterRow]:
    before: int | None = None
    while letters := store.dead_letters(limit=AT_ONCE, before=before, jurisdiction=jurisdiction):
        yield from letters
        before = letters[-1].id
