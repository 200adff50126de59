"""From a journal to examples: what people said that an incident is, whose text a model had read.

For: ``gridcommand understanding teach``. Pure. Not for keeping examples (:mod:`models.examples`)
nor for using them (:mod:`streams.classify.taught`).

The rules. An incident teaches once a person triaged it (``incident.revised`` with ``by``; what was
said last counts, of whichever incident had the same text). Its text is the one that was read last
as saying best what happens. The category is the person's; a danger to life is what has priority 1.
It is real, but for one case: the model read it as not live, the person gave it priority 4 and a
person closed or cancelled it. Such an incident that is still open teaches nothing yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

from models.categories import categories
from models.events import (
    Event,
    IncidentMoved,
    IncidentOpened,
    IncidentRevised,
    Reading,
    ReportLinked,
)
from models.events.payload import TYPE_PREFIX
from models.examples import LIVE, TEXT_MAX, Example
from models.lifecycles import IncidentState
from streams.classify.encoder import LANGUAGES
from streams.classify.redaction import GONE, redacted
from streams.classify.sentences import MODALITIES

TEACHING: Final = frozenset(
    TYPE_PREFIX + kind.type_name
    for kind in (IncidentOpened, ReportLinked, IncidentRevised, IncidentMoved)
)
"""Types of the events that examples are made from; others need not be decoded."""

NOT_READ: Final = "has no text that a model read"
NO_LANGUAGE: Final = "in a language that isn't read"
TOO_SHORT: Final = "nothing is left without personal details"
NO_CATEGORY: Final = "of a category that there is no more"
STILL_OPEN: Final = "perhaps not real, and still open"
SAID_AGAIN: Final = "the same text as a later one"

_LEAST_CHARS: Final = 2
_LOWEST: Final = 4
_ENDED: Final = frozenset({IncidentState.CLOSED, IncidentState.CANCELLED})


class Lessons(NamedTuple):
    """What a journal teaches.

    Attributes
    ----------
    examples
        No text twice.
    skipped
        How many triaged incidents teach nothing, by why.
    """

    examples: list[Example]
    skipped: Counter[str]


class _Incident:
    """As much of an incident as it can teach."""

    __slots__ = ("ended_by", "reading", "said", "text")

    def __init__(self, text: str, reading: Reading | None) -> None:
        self.text = text
        self.reading = reading
        self.said: tuple[IncidentRevised, Event] | None = None
        self.ended_by = ""


def lessons_in(events: Iterable[Event]) -> Lessons:
    """Return what one journal's events teach; those of other types than `TEACHING` don't count."""
    incidents: dict[str, _Incident] = {}
    for event in events:
        _note(incidents, event)
    by_text: dict[str, Example] = {}
    skipped: Counter[str] = Counter()
    triaged = [one for one in incidents.values() if one.said is not None]
    for one in sorted(triaged, key=_said_at):
        found = _example(one)
        if isinstance(found, str):
            skipped[found] += 1
            continue
        skipped[SAID_AGAIN] += found.text in by_text
        by_text[found.text] = found
    return Lessons(list(by_text.values()), +skipped)


def _note(incidents: dict[str, _Incident], event: Event) -> None:
    data = event.data
    if isinstance(data, IncidentOpened):
        # A text in two languages is a machine's own.
        reading = None if data.words else data.reading
        incidents[data.incident] = _Incident(data.text, reading)
        return
    one = incidents.get(getattr(data, "incident", ""))
    if one is None:
        return
    if isinstance(data, ReportLinked):
        if data.reading and data.text and not data.words and (data.leads or one.reading is None):
            one.text, one.reading = data.text, data.reading
    elif isinstance(data, IncidentRevised):
        if data.by:
            one.said = (data, event)
    elif isinstance(data, IncidentMoved):
        one.ended_by = data.by if data.state in _ENDED else ""


def _said_at(one: _Incident) -> int:
    assert one.said is not None
    return one.said[1].seq


def _example(one: _Incident) -> Example | str:
    """Return the example, or why there is none."""
    assert one.said is not None
    said, event = one.said
    if one.reading is None or not one.text.strip():
        return NOT_READ
    if one.reading.language not in LANGUAGES:
        return NO_LANGUAGE
    if said.category not in categories():
        return NO_CATEGORY
    modality = LIVE
    if said.priority == _LOWEST and one.reading.modality != LIVE:
        if not one.ended_by:
            return STILL_OPEN
        modality = one.reading.modality if one.reading.modality in MODALITIES else LIVE
    text = redacted(one.text[:TEXT_MAX])[:TEXT_MAX].strip()
    if len(text.replace(GONE, "").strip()) < _LEAST_CHARS:
        return TOO_SHORT
    return Example(
        jurisdiction=event.jurisdiction,
        text=text,
        language=one.reading.language,
        category=said.category,
        danger=said.priority == 1,
        modality=modality,
        by=said.by,
        at=event.time,
        incident=said.incident,
    )
