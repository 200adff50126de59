"""Idle units that should stand elsewhere while others are away, and go back.

For: the planner, after everything that waits has its proposal. A post is where any unit is at home,
whoever else stands there: an ambulance may wait at any fire station. When expected coverage
(:mod:`dispatch.coverage`) falls under ``move_up_below`` of what the whole fleet would give, the
one move that wins most is proposed, if it wins at least ``move_up_gain``; one at a time, so each
is judged by what the one before it left. A unit at another post is proposed to go back as soon as
that costs less than a quarter of ``move_up_gain``. So nobody drives to and fro: going has to win
four times what coming back may lose, and who moved, either way, stays ``move_up_stay_s`` before it
is moved again. A place that is no drive away (``move_up_least_s``) is no other post, and a unit's
own is none at all.

Only units that are idle at their post move: not those still on the way somewhere, nor who is
held, nor who moved or was left where it is by a person a while ago. Proposals stay until they are
confirmed, refused, overtaken, or not needed.
"""

from __future__ import annotations

import numpy as np

from dispatch.coverage import Coverage, State
from dispatch.policy import Policy
from dispatch.step import Step
from dispatch.travel_times import TravelTimes
from dispatch.wanted import MACHINE, sendable
from models.events import MoveUpOrdered, MoveUpProposed, MoveUpWithdrawn, Point
from models.lifecycles import UnitState
from models.situation import MoveUp, Situation, Unit

BACK_SHARE = 0.25
TRIED = 5
"""Of the best moves by estimate, so many are computed exactly."""


class MoveUps:
    """Proposes, and where the policy says so orders, move-ups of one jurisdiction."""

    def __init__(self, coverage: Coverage, travel: TravelTimes, policy: Policy) -> None:
        self._coverage = coverage
        self._travel = travel
        self._policy = policy

    def plan(self, step: Step) -> None:
        """Withdraw what is not needed, and propose the best move or way back if there is one."""
        if not self._policy.move_up_below:
            return
        situation = step.situation
        state = self._coverage.state(step.now)
        share = state.share()
        self._drop(step, state, share)
        if situation.move_ups or not state.asked:
            return
        found = self._back(step, state, share) or self._forward(step, state, share)
        if found is None:
            return
        step.emit(found)
        if self._policy.automatic_move_ups:
            unit = step.unit(found.unit)
            travel = self._travel.of_kind(unit.kind)
            route = travel.route((unit.lon, unit.lat), (found.lon, found.lat))
            move_up(step, self._policy, situation.move_ups[found.unit], found.drive_s,
                    route.geometry if route else (), by=MACHINE)  # fmt: skip

    def _drop(self, step: Step, state: State, share: float) -> None:
        situation = step.situation
        rows = {unit.id: row for row, unit in enumerate(state.units)}
        for name, move in sorted(situation.move_ups.items()):
            unit = situation.units[name]
            if not _may_move(unit, step):
                step.emit(MoveUpWithdrawn(unit=name, why="overtaken"))
                continue
            if not move.post:
                continue
            reach = self._coverage.reach((move.lon, move.lat))
            if state.share_with(rows[name], reach) - share < self._policy.move_up_gain / 2:
                step.emit(MoveUpWithdrawn(unit=name, why="not_needed"))

    def _back(self, step: Step, state: State, share: float) -> MoveUpProposed | None:
        for row, unit in enumerate(state.units):
            if not unit.post or not _may_move(unit, step):
                continue
            home = unit.home_lon, unit.home_lat
            after = state.share_with(row, self._coverage.reach(home))
            if share - after < self._policy.move_up_gain * BACK_SHARE:
                drive_s = self._drive_s(unit, home)
                if np.isfinite(drive_s):
                    return _proposed(unit, home, drive_s, "", share, after)
        return None

    def _drive_s(self, unit: Unit, place: Point) -> float:
        travel = self._travel.of_kind(unit.kind)
        return float(travel.matrix([(unit.lon, unit.lat)], [place])[0, 0])

    def _forward(self, step: Step, state: State, share: float) -> MoveUpProposed | None:
        situation = step.situation
        if share >= self._policy.move_up_below * self._coverage.whole(step.now):
            return None
        posts = _posts(situation)
        movable = [
            (row, u) for row, u in enumerate(state.units) if not u.post and _may_move(u, step)
        ]
        if not posts or not movable:
            return None
        places = sorted(posts)
        estimate = self._coverage.won(state, [row for row, _ in movable], places)
        for at, (_, unit) in enumerate(movable):
            estimate[at, places.index((unit.home_lon, unit.home_lat))] = -np.inf
        order = np.argsort(-estimate, axis=None, kind="stable")[:TRIED]
        best: tuple[float, str, Point, float] | None = None
        for one in order.tolist():
            at, column = divmod(one, len(places))
            unit, place = movable[at][1], places[column]
            if estimate[at, column] < self._policy.move_up_gain:
                break
            drive_s = self._drive_s(unit, place)
            if not self._policy.move_up_least_s <= drive_s <= self._policy.move_up_most_s:
                continue
            after = state.share_with(movable[at][0], self._coverage.reach(place))
            if after - share >= self._policy.move_up_gain and (best is None or after > best[0]):
                best = after, unit.id, place, drive_s
        if best is None:
            return None
        after, name, place, drive_s = best
        return _proposed(situation.units[name], place, drive_s, posts[place], share, after)


def move_up(
    step: Step,
    policy: Policy,
    move: MoveUp,
    drive_s: float,
    route: tuple[Point, ...],
    *,
    by: str,
    reason: str = "",
) -> None:
    """Order a move-up."""
    step.emit(
        MoveUpOrdered(
            unit=move.id,
            lon=move.lon,
            lat=move.lat,
            drive_s=round(drive_s, 1),
            by=by,
            post=move.post,
            route=tuple((round(lon, 6), round(lat, 6)) for lon, lat in route),
            reason=reason,
            until=step.after(round(drive_s, 1) + policy.move_up_stay_s),
        )
    )


def _may_move(unit: Unit, step: Step) -> bool:
    return (
        unit.state is UnitState.AVAILABLE
        and sendable(unit)
        and not unit.neighbour
        and not unit.queue
        and (unit.stays_until is None or unit.stays_until <= step.now)
    )


def _posts(situation: Situation) -> dict[Point, str]:
    """Homes of all units, each named by the first unit that has it."""
    posts: dict[Point, str] = {}
    for name, unit in sorted(situation.units.items()):
        if not unit.neighbour:
            posts.setdefault((unit.home_lon, unit.home_lat), unit.station or name)
    return posts


def _proposed(
    unit: Unit, place: Point, drive_s: float, post: str, before: float, after: float
) -> MoveUpProposed:
    return MoveUpProposed(
        unit=unit.id,
        lon=place[0],
        lat=place[1],
        drive_s=round(drive_s, 1),
        post=post,
        coverage=round(before, 4),
        coverage_after=round(after, 4),
    )
