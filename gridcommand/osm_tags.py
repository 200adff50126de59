"""What OpenStreetMap's tags say of a street: class, speed, direction, name, whether it is driven.

For: ``gridcommand.osm_extract``. Read as the OpenStreetMap wiki has them (keys highway, access,
oneway, maxspeed, layer), the emergency services' own way in (``emergency=yes``) included. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

SPEEDS_KMH = {
    "motorway": 100, "motorway_link": 60, "trunk": 80, "trunk_link": 50, "primary": 50,
    "primary_link": 40, "secondary": 50, "secondary_link": 40, "tertiary": 45,
    "tertiary_link": 35, "unclassified": 40, "residential": 30, "living_street": 10,
    "road": 30, "service": 15,
}  # fmt: skip
"""Classes that are driven, and the speed where ``maxspeed`` says none."""

IMPLIED_KMH = {
    "urban": 50.0,
    "rural": 80.0,
    "trunk": 100.0,
    "motorway": 120.0,
    "living_street": 7.0,
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

_FIGURE = re.compile(r"(\d+(?:\.\d+)?)\s*(km/h|kmh|kph|mph|knots)?")
_IMPLIED = re.compile(r"([A-Z]{2}):(?:zone:?)?([a-z_]+|\d+)")
_UNITS = {"mph": 1.609344, "knots": 1.852}
_SHUT = frozenset(["no", "private", "agricultural", "forestry"])


def names(tags: Mapping[str, str]) -> str:
    """The local name, with the English one behind it where it is another."""
    local, english = tags.get("name") or tags.get("ref", ""), tags.get("name:en", "")
    return f"{local} ({english})" if english and local and english != local else local or english


def speed_kmh(tags: Mapping[str, str]) -> float | None:
    """``maxspeed`` in km/h, of several the least; None where it says nothing that can be read."""
    found = [_one_speed(part.strip()) for part in tags.get("maxspeed", "").split(";")]
    speeds = [speed for speed in found if speed is not None and 3 <= speed <= 150]
    return min(speeds) if speeds and len(speeds) == len(found) else None


def _one_speed(said: str) -> float | None:
    if said == "walk":
        return WALK_KMH
    if figure := _FIGURE.fullmatch(said.lower()):
        return float(figure[1]) * _UNITS.get(figure[2] or "", 1.0)
    if implied := _IMPLIED.fullmatch(said):
        if implied[2].isdigit():
            return float(implied[2])
        return ABROAD_KMH.get(said, IMPLIED_KMH.get(implied[2]))
    return None


def oneway(tags: Mapping[str, str]) -> str:
    """``F``, ``T`` or ``B``."""
    said = tags.get("oneway", "")
    if said in ("-1", "reverse"):
        return "T"
    round_about = tags.get("junction") in ("roundabout", "circular")
    if said in ("yes", "1", "true"):
        return "F"
    implied = round_about or tags["highway"] == "motorway"
    return "F" if implied and said not in ("no", "0", "false") else "B"


def not_driven(tags: Mapping[str, str]) -> str:
    """Why nobody drives here, or nothing."""
    if tags["highway"] not in SPEEDS_KMH:
        return "way is not for driving (footway, track, …)"
    access = tags.get("motor_vehicle") or tags.get("vehicle") or tags.get("access")
    if access in _SHUT and tags.get("emergency") not in ("yes", "designated"):
        return "street is shut to vehicles (access)"
    return ""


def layer(tags: Mapping[str, str]) -> str:
    """The layer, with whether it is a bridge or a tunnel."""
    said = tags.get("layer", "")
    for key in ("bridge", "tunnel"):
        if tags.get(key, "no") != "no":
            return f"{key} {said}".strip()
    return said
