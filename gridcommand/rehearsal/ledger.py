"""What a journal says of reports, assignments and units, added up a second time.

For :mod:`gridcommand.rehearsal.checker`. Folds journal events by itself and shares nothing with
:mod:`models.fold`, which is what it checks: a mistake there must not hide itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from models.errors import EventError
from models.events import (
    TYPE_PREFIX,
    AssignmentMoved,
    AssignmentOrdered,
    Event,
    IncidentMoved,
    IncidentOpened,
    IncidentUnmerged,
    PlanAdopted,
    ReportLinked,
    decode,
)
from models.lifecycles import ENDED_ASSIGNMENT, ENDED_INCIDENT, AssignmentState
from models.store import Store

TAKES_IN = frozenset({IncidentOpened.type_name, ReportLinked.type_name})
"""What says that an incident has a report, which is its cause."""


def taken_in(store: Store, jurisdiction: str) -> Iterator[tuple[int, str]]:
    """Yield which reports incidents have, each with the seq of the journal that says so."""
    for entry in store.entries(jurisdiction):
        if entry.type.removeprefix(TYPE_PREFIX) in TAKES_IN:
            with suppress(EventError):
                data = decode(entry.body).data
                if isinstance(data, IncidentOpened | ReportLinked):
                    yield entry.seq, data.report


class _Sent(msgspec.Struct):
    """An assignment that has been ordered."""

    incident: str
    unit: str
    fills: tuple[str, ...]
    ended: bool = False


class Ledger:
    """A journal's events so far.

    Attributes
    ----------
    doubled
        What was done twice, a sentence each: assignments ordered or ended again, requirements
        that a proposal filled beyond what they ask for. Reports are told by `twice`.
    two_places
        Units that were sent while they served another assignment, a sentence each.
    """

    def __init__(self) -> None:
        self.doubled: list[str] = []
        self.two_places: list[str] = []
        self._decisions: Counter[str] = Counter()
        self._incidents_of: dict[str, list[str]] = {}
        self._merged: set[str] = set()
        self._ended: set[str] = set()
        self._asked: dict[str, dict[str, int]] = {}
        self._had: Counter[tuple[str, str]] = Counter()
        self._sent: dict[str, _Sent] = {}
        self._serves: dict[str, str] = {}

    @property
    def decided(self) -> set[str]:
        """Reports of which something came: the report alone in the journal is no decision."""
        return set(self._incidents_of)

    def twice(self) -> dict[str, str]:
        """Return the reports that were decided more than once, each with the sentence."""
        found = {}
        for report, incidents in self._incidents_of.items():
            standing = sorted(set(incidents) - self._merged)
            # What a merge links again has the order as its cause, not the report.
            if self._decisions[report] > 1 or len(standing) > 1:
                found[report] = f"report {report}: {', '.join(incidents)}"
        return found

    def take(self, event: Event) -> None:
        """Add a journal event."""
        data = event.data
        if isinstance(data, IncidentOpened | ReportLinked):
            self._decisions[data.report] += event.cause == data.report
            self._incidents_of.setdefault(data.report, []).append(data.incident)
        elif isinstance(data, IncidentMoved):
            self._incident_moved(data)
        elif isinstance(data, IncidentUnmerged):
            for report in data.reports:
                had = self._incidents_of.get(report, [])
                self._incidents_of[report] = [one for one in had if one != data.incident]
        elif isinstance(data, PlanAdopted):
            self._asked[data.incident] = {one.key: one.count for one in data.requirements}
        elif isinstance(data, AssignmentOrdered):
            self._ordered(data)
        elif isinstance(data, AssignmentMoved):
            self._moved(data)

    def _incident_moved(self, data: IncidentMoved) -> None:
        if data.merged_into:
            self._merged.add(data.incident)
        if data.state in ENDED_INCIDENT:
            self._ended.add(data.incident)
        elif data.incident in self._ended:
            self._ended.remove(data.incident)
            self._merged.discard(data.incident)
            # Who was there before it was reopened fills nothing any more.
            for incident, key in self._had:
                if incident == data.incident:
                    self._had[incident, key] = 0

    def _ordered(self, data: AssignmentOrdered) -> None:
        if data.assignment in self._sent:
            self.doubled.append(f"assignment {data.assignment}: ordered twice")
            return
        if other := self._serves.get(data.unit):
            self.two_places.append(
                f"unit {data.unit}: sent on {data.assignment} while it serves {other}"
            )
        fills = tuple(filter(None, (data.requirement, data.also)))
        asked = self._asked.get(data.incident, {})
        for key in fills:
            self._had[data.incident, key] += 1
            # A person may send more than is asked for by name, not by a proposal.
            if not data.override and self._had[data.incident, key] > asked.get(key, 0):
                self.doubled.append(
                    f"assignment {data.assignment}: {data.incident} asks for {asked.get(key, 0)} "
                    f"of {key} and has them"
                )
        self._sent[data.assignment] = _Sent(data.incident, data.unit, fills)
        self._serves[data.unit] = data.assignment

    def _moved(self, data: AssignmentMoved) -> None:
        sent = self._sent.get(data.assignment)
        if sent is None or sent.ended or sent.unit != data.unit:
            self.doubled.append(
                f"assignment {data.assignment}: {data.state.value} though {data.unit} isn't on it"
            )
        elif data.state in ENDED_ASSIGNMENT:
            sent.ended = True
            if self._serves.get(sent.unit) == data.assignment:
                del self._serves[sent.unit]
            if data.state is AssignmentState.CANCELLED:
                self._had.subtract((sent.incident, key) for key in sent.fills)
