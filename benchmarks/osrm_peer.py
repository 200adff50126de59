"""OSRM's side of ``travel_times.py``: prepare an extract, time its tables, print milliseconds.

Run by a Python that has ``osrm-bindings`` and maybe nothing else, so it imports nothing of ours.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def main(folder: Path, origins: int, destinations: int) -> None:
    """Print the least milliseconds of one table, over the places in the folder."""
    # Not installed where the types are checked.
    osrm: Any = __import__("osrm")
    inside = Path(osrm.__file__).parent
    for command in (
        ["osrm-extract", "-p", str(inside / "share" / "profiles" / "car.lua"), "city.osm"],
        ["osrm-contract", "city.osrm"],
    ):
        began = time.perf_counter()
        program = inside / "bin" / command[0]
        subprocess.run([program, *command[1:]], cwd=folder, stdout=sys.stderr, check=True)
        print(f"{command[0]}: {time.perf_counter() - began:.1f} s", file=sys.stderr)
    engine = osrm.OSRM(
        storage_config=str(folder / "city.osrm"), algorithm="CH", use_shared_memory=False
    )
    lines = (folder / "places.txt").read_text(encoding="ascii").split("\n")
    places = [tuple(map(float, line.split())) for line in lines if line]
    each = origins + destinations
    least = float("inf")
    for first in range(0, len(places), each):
        asked = osrm.TableParameters(
            coordinates=places[first : first + each],
            sources=list(range(origins)),
            destinations=list(range(origins, each)),
            annotations=["duration"],
        )
        began = time.perf_counter()
        engine.Table(asked)
        least = min(least, time.perf_counter() - began)
    print(1000 * least)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
