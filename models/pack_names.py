"""What the files of a city pack may name, and where its things may stand.

For: :mod:`models.city`, which looks every name up when it reads it, and the readers of the pack's
other files. Not for: whether a place lies near a street, which needs the road graph
(``dispatch.roads``); ``gridcommand doctor`` and ``city build`` say that.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from models.categories import categories
from models.named import unknown
from models.skills import SKILLS, UNIT_KINDS

FACILITY_KINDS: Mapping[str, tuple[str, ...]] = {
    "airport": ("机场", "Airport"),
    "depot": ("物资库", "Depot"),
    "fire_station": ("消防站", "Fire station"),
    "health_centre": ("卫生院", "Health centre"),
    "hospital": ("医院", "Hospital"),
    "hydrant": ("消火栓", "Hydrant"),
    "police_station": ("派出所", "Police station"),
    "shelter": ("避难场所", "Shelter"),
    "town_office": ("综合指挥室", "Town office"),
}
"""Kinds of facilities that we have words for, with what people call them."""

FAR_DEG = 1.0
"""Outside the box around the cells by more than this, some 100 km, nothing of the city stands."""

_SKILLS = {one.id: (one.names.zh, one.names.en) for one in SKILLS.values()}
_KINDS = {one.id: (one.names.zh, one.names.en) for one in UNIT_KINDS.values()}
_OTHER_SEPARATORS = ",;/、，；+"


@dataclass(frozen=True)
class Box:
    """Degrees between which the cells of a city lie."""

    west: float
    south: float
    east: float
    north: float

    @classmethod
    def around(cls, points: Iterable[tuple[float, float]]) -> Box | None:
        """The box of these (lon, lat); None where there are none."""
        lons, lats = zip(*points, strict=True) or ((), ())
        return cls(min(lons), min(lats), max(lons), max(lats))

    def wrong(self, lon: float, lat: float) -> str:
        """Why a thing of this city can't stand there, or nothing."""
        if self._near(lon, lat):
            return ""
        where = (
            f"lon {lon}, lat {lat} lies far outside the city, whose cells lie in lon "
            f"{self.west:.2f} to {self.east:.2f}, lat {self.south:.2f} to {self.north:.2f}"
        )
        if self._near(lat, lon):
            return f"{where}: lon and lat are most likely swapped"
        if self._near(-lon, lat) or self._near(lon, -lat):
            return f"{where}: a minus is most likely missing or too many"
        return where

    def _near(self, lon: float, lat: float) -> bool:
        return (
            self.west - FAR_DEG <= lon <= self.east + FAR_DEG
            and self.south - FAR_DEG <= lat <= self.north + FAR_DEG
        )


@dataclass(frozen=True)
class PackNames:
    """Names that a pack's files may use besides skills and categories, which are the same for all.

    Attributes
    ----------
    unit_kinds, facility_kinds, stations
        Each with what people call it.
    box
        Where the city lies; None: it has no cells.
    """

    unit_kinds: Mapping[str, Collection[str]] = field(default_factory=lambda: _KINDS)
    facility_kinds: Mapping[str, Collection[str]] = field(default_factory=lambda: FACILITY_KINDS)
    stations: Mapping[str, Collection[str]] = field(default_factory=dict)
    box: Box | None = None

    def wrong_kind(self, kind: str) -> str:
        """What is wrong with the kind of a unit, or nothing."""
        if kind in self.unit_kinds:
            return ""
        said = unknown("kind", kind, self.unit_kinds, "models/skills.py")
        return f"{said}; a kind of your own goes under unit_kinds in city.yaml"

    def wrong_facility_kind(self, kind: str) -> str:
        """What is wrong with the kind of a facility, or nothing."""
        if kind in self.facility_kinds:
            return ""
        said = unknown("kind", kind, self.facility_kinds)
        return f"{said}; a kind of your own goes under facility_kinds in city.yaml"

    def wrong_station(self, station: str) -> str:
        """What is wrong with the station of a unit, or nothing; none is right."""
        if not station or station in self.stations:
            return ""
        return unknown("station", station, self.stations, "facilities.csv")

    def wrong_place(self, lon: float, lat: float) -> str:
        """What is wrong with a place on earth for something of this city, or nothing."""
        if not (math.isfinite(lon) and math.isfinite(lat)):
            return f"lon {lon}, lat {lat} must be numbers"
        if not (-180 <= lon <= 180 and -90 <= lat <= 90):
            swapped = ", or lon and lat are swapped" if abs(lat) <= 180 and abs(lon) <= 90 else ""
            return f"lon {lon}, lat {lat} is no place on earth (WGS-84, degrees){swapped}"
        if lon == 0 and lat == 0:
            return "lon 0, lat 0 is no place, but what a program writes where it knows none"
        return self.box.wrong(lon, lat) if self.box else ""


def wrong_skills(skills: Iterable[str]) -> str:
    """What is wrong with the skills of a unit or a requirement, or nothing."""
    for skill in skills:
        if skill in SKILLS:
            continue
        if any(one in skill for one in _OTHER_SEPARATORS):
            return f"skill {skill!r} is unknown; write | between two skills"
        return unknown("skill", skill, _SKILLS, "models/skills.py")
    return ""


def wrong_category(category: str) -> str:
    """What is wrong with a category, or nothing."""
    known = categories()
    if category in known:
        return ""
    spoken = {one.id: (one.names.zh, one.names.en) for one in known.values()}
    return unknown("category", category, spoken, "models/data/categories.yaml")
