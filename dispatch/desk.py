"""The desk: single writer of a jurisdiction, a pure function of the situation and the event.

For: turning what the world says into incidents, plans, proposals, orders, tasks and escalation.
Not for: reading a clock, a database or a topic; its shell (``streams.desk_shell``) and the fast
replay (``streams.fast``) do that and are a few lines around :meth:`Desk.step`. Relies on the
playbooks for what is needed and on the planner for who goes.

Time enters as events: :meth:`Desk.next_due` names the time at which the desk wants a
``ClockTicked``; planning itself is due at once, as a tick of its own, so that a report is on the
screens before the solver has run and a backlog is planned once, not once a report.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from dispatch import closing, maybe, merging, watch
from dispatch.automation import is_automatic
from dispatch.correlation import SOURCE_INCIDENT, OpenIncidents, distance_m, with_facts
from dispatch.fallback import Planning
from dispatch.far import Surroundings
from dispatch.orders import OrderBook
from dispatch.orders.refusal import RefusalError
from dispatch.overtaken import withdraw_overtaken
from dispatch.planning import Planner
from dispatch.policy import Policy
from dispatch.step import Step
from dispatch.travel_times import TravelTimes
from dispatch.wanted import MACHINE
from models import events as ev
from models.city import CityPack
from models.errors import EventError
from models.events import Event
from models.lifecycles import (
    ENDED_TASK,
    TASK_MOVES,
    UNIT_MOVES,
    AssignmentState,
    TaskState,
    UnitState,
    moves_to,
)
from models.situation import Incident, Situation, Task, Touched, Unit
from models.words import DEVICE, TRIAGED, Channel
from playbooks.engine import PlaybookSet
from playbooks.facts import IncidentFacts

_ASSIGNMENT_STATE = {
    UnitState.ASSIGNED: AssignmentState.ACCEPTED,
    UnitState.EN_ROUTE: AssignmentState.EN_ROUTE,
    UnitState.ON_SCENE: AssignmentState.ON_SCENE,
    UnitState.TRANSPORTING: AssignmentState.TRANSPORTING,
    UnitState.AT_HOSPITAL: AssignmentState.AT_HOSPITAL,
}
_AT_WORK = frozenset(
    {AssignmentState.ON_SCENE, AssignmentState.TRANSPORTING, AssignmentState.AT_HOSPITAL}
)
_CHANGES_WHEN_A_CREW_IS_DUE = (ev.AssignmentOrdered, ev.AssignmentMoved, ev.AssignmentRerouted)
_HANDED_OVER = frozenset({AssignmentState.AT_HOSPITAL})


class Desk:
    """Decides for one jurisdiction.

    Parameters
    ----------
    situation
        As the journal left it; folded further in place.
    pack, playbooks
        The city and its response plans.
    travel
        For this desk alone: its closures are this jurisdiction's.
    policy
        Numbers that a city may tune.
    """

    def __init__(
        self,
        situation: Situation,
        pack: CityPack,
        playbooks: PlaybookSet,
        travel: TravelTimes,
        policy: Policy | None = None,
    ) -> None:
        self.situation = situation
        self._pack = pack
        self._playbooks = playbooks
        self._policy = policy or Policy()
        self._zone = ZoneInfo(pack.timezone)
        self._surroundings = Surroundings(travel.graph, pack)
        self._planner = Planner(situation, travel, self._policy, pack)
        self._planning = Planning(self._planner, situation, travel, self._policy, pack)
        self._open_incidents = OpenIncidents(situation, self._policy)
        self._orders = OrderBook(
            self._planner,
            self._planning.plan,
            self._adopt_plan,
            partial(self._adopt_plan, anew=True),
            self._surroundings,
        )
        self._due: list[tuple[datetime, str, str]] = []
        self._touched: Touched = set()
        self._handlers: dict[type[ev.Payload], Callable[[Step, Any], None]] = {
            ev.ReportClassified: self._report,
            ev.ReportPlaced: self._report_placed,
            ev.AlarmEnded: self._alarm_ended,
            ev.UnitStatusReported: self._status,
            ev.TaskReported: self._task,
        }
        self._remember_all_due()

    def step(self, event: Event) -> list[Event]:
        """Decide on one input.

        Parameters
        ----------
        event
            One of :data:`models.events.INPUTS`, not seen before; ``seq`` is ignored.

        Returns
        -------
        list of Event
            For the journal: the input itself, then the decisions that follow, ``seq`` running on
            without a gap. The situation has them applied.

        Raises
        ------
        EventError
            It is no input, or another jurisdiction's, or of the other side (live or exercise);
            nothing has changed.
        """
        self._check_mine(event)
        plan_was_due = self.situation.plan_due
        data = event.data
        far = self._far_positions(data)
        step = Step(self.situation, event)
        for set_aside in far:
            step.emit(set_aside)
        if isinstance(data, ev.Order):
            self._orders.carry_out(step, data)
        elif isinstance(data, ev.ClockTicked):
            self._tick(step, plan_was_due)
        elif (handler := self._handlers.get(type(data))) is not None:
            handler(step, data)
        withdraw_overtaken(step, self._planner)
        self._remember_due(step.events)
        self._planner.note(step.touched)
        self._open_incidents.note([name for kind, name in step.touched if kind == "incidents"])
        self._touched |= step.touched
        return step.events

    def _check_mine(self, event: Event) -> None:
        situation = self.situation
        if type(event.data) not in ev.INPUTS:
            # Applied as it is it would change the situation, and nobody would have decided it.
            raise EventError(f"event {event.id}: {event.type} is no input of a desk")
        mine = (situation.jurisdiction, situation.exercise)
        if (event.jurisdiction, event.exercise) != mine:
            raise EventError(
                f"event {event.id} is of {event.jurisdiction} (exercise: {event.exercise}), "
                f"this is the desk of {mine[0]} (exercise: {mine[1]})"
            )

    def take_touched(self) -> Touched:
        """Return the kinds and ids of entities that changed since this was last asked."""
        touched, self._touched = self._touched, set()
        return touched

    def next_due(self) -> datetime | None:
        """Return when the desk wants its next ``ClockTicked``; a time that has passed means now."""
        if self.situation.plan_due:
            return self.situation.now
        while self._due:
            due, kind, name = self._due[0]
            if self._still_due(due, kind, name):
                return due
            heapq.heappop(self._due)
        return None

    # ── reports ───────────────────────────────────────────────────────────────────────────────

    def _report(self, step: Step, report: ev.ReportClassified) -> None:
        far = self._is_far(report)
        # Phones without a fix all say the same place, and don't tell of the same thing.
        apart = msgspec.structs.replace(report, lon=None, lat=None) if far else report
        found = self._open_incidents.find(apart, step.now)
        if found is None:
            incident = self._open(step, report, far=far)
        else:
            incident, away, age = found
            step.emit(
                ev.ReportLinked(
                    incident=incident.id,
                    report=step.cause.id,
                    distance_m=round(away, 1),
                    age_s=round(age, 1),
                    text=report.text,
                    facts=with_facts(incident.facts, report),
                    photos=report.photos,
                    life_threat=report.life_threat,
                    own=merging.with_report(incident, report),
                    leads=report.priority < incident.priority,
                    words=_words(report),
                    reading=report.reading,
                ),
                incident=incident.id,
            )
            worse = min(report.priority, incident.priority), min(report.grade, incident.grade)
            if not incident.triaged_by and worse != (incident.priority, incident.grade):
                self._revise(step, incident, priority=worse[0], grade=worse[1], reason="report")
        self._adopt_plan(step, incident)
        maybe.set_clock(step, incident, self._policy)

    def _report_placed(self, step: Step, said: ev.ReportPlaced) -> None:
        try:
            self._orders.placing.place_report(step, said)
        except RefusalError as refusal:
            self._refuse(step, refusal.code, refusal.detail)

    def _alarm_ended(self, step: Step, ended: ev.AlarmEnded) -> None:
        """Say in its incident's log that an alarm is over; whether the incident is, people say."""
        for incident in step.situation.incidents_of(ended.report):
            if not incident.ended:
                step.emit(
                    ev.ReportEnded(
                        incident=incident.id,
                        report=ended.report,
                        device=ended.device,
                        at=ended.at,
                        by_itself=ended.by_itself,
                    ),
                    incident=incident.id,
                )
                return

    def _is_far(self, report: ev.ReportClassified) -> bool:
        if report.lon is None or report.lat is None or not report.outside:
            return False
        return self._surroundings.is_far(report.lon, report.lat)

    def _open(self, step: Step, report: ev.ReportClassified, *, far: bool) -> Incident:
        count = step.situation.opened + 1
        local = report.received_at.astimezone(self._zone)
        facts = dict(report.facts)
        if SOURCE_INCIDENT in report.attributes:
            facts[SOURCE_INCIDENT] = report.attributes[SOURCE_INCIDENT]
        incident = f"i{count:06d}"
        step.emit(
            ev.IncidentOpened(
                incident=incident,
                number=f"{local:%m%d}-{count:04d}",
                report=step.cause.id,
                category=report.category,
                priority=report.priority,
                grade=report.grade,
                confidence=report.confidence,
                triage=report.triage,
                life_threat=report.life_threat,
                text=report.text,
                code=report.code,
                channel=report.channel,
                lon=report.lon,
                lat=report.lat,
                place=report.place,
                cell=report.cell,
                outside=report.outside,
                received_at=report.received_at,
                observed_at=report.observed_at,
                clock_skew_s=report.clock_skew_s,
                photos=report.photos,
                facts=facts,
                near=report.near,
                far=far,
                words=_words(report),
                reading=report.reading,
            ),
            incident=incident,
        )
        return step.incident(incident)

    def _revise(
        self, step: Step, incident: Incident, *, priority: int, grade: Any, reason: str
    ) -> None:
        step.emit(
            ev.IncidentRevised(
                incident=incident.id,
                category=incident.category,
                priority=priority,
                grade=grade,
                triage=incident.triage,
                by="",
                reason=reason,
            ),
            incident=incident.id,
        )

    def _adopt_plan(self, step: Step, incident: Incident, *, anew: bool = False) -> None:
        """Match the playbooks and adopt what they ask for, where it is not what we have.

        ``anew`` gives the tasks and sets the deadlines of what we have again: they ended with an
        incident that is reopened.
        """
        plan = self._playbooks.match(
            IncidentFacts(
                category=incident.category,
                grade=incident.grade.value,
                priority=incident.priority,
                code=incident.code,
                facts=incident.facts,
                posture=step.situation.rules.posture.value,
                hour=incident.opened_at.astimezone(self._zone).hour,
                cell=incident.cell,
                alarms=len(incident.reports),
            )
        )
        # What a playbook is for happens; a drill's text or a memory is urgent for nobody.
        may_raise = maybe.is_live(incident) and not incident.triaged_by
        if may_raise and plan.priority and plan.priority < incident.priority:
            self._revise(
                step, incident, priority=plan.priority, grade=incident.grade, reason="playbook"
            )
        unchanged = (tuple(incident.playbooks), tuple(incident.requirements)) == (
            plan.playbooks,
            plan.requirements,
        )
        if unchanged and not plan.problems and not anew:
            return
        if not unchanged or plan.problems:
            step.emit(
                ev.PlanAdopted(
                    incident=incident.id,
                    playbooks=plan.playbooks,
                    requirements=plan.requirements,
                    notices=plan.notices,
                    response_level=plan.response_level,
                    names=plan.names,
                    problems=plan.problems,
                ),
                incident=incident.id,
            )
        cell = self._pack.cells.get(incident.cell) if incident.cell else None
        triaged = bool(incident.triaged_by)
        for wanted in plan.tasks:
            if triaged and wanted.until == TRIAGED:
                continue
            task = f"{incident.id}-t-{wanted.key}"
            if anew:
                task = _not_cancelled(step.situation, task)
            if task not in step.situation.tasks:
                step.emit(
                    ev.TaskAssigned(
                        task=task,
                        incident=incident.id,
                        title=_title(wanted.title, incident),
                        role=wanted.role,
                        due=step.after(wanted.within_s),
                        proof=wanted.proof,
                        assignee=cell.worker if cell and wanted.role == "grid_worker" else "",
                        cell=incident.cell,
                        until=wanted.until,
                    ),
                    incident=incident.id,
                )
        told = {escalation.deadline for escalation in incident.escalations}
        for set_by_plan in plan.deadlines:
            if triaged and set_by_plan.until == TRIAGED:
                continue
            deadline = f"{incident.id}-d-{set_by_plan.key}"
            due = step.after(set_by_plan.after_s + incident.closed_s, incident.opened_at)
            # What was due before it was closed was told or didn't matter then.
            passed = incident.reopened_at is not None and due <= incident.reopened_at
            # Of a report that comes late it may have passed: then it is told at once.
            if deadline not in step.situation.deadlines and deadline not in told and not passed:
                step.emit(
                    ev.DeadlineSet(
                        deadline=deadline,
                        incident=incident.id,
                        due=due,
                        states=set_by_plan.states,
                        to_role=set_by_plan.to_role,
                        notice=set_by_plan.notice,
                        until=set_by_plan.until,
                    ),
                    incident=incident.id,
                )

    # ── crews ─────────────────────────────────────────────────────────────────────────────────

    def _far_positions(self, data: ev.Payload) -> list[ev.UnitPositionSetAside]:
        """Return what can't be of the positions that an input tells, before it is applied."""
        told: dict[str, ev.Point] = {}
        if isinstance(data, ev.UnitPositionsReported):
            told = data.positions
        elif (
            isinstance(data, ev.UnitStatusReported)
            and data.lon is not None
            and data.lat is not None
        ):
            told = {data.unit: (data.lon, data.lat)}
        can_not_be = self._surroundings.can_not_be
        far = []
        for name, (lon, lat) in told.items():
            unit = self.situation.units.get(name)
            if unit is None or not can_not_be(lon, lat):
                continue
            kept = unit.lon, unit.lat
            if can_not_be(*kept):
                # A journal of before positions were held against the city.
                kept = unit.home_lon, unit.home_lat
            far.append(
                ev.UnitPositionSetAside(
                    unit=name,
                    lon=lon,
                    lat=lat,
                    away_m=round(distance_m(lon, lat, *kept), 1),
                    kept=kept,
                    kept_at=unit.position_at,
                    again=unit.far is not None,
                )
            )
        return far

    def _status(self, step: Step, status: ev.UnitStatusReported) -> None:
        unit = step.situation.units.get(status.unit)
        if unit is None:
            self._refuse(step, "unknown_unit", f"no unit {status.unit} is registered")
            return
        # A free crew may name the assignment it comes from: it is back, that is all.
        back = not unit.assignment and status.state not in _ASSIGNMENT_STATE
        # Who can't go can't, whatever it was on when it said so: it may have been turned since.
        moot = back or status.state is UnitState.OUT_OF_SERVICE
        if status.assignment and status.assignment != unit.assignment and not moot:
            self._refuse(
                step,
                "stale_assignment",
                f"unit {unit.id} is not on {status.assignment} any more",
            )
            return
        if unit.assignment:
            self._status_on_duty(step, unit, status)
        elif status.state in _ASSIGNMENT_STATE:
            self._refuse(
                step, "no_assignment", f"unit {unit.id} says {status.state.value} without one"
            )
        elif status.state is not unit.state:
            self._move_unit(step, unit, status.state)
            # Who was out of service may have kept a queue.
            self._orders.sending.next_in_queue(step, unit)

    def _status_on_duty(self, step: Step, unit: Unit, status: ev.UnitStatusReported) -> None:
        assignment = step.situation.assignments[unit.assignment]
        incident = step.incident(assignment.incident)
        new = _ASSIGNMENT_STATE.get(status.state)
        if new is None:
            # Whoever drops out of the work leaves it undone, unless the patients are handed over.
            drops_out = status.state is UnitState.OUT_OF_SERVICE
            served = assignment.state in (_HANDED_OVER if drops_out else _AT_WORK)
            closing.release(
                step,
                assignment.id,
                AssignmentState.CLEARED if served else AssignmentState.CANCELLED,
                by=status.reporter or unit.id,
                reason=status.state.value,
                observed_at=status.observed_at,
            )
            if status.state is not unit.state:
                self._move_unit(step, unit, status.state)
            closing.settle(step, incident)
            left_alone = drops_out and not served and watch.no_unit_goes(step.situation, incident)
            if left_alone and not is_automatic(step.situation, incident, self._policy):
                watch.tell(step, assignment, watch.DROPPED_OUT)
            self._orders.sending.next_in_queue(step, unit)
        elif moves := moves_to(assignment.state, new):
            # Of what a crew left out nobody knows when it was: it was by now.
            for state in moves:
                step.emit(
                    ev.AssignmentMoved(
                        assignment=assignment.id,
                        incident=assignment.incident,
                        unit=unit.id,
                        state=state,
                        by=status.reporter or unit.id,
                        observed_at=status.observed_at if state is new else None,
                    ),
                    incident=assignment.incident,
                )
                if state is AssignmentState.TRANSPORTING and not assignment.hospital:
                    self._planner.hospitals.choose(step, assignment)
            closing.settle(step, incident)
        elif new is not assignment.state:
            self._refuse(
                step,
                "illegal_move",
                f"assignment {assignment.id} is {assignment.state.value}, not before {new.value}",
            )

    def _move_unit(self, step: Step, unit: Unit, state: UnitState) -> None:
        if state in UNIT_MOVES[unit.state]:
            step.emit(ev.UnitMoved(unit=unit.id, state=state))
        else:
            self._refuse(
                step,
                "illegal_move",
                f"unit {unit.id} is {unit.state.value}, not before {state.value}",
            )

    # ── tasks ─────────────────────────────────────────────────────────────────────────────────

    def _task(self, step: Step, report: ev.TaskReported) -> None:
        task = step.situation.tasks.get(report.task)
        if task is None:
            self._refuse(step, "unknown_task", f"no task {report.task} is open")
            return
        if report.state not in TASK_MOVES[task.state]:
            if report.state is not task.state:
                self._refuse(step, "illegal_move", f"task {task.id} is {task.state.value} already")
            return
        step.emit(
            ev.TaskMoved(
                task=task.id,
                incident=task.incident,
                state=report.state,
                by=report.by,
                note=report.note,
                photos=report.photos,
            ),
            incident=task.incident,
        )
        if report.state in ENDED_TASK:
            closing.settle(step, step.incident(task.incident))

    # ── time ──────────────────────────────────────────────────────────────────────────────────

    def _tick(self, step: Step, plan_was_due: bool) -> None:
        situation = step.situation
        while self._due and self._due[0][0] <= step.now:
            due, kind, name = heapq.heappop(self._due)
            if not self._still_due(due, kind, name):
                continue
            if kind == "deadline":
                deadline = situation.deadlines[name]
                incident = step.incident(deadline.incident)
                if incident.state in deadline.states:
                    step.emit(
                        ev.EscalationRaised(
                            incident=incident.id,
                            deadline=name,
                            to_role=deadline.to_role,
                            notice=deadline.notice,
                        ),
                        incident=incident.id,
                    )
                else:
                    step.emit(
                        ev.DeadlineDropped(deadline=name, incident=incident.id),
                        incident=incident.id,
                    )
            elif kind == "task":
                task = situation.tasks[name]
                step.emit(
                    ev.TaskMoved(
                        task=name, incident=task.incident, state=TaskState.OVERDUE, by=MACHINE
                    ),
                    incident=task.incident,
                )
            elif kind == "crew":
                sent = situation.assignments[name]
                if (found := watch.due(sent, self._policy)) is not None:
                    watch.tell(step, sent, found[1])
            else:
                expired = ev.RoadReopened(closure=name, by=MACHINE, reason="expired")
                self._planner.rerouting.change(step, expired)
        if plan_was_due or situation.plan_due:
            self._planning.plan(step)
            for incident_id in sorted({e.subject for e in step.events if _turns_somebody(e)}):
                closing.settle(step, step.incident(incident_id))

    def _refuse(self, step: Step, code: str, detail: str) -> None:
        said = step.cause.data
        by = said.reporter if isinstance(said, ev.UnitStatusReported) else getattr(said, "by", "")
        step.emit(ev.EventRefused(event=step.cause.id, code=code, detail=detail, by=by))

    def _still_due(self, due: datetime, kind: str, name: str) -> bool:
        """Whether what was remembered stands: a road may have been closed anew, for longer."""
        situation = self.situation
        if kind == "deadline":
            deadline = situation.deadlines.get(name)
            return deadline is not None and deadline.due == due
        if kind == "task":
            task = situation.tasks.get(name)
            return task is not None and task.due == due and _may_be_late(task)
        if kind == "crew":
            sent = situation.assignments.get(name)
            found = watch.due(sent, self._policy) if sent is not None else None
            return (
                sent is not None
                and found is not None
                and found[0] == due
                and not watch.is_told(situation, sent, found[1])
            )
        closure = situation.closures.get(name)
        return closure is not None and closure.until == due

    def _remember_due(self, events: list[Event]) -> None:
        for event in events:
            data = event.data
            if isinstance(data, ev.DeadlineSet):
                heapq.heappush(self._due, (data.due, "deadline", data.deadline))
            elif isinstance(data, ev.TaskAssigned):
                heapq.heappush(self._due, (data.due, "task", data.task))
            elif isinstance(data, ev.RoadClosed) and data.until is not None:
                heapq.heappush(self._due, (data.until, "closure", data.closure))
            elif isinstance(data, _CHANGES_WHEN_A_CREW_IS_DUE):
                self._remember_crew(data.assignment)

    def _remember_all_due(self) -> None:
        s = self.situation
        self._due = [(d.due, "deadline", d.id) for d in s.deadlines.values()]
        self._due += [(t.due, "task", t.id) for t in s.tasks.values() if _may_be_late(t)]
        self._due += [(c.until, "closure", c.id) for c in s.closures.values() if c.until]
        heapq.heapify(self._due)
        for assignment in s.assignments:
            self._remember_crew(assignment)

    def _remember_crew(self, assignment: str) -> None:
        sent = self.situation.assignments.get(assignment)
        found = watch.due(sent, self._policy) if sent is not None else None
        if found is not None:
            heapq.heappush(self._due, (found[0], "crew", assignment))


def _words(report: ev.ReportClassified) -> dict[str, str]:
    """Return a sensor's alarm in each language."""
    if report.channel is not Channel.SENSOR:
        return {}
    said = report.attributes
    return {language: str(said[language]) for language in ("zh", "en") if language in said}


def _title(title: dict[str, str], incident: Incident) -> dict[str, str]:
    """Return a task's title with the device that raised the alarm, for it may be all we know."""
    device = [str(incident.facts[name]) for name in DEVICE if name in incident.facts]
    if not device:
        return title
    return {
        language: f"{words}（{'，'.join(device)}）"
        if language == "zh"
        else f"{words} ({', '.join(device)})"
        for language, words in title.items()
    }


def _not_cancelled(situation: Situation, task: str) -> str:
    """Return the name under which a task stands or may be given again: of its own each time.

    What was said of one that ended with its incident mustn't be taken for a word on the next.
    """
    name, times = task, 1
    while (given := situation.tasks.get(name)) and given.state is TaskState.CANCELLED:
        times += 1
        name = f"{task}.{times}"
    return name


def _may_be_late(task: Task) -> bool:
    # Who accepts a task that is late already isn't told again.
    return not task.was_overdue and task.state in (TaskState.ASSIGNED, TaskState.ACCEPTED)


def _turns_somebody(event: Event) -> bool:
    return isinstance(event.data, ev.AssignmentOrdered | ev.UnitDiverted)
