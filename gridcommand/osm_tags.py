"""What OpenStreetMap's tags say of a street: class, speed, direction, name, whether it is driven.

For: ``gridcommand.osm_extract``. Read as the OpenStreetMap wiki has them (keys highway, access,
oneway, maxspeed, barrier, layer) for an emergency vehicle: of the access keys the most specific
one holds (`ACCESS_KEYS`). What holds at some hours only (``…:conditional``) is not followed. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

SPEEDS_KMH = {
    "motorway": 100, "motorway_link": 60, "trunk": 80, "trunk_link": 50, "primary": 50,
    "primary_link": 40, "secondary": 50, "secondary_link": 40, "tertiary": 45,
    "tertiary_link": 35, "unclassified": 40, "residential": 30, "living_street": 10,
    "road": 30, "service": 15,
}  # fmt: skip
"""Classes that are driven, most important first, and the speed where ``maxspeed`` says none."""

ALLOWED_KMH = {"busway": 30, "pedestrian": 10, "track": 15, "cycleway": 7, "footway": 7, "path": 7}
"""Classes that are driven only where a key says so, and how fast."""

ACCESS_KEYS = ("emergency", "motorcar", "motor_vehicle", "vehicle", "access")
"""Most specific first: the first that is there holds, whatever the others say."""

LIVED_AT = frozenset(
    ["primary", "secondary", "tertiary", "unclassified", "residential", "living_street", "road"]
)
"""Classes that houses stand at."""

IMPLIED_KMH = {
    "urban": 50.0,
    "rural": 80.0,
    "trunk": 100.0,
    "motorway": 120.0,
    "living_street": 7.0,
    "bicycle_road": 30.0,
}
"""What ``XX:urban`` and the like stand for, where a country's own limit is none of `ABROAD_KMH`."""

ABROAD_KMH = {
    "DE:rural": 100.0, "AT:rural": 100.0, "RU:urban": 60.0, "RU:rural": 90.0, "BY:urban": 60.0,
    "UA:rural": 90.0, "IT:rural": 90.0, "ES:rural": 90.0, "RO:rural": 90.0, "CZ:rural": 90.0,
    "PL:rural": 90.0, "DE:motorway": 130.0, "AT:motorway": 130.0, "FR:motorway": 130.0,
    "IT:motorway": 130.0, "GB:nsl_single": 96.6, "GB:nsl_dual": 112.7, "GB:motorway": 112.7,
}  # fmt: skip
"""Limits of countries that differ (OpenStreetMap wiki, Default speed limits)."""

WALK_KMH = 7.0
"""``maxspeed=walk``."""

UNLIMITED = frozenset(["none", "signals", "variable", "unlimited"])
"""Words that set no figure: the class's speed is right, and nothing is wrong with the tag."""

NOT_FOR_DRIVING = "way is not for driving (footway, track, …)"
SHUT = "street is shut to vehicles (access)"

OUT_OF_USE = (
    "historic", "disused", "abandoned", "was", "demolished", "removed", "razed", "destroyed",
    "proposed", "planned", "construction",
)  # fmt: skip
"""As a key of its own, or before another (``disused:amenity``): there no more, or not yet."""

PASSABLE = frozenset(
    ["gate", "lift_gate", "swing_gate", "sliding_gate", "hampshire_gate", "bump_gate",
     "cattle_grid", "toll_booth", "border_control", "checkpoint", "sally_port", "entrance",
     "height_restrictor", "arch", "kerb", "sump_buster", "no"]
)  # fmt: skip
"""Barriers that open, or that one drives over; any other stands in the way (bollard, block, …)."""

_FIGURE = re.compile(r"(\d+(?:\.\d+)?)\s*(km/h|kmh|kph|mph|knots)?")
_IMPLIED = re.compile(r"(([A-Z]{2})(?:-[A-Z]{1,3})?):(?:zone:?)?([a-z_]+|\d+)")
_UNITS = {"mph": 1.609344, "knots": 1.852}
_IN_MILES = frozenset(["GB", "UK", "US"])
_SHUT = frozenset(
    ["no", "private", "agricultural", "forestry", "military", "psv", "bus", "taxi", "bicycle",
     "foot", "horse", "use_sidepath"]
)  # fmt: skip
_OF_EMERGENCY = frozenset(
    ["yes", "designated", "official", "permissive", "destination", "private", "no"]
)
"""``emergency`` also says what a thing is (``fire_hydrant``): only these say who may drive."""
_NOT_A_STREETS = frozenset(["amenity", "entrance", "public_transport"])
"""A node with one of these says who may go in there, not who may drive past."""
_LIMITS = ("maxweight", "maxheight", "maxwidth", "maxaxleload")


def names(tags: Mapping[str, str]) -> str:
    """The local name, with the English one behind it where it is another."""
    local, english = tags.get("name") or tags.get("ref", ""), tags.get("name:en", "")
    return f"{local} ({english})" if english and local and english != local else local or english


def speed_kmh(tags: Mapping[str, str], way: str = "B") -> float | None:
    """The limit in km/h, of several the least; None where nothing says one that can be read.

    ``maxspeed`` with its forms by direction, then ``zone:maxspeed``, then what the limit's source
    implies (``source:maxspeed=DE:urban``).

    Parameters
    ----------
    way
        As `oneway` has it: limits of a direction that isn't driven don't count.
    """
    for found in (_by_direction(tags, way), _values(tags, "zone:maxspeed")):
        speeds = [speed for speed in map(_limit_kmh, found) if speed is not None]
        if speeds:
            return min(speeds)
        if found and set(found) <= UNLIMITED:
            return None
    implied = map(_limit_kmh, _values(tags, "maxspeed:type", "source:maxspeed", "zone:traffic"))
    return next((speed for speed in implied if speed is not None), None)


def has_unread_limit(tags: Mapping[str, str], way: str = "B") -> bool:
    """Whether a limit stands there that can't be read."""
    said = [*_by_direction(tags, way), *_values(tags, "zone:maxspeed")]
    return any(_limit_kmh(one) is None and one not in UNLIMITED for one in said)


def _values(tags: Mapping[str, str], *keys: str) -> list[str]:
    return [tags[key].strip() for key in keys if key in tags]


def _by_direction(tags: Mapping[str, str], way: str) -> list[str]:
    """What ``maxspeed`` says for the directions that are driven."""
    ends = {"F": ["forward"], "T": ["backward"]}.get(way, ["forward", "backward"])
    own = [tags.get(f"maxspeed:{end}", tags.get("maxspeed")) for end in ends]
    return [one.strip() for one in own if one is not None]


def _limit_kmh(said: str) -> float | None:
    found = [_one_speed(part.strip()) for part in said.split(";")]
    speeds = [speed for speed in found if speed is not None and 3 <= speed <= 150]
    return min(speeds) if speeds and len(speeds) == len(found) else None


def _one_speed(said: str) -> float | None:
    if said == "walk":
        return WALK_KMH
    if figure := _FIGURE.fullmatch(said.lower()):
        return float(figure[1]) * _UNITS.get(figure[2] or "", 1.0)
    if implied := _IMPLIED.fullmatch(said):
        if implied[3].isdigit():
            return float(implied[3]) * (_UNITS["mph"] if implied[2] in _IN_MILES else 1.0)
        return ABROAD_KMH.get(f"{implied[2]}:{implied[3]}", IMPLIED_KMH.get(implied[3]))
    return None


def usual_kmh(tags: Mapping[str, str]) -> float:
    """The speed of a street's class, where no limit is known."""
    kind = tags["highway"]
    return float(SPEEDS_KMH.get(kind) or ALLOWED_KMH[kind])


def oneway(tags: Mapping[str, str]) -> str:
    """``F`` with the way as it is drawn, ``T`` against it, ``B`` both, empty: shut to us."""
    letter = _drawn_oneway(tags)
    open_to = {
        "F": letter != "T" and _is_open(tags, ":forward"),
        "T": letter != "F" and _is_open(tags, ":backward"),
    }
    return "B" if all(open_to.values()) else "".join(end for end, free in open_to.items() if free)


def _oneway_said(tags: Mapping[str, str]) -> str:
    keys = [f"oneway:{key}" for key in ACCESS_KEYS if key != "access"]
    return next((tags[key] for key in [*keys, "oneway"] if key in tags), "")


def _drawn_oneway(tags: Mapping[str, str]) -> str:
    said = _oneway_said(tags)
    if said in ("-1", "reverse"):
        return "T"
    if said in ("yes", "1", "true"):
        return "F"
    round_about = tags.get("junction") in ("roundabout", "circular")
    implied = round_about or tags["highway"] == "motorway"
    return "F" if implied and said not in ("no", "0", "false") else "B"


def _is_open(tags: Mapping[str, str], way: str) -> bool:
    """Whether an emergency vehicle may pass in a direction."""
    if tags.get("service") == "emergency_access" and tags.get("emergency") != "no":
        return True
    kind = tags["highway"]
    keys: tuple[str, ...] = ACCESS_KEYS
    if kind in ALLOWED_KMH:
        # That anybody may be there doesn't make a footway a street; that engines may does.
        keys = ACCESS_KEYS[:3] if kind in ("busway", "pedestrian", "track") else ACCESS_KEYS[:1]
    said = _most_specific(tags, keys, way)
    return kind in SPEEDS_KMH if said is None else _lets_pass(said)


def _most_specific(tags: Mapping[str, str], keys: Iterable[str], way: str = "") -> str | None:
    for key in keys:
        said = tags.get(key + way, tags.get(key))
        if said is not None and (key != "emergency" or said in _OF_EMERGENCY):
            # A private way in that names emergency services is meant for them.
            return "yes" if key == "emergency" and said == "private" else said
    return None


def _lets_pass(said: str) -> bool:
    return not {part.strip() for part in said.split(";")} <= _SHUT


def not_driven(tags: Mapping[str, str]) -> str:
    """Why nobody drives here, or nothing."""
    kind = tags["highway"]
    if kind in ALLOWED_KMH:
        return NOT_FOR_DRIVING if tags.get("area") == "yes" or not oneway(tags) else ""
    if kind not in SPEEDS_KMH:
        return NOT_FOR_DRIVING
    if any(tags.get(word) == "yes" for word in ("abandoned", "demolished", "removed", "razed")):
        return "street is there no more (abandoned, demolished, …)"
    if _oneway_said(tags) == "reversible":
        return "street changes its direction with the hour (oneway=reversible)"
    return "" if oneway(tags) else SHUT


def by_permission(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags as they are for who is called to a private street, or in at a private gate."""
    keys = {f"{key}{way}" for key in ACCESS_KEYS for way in ("", ":forward", ":backward")}
    return {
        key: "yes" if key in keys and value == "private" else value for key, value in tags.items()
    }


def unheeded(tags: Mapping[str, str]) -> list[str]:
    """What a street's tags say that isn't followed, for people."""
    found = []
    if any(f"{key}:conditional" in tags for key in (*ACCESS_KEYS, "oneway")):
        found.append("street is open or shut at some hours only: the usual state is taken")
    if any(key in tags for key in _LIMITS):
        found.append("street has a limit of weight, height or width, which isn't looked at")
    return found


def stands_in_the_way(tags: Mapping[str, str]) -> bool:
    """Whether nobody drives past a node: by its access keys, else by the kind of barrier."""
    barrier = tags.get("barrier")
    if barrier is None and (
        tags.get("highway") == "crossing" or not _NOT_A_STREETS.isdisjoint(tags)
    ):
        return False
    if barrier is not None and barrier not in PASSABLE:
        # That people may pass a bollard (access=yes) moves none: it must be said of vehicles.
        said = _most_specific(tags, ACCESS_KEYS[:-1])
        return tags.get("bollard") != "rising" if said is None else not _lets_pass(said)
    said = _most_specific(tags, ACCESS_KEYS)
    return said is not None and not _lets_pass(said)


def layer(tags: Mapping[str, str]) -> str:
    """The layer, with whether it is a bridge or a tunnel."""
    said = tags.get("layer", "")
    for key in ("bridge", "tunnel"):
        if tags.get(key, "no") != "no":
            return f"{key} {said}".strip()
    return said
