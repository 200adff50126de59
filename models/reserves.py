"""Which units stay for what may come, by posture: a city pack's ``reserves.yaml``.

For: :mod:`models.city`, which reads it, and :mod:`dispatch.reserves`, which keeps to it. Not for:
what a choice leaves bare (coverage), which is weighed; a reserve is kept.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from models.errors import CityPackError
from models.named import unknown
from models.pack_files import YamlFile
from models.pack_names import PackNames, wrong_skills
from models.words import PRIORITIES, Posture

RESERVES_FILE = "reserves.yaml"
MOST_KEPT = 1000


class Around(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Units that stand within ``radius_m`` metres of a facility of the pack."""

    facility: str
    radius_m: float


class ReserveRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Idle units of one sort that stay.

    Attributes
    ----------
    names
        ``zh`` and ``en``: what they are held in reserve for.
    keep
        Units that stay, by posture; a posture that isn't named keeps none.
    skills, kind
        Who counts: units with all of these skills, of this kind; what is empty is not asked.
    around
        Only those near a facility; None: in the whole jurisdiction.
    breaks_for
        Priorities that may take them all the same.
    """

    id: str
    names: dict[str, str]
    keep: dict[Posture, int]
    skills: tuple[str, ...] = ()
    kind: str = ""
    around: Around | None = None
    breaks_for: tuple[int, ...] = (1,)


class _ReservesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reserves: tuple[ReserveRule, ...]


def read_reserves(path: Path, pack: PackNames) -> tuple[ReserveRule, ...]:
    """The reserves in this file by id; none where there is no such file.

    Parameters
    ----------
    pack
        Kinds of units and stations that there are.

    Raises
    ------
    CityPackError
        It says something impossible; the message names file, line and value.
    """
    if not path.is_file():
        return ()
    file = YamlFile(path)
    rules = file.convert(_ReservesFile).reserves
    seen: set[str] = set()
    for row, rule in enumerate(rules):
        wrong = _wrong(rule, pack)
        if rule.id in seen:
            wrong = "is there twice; rename one"
        if wrong:
            raise CityPackError(f"{file.where('reserves', row)}: reserve {rule.id!r} {wrong}")
        seen.add(rule.id)
    return tuple(sorted(rules, key=lambda rule: rule.id))


def _wrong(rule: ReserveRule, pack: PackNames) -> str:
    """What is wrong with a rule and what to do, or nothing."""
    if not rule.id:
        return "has no id; give it one"
    if set(rule.names) != {"zh", "en"} or not all(rule.names.values()):
        return "needs names in zh and en"
    if wrong := wrong_skills(rule.skills):
        return f"asks for what isn't there: {wrong}"
    if rule.kind and (wrong := pack.wrong_kind(rule.kind)):
        return f"asks for what isn't there: {wrong}"
    if not rule.skills and not rule.kind:
        return "names neither skills nor kind; say who counts"
    if not all(0 <= kept <= MOST_KEPT for kept in rule.keep.values()):
        return f"keeps {dict(rule.keep)}; give 0 to {MOST_KEPT}"
    if not set(rule.breaks_for) <= set(PRIORITIES):
        return f"breaks for {list(rule.breaks_for)}; priorities are 1 to 4"
    if rule.around is None:
        return ""
    if rule.around.facility not in pack.stations:
        wrong = unknown("facility", rule.around.facility, pack.stations, "facilities.csv")
        return f"lies around what isn't there: {wrong}"
    return "" if rule.around.radius_m > 0 else "needs a radius_m above 0"
