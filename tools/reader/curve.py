"""What each threshold would do, on the views that set thresholds and nothing else.

    python tools/reader/curve.py

For choosing ``streams/classify/thresholds.yaml``: lines of threshold, and what is kept and right
from there on. Runs in the project's own environment, on the models in place.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

import numpy as np

from streams.classify.reader import understand
from streams.classify.sentences import calibrating, sentences

TRIED = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75,
         0.8, 0.85, 0.9, 0.95, 0.98)  # fmt: skip


def main() -> None:
    """Print the curves."""
    of = [one for view in sorted(calibrating()) for one in sentences(view)]
    found = understand([one.text for one in of])
    live = np.array([one.is_live for one in of])
    endangered = live & np.array([one.danger for one in of])
    danger = np.array([each.reading.danger for each in found])
    real = np.array([each.reading.real for each in found])
    confidence = np.array([each.confidence for each in found])
    right = np.array([each.category in one.categories for each, one in zip(found, of, strict=True)])
    print(f"{len(of)} sentences, {live.sum()} live, {endangered.sum()} dangers")
    print("danger x real from: dangers raised, right among raised, not live among raised")
    for least in TRIED:
        raised = danger * real >= least
        print(_line(least, raised[endangered], endangered[raised], (raised & ~live).sum()))
    print("danger and real both from: dangers ordered, right among ordered, not live")
    for least in TRIED:
        ordered = (danger >= least) & (real >= least)
        print(_line(least, ordered[endangered], endangered[ordered], (ordered & ~live).sum()))
    print("real from: live kept, live among kept, not live among kept")
    for least in TRIED:
        kept = real >= least
        print(_line(least, kept[live], live[kept], (kept & ~live).sum()))
    print("category from: live kept, right among kept, wrong")
    for least in TRIED:
        kept = live & (confidence >= least)
        print(_line(least, kept[live], right[kept], (kept & ~right).sum()))


def _line(least: float, kept: np.ndarray, right: np.ndarray, wrong: int) -> str:
    share = right.mean() if len(right) else float("nan")
    return f"  {least:4.2f}  {kept.mean():.3f}  {share:.3f}  {wrong}"


if __name__ == "__main__":
    main()
