"""One step of a desk: the events that it adds to the journal, each applied as it is added.

For: the modules of the desk, which hand a :class:`Step` around. A step starts with its input and
gives every decision an id that follows from the input's, so that the same inputs give the same
bytes. Not for: deciding anything.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from models.events import Event, Payload
from models.fold import apply
from models.situation import Incident, Situation, Touched, Unit


class Step:
    """The journal events of one input, in order.

    Parameters
    ----------
    situation
        Folded further with each event.
    event
        The input; becomes the first event of the step.
    """

    def __init__(self, situation: Situation, event: Event) -> None:
        self.situation = situation
        self.cause = event
        self.now = max(event.time, situation.now) if situation.now else event.time
        self.events: list[Event] = []
        self.touched: Touched = set()
        self._append(
            Event(
                id=event.id,
                source=event.source,
                time=event.time,
                jurisdiction=event.jurisdiction,
                exercise=event.exercise,
                cause=event.cause,
                subject=event.subject,
                seq=situation.seq + 1,
                traceparent=event.traceparent,
                data=event.data,
            )
        )

    def emit(self, payload: Payload, *, incident: str = "") -> Event:
        """Add a decision and apply it."""
        event = Event(
            id=f"{self.cause.id}/{len(self.events)}",
            source=f"/desk/{self.situation.jurisdiction}",
            time=self.now,
            jurisdiction=self.situation.jurisdiction,
            exercise=self.situation.exercise,
            cause=self.cause.id,
            subject=incident,
            seq=self.situation.seq + 1,
            traceparent=self.cause.traceparent,
            data=payload,
        )
        self._append(event)
        return event

    def _append(self, event: Event) -> None:
        self.events.append(event)
        self.touched |= apply(self.situation, event)

    def incident(self, incident_id: str) -> Incident:
        """Return an incident of the situation."""
        return self.situation.incidents[incident_id]

    def unit(self, unit_id: str) -> Unit:
        """Return a unit of the situation."""
        return self.situation.units[unit_id]

    def after(self, seconds: float, start: datetime | None = None) -> datetime:
        """Return the time ``seconds`` after ``start`` (after now, if none)."""
        return (start or self.now) + timedelta(seconds=seconds)
