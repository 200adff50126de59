"""What columns of other systems' tables are called here.

For: tables of calls and of responses, as cities publish them. Knows our own names, Chinese
ones, and those of DataSF's "Fire Department Calls for Service", as the portal's page
(``Received DtTm``) and its interface (``received_dttm``) write them. Not for: what is in the
columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_OTHER_NAMES = {
    "longitude": "lon", "lng": "lon", "long": "lon", "latitude": "lat", "unit": "unit_id",
    "case_location": "location", "point": "location",
    "警情编号": "call_number", "工单编号": "call_number", "事件编号": "call_number",
    "案件编号": "call_number", "接警时间": "received", "报警时间": "received",
    "受理时间": "received", "上报时间": "received", "类型": "call_type",
    "警情类型": "call_type", "事件类型": "call_type", "案件类型": "call_type",
    "地址": "address", "事发地址": "address", "事发地点": "address",
    "经度": "lon", "纬度": "lat", "优先级": "priority",
    "车辆编号": "unit_id", "力量编号": "unit_id", "车辆类型": "unit_type", "力量类型": "unit_type",
    "出动时间": "response", "到场时间": "on_scene", "到达时间": "on_scene",
    "送院时间": "transport", "到院时间": "hospital", "归队时间": "available",
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
