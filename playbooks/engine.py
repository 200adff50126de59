"""Which playbooks apply to an incident, and the one plan that they make together.

How plans are merged, so that the order of files never matters:

* Playbooks with ``fallback`` count only where no other applies, but for those with
  ``supplement``, which add to whatever applies.
* Of the playbooks that apply, each ``group`` is spoken for by the one of highest ``precedence``
  (of equals the first id by alphabet). A playbook without a group stands for itself.
* Requirements are joined by key, the strictest of each: the largest count, the shortest time.
  The skills are those of the playbook with the largest count; lint refuses one key with two
  meanings. It is of a package if one of them says so, and shares roles as all of them say.
  Packages of one name are one package.
* Tasks, deadlines and notices are joined by key: the one that is due first stands, of equals that
  of the most precedent playbook.
* The response level and the priority are the most severe that any of them asks for.

Not for reading the files (documents), nor for judging them (lint). Nothing here does I/O except
:meth:`PlaybookSet.load`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import msgspec

from models.categories import ancestors, categories
from models.events import Requirement
from models.lifecycles import IncidentState
from models.words import Grade
from playbooks.checked import CheckedPlaybooks
from playbooks.documents import PlaybookError, playbook_files
from playbooks.expressions import Expression, ExpressionError
from playbooks.facts import IncidentFacts, field_value
from playbooks.lint import check_directory
from playbooks.schema import MAX_COUNT
from playbooks.written import WrittenPlaybook, WrittenRequirement

PLANS_KEPT = 10_000

_LEVELS = {grade: number for number, grade in enumerate(Grade, 1)}


class TaskPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A task that the plan asks for; ``within_s`` counts from the incident's opening.

    ``until`` is ``triaged`` where it is done once a person says what the incident is.
    """

    key: str
    title: dict[str, str]
    role: str
    within_s: float
    proof: str
    playbook: str
    until: str = ""


class DeadlinePlan(msgspec.Struct, frozen=True, kw_only=True):
    """If the incident is in one of ``states`` ``after_s`` seconds after opening, tell a person.

    Not where it ended before by ``until``, as that of a :class:`TaskPlan`.
    """

    key: str
    after_s: float
    states: tuple[IncidentState, ...]
    to_role: str
    notice: dict[str, str]
    playbook: str
    until: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What an incident needs, all matching playbooks together.

    Attributes
    ----------
    playbooks
        Ids that apply, most precedent first.
    requirements, tasks, deadlines
        Sorted by key; a requirement whose count came out as 0 is left out.
    notices
        ``key``, ``to_role``, ``zh``, ``en``, ``playbook`` of each.
    response_level
        1 (worst) to 4, or ``None``.
    priority
        The most urgent that a playbook asks for, or ``None``.
    names
        Of the playbooks, by id.
    problems
        Expressions that failed on these facts and what they are; such a condition counts as
        false and such a count as 1, so that somebody still goes.
    """

    playbooks: tuple[str, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    tasks: tuple[TaskPlan, ...] = ()
    deadlines: tuple[DeadlinePlan, ...] = ()
    notices: tuple[dict[str, str], ...] = ()
    response_level: int | None = None
    priority: int | None = None
    names: dict[str, dict[str, str]] = {}
    problems: tuple[str, ...] = ()


class _Needed(msgspec.Struct, frozen=True):
    """A requirement as a playbook states it: its count may still be an expression."""

    key: str
    names: dict[str, str]
    skills: tuple[str, ...]
    count: int | Expression
    within_s: float
    alternatives: tuple[tuple[str, ...], ...] = ()
    package: str = ""
    shares: tuple[str, ...] = ()


class Playbook(msgspec.Struct, frozen=True, kw_only=True):
    """One playbook, ready to be asked."""

    id: str
    names: dict[str, str]
    when: Expression
    categories: frozenset[str]
    group: str
    precedence: int
    fallback: bool
    supplement: bool
    response_level: int | None
    priority: int | None
    requirements: tuple[_Needed, ...]
    tasks: tuple[TaskPlan, ...]
    deadlines: tuple[DeadlinePlan, ...]
    notices: tuple[dict[str, str], ...]


class PlaybookSet:
    """The playbooks of one city.

    Attributes
    ----------
    hash
        SHA-256 of names and contents of the files: the same plans have the same hash.
    playbooks
        All of them by id.
    """

    def __init__(self, playbooks: Iterable[Playbook], content_hash: str) -> None:
        ordered = sorted(playbooks, key=lambda playbook: (-playbook.precedence, playbook.id))
        self.playbooks: Mapping[str, Playbook] = MappingProxyType(
            {playbook.id: playbook for playbook in ordered}
        )
        self.hash = content_hash
        expressions = [
            one
            for playbook in ordered
            for one in (playbook.when, *(needed.count for needed in playbook.requirements))
            if isinstance(one, Expression)
        ]
        fields = sorted({field for one in expressions for field in one.fields})
        # Two at least, for an attrgetter of one gives no tuple.
        plain = [path for path in fields if not path.startswith("facts.")]
        self._plain = attrgetter("category", "priority", *plain)
        self._facts = tuple(path for path in fields if path.startswith("facts."))
        self._plans: dict[tuple[object, ...], Plan] = {}

    @classmethod
    def load(cls, directory: Path, remembered: Path | None = None) -> PlaybookSet:
        """Read, check and compile all playbooks of a directory.

        Parameters
        ----------
        remembered
            Folder where what was found right is kept, so that it isn't checked again.

        Raises
        ------
        PlaybookError
            With every problem found, each with file, line, column and what to do.
        """
        content_hash = _content_hash(directory)
        kept = CheckedPlaybooks(remembered, content_hash) if remembered else None
        written = kept.read() if kept else None
        if written is None:
            checked = check_directory(directory)
            if checked.problems:
                raise PlaybookError(checked.problems)
            written = checked.playbooks
            if kept:
                kept.keep(written)
        return cls(map(_compile, written), content_hash)

    def match(self, incident: IncidentFacts) -> Plan:
        """The plan for an incident: pure, deterministic, never raises.

        Some microseconds for facts seen before, about 0.2 ms an expression else.
        """
        facts = tuple(field_value(incident, path) for path in self._facts) if incident.facts else ()
        key = (*self._plain(incident), facts)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._match(incident)
            if len(self._plans) >= PLANS_KEPT:
                self._plans.clear()
            self._plans[key] = plan
        return plan

    def _match(self, incident: IncidentFacts) -> Plan:
        problems: list[str] = []
        applying = self._applying(incident, problems)
        requirements: dict[str, Requirement] = {}
        for playbook in applying:
            for needed in playbook.requirements:
                _add_requirement(requirements, needed, playbook, incident, problems)
        levels = [p.response_level for p in applying if p.response_level is not None]
        priorities = [p.priority for p in applying if p.priority is not None]
        return Plan(
            playbooks=tuple(playbook.id for playbook in applying),
            requirements=tuple(requirements[key] for key in sorted(requirements)),
            tasks=_soonest((task.key, task.within_s, task) for p in applying for task in p.tasks),
            deadlines=_soonest(
                (deadline.key, deadline.after_s, deadline)
                for p in applying
                for deadline in p.deadlines
            ),
            notices=_soonest(
                (notice["key"], 0.0, notice) for p in applying for notice in p.notices
            ),
            response_level=min(levels, default=None),
            priority=min(priorities, default=None),
            names={playbook.id: playbook.names for playbook in applying},
            problems=tuple(problems),
        )

    def _applying(self, incident: IncidentFacts, problems: list[str]) -> list[Playbook]:
        above = {incident.category}
        if incident.category in categories():
            above.update(ancestors(incident.category))
        matching = [
            playbook
            for playbook in self.playbooks.values()
            if (not playbook.categories or playbook.categories & above)
            and _holds(playbook, incident, problems)
        ]
        is_covered = any(not one.fallback and not one.supplement for one in matching)
        speaking: dict[str, Playbook] = {}
        for playbook in matching:
            if not (playbook.fallback and is_covered):
                speaking.setdefault(playbook.group, playbook)
        return list(speaking.values())


def _holds(playbook: Playbook, incident: IncidentFacts, problems: list[str]) -> bool:
    try:
        return playbook.when.evaluate(incident, bool)
    except ExpressionError as error:
        problems.append(f"{playbook.id}: when: {error}")
        return False


def _count(
    needed: _Needed, playbook: Playbook, incident: IncidentFacts, problems: list[str]
) -> int:
    if not isinstance(needed.count, Expression):
        return needed.count
    try:
        return min(max(needed.count.evaluate(incident, int), 0), MAX_COUNT)
    except ExpressionError as error:
        problems.append(f"{playbook.id}: count of {needed.key}: {error}")
        return 1


def _add_requirement(
    requirements: dict[str, Requirement],
    needed: _Needed,
    playbook: Playbook,
    incident: IncidentFacts,
    problems: list[str],
) -> None:
    count = _count(needed, playbook, incident, problems)
    if count == 0:
        return
    asked = Requirement(
        key=needed.key,
        skills=needed.skills,
        count=count,
        within_s=needed.within_s,
        playbook=playbook.id,
        names=needed.names,
        alternatives=needed.alternatives,
        package=needed.package,
        shares=needed.shares,
    )
    before = requirements.get(needed.key, asked)
    larger = asked if asked.count > before.count else before
    requirements[needed.key] = msgspec.structs.replace(
        larger,
        within_s=min(asked.within_s, before.within_s),
        package=before.package or asked.package,
        shares=tuple(sorted({*before.shares, *asked.shares})),
    )


_T = TypeVar("_T")


def _soonest(entries: Iterable[tuple[str, float, _T]]) -> tuple[_T, ...]:
    """Of each key the entry that is due first (of equals the first seen), sorted by key."""
    best: dict[str, tuple[float, _T]] = {}
    for key, due, entry in entries:
        if key not in best or due < best[key][0]:
            best[key] = (due, entry)
    return tuple(best[key][1] for key in sorted(best))


# ── from checked values to playbooks ───────────────────────────────────────────────────────────


def _content_hash(directory: Path) -> str:
    digest = hashlib.sha256()
    for path in playbook_files(directory) if directory.is_dir() else ():
        try:
            content = path.read_bytes()
        except OSError:  # lint names it
            continue
        digest.update(f"{path.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _compile(written: WrittenPlaybook) -> Playbook:
    level = written.response_level
    return Playbook(
        id=written.id,
        names=written.names,
        when=Expression(written.when),
        categories=frozenset(written.categories),
        group=written.group or f"of {written.id}",
        precedence=written.precedence,
        fallback=written.fallback,
        supplement=written.supplement,
        response_level=None if level is None else _LEVELS[level],
        priority=written.priority,
        requirements=tuple(map(_needed, written.requirements)),
        tasks=tuple(
            TaskPlan(
                key=task.key,
                title=task.title,
                role=task.role,
                within_s=task.within_s,
                proof=task.proof,
                playbook=written.id,
                until=task.until,
            )
            for task in written.tasks
        ),
        deadlines=tuple(
            DeadlinePlan(
                key=deadline.key,
                after_s=deadline.after_s,
                states=deadline.states,
                to_role=deadline.escalate.to_role,
                notice=deadline.escalate.notice,
                playbook=written.id,
                until=deadline.until,
            )
            for deadline in written.deadlines
        ),
        notices=tuple(
            {
                "key": notice.key,
                "to_role": notice.to_role,
                **notice.text,
                "playbook": written.id,
            }
            for notice in written.notices
        ),
    )


def _needed(row: WrittenRequirement) -> _Needed:
    return _Needed(
        key=row.key,
        names=row.names,
        skills=row.skills,
        count=Expression(row.count) if isinstance(row.count, str) else row.count,
        within_s=row.within_s,
        alternatives=row.alternatives,
        package=row.package,
        shares=row.shares,
    )
