"""What goes out of an incident: nothing that says nothing to a person."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from models.brief import NEWEST, brief
from models.events import Reading
from models.lifecycles import IncidentState
from models.situation import Incident
from models.words import Grade

AT = datetime(2026, 7, 1, 3, tzinfo=UTC)


def incident(reports: int, *, sketch: str = "") -> Incident:
    return Incident(
        id="i",
        number="0701-0001",
        state=IncidentState.OPEN,
        category="health.medical",
        priority=1,
        grade=Grade.IV,
        confidence=0.9,
        opened_at=AT,
        updated_at=AT,
        updated_seq=1,
        reports=[f"r{n}" for n in range(reports)],
        reading=Reading(reader="1", danger=0.9, sketch=sketch),
        sketches=[sketch] * (reports - 1) if sketch else [],
    )


def test_sketches_stay_with_the_desk_and_all_else_that_was_read_goes_out() -> None:
    for reports in (1, 3, NEWEST + 1):
        kept = incident(reports, sketch="c2tldGNo")
        shown = brief(kept)
        assert shown.reading == Reading(reader="1", danger=0.9)
        assert b"sketch" not in msgspec.json.encode(shown)
        assert shown.reports == kept.reports[-NEWEST:]
        assert kept.reading is not None
        assert kept.reading.sketch


def test_an_incident_without_sketches_goes_out_as_it_is() -> None:
    kept = incident(3)
    assert brief(kept) is kept
