"""Units that neighbours lend, and what asking for them costs: a city pack's ``neighbours.yaml``.

For: :mod:`models.city`, which reads it; the desk registers these units like its own, marked with
the neighbour, and the planner counts the cost. Not for: asking the neighbour, which a person does.
"""

from __future__ import annotations

from collections.abc import Collection, Container
from pathlib import Path

import msgspec

from models.errors import CityPackError
from models.named import wrong_with_id
from models.pack_files import YamlFile
from models.pack_names import PackNames, wrong_skills
from models.plain_text import plain

NEIGHBOURS_FILE = "neighbours.yaml"
MOST_COST_S = 4 * 3600.0


class LentUnit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A unit of a neighbour; ``lon``, ``lat`` in degrees, WGS-84, where the pack's roads begin.

    What it drives on the neighbour's own roads belongs into the neighbour's ``cost_s``.
    """

    id: str
    kind: str
    skills: tuple[str, ...]
    lon: float
    lat: float
    owner: str = "government"
    call_sign: str = ""


class Neighbour(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A jurisdiction that helps.

    Attributes
    ----------
    names
        ``zh`` and ``en``.
    cost_s
        Seconds by which its units must be sooner than the own ones to be preferred.
    """

    id: str
    names: dict[str, str]
    cost_s: float
    units: tuple[LentUnit, ...]


class _NeighboursFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    neighbours: tuple[Neighbour, ...]


def read_neighbours(
    path: Path, own: Container[str], pack: PackNames, owners: Collection[str]
) -> tuple[Neighbour, ...]:
    """The neighbours in this file by id; none where there is no such file.

    Parameters
    ----------
    own
        Ids of the city's own units, in their plain form.
    pack, owners
        What a unit may be and belong to, and where the city lies.

    Raises
    ------
    CityPackError
        It says something impossible; the message names file, line and value.
    """
    if not path.is_file():
        return ()
    file = YamlFile(path)
    neighbours = file.convert(_NeighboursFile).neighbours
    seen: set[str] = set()
    for row, neighbour in enumerate(neighbours):
        wrong = (
            "is there twice; rename one"
            if plain(neighbour.id) in seen
            else _wrong(neighbour, pack, owners)
        )
        seen.add(plain(neighbour.id))
        for unit in neighbour.units:
            if plain(unit.id) in own or plain(unit.id) in seen:
                wrong = wrong or f"lends {unit.id!r}, which is a unit already; rename it"
            seen.add(plain(unit.id))
        if wrong:
            where = file.where("neighbours", row)
            raise CityPackError(f"{where}: neighbour {neighbour.id!r} {wrong}")
    return tuple(sorted(neighbours, key=lambda neighbour: neighbour.id))


def _wrong(neighbour: Neighbour, pack: PackNames, owners: Collection[str]) -> str:
    """What is wrong with a neighbour and what to do, or nothing."""
    if said := wrong_with_id(neighbour.id):
        return f"has an id that {said}"
    if set(neighbour.names) != {"zh", "en"} or not all(neighbour.names.values()):
        return "needs names in zh and en"
    if not 0 <= neighbour.cost_s <= MOST_COST_S:
        return f"has cost_s {neighbour.cost_s}; give 0 to {MOST_COST_S:.0f}"
    for unit in neighbour.units:
        if wrong := _wrong_unit(unit, pack, owners):
            return f"lends {unit.id!r}: {wrong}"
    return ""


def _wrong_unit(unit: LentUnit, pack: PackNames, owners: Collection[str]) -> str:
    if wrong := wrong_with_id(unit.id):
        return f"its id {wrong}"
    if not unit.skills:
        return "it has no skills; see models/skills.py"
    if unit.owner not in owners:
        return f"owner {unit.owner!r} must be one of {', '.join(owners)}"
    return (
        wrong_skills(unit.skills)
        or pack.wrong_kind(unit.kind)
        or pack.wrong_place(unit.lon, unit.lat)
    )
