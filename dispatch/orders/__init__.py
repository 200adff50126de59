"""What a desk does with a person's order: carries it out, or refuses it and says why.

A person outranks the machine: what is ordered here is not undone by the planner until the person
lifts it. An order is refused only where its giver has no right to it (:mod:`models.rights`), where
it can't be done (no such unit, no open road) or where it rests on something that has changed
meanwhile; then the proposal in force goes with the refusal.

How an order is carried out is a function of its name, in the module of its subject. What can't be
done raises :class:`~dispatch.orders.refusal.RefusalError` before anything is emitted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dispatch.far import Surroundings
from dispatch.orders import overrides
from dispatch.orders.hospitals import HospitalOrders
from dispatch.orders.incidents import IncidentOrders
from dispatch.orders.jurisdiction import JurisdictionOrders
from dispatch.orders.move_ups import MoveUpOrders
from dispatch.orders.placing import Placing
from dispatch.orders.refusal import RefusalError, check_right, check_seen
from dispatch.orders.sending import Sending
from dispatch.orders.undoing import UndoingOrders
from dispatch.planning import Planner
from dispatch.step import Step
from models import events as ev
from models.situation import Incident


class OrderBook:
    """Carries out orders on one jurisdiction.

    Parameters
    ----------
    planner
        For the road to a place.
    plan
        Makes the new proposal that a refusal hands out.
    adopt
        Matches the playbooks anew, after a person said what an incident really is.
    adopt_anew
        Likewise, and gives tasks and sets deadlines again, after one was reopened.
    surroundings
        For the cells, and what a place is held against.

    Attributes
    ----------
    sending
        For the desk too: a unit that became free goes on to what is queued for it.
    placing
        For the desk too: who reported may say where it is.
    """

    def __init__(
        self,
        planner: Planner,
        plan: Callable[[Step], None],
        adopt: Callable[[Step, Incident], None],
        adopt_anew: Callable[[Step, Incident], None],
        surroundings: Surroundings,
    ) -> None:
        self._plan = plan
        self.sending = sending = Sending(planner)
        move_ups = MoveUpOrders(planner)
        hospitals = HospitalOrders(planner)
        self.placing = placing = Placing(adopt, surroundings)
        incidents = IncidentOrders(sending, adopt)
        undoing = UndoingOrders(adopt, adopt_anew)
        jurisdiction = JurisdictionOrders(planner)
        self._handlers: dict[type[ev.Order], Callable[[Step, Any], None]] = {
            ev.ConfirmProposal: sending.confirm_proposal,
            ev.SendUnits: sending.send_units,
            ev.RecallUnit: sending.recall_unit,
            ev.DivertUnit: sending.divert_unit,
            ev.ConfirmMoveUp: move_ups.confirm_move_up,
            ev.RefuseMoveUp: move_ups.refuse_move_up,
            ev.SetHospital: hospitals.set_hospital,
            ev.SendToHospital: hospitals.send_to_hospital,
            ev.HoldUnit: overrides.hold_unit,
            ev.LiftHold: overrides.lift_hold,
            ev.PinUnit: overrides.pin_unit,
            ev.BanUnit: overrides.ban_unit,
            ev.LiftOverride: overrides.lift_override,
            ev.TriageIncident: incidents.triage_incident,
            ev.PlaceIncident: placing.place_incident,
            ev.MergeIncidents: incidents.merge_incidents,
            ev.UnmergeIncident: undoing.unmerge_incident,
            ev.CloseIncident: incidents.close_incident,
            ev.ReopenIncident: undoing.reopen_incident,
            ev.CloseRoad: jurisdiction.close_road,
            ev.ReopenRoad: jurisdiction.reopen_road,
            ev.SetAutomation: jurisdiction.set_automation,
            ev.SetPosture: jurisdiction.set_posture,
        }

    def carry_out(self, step: Step, given: ev.Order) -> None:
        """Carry out an order, or emit :class:`~models.events.OrderRefused`."""
        try:
            check_right(step, given)
            about = _incidents(step, given)
            check_seen(step, given, about)
            self._handlers[type(given)](step, given)
        except RefusalError as refusal:
            proposal = ""
            if refusal.incident:
                self._plan(step)
                proposal = step.incident(refusal.incident).proposal
            step.emit(
                ev.OrderRefused(
                    order=step.cause.id,
                    by=given.by,
                    code=refusal.code,
                    detail=refusal.detail,
                    incident=refusal.incident,
                    proposal=proposal,
                ),
                incident=refusal.incident,
            )
            return
        for incident in about:
            step.emit(
                ev.OrderCarriedOut(
                    incident=incident,
                    order=given.type_name.removeprefix("order."),
                    by=given.by,
                    reason=given.reason,
                    units=_units(given),
                ),
                incident=incident,
            )


def _incidents(step: Step, given: ev.Order) -> list[str]:
    """Return the incidents that an order is about: those it names, and whose it takes from."""
    named: list[str] = []
    if isinstance(given, ev.RecallUnit | ev.DivertUnit):
        unit = step.situation.units.get(given.unit)
        if unit is not None and unit.incident:
            named.append(unit.incident)
    named += [name for key in ("incident", "duplicate") if (name := getattr(given, key, ""))]
    if isinstance(given, ev.UnmergeIncident):
        merged = step.situation.incidents.get(given.incident)
        if merged is not None and merged.merged_into in step.situation.incidents:
            named.append(merged.merged_into)
    return list(dict.fromkeys(named))


def _units(given: ev.Order) -> tuple[str, ...]:
    if isinstance(given, ev.SendUnits):
        return given.units
    unit = getattr(given, "unit", "")
    return (unit,) if unit else ()
