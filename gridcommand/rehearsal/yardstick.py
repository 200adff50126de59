"""How fast this machine is at this moment, so that a time can be judged on any of them.

For tests of what users are promised in seconds, ``gridcommand chaos`` and benchmarks: machines
differ by a factor of two to three, and one machine from day to day. The yardstick is a fixed loop
of processor work in the interpreter; it says nothing of disks and networks.
"""

from __future__ import annotations

import statistics
import time

ROUNDS = 7
STEPS = 200_000
REFERENCE_MS = 33.0
"""The loop on two cores of an Intel Xeon at 2.0 GHz with nothing beside it, Python 3.11 (32.3 and
34.3 ms in two of three runs of `loop_ms`)."""


def loop_ms() -> float:
    """Return how long the fixed loop takes now, in milliseconds; the median of seven."""
    return statistics.median(_once_ms() for _ in range(ROUNDS))


def slowness() -> float:
    """Return how many times longer work takes here and now than `REFERENCE_MS`, at least 1."""
    return max(1.0, loop_ms() / REFERENCE_MS)


def processor_share() -> float:
    """Return how much of a core the loop gets now, 0 to 1: far below 1, other programs run beside.

    One core: a program that keeps another one busy does not show.
    """
    began, used = time.perf_counter(), time.thread_time()
    for _ in range(ROUNDS):
        _once_ms()
    return min(1.0, (time.thread_time() - used) / (time.perf_counter() - began))


def _once_ms() -> float:
    began = time.perf_counter()
    total = 0
    for step in range(STEPS):
        total = (total * 31 + step) & 0xFFFFFFFF
    return (time.perf_counter() - began) * 1000
