"""What is tried before a release, on a machine with nothing beside it (``make rehearse``).

Full load, pulled plugs on both sets of servers and in both cities, what users are promised in
seconds, and cases that nobody chose. Goes through all of it, says at the end what failed and how
long each part took, and exits with 1 when anything did, or at once where a server isn't there.
Each part is a command that can be run alone. Needs what `.ci/run` installs; 80 minutes at most on
two cores.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from gridcommand.rehearsal.servers import HOW, missing

CHECKOUT = Path(__file__).resolve().parent.parent
BIN = CHECKOUT / ".venv" / "bin"
PYTEST = (str(BIN / "python"), "-m", "pytest")
BESIDE = ("--numprocesses", "logical", "--maxprocesses", "4", "--dist", "loadfile")
MINUTES_OF_CHAOS = "4"
CASES = "1000"
REQUIRED = {"GRIDCOMMAND_REQUIRE_BROWSER": "1", "GRIDCOMMAND_REQUIRE_SERVERS": "1"}


class Part(NamedTuple):
    """A part of the rehearsal: what it is for, and its command."""

    title: str
    command: tuple[str, ...]


class Outcome(NamedTuple):
    """How a part ended, and after how many seconds."""

    part: Part
    code: int
    took_s: float


def parts(seed: int) -> list[Part]:
    """Return what is run, in turn; chance is decided by ``seed``."""
    fresh = ("--hypothesis-profile", "fresh", "--hypothesis-seed", str(seed))
    unit = ("--ignore", "tests/integration", "--ignore", "tests/smoke")
    return [
        Part("promised times", (*PYTEST, "-m", "timely", *unit)),
        Part(
            "invariants by chance",
            (*PYTEST, *BESIDE, *unit, *fresh, "-m", "hypothesis", "--invariant-cases", CASES,
             "--invariant-seed", str(seed)),
        ),
        Part(
            "full load and pulled plugs",
            (*PYTEST, "-m", "", "--durations", "25", "tests/integration"),
        ),
        *(
            Part(
                f"chaos in {city}{' on Kafka' if on else ''}",
                (str(BIN / "gridcommand"), "chaos", "--minutes", MINUTES_OF_CHAOS,
                 "--seed", str(seed), "--city", city, *on),
            )
            for on in ((), ("--kafka",))
            for city in ("liyang", "san_francisco")
        ),
        *(
            Part(
                f"report to screen{' on Kafka' if on else ''}",
                (str(BIN / "python"), "benchmarks/report_to_screen.py", "--seconds", "30",
                 "--check", *on),
            )
            for on in ((), ("--kafka",))
        ),
    ]  # fmt: skip


def run(part: Part) -> Outcome:
    """Run a part with its output on the terminal."""
    print(f"\n== {part.title}: {' '.join(part.command)}", flush=True)
    began = time.monotonic()
    done = subprocess.run(part.command, cwd=CHECKOUT, env=os.environ | REQUIRED, check=False)
    return Outcome(part, done.returncode, time.monotonic() - began)


def main() -> int:
    """Run all parts; return the exit code."""
    if lacking := missing():
        print(f"There is {lacking}. {HOW}", file=sys.stderr)
        return 1
    seed = random.SystemRandom().randrange(10**6)
    outcomes = [run(part) for part in parts(seed)]
    print(f"\nRehearsal with seed {seed}:")
    for part, code, took_s in outcomes:
        print(f"  {'ok    ' if code == 0 else 'FAILED'}  {took_s / 60:5.1f} min  {part.title}")
    print(f"  {sum(one.took_s for one in outcomes) / 60:13.1f} min in all")
    return 1 if any(one.code for one in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
