"""Small closed vocabularies shared by every room.

Grade, warning colour and response level are three different things (how bad it is, what a
forecast says, what the city has activated) and have three types, so that nobody can put one in
the other's place.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Grade(StrEnum):
    """How bad an incident is (GB/T 35561-2017: 特别重大, 重大, 较大, 一般)."""

    I = "I"  # noqa: E741
    II = "II"
    III = "III"
    IV = "IV"


class WarningColour(StrEnum):
    """What a forecast says (预警)."""

    RED = "red"
    ORANGE = "orange"
    YELLOW = "yellow"
    BLUE = "blue"


class ResponseLevel(IntEnum):
    """What the city has activated (响应级别 I–IV)."""

    LEVEL_I = 1
    LEVEL_II = 2
    LEVEL_III = 3
    LEVEL_IV = 4


class Posture(StrEnum):
    """Routine (平) or emergency (战) running of a jurisdiction."""

    ROUTINE = "routine"
    EMERGENCY = "emergency"


class Channel(StrEnum):
    """How a report reached us."""

    WORKER = "worker"
    CITIZEN = "citizen"
    HOTLINE = "hotline"
    SENSOR = "sensor"
    SYSTEM = "system"


class Role(StrEnum):
    """What a signed-in person may do; each role may do what the one before it may."""

    GRID_WORKER = "grid_worker"
    DISPATCHER = "dispatcher"
    COMMANDER = "commander"
    ADMIN = "admin"


class Datum(StrEnum):
    """Datum of a coordinate as it was sent; inside, everything is WGS-84."""

    WGS84 = "WGS-84"
    GCJ02 = "GCJ-02"
    BD09 = "BD-09"


PRIORITIES = (1, 2, 3, 4)
"""1 = life-threatening, 2 = urgent, 3 = soon, 4 = routine."""

TRIAGED = "triaged"
"""Until when a task or a deadline is of matter: a person said what the incident is."""

DEVICE = ("device", "device_kind", "device_owner")
"""Facts of a sensor's alarm, and attributes of its report: which device, what it is, whose."""

EXERCISE_MARK = ".exercise"


def is_exercise(jurisdiction: str) -> bool:
    """Say whether a jurisdiction is an exercise's: ``us-ca-sf.exercise``, ``….exercise.2``.

    The id alone tells, so that an event whose flag says otherwise is found out.
    """
    return EXERCISE_MARK in jurisdiction


def home_jurisdiction(jurisdiction: str) -> str:
    """Return the real jurisdiction that an exercise plays."""
    return jurisdiction.split(EXERCISE_MARK, 1)[0]
