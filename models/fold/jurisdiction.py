"""What counts for the whole jurisdiction: its desk's opening, rules, roads and clock."""

from __future__ import annotations

from models import events as ev
from models.events import Event
from models.situation import (
    AutomationChange,
    Closure,
    PostureChange,
    SimplerPlanning,
    Situation,
    Touched,
)


def desk_opened(s: Situation, event: Event, data: ev.DeskOpened, touched: Touched) -> None:
    s.rules.city = data.city
    s.rules.pack_hash = data.pack_hash
    s.rules.playbooks_hash = data.playbooks_hash
    s.rules.automatic_priorities = data.automatic_priorities
    s.rules.correlation_radius_m = data.correlation_radius_m
    s.rules.correlation_window_s = data.correlation_window_s
    s.plan_due = True
    touched.add(("settings", "rules"))


def automation_set(s: Situation, event: Event, data: ev.AutomationSet, touched: Touched) -> None:
    s.rules.automation_change = AutomationChange(
        seq=event.seq,
        at=event.time,
        by=data.by,
        reason=data.reason,
        before=s.rules.automatic_priorities,
    )
    s.rules.automatic_priorities = data.priorities
    s.plan_due = True
    touched.add(("settings", "rules"))


def posture_set(s: Situation, event: Event, data: ev.PostureSet, touched: Touched) -> None:
    s.rules.posture_change = PostureChange(
        seq=event.seq, at=event.time, by=data.by, reason=data.reason, before=s.rules.posture
    )
    s.rules.posture = data.posture
    s.plan_due = True
    touched.add(("settings", "rules"))


def planning_fell_back(
    s: Situation, event: Event, data: ev.PlanningFellBack, touched: Touched
) -> None:
    before = s.rules.simpler_planning
    s.rules.simpler_planning = SimplerPlanning(
        since=before.since if before is not None else event.time,
        policy=data.policy,
        used=data.used,
        error=data.error,
        incidents=data.incidents,
        hung=data.hung,
        rests_until=data.rests_until,
    )
    touched.add(("settings", "rules"))


def planning_restored(
    s: Situation, event: Event, data: ev.PlanningRestored, touched: Touched
) -> None:
    s.rules.simpler_planning = None
    touched.add(("settings", "rules"))


def road_closed(s: Situation, event: Event, data: ev.RoadClosed, touched: Touched) -> None:
    s.closures[data.closure] = Closure(
        id=data.closure,
        lon=data.lon,
        lat=data.lat,
        radius_m=data.radius_m,
        ring=data.ring,
        edges=data.edges,
        speed=data.speed,
        since=event.time,
        updated_seq=event.seq,
        until=data.until,
        by=data.by,
        reason=data.reason,
    )
    s.plan_due, s.roads_at = True, event.time
    touched.add(("closures", data.closure))


def road_reopened(s: Situation, event: Event, data: ev.RoadReopened, touched: Touched) -> None:
    s.closures.pop(data.closure, None)
    s.plan_due, s.roads_at = True, event.time
    touched.add(("closures", data.closure))


def clock_ticked(s: Situation, event: Event, data: ev.ClockTicked, touched: Touched) -> None:
    # A tick is when the desk plans; what follows in the journal is that plan.
    s.plan_due, s.ticked = False, event.seq
