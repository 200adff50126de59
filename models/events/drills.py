"""What only a drill says: what a recording is, and what its simulator goes by.

No desk takes these in.
"""

from __future__ import annotations

from typing import ClassVar

from models.events.payload import Payload, Time


class DrillDescribed(Payload, frozen=True, kw_only=True):
    """First line of a recording: what it is and where it comes from."""

    type_name: ClassVar[str] = "drill.described"
    name: str
    city: str
    calls: int
    units: int
    first: Time
    last: Time
    attribution: str = ""
    source_sha256: str = ""


class ServiceRecorded(Payload, frozen=True, kw_only=True):
    """How long one kind of unit was busy at a recorded call; only the simulator reads it.

    Attributes
    ----------
    report
        Id of the report that this call began with.
    kind
        Unit kind.
    on_scene_s
        Seconds from arrival to leaving the scene (or to being free).
    transport_s, hospital_s
        Seconds on the way to and at the hospital; ``None`` without transport.
    """

    type_name: ClassVar[str] = "drill.service_recorded"
    report: str
    kind: str
    on_scene_s: float
    transport_s: float | None = None
    hospital_s: float | None = None
