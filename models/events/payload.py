"""What every payload is made from: its base, and the types that many fields share.

A payload's class decides the event's ``type``; fields that nobody knows and times without a zone
are refused when it is read. Not for: the payloads themselves, each in the module of its subject.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, TypeAlias

import msgspec

FactValue: TypeAlias = bool | int | str
Point: TypeAlias = tuple[float, float]
"""Longitude and latitude in degrees, WGS-84."""

Time: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
"""An aware time; one without a zone is refused at the door."""

TYPE_PREFIX = "gridcommand."


class NamedPlace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A place that words name: good for who is near, not for where to stop.

    Attributes
    ----------
    lon, lat
        In the middle of it, in degrees, WGS-84.
    names
        ``zh`` and ``en``.
    cell
        Where one cell is meant; empty for a town.
    """

    lon: float
    lat: float
    names: dict[str, str]
    cell: str = ""


class Payload(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Base of all payloads. ``type_name`` is the CloudEvents type without its prefix."""

    type_name: ClassVar[str] = ""
