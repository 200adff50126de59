"""Units that neighbours lend, and what asking for them costs: a city pack's ``neighbours.yaml``.

For: :mod:`models.city`, which reads it; the desk registers these units like its own, marked with
the neighbour, and the planner counts the cost. Not for: asking the neighbour, which a person does.
"""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import msgspec

from models.errors import CityPackError
from models.pack_files import YamlFile
from models.plain_text import UNSEEN, is_blank, plain
from models.skills import SKILLS

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


def read_neighbours(path: Path, own: Container[str]) -> tuple[Neighbour, ...]:
    """The neighbours in this file by id; none where there is no such file.

    Parameters
    ----------
    own
        Ids of the city's own units, in their plain form.

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
    for neighbour in neighbours:
        wrong = "is there twice; rename one" if plain(neighbour.id) in seen else _wrong(neighbour)
        seen.add(plain(neighbour.id))
        for unit in neighbour.units:
            if plain(unit.id) in own or plain(unit.id) in seen:
                wrong = wrong or f"lends {unit.id!r}, which is a unit already; rename it"
            seen.add(plain(unit.id))
        if wrong:
            where = file.where("neighbours")
            raise CityPackError(f"{where}: neighbour {neighbour.id!r} {wrong}")
    return tuple(sorted(neighbours, key=lambda neighbour: neighbour.id))


def _wrong(neighbour: Neighbour) -> str:
    """What is wrong with a neighbour and what to do, or nothing."""
    for name in (neighbour.id, *(unit.id for unit in neighbour.units)):
        if is_blank(name):
            return f"has no id, or lends a unit without: {name!a}; give it one"
        if UNSEEN.search(name):
            return f"is named {name!a}, with a character that nobody sees; remove it"
    if set(neighbour.names) != {"zh", "en"} or not all(neighbour.names.values()):
        return "needs names in zh and en"
    if not 0 <= neighbour.cost_s <= MOST_COST_S:
        return f"has cost_s {neighbour.cost_s}; give 0 to {MOST_COST_S:.0f}"
    for unit in neighbour.units:
        unknown = sorted(set(unit.skills) - set(SKILLS))
        if unknown or not unit.skills:
            return f"lends {unit.id!r} with the skills {list(unit.skills)}; see models/skills.py"
        if not (-180 <= unit.lon <= 180 and -90 <= unit.lat <= 90):
            return f"lends {unit.id!r} from lon {unit.lon}, lat {unit.lat}, no place on earth"
    return ""
