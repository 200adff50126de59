"""Orders of where idle units stand: a move-up that is proposed, confirmed or refused."""

from __future__ import annotations

from dispatch.move_ups import move_up
from dispatch.orders.refusal import RefusalError, known_unit
from dispatch.planning import Planner
from dispatch.step import Step
from dispatch.wanted import sendable
from models import events as ev


class MoveUpOrders:
    """Lets units move up, or leaves them.

    Parameters
    ----------
    planner
        For the road there, and the time for which a unit is left alone.
    """

    def __init__(self, planner: Planner) -> None:
        self._planner = planner

    def confirm_move_up(self, step: Step, given: ev.ConfirmMoveUp) -> None:
        unit = known_unit(step, given.unit)
        move = step.situation.move_ups.get(unit.id)
        if move is None:
            raise RefusalError("no_move_up", f"no move-up of unit {unit.id} is proposed")
        if not sendable(unit):
            raise RefusalError("unit_taken", f"unit {unit.id} is {unit.state.value} now")
        drive_s, line = self._planner.move_up_road(step, unit)
        if not line:
            raise RefusalError("road_closed", f"no open road for unit {unit.id}")
        policy = self._planner.policy
        move_up(step, policy, move, drive_s, line, by=given.by, reason=given.reason)

    def refuse_move_up(self, step: Step, given: ev.RefuseMoveUp) -> None:
        unit = known_unit(step, given.unit)
        if unit.id not in step.situation.move_ups:
            raise RefusalError("no_move_up", f"no move-up of unit {unit.id} is proposed")
        step.emit(
            ev.MoveUpWithdrawn(
                unit=unit.id,
                why="refused",
                by=given.by,
                reason=given.reason,
                until=step.after(self._planner.policy.refused_s),
            )
        )
