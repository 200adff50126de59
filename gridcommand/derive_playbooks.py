"""Playbooks out of what a fire department's recorded calls got: one file for each call type.

``python -m gridcommand.derive_playbooks CALLS.csv.gz --out DIRECTORY``

The rules, which each written file repeats with its numbers:

1. A call's priority is what the city pack's ``codes.yaml`` makes of its type, group and priority:
   what the desk will see. 1 and 2 are urgent (lights and sirens), 3 and 4 are not.
2. A call type is split in urgent and not urgent where each half has :data:`MIN_SUPPORT` calls;
   otherwise it is one playbook from all its calls.
3. A unit kind is required where at least :data:`SHARE` of the calls got one. The count is the
   lower median over all calls, at least 1.
4. ``within_s`` is the median time from received to the kind's first unit on scene, rounded up to
   :data:`ROUND_S`.
5. Escalation: nobody on scene by the time that :data:`LATE_SHARE` of the calls had somebody.
6. A call type whose units are all below the share gets a task for a dispatcher instead.
7. Fires come in two sizes under one call type: what was only reported, and what a chief went to.
   Where chiefs went to fewer than the share, but to :data:`MIN_SUPPORT` calls, those calls make a
   second playbook for a fire that is seen, that traps somebody or that three reports tell of. That
   these are the chief's calls is our reading; the record doesn't say why a chief went.

A playbook applies to the category that the pack gives the call type, so a citizen's report and a
commander's correction get the same plan; types that the pack files under ``city.other`` are
matched by the source's code too, for a report that nobody understood is not such a call.

Not for plans that a duty officer writes: files without the first line that this program writes
are left alone. Relies on the form of San Francisco's "fire department calls for service".
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from statistics import median, median_low
from types import MappingProxyType
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer

from gridcommand.city_packs import read_table
from models.categories import category, is_a
from models.city import CityPack
from models.skills import UNIT_KINDS
from streams.local_times import LocalTimes

MIN_SUPPORT: Final = 10
SHARE: Final = 0.5
LATE_SHARE: Final = 0.9
ROUND_S: Final = 30
NO_TIMES_S: Final = 900
"""``within_s`` where no unit of the kind was ever recorded on scene."""

FIRST_LINE: Final = "# Derived by gridcommand.derive_playbooks: change the rules there, not this."

REQUIRED: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = MappingProxyType(
    {
        "ENGINE": ("engine", ("fire_suppression",)),
        "MEDIC": ("medic", ("medical_advanced", "medical_transport")),
        "PRIVATE": ("private_ambulance", ("medical_transport",)),
        "TRUCK": ("truck", ("aerial_ladder",)),
        "CHIEF": ("chief", ("incident_command",)),
        "RESCUE CAPTAIN": ("rescue_captain", ("medical_command",)),
        "RESCUE SQUAD": ("rescue_squad", ("technical_rescue",)),
        "SUPPORT": ("support", ("support_services",)),
        "AIRPORT": ("airport", ("aircraft_rescue",)),
        "INVESTIGATION": ("investigation", ("fire_investigation",)),
    }
)
"""The source's unit type -> our unit kind and the skills that only it has."""


ALTERNATIVES: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = MappingProxyType(
    {"medic": (("medical_transport",),)}
)
"""Our unit kind -> other skills that did where it was missing: private ambulances went instead of
medic units to a quarter of the medical calls, life-threatening ones too."""


@dataclass
class Call:
    """One call: what it was and what came, with seconds from received to on scene."""

    call_type: str
    priority: int
    units: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    first_on_scene_s: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Need:
    """What the calls say about one unit kind."""

    kind: str
    skills: tuple[str, ...]
    count: int
    within_s: int
    got: int


def read_calls(path: Path, pack: CityPack) -> list[Call]:
    """Read a calls file, one row for each responding unit, in order of call number.

    Rows of a type that the pack doesn't know are left out: the desk couldn't classify them.
    """
    clock = LocalTimes(ZoneInfo(pack.timezone))
    calls: dict[str, Call] = {}
    for row in read_table(path):
        meaning = pack.meaning(row["call_type"], row["call_type_group"], row["priority"])
        if meaning is None:
            continue
        call = calls.setdefault(row["call_number"], Call(row["call_type"], meaning.priority))
        kind = row["unit_type"]
        call.units[kind] += 1
        if row["received"] and row["on_scene"]:
            took = clock.read(row["on_scene"])[0] - clock.read(row["received"])[0]
            before = call.first_on_scene_s.get(kind, float("inf"))
            if took.total_seconds() >= 0:
                call.first_on_scene_s[kind] = min(before, took.total_seconds())
    return [calls[number] for number in sorted(calls)]


def needs(calls: list[Call]) -> list[Need]:
    """Unit kinds that at least :data:`SHARE` of the calls got, by kind."""
    found = []
    for source_kind, (kind, skills) in REQUIRED.items():
        got = sum(1 for call in calls if call.units.get(source_kind))
        if got < SHARE * len(calls):
            continue
        count = max(1, median_low([call.units.get(source_kind, 0) for call in calls]))
        times = [
            call.first_on_scene_s[source_kind]
            for call in calls
            if source_kind in call.first_on_scene_s
        ]
        within_s = _rounded_up(median(times)) if times else NO_TIMES_S
        found.append(Need(kind, skills, count, within_s, got))
    return sorted(found, key=lambda need: need.kind)


def late_after_s(calls: list[Call]) -> int | None:
    """Seconds by which :data:`LATE_SHARE` of the calls had somebody on scene."""
    firsts = sorted(min(c.first_on_scene_s.values()) for c in calls if c.first_on_scene_s)
    if not firsts:
        return None
    return _rounded_up(firsts[ceil(LATE_SHARE * len(firsts)) - 1])


def _rounded_up(seconds: float) -> int:
    return max(ROUND_S, ceil(seconds / ROUND_S) * ROUND_S)


def derive(calls: Iterable[Call], pack: CityPack, source: str) -> dict[str, str]:
    """File name -> text of the playbooks of each call type."""
    by_type: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        by_type[call.call_type].append(call)
    return {
        f"{_slug(call_type)}.yaml": _file(call_type, by_type[call_type], pack, source)
        for call_type in sorted(by_type)
    }


def write(files: Mapping[str, str], out: Path) -> None:
    """Write the files, and remove derived ones that the calls no longer give."""
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("*.yaml"):
        derived = old.read_text(encoding="utf-8").startswith(FIRST_LINE)
        if derived and old.name not in files:
            old.unlink()
    for name, text in files.items():
        (out / name).write_text(text, encoding="utf-8")


# ── text ───────────────────────────────────────────────────────────────────────────────────────


_LATE_ZH: Final = "超过常见到场时间仍无力量到场，请核实"
_LATE_EN: Final = ": nobody on scene by the usual time, check"


@dataclass(frozen=True)
class _Part:
    """Some calls of a type: how their playbook's id, names and condition end."""

    suffix: str
    zh: str
    en: str
    when: str
    precedence: int = 10


_ALL: Final = _Part("", "", "", "true")
_URGENT: Final = _Part(".urgent", "（紧急）", ", urgent", "incident.priority <= 2")
_ROUTINE: Final = _Part(".routine", "（非紧急）", ", not urgent", "incident.priority >= 3")
_WORKING: Final = _Part(
    ".working",
    "（火势已确认）",
    ", working fire",
    "incident.facts.fire_visible || incident.facts.trapped > 0 || incident.alarms >= 3",
    precedence=20,
)


def _slug(call_type: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", call_type.lower()).strip("_")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _file(call_type: str, calls: list[Call], pack: CityPack, source: str) -> str:
    urgent = [call for call in calls if call.priority <= 2]
    routine = [call for call in calls if call.priority >= 3]
    if min(len(urgent), len(routine)) >= MIN_SUPPORT:
        parts = [(_URGENT, urgent), (_ROUTINE, routine)]
    else:
        parts = [(_ALL, calls)]
    head = [FIRST_LINE, f"# {call_type}: {len(calls)} calls in {source}."]
    if len(parts) == 1 and urgent and routine:
        head.append(
            f"# Not split: {len(urgent)} urgent and {len(routine)} other calls, "
            f"fewer than {MIN_SUPPORT} on one side."
        )
    commanded = [call for call in calls if call.units.get("CHIEF")]
    fire = is_a(pack.codes[call_type].category, "accident.fire")
    if fire and MIN_SUPPORT <= len(commanded) < SHARE * len(calls):
        head.append(f"# A chief went to {len(commanded)} of the {len(calls)} calls.")
        parts.append((_WORKING, commanded))
    texts = [_playbook(call_type, part, some, pack) for part, some in parts]
    return "\n".join(head) + "\n" + "---\n".join(texts)


def _playbook(call_type: str, part: _Part, calls: list[Call], pack: CityPack) -> str:
    meaning = pack.codes[call_type]
    names = category(meaning.category).names
    by_code = meaning.category == "city.other"
    when = part.when
    if by_code:
        code = f"incident.code == '{call_type}'"
        when = code if when == "true" else f"{code} && {when}"
    lines = [
        f"id: {pack.id}.{_slug(call_type)}{part.suffix}",
        f"names: {{zh: {_quoted(names.zh + part.zh)}, en: {_quoted(call_type + part.en)}}}",
        f"categories: [{meaning.category}]",
        f"when: {_quoted(when)}",
        "group: response",
        f"precedence: {part.precedence}",
        *_requirements(calls),
    ]
    late = late_after_s(calls)
    if late is not None:
        lines += [
            "deadlines:",
            f"  # by then {LATE_SHARE:.0%} of the calls had a unit on scene",
            f"  - {{key: nobody_on_scene, after_s: {late}, while: [open, assigned],",
            "     escalate: {to_role: commander, notice: {",
            f"       zh: {_quoted(f'{names.zh}{part.zh}{_LATE_ZH}')},",
            f"       en: {_quoted(f'{call_type}{part.en}{_LATE_EN}')}}}}}}}",
        ]
    return "\n".join(lines) + "\n"


def _requirements(calls: list[Call]) -> list[str]:
    required = needs(calls)
    if not required:
        return [
            f"# No unit kind came to {SHARE:.0%} of the {len(calls)} calls.",
            "tasks:",
            "  - {key: triage, role: dispatcher, within_s: 300, proof: text,",
            "     title: {zh: 研判需要的力量并派出, en: Judge which units are needed and send}}",
        ]
    lines = ["requirements:"]
    for need in required:
        names = UNIT_KINDS[need.kind].names
        lines += [
            f"  # {need.got} of {len(calls)} calls ({need.got / len(calls):.0%}) got one",
            f"  - {{key: {need.kind}, names: {{zh: {names.zh}, en: {names.en}}},",
            f"     skills: [{', '.join(need.skills)}], count: {need.count},"
            f" within_s: {need.within_s}{_alternatives(need.kind)}}}",
        ]
    return lines


def _alternatives(kind: str) -> str:
    sets = [f"[{', '.join(skills)}]" for skills in ALTERNATIVES.get(kind, ())]
    return f",\n     alternatives: [{', '.join(sets)}]" if sets else ""


def main(
    calls: Annotated[Path, typer.Argument(help="calls file, CSV or CSV.GZ", exists=True)],
    out: Annotated[Path, typer.Option(help="directory to write the playbooks to")],
    pack: Annotated[Path, typer.Option(help="city pack whose codes.yaml maps the calls")] = Path(
        "cities/san_francisco"
    ),
) -> None:
    """Derive playbooks from recorded calls, one file for each call type."""
    city = CityPack.load(pack)
    files = derive(read_calls(calls, city), city, calls.name)
    write(files, out)
    typer.echo(f"{len(files)} files in {out}")


if __name__ == "__main__":
    typer.run(main)
