"""What a desk decides for all of its jurisdiction: closed roads, automation, posture."""

from __future__ import annotations

from typing import ClassVar

from models.events.payload import Payload, Point, Time
from models.words import Posture


class RoadClosed(Payload, frozen=True, kw_only=True):
    """Roads may not be used, or are slow: see :class:`CloseRoad`.

    With ``ring`` or ``edges`` all of them lie within ``radius_m`` of the point.
    """

    type_name: ClassVar[str] = "road.closed"
    closure: str
    lon: float
    lat: float
    radius_m: float
    ring: tuple[Point, ...] = ()
    edges: tuple[str, ...] = ()
    speed: float = 0.0
    until: Time | None = None
    by: str = ""
    reason: str = ""


class RoadReopened(Payload, frozen=True, kw_only=True):
    """A closure ended."""

    type_name: ClassVar[str] = "road.reopened"
    closure: str
    by: str = ""
    reason: str = ""


class AutomationSet(Payload, frozen=True, kw_only=True):
    """For these priorities orders go out by themselves from now on."""

    type_name: ClassVar[str] = "automation.set"
    priorities: tuple[int, ...]
    by: str
    reason: str = ""


class PostureSet(Payload, frozen=True, kw_only=True):
    """The jurisdiction runs in this posture from now on."""

    type_name: ClassVar[str] = "posture.set"
    posture: Posture
    by: str
    reason: str = ""


class PlanningFellBack(Payload, frozen=True, kw_only=True):
    """The policy in force failed, and a simpler one plans until it works again.

    Attributes
    ----------
    policy
        The one in force.
    used
        The one that planned: ``joint``, ``closest-idle``, or ``nearest``, which is by the straight
        line, orders nothing by itself and can't fail.
    error
        What failed, in a line; and what is wrong with the first of ``incidents``, by name.
    incidents
        Those that not even ``nearest`` could propose units for: a person looks at them.
    hung
        How many policies did not end, counted from the one in force.
    rests_until
        Those that did not end are not tried before; None where the policy failed with an error,
        for then it is tried each time.
    """

    type_name: ClassVar[str] = "planning.fell_back"
    policy: str
    used: str
    error: str
    incidents: tuple[str, ...] = ()
    hung: int = 0
    rests_until: Time | None = None


class PlanningRestored(Payload, frozen=True, kw_only=True):
    """The policy in force plans again."""

    type_name: ClassVar[str] = "planning.restored"
    policy: str
