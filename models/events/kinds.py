"""All kinds of payloads by the ``type`` that they have on the wire, and which of them come in.

For: reading an event, and whoever goes through all that can be said (the reference, the tests).
A payload is found by standing in a module of ``_SUBJECTS``.
"""

from __future__ import annotations

from models.events import (
    drills,
    incidents,
    jurisdiction,
    orders,
    proposals,
    refusals,
    tasks,
    units,
    world,
)
from models.events.orders import Order
from models.events.payload import TYPE_PREFIX, Payload

# As the reference lists them: what comes in, what is decided, what only a drill says.
_SUBJECTS = (world, orders, incidents, proposals, units, tasks, jurisdiction, refusals, drills)

PAYLOADS: dict[str, type[Payload]] = {
    TYPE_PREFIX + cls.type_name: cls
    for subject in _SUBJECTS
    for cls in vars(subject).values()
    if isinstance(cls, type) and issubclass(cls, Payload) and cls.type_name
}
ORDERS: frozenset[type[Order]] = frozenset(
    cls for cls in PAYLOADS.values() if issubclass(cls, Order)
)
INPUTS: frozenset[type[Payload]] = frozenset[type[Payload]](ORDERS) | {
    world.ReportClassified,
    world.UnitRegistered,
    world.HospitalRegistered,
    world.UnitStatusReported,
    world.UnitPositionsReported,
    world.TaskReported,
    world.ReportPlaced,
    world.AlarmEnded,
    world.ClockTicked,
    world.DeskOpened,
}
"""What a desk takes in; everything else in a journal is its decision."""
