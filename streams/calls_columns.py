"""What columns of other systems' tables are called here.

For: tables of calls and of responses, as cities publish them. Knows our own names and those of
DataSF's "Fire Department Calls for Service", as the portal's page (``Received DtTm``) and its
interface (``received_dttm``) write them. Not for: what is in the columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_OTHER_NAMES = {
    "longitude": "lon", "lng": "lon", "long": "lon", "latitude": "lat", "unit": "unit_id",
    "case_location": "location", "point": "location",
}  # fmt: skip
_NUMBER = r"(-?\d+(?:\.\d+)?)"
_POINT = re.compile(rf"POINT\s*\(\s*{_NUMBER}\s+{_NUMBER}\s*\)", re.IGNORECASE)
_PAIR = re.compile(rf"\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\)")


def known_names(header: Iterable[str | None]) -> list[str]:
    """Our names of a table's columns; of two that mean the same the first has the name."""
    names: list[str] = []
    for said in header:
        name = "_".join(re.findall(r"\w+", (said or "").lower())).removesuffix("_dttm")
        name = _OTHER_NAMES.get(name, name)
        names.append(name if name not in names else f"{name}_{len(names) + 1}")
    return names


def place_of(location: str) -> tuple[str, str]:
    """Lon and lat of a column that has both: ``POINT (lon lat)`` or ``(lat, lon)``; or nothing."""
    if found := _POINT.search(location):
        return found[1], found[2]
    if found := _PAIR.search(location):
        return found[2], found[1]
    return "", ""
