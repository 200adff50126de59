"""The last line that every benchmark prints: one JSON object, the same shape for all.

``{"benchmark", "seed", "size", "machine", "figures": {key: number}}``; peers measured in the same
run stand among the figures, and with milliseconds or seconds of this machine a `Yardstick`.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path

from gridcommand.rehearsal.yardstick import loop_ms, processor_share


class Yardstick:
    """A fixed loop of processor work, measured when this is made and when it is read.

    A machine differs from day to day: times that were measured between the two are compared with
    another day's by their ratio to it.
    """

    def __init__(self) -> None:
        self._before_ms = loop_ms()
        self._before_share = processor_share()

    def figures(self, **took_ms: float) -> dict[str, float]:
        """Return ``yardstick_ms``, the mean of both, and ``processor_share``, the lesser of both.

        The share is how much of a core the loop got, 0 to 1: what is measured beside other
        programs says little.

        Parameters
        ----------
        took_ms
            Times for which the run has no peer, in milliseconds; each is returned as a multiple of
            the yardstick, ``NAME_yardsticks``.
        """
        mean_ms = (self._before_ms + loop_ms()) / 2
        return {
            "yardstick_ms": mean_ms,
            "processor_share": min(self._before_share, processor_share()),
            **{f"{name}_yardsticks": took / mean_ms for name, took in took_ms.items()},
        }


def print_result(
    benchmark: str,
    *,
    seed: int | None,
    size: Mapping[str, float | str],
    figures: Mapping[str, float | None],
) -> None:
    """Print the result line.

    Parameters
    ----------
    seed
        What chance was drawn from; None where nothing is left to chance.
    size
        How much was measured.
    figures
        Name with unit to number; None where it could not be measured.
    """
    line = {
        "benchmark": benchmark,
        "seed": seed,
        "size": dict(size),
        "machine": machine(),
        "figures": {
            key: None if value is None else round(value, 4) for key, value in figures.items()
        },
    }
    print(json.dumps(line, ensure_ascii=False), flush=True)


def machine() -> dict[str, str | int]:
    """Return what the figures depend on: processor, cores, system, Python."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
