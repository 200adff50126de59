"""A recorded week straight through the desk: seconds, times life, and the same journal twice.

    python benchmarks/fast_replay.py --runs 2

The second run is a process of its own with another hash seed; ``same_journal`` is 1 when both
came to the same hash. ``elapsed_yardsticks`` is the median as a multiple of ``yardstick_ms``, a
fixed loop measured in the same run. Response times are simulated: what this policy would have done
with crews that work as long as was recorded, not what the department did.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import msgspec
from report import Yardstick, print_result

from models.city import CityPack
from models.settings import CHECKOUT
from playbooks.engine import PlaybookSet
from streams.fast import FastResult, replay
from streams.recording import Recording


def main() -> None:
    """Run the benchmark and print its result as the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--city", default="san_francisco")
    parser.add_argument("--drill", default="new_year_2017")
    parser.add_argument("--hours", type=float, help="only the first so many hours")
    parser.add_argument("--runs", type=int, default=2, help="at least one")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(msgspec.json.encode(_run(options.city, options.drill, options.hours)).decode())
        return
    yardstick = Yardstick()
    results = [_in_a_process(seed) for seed in range(1, max(1, options.runs) + 1)]
    first = results[0]
    print(first.text(), file=sys.stderr)
    elapsed = sorted(result.elapsed_s for result in results)
    figures: dict[str, float] = {
        "elapsed_s": elapsed[len(elapsed) // 2],
        "elapsed_least_s": elapsed[0],
        "times_life": first.life_s / elapsed[len(elapsed) // 2],
        "events_per_s": first.events / elapsed[len(elapsed) // 2],
        "same_journal": len({result.journal_hash for result in results}) == 1,
        "closed": first.closed,
        "open": first.open,
        "dead_letters": len(first.dead_letters),
    }
    figures |= yardstick.figures(elapsed=1000 * figures["elapsed_s"])
    for priority, times in first.response_s.items():
        figures[f"p{priority}_median_s"] = times.median_s
        figures[f"p{priority}_p90_s"] = times.p90_s
    print_result(
        "fast_replay",
        seed=None,
        size={
            "recording": options.drill,
            "calls": first.calls,
            "life_h": round(first.life_s / 3600, 1),
            "journal_events": first.events,
            "runs": len(results),
        },
        figures=figures,
    )


def _in_a_process(hash_seed: int) -> FastResult:
    done = subprocess.run(
        [sys.executable, __file__, *sys.argv[1:], "--one"],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return msgspec.convert(json.loads(done.stdout), FastResult, str_keys=True)


def _run(city: str, drill: str, hours: float | None) -> FastResult:
    path = CHECKOUT / "cities" / city
    recording = Recording.load(path / "drills" / f"{drill}.jsonl.gz")
    return replay(
        recording,
        CityPack.load(path),
        PlaybookSet.load(CHECKOUT / "playbooks" / "plans" / Path(city).name),
        until=None if hours is None else recording.described.first + timedelta(hours=hours),
        progress=lambda text: print(text, file=sys.stderr),
    )


if __name__ == "__main__":
    main()
