"""What is done to a system and when: a plan that a seed decides.

For :mod:`gridcommand.rehearsal.chaos`. Pure. The same seed plans the same; what it hits depends on
the machine, as in life.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from gridcommand.rehearsal.servers import Servers
from gridcommand.rehearsal.system import CHILDREN

FIRST_FAULT_S = 3.0
BETWEEN_S = (2.0, 15.0)
LASTS_S = (1.0, 10.0)
"""How long something is halted or locked."""
STAYS_S = (8.0, 25.0)
"""How long a second worker, or screens, stay."""

# Kind to how often it comes, of all.
_OF_A_PROCESS = {"kill": 6, "halt": 3, "kill-all": 1}
_OF_THE_REST = {"lock": 2, "poison": 2, "screens": 2}
_OF_A_SECOND_WORKER = {"worker-ends": 1, "worker-dies": 1}
BESIDE = frozenset({"screens", *_OF_A_SECOND_WORKER})
"""Kinds that others happen beside: the next isn't kept waiting until they are over."""


class Fault(NamedTuple):
    """One thing that is done: after how long, what, to whom, and how long it lasts.

    ``kind``: ``kill`` (``kill -9``), ``halt``, ``kill-all`` (the supervisor, and up again),
    ``lock`` (of the database), ``poison`` (a report with evil content), ``screens`` (that never
    read), ``worker-ends`` and ``worker-dies`` (a second one comes, and goes by SIGTERM or
    ``kill -9``).
    """

    after_s: float
    kind: str
    target: str
    lasts_s: float = 0.0


def targets(servers: Servers) -> tuple[str, ...]:
    """Return what can be ended and halted: the system's children, and servers of its own."""
    return tuple(dict.fromkeys((*servers.programs, *servers.children)))


def away(seconds: float, lasts_s: float) -> list[Fault]:
    """Return the one fault of a run in which the broker is away for long."""
    return [Fault(min(FIRST_FAULT_S, seconds), "halt", "broker", lasts_s)]


def plan(
    seed: int, seconds: float, among: tuple[str, ...] = CHILDREN, *, partitions: bool = False
) -> list[Fault]:
    """Return the faults of a run; the same seed gives the same.

    Parameters
    ----------
    among
        What may be ended and halted.
    partitions
        Whether topics have several, so that a second worker finds something to do.
    """
    chance = random.Random(seed)
    weights = _OF_A_PROCESS | _OF_THE_REST | (_OF_A_SECOND_WORKER if partitions else {})
    faults: list[Fault] = []
    at = FIRST_FAULT_S
    while at < seconds:
        after = FIRST_FAULT_S if not faults else chance.uniform(*BETWEEN_S)
        (kind,) = chance.choices(list(weights), list(weights.values()))
        lasts, target = 0.0, kind
        if kind in ("kill", "halt"):
            target = chance.choice(among)
        elif kind == "kill-all":
            target = "supervisor"
        elif kind == "lock":
            target = "database"
        if kind in ("halt", "lock"):
            lasts = chance.uniform(*LASTS_S)
        elif kind in BESIDE:
            lasts = chance.uniform(*STAYS_S)
        faults.append(Fault(round(after, 2), kind, target, round(lasts, 2)))
        at += after + (0.0 if kind in BESIDE else lasts)
    return faults
