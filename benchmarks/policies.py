"""One policy against another over many nights, with confidence intervals: not one number.

    python benchmarks/policies.py --seeds 8 --hours 48 --load 2

Each seed is another night: another part of the recorded week, its calls drawn anew at ``load``
times the rate, and a tenth of the fleet out of service. Both policies get the same nights. What is
printed is the mean over the seeds of each difference, with the ends of a 95 % interval by
bootstrap over the seeds (``…_low``, ``…_high``; :mod:`streams.intervals`): late urgent calls as a
share of the other policy's (``late_ratio``), seconds of mean and P90, and the same of the other
calls. One policy is better where the whole interval lies on one side.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
from report import print_result

from dispatch.policy import DEFAULT_POLICY, Policy
from models.city import CityPack
from models.settings import CHECKOUT
from playbooks.engine import PlaybookSet
from streams.fast_report import compare
from streams.intervals import Interval, difference, ratio
from streams.recording import Recording

CITY = CHECKOUT / "cities" / "san_francisco"
PLANS = CHECKOUT / "playbooks" / "plans" / "san_francisco"
OUT_OF_SERVICE = 0.1


def main() -> None:
    """Run the comparison and print its result as the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--policy", default=DEFAULT_POLICY)
    parser.add_argument("--against", default="closest-idle")
    parser.add_argument("--seeds", type=int, default=8, help="nights; at least two")
    parser.add_argument("--hours", type=float, default=48.0, help="length of each")
    parser.add_argument("--load", type=float, default=2.0, help="times the recorded rate")
    options = parser.parse_args()
    names = (options.policy, options.against)
    nights = []
    for seed in range(1, max(2, options.seeds) + 1):
        nights.append(_night(seed, names, options.hours, options.load))
        ours, theirs = (nights[-1][name]["urgent"] for name in names)
        print(
            f"night {seed}: urgent late {ours['late']} and {theirs['late']} of {ours['calls']}, "
            f"mean {ours['mean_s']:.1f} and {theirs['mean_s']:.1f} s",
            file=sys.stderr,
            flush=True,
        )
    print_result(
        "policies",
        seed=1,
        size={
            "policy": options.policy,
            "against": options.against,
            "nights": len(nights),
            "hours": options.hours,
            "load": options.load,
            "calls": sum(sum(n[names[0]][k]["calls"] for k in ("urgent", "other")) for n in nights),
        },
        figures=_figures(nights, names),
    )


def _night(
    seed: int, names: tuple[str, str], hours: float, load: float
) -> Mapping[str, Mapping[str, Any]]:
    """Replay one night under both policies; by policy what its report says."""
    chance = np.random.default_rng(seed)
    recording = Recording.load(CITY / "drills" / "new_year_2017.jsonl.gz")
    described = recording.described
    last = (described.last - described.first).total_seconds() / 3600 - hours
    begin = described.first + timedelta(hours=float(chance.uniform(0, max(0.0, last))))
    pack = CityPack.load(CITY)
    there = chance.random(len(pack.units)) >= OUT_OF_SERVICE
    fleet = [unit for unit, is_there in zip(pack.units, there, strict=True) if is_there]
    report, _, _ = compare(
        recording,
        replace(pack, units=tuple(fleet)),
        PlaybookSet.load(PLANS),
        [Policy(name=name) for name in names],
        load=load,
        seed=seed,
        since=begin,
        until=begin + timedelta(hours=hours),
    )
    policies: Mapping[str, Mapping[str, Any]] = report["policies"]
    return policies


def _figures(
    nights: list[Mapping[str, Mapping[str, Any]]], names: tuple[str, str]
) -> dict[str, float | None]:
    figures: dict[str, float | None] = {}

    def columns(kind: str, key: str) -> tuple[list[float], list[float]]:
        ours, theirs = ([float(night[name][kind][key]) for night in nights] for name in names)
        return ours, theirs

    for kind in ("urgent", "other"):
        for key in ("mean_s", "p90_s", "p99_s"):
            _note(figures, f"{kind}_{key}", difference(*columns(kind, key)))
        _note(figures, f"{kind}_late_ratio", ratio(*columns(kind, "late")))
    turned, _ = columns("urgent", "diversions_per_100")
    _note(figures, "diversions_per_100", difference(turned, [0.0] * len(turned)))
    return figures


def _note(figures: dict[str, float | None], name: str, found: Interval | None) -> None:
    figures |= {
        name: None if found is None else found.value,
        f"{name}_low": None if found is None else found.low,
        f"{name}_high": None if found is None else found.high,
    }


if __name__ == "__main__":
    main()
