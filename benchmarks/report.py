"""The last line that every benchmark prints: one JSON object, the same shape for all.

``{"benchmark", "seed", "size", "machine", "figures": {key: number}}``; peers measured in the same
run stand among the figures.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path


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
