"""Where an incident is: by a dispatcher's order, or by the word of who reported it.

Both end in :meth:`Placing._place`. Not for: the place that an incident takes over from a duplicate
(:mod:`dispatch.orders.incidents`), which only :func:`put` has in common.
"""

from __future__ import annotations

from collections.abc import Callable

from dispatch.far import FAR_M, Surroundings
from dispatch.orders.refusal import RefusalError, open_incident
from dispatch.step import Step
from models import events as ev
from models.situation import Incident


class Placing:
    """Gives incidents a place.

    Parameters
    ----------
    adopt
        Matches the playbooks anew: some ask for the cell.
    surroundings
        For the cells, and what a place is held against.
    """

    def __init__(self, adopt: Callable[[Step, Incident], None], surroundings: Surroundings) -> None:
        self._adopt = adopt
        self._surroundings = surroundings

    def place_incident(self, step: Step, given: ev.PlaceIncident) -> None:
        incident = open_incident(step, given.incident)
        lon, lat = self._where(given)
        self._place(step, incident, lon, lat, given.place, given.by, given.reason)

    def place_report(self, step: Step, said: ev.ReportPlaced) -> None:
        """Place the incident of a report by the word of who sent it, while it has no place.

        Raises
        ------
        RefusalError
            No incident has the report, or it ended, or it has a place, which others may have told
            or a person set; or the place is far. Nothing was emitted.
        """
        incident = _incident_of(step, said.report)
        if incident.is_placed:
            raise RefusalError(
                "placed_already",
                f"incident {incident.number} of report {said.report} has a place: report what is "
                "elsewhere anew; a dispatcher can correct the place",
            )
        self._place(step, incident, said.lon, said.lat, said.place, said.by, "")

    def _place(
        self,
        step: Step,
        incident: Incident,
        lon: float,
        lat: float,
        place: str,
        by: str,
        reason: str,
    ) -> None:
        if self._surroundings.is_far(lon, lat):
            raise RefusalError(
                "far_place",
                f"{lat:.5f}, {lon:.5f} is farther than {FAR_M:g} m from every street, unit and "
                "facility of the city",
            )
        cell = self._surroundings.cells.locate(lon, lat)
        put(
            step,
            incident,
            ev.IncidentPlaced(
                incident=incident.id,
                lon=lon,
                lat=lat,
                place=place,
                cell=cell.code if cell else "",
                outside=cell is None,
                by=by,
                reason=reason,
            ),
        )
        self._adopt(step, incident)

    def _where(self, given: ev.PlaceIncident) -> ev.Point:
        if given.lon is not None and given.lat is not None:
            return given.lon, given.lat
        cell = self._surroundings.cells.get(given.cell)
        if cell is None:
            raise RefusalError("unknown_cell", f"the city has no cell {given.cell!r}")
        return cell.middle


def put(step: Step, incident: Incident, placed: ev.IncidentPlaced) -> None:
    """Emit where an incident is; what was proposed for it was for another place, or for none."""
    if incident.proposal:
        step.emit(
            ev.ProposalWithdrawn(
                proposal=incident.proposal, incident=incident.id, why=ev.OVERTAKEN
            ),
            incident=incident.id,
        )
    step.emit(placed, incident=incident.id)


def _incident_of(step: Step, report: str) -> Incident:
    found = step.situation.incidents_of(report)
    if not found:
        raise RefusalError(
            "unknown_report",
            f"no incident in the situation has report {report}: it is not decided yet, or long "
            "over; send its place again once it is an incident, else report anew",
        )
    # That of a duplicate is also in the incident that took it in.
    running = next((one for one in found if not one.ended), None)
    if running is None:
        last = found[-1]
        raise RefusalError(
            "incident_ended",
            f"incident {last.number} of report {report} is {last.state.value}: report anew what "
            "goes on",
        )
    return running
