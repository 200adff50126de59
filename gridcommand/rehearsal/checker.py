"""What clients were told, against what the journal says: lost, doubled, longest silence.

For ``gridcommand chaos`` and the tests that pull plugs. Believes nothing that the system says of
itself but the journal, whose chain it proves first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec

from gridcommand.rehearsal.sensors import Sensors, Watched
from models.errors import EventError, JournalBrokenError
from models.events import AssignmentOrdered, IncidentOpened, ReportLinked, decode
from models.store import Store

EXAMPLES = 5
LETTERS_AT_ONCE = 500


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run.

    Attributes
    ----------
    acknowledged
        Reports that a client was told are safe.
    decided
        Of these, in the journal with the incident that they opened or joined.
    dead_lettered
        Of these, in the dead letters with a reason.
    waiting
        Of these, still in the inbox: neither lost nor decided.
    lost
        Of these, nowhere.
    doubled
        Reports that opened or joined more than one incident, and assignments ordered twice.
    unseen
        Decided, and on no screen.
    longest_silence_s
        Longest time in which no decision came to the screen while one was owed.
    unanswered
        Reports whose senders were still without an answer at the end.
    watched
        What became of the conditions that sensors saw.
    journal
        What is wrong with the journal itself; empty: nothing.
    examples
        Some of what is lost or doubled.
    """

    acknowledged: int
    decided: int
    dead_lettered: int
    waiting: int
    lost: int
    doubled: int
    unseen: int
    longest_silence_s: float
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
            or self.waiting
            or self.unanswered
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
    sensors: Sensors | None = None,
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
    """
    belongs: Counter[str] = Counter()
    ordered: Counter[str] = Counter()
    journal = ""
    try:
        store.verify(jurisdiction)
    except JournalBrokenError as error:
        journal = str(error)
    for entry in store.entries(jurisdiction):
        try:
            data = decode(entry.body).data
        except EventError:
            continue  # the proof has said so
        if isinstance(data, IncidentOpened | ReportLinked):
            belongs[data.report] += 1
        elif isinstance(data, AssignmentOrdered):
            ordered[data.assignment] += 1
    told = set(acknowledged)
    # The report alone in the journal is no decision: something must have come of it.
    decided = set(belongs)
    dead = _with_reason(store, jurisdiction)
    open_ids = {row.event_id for row in store.unfinished_after(0, len(told) + 1)}
    lost = told - decided - dead - open_ids
    twice = [one for count in (belongs, ordered) for one, n in count.items() if n > 1]
    return Verdict(
        acknowledged=len(told),
        decided=len(told & decided),
        dead_lettered=len(told & dead - decided),
        waiting=len(told & open_ids - decided - dead),
        lost=len(lost),
        doubled=len(twice),
        unseen=len((told & decided) - seen.keys()),
        longest_silence_s=round(longest_silence(acknowledged, seen, ended), 2),
        unanswered=unanswered,
        watched=sensors.told(store) if sensors else Watched(),
        journal=journal,
        examples=tuple(sorted(lost)[:EXAMPLES] + sorted(twice)[:EXAMPLES]),
    )


def longest_silence(
    acknowledged: Mapping[str, float], seen: Mapping[str, float], ended: float | None = None
) -> float:
    """Return the longest time without a decision on the screen while one was owed, in seconds."""
    moments = [(at, 1) for at in acknowledged.values()]
    moments += [(at, -1) for report, at in seen.items() if report in acknowledged]
    longest, owed, since = 0.0, 0, 0.0
    for at, change in sorted(moments):
        if owed > 0 and change < 0:
            longest = max(longest, at - since)
        if change < 0 or owed <= 0:
            since = at
        owed += change
    return max(longest, ended - since) if ended is not None and owed > 0 else longest


def _with_reason(store: Store, jurisdiction: str) -> set[str]:
    found: set[str] = set()
    before: int | None = None
    while letters := store.dead_letters(
        limit=LETTERS_AT_ONCE, before=before, jurisdiction=jurisdiction
    ):
        found.update(letter.event_id for letter in letters if letter.code and letter.reason)
        before = letters[-1].id
    return found
