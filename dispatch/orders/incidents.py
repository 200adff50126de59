"""Orders of what an incident is: what kind, the same as another, over."""

from __future__ import annotations

from collections.abc import Callable

from dispatch import closing, merging
from dispatch.orders.placing import put
from dispatch.orders.refusal import RefusalError, open_incident
from dispatch.orders.sending import Sending
from dispatch.step import Step
from dispatch.wanted import place_of, sendable
from models import events as ev
from models.categories import categories
from models.fold.incidents import texts_of
from models.situation import Incident
from models.words import PRIORITIES


class IncidentOrders:
    """Says what incidents are, as a person sees them.

    Parameters
    ----------
    sending
        For the units of an incident that ends.
    adopt
        Matches the playbooks anew, after a person said what an incident really is.
    """

    def __init__(self, sending: Sending, adopt: Callable[[Step, Incident], None]) -> None:
        self._sending = sending
        self._adopt = adopt

    def triage_incident(self, step: Step, given: ev.TriageIncident) -> None:
        incident = open_incident(step, given.incident)
        if given.category not in categories():
            raise RefusalError("unknown_category", f"no category {given.category!r}")
        if given.priority not in PRIORITIES:
            raise RefusalError("unknown_priority", f"priority is 1 to 4, not {given.priority}")
        step.emit(
            ev.IncidentRevised(
                incident=incident.id,
                category=given.category,
                priority=given.priority,
                grade=given.grade,
                triage=False,
                by=given.by,
                reason=given.reason,
            ),
            incident=incident.id,
        )
        closing.end_triage(step, incident, by=given.by, reason=given.reason)
        self._adopt(step, incident)

    def merge_incidents(self, step: Step, given: ev.MergeIncidents) -> None:
        incident = open_incident(step, given.incident)
        duplicate = open_incident(step, given.duplicate)
        if incident is duplicate:
            raise RefusalError("same_incident", "an incident can't be merged with itself")
        self._take_in(step, incident, duplicate, given.by)
        moving = [
            step.situation.assignments[a]
            for a in duplicate.assignments
            if not step.situation.assignments[a].ended
        ]
        units = [step.unit(assignment.unit) for assignment in moving]
        roads: dict[str, ev.AssignmentOrdered | None] = {}
        for unit in units:
            try:
                roads[unit.id] = self._sending.road(step, unit, incident)
            except RefusalError:
                continue  # no open road from there: the unit is set free and the planner decides
        closing.end(
            step,
            duplicate,
            by=given.by,
            reason=given.reason or "duplicate",
            cancelled=True,
            merged_into=incident.id,
        )
        for unit in units:
            if unit.id in roads and sendable(unit):
                self._sending.order_one(
                    step, unit, incident, roads[unit.id], given.by, merging.MERGED
                )
        closing.settle(step, incident)

    def _take_in(self, step: Step, incident: Incident, duplicate: Incident, by: str) -> None:
        """Give an incident all that is known of its duplicate."""
        taken = merging.whole(incident.share, [duplicate.share])
        own = incident.share if incident.own is None else None
        # No report brought more than one text; which of them brought which is in the journal.
        texts = texts_of(duplicate)
        leading = duplicate.leading or duplicate.text
        for n, report in enumerate(duplicate.reports):
            text = texts[n] if n < len(texts) else ""
            step.emit(
                ev.ReportLinked(
                    incident=incident.id,
                    report=report,
                    distance_m=0.0,
                    age_s=0.0,
                    text=text,
                    facts=taken.facts,
                    photos=() if n else tuple(duplicate.photos),
                    life_threat=duplicate.life_threat,
                    merged_from=duplicate.id,
                    own=None if n else own,
                    leads=text == leading and duplicate.priority < incident.priority,
                    words=duplicate.words.get(text, {}),
                ),
                incident=incident.id,
            )
        if (taken.priority, taken.grade) != (incident.priority, incident.grade):
            step.emit(
                ev.IncidentRevised(
                    incident=incident.id,
                    category=incident.category,
                    priority=taken.priority,
                    grade=taken.grade,
                    triage=incident.triage,
                    by="",
                    reason=merging.MERGED,
                ),
                incident=incident.id,
            )
        if duplicate.is_placed and not incident.is_placed:
            self._take_place(step, incident, duplicate, by)
        self._adopt(step, incident)

    def _take_place(self, step: Step, incident: Incident, duplicate: Incident, by: str) -> None:
        # One that has no place of its own isn't placed.
        lon, lat = place_of(duplicate)
        put(
            step,
            incident,
            ev.IncidentPlaced(
                incident=incident.id,
                lon=lon,
                lat=lat,
                place=duplicate.place,
                cell=duplicate.cell,
                outside=duplicate.outside,
                by=by,
                reason=merging.MERGED,
                merged_from=duplicate.id,
            ),
        )

    def close_incident(self, step: Step, given: ev.CloseIncident) -> None:
        incident = open_incident(step, given.incident)
        units = [
            step.unit(step.situation.assignments[a].unit)
            for a in incident.assignments
            if not step.situation.assignments[a].ended
        ]
        closing.end(step, incident, by=given.by, reason=given.reason, cancelled=given.cancelled)
        for unit in units:
            self._sending.next_in_queue(step, unit)
