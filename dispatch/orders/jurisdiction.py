"""Orders for the whole jurisdiction: roads, automation, posture."""

from __future__ import annotations

import math

import shapely

from dispatch.correlation import distance_m
from dispatch.orders.refusal import RefusalError, check_rule_seen, reason_of
from dispatch.planning import Planner
from dispatch.roads import RoadGraph
from dispatch.step import Step
from dispatch.wanted import shapes_of
from models import events as ev
from models.words import PRIORITIES

MOST_RADIUS_M = 20_000.0


class JurisdictionOrders:
    """Closes and opens roads, and sets the rules that hold everywhere.

    Parameters
    ----------
    planner
        For the roads, and for what their change does to those under way.
    """

    def __init__(self, planner: Planner) -> None:
        self._planner = planner

    def close_road(self, step: Step, given: ev.CloseRoad) -> None:
        if given.closure in step.situation.closures:
            raise RefusalError("closure_exists", f"closure {given.closure} is in force already")
        lon, lat, radius_m = _around(given, self._planner.travel.graph)
        if not (math.isfinite(lon) and math.isfinite(lat)):
            raise RefusalError("bad_area", f"{lat}, {lon} is no place")
        if not 0 < radius_m <= MOST_RADIUS_M:
            raise RefusalError(
                "bad_radius", f"radius_m must be in (0, {MOST_RADIUS_M}], not {radius_m}"
            )
        if not 0 <= given.speed < 1:
            raise RefusalError("bad_speed", f"speed must be in [0, 1), not {given.speed}")
        if given.until is not None and given.until <= step.now:
            raise RefusalError("in_the_past", f"the closure would end at {given.until.isoformat()}")
        closed = ev.RoadClosed(
            closure=given.closure,
            lon=lon,
            lat=lat,
            radius_m=radius_m,
            ring=given.ring,
            edges=given.edges,
            speed=given.speed,
            until=given.until,
            by=given.by,
            reason=given.reason,
        )
        graph = self._planner.travel.graph
        if not any(graph.edges_in(shape) for shape in shapes_of(closed, graph)):
            raise RefusalError(
                "closes_nothing",
                f"no street of the city is within {radius_m:g} m of {lat:.5f}, {lon:.5f}, or in "
                "the area: check the place, or make it wider",
            )
        self._planner.rerouting.change(step, closed)

    def reopen_road(self, step: Step, given: ev.ReopenRoad) -> None:
        if given.closure not in step.situation.closures:
            raise RefusalError("no_closure", f"no closure {given.closure} is in force")
        self._planner.rerouting.change(
            step, ev.RoadReopened(closure=given.closure, by=given.by, reason=given.reason)
        )

    def set_automation(self, step: Step, given: ev.SetAutomation) -> None:
        if wrong := sorted(set(given.priorities) - set(PRIORITIES)):
            raise RefusalError("unknown_priority", f"priorities are 1 to 4, not {wrong}")
        reason = reason_of(given)
        check_rule_seen(step, given, step.situation.rules.automation_change)
        priorities = tuple(sorted(set(given.priorities)))
        step.emit(ev.AutomationSet(priorities=priorities, by=given.by, reason=reason))

    def set_posture(self, step: Step, given: ev.SetPosture) -> None:
        reason = reason_of(given)
        check_rule_seen(step, given, step.situation.rules.posture_change)
        step.emit(ev.PostureSet(posture=given.posture, by=given.by, reason=reason))


def _around(given: ev.CloseRoad, graph: RoadGraph) -> tuple[float, float, float]:
    """Return a place and the metres from it within which all lies that is to be closed."""
    if given.edges:
        unknown = [edge for edge in given.edges if not graph.has_edge(edge)]
        if unknown:
            raise RefusalError("unknown_edge", f"the city has no street {unknown[0]!r}")
        rows = map(graph.edge_row, given.edges)
        points = [point for row in rows for point in graph.geometry(row).tolist()]
    elif given.ring:
        points = [[lon, lat] for lon, lat in given.ring]
        if len(points) < 3:
            raise RefusalError("bad_area", f"an area has at least 3 corners, not {len(points)}")
        if not shapely.Polygon(points).is_valid:
            raise RefusalError(
                "bad_ring",
                "the area's outline crosses itself or has no inside: draw its corners in order, "
                "around it",
            )
    elif given.lon is None or given.lat is None or given.radius_m is None:
        raise RefusalError("bad_area", "the order names neither a place nor an area nor streets")
    else:
        return given.lon, given.lat, given.radius_m
    lons, lats = [lon for lon, _ in points], [lat for _, lat in points]
    lon, lat = (min(lons) + max(lons)) / 2, (min(lats) + max(lats)) / 2
    farthest_m = max(distance_m(lon, lat, *point) for point in points)
    return round(lon, 6), round(lat, 6), math.ceil(farthest_m) + 1.0
