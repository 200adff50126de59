"""How sure a difference between two policies is: confidence intervals over nights.

For: comparing policies on the same nights, in ``benchmarks/policies.py`` and in the tests, for one
night's number says nothing about the next. Pure: the same nights give the same interval. Not for:
choosing the nights, and not for measuring them (:mod:`streams.measures`).

The interval is the percentile bootstrap's (B. Efron, R. Tibshirani: An Introduction to the
Bootstrap, 1993, chapter 13): nights are drawn anew with replacement, each with what both policies
made of it, so that how busy a night was falls out of the difference. With less than some six
nights it is too narrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
PERCENT = (2.5, 97.5)
"""Ends of the interval: 95 % lie between."""
_SEED = 1

Figures: TypeAlias = NDArray[np.float64]


class Interval(msgspec.Struct, frozen=True):
    """A figure over all nights, and the ends of its interval of 95 %."""

    value: float
    low: float
    high: float


def difference(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """Return the mean over the nights of what one policy has more than the other.

    Parameters
    ----------
    ours, theirs
        One figure a night, of the same nights in the same order.

    Raises
    ------
    ValueError
        There are no nights, or not as many of the one as of the other.
    """
    mine, others = _paired(ours, theirs)
    return _of_sums(mine - others, np.ones(len(mine)))


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Interval | None:
    """Return what one policy has over all nights as a share of what the other has.

    None where the other has nothing. Parameters and errors are those of :func:`difference`.
    """
    mine, others = _paired(ours, theirs)
    return _of_sums(mine, others) if others.any() else None


def _paired(ours: Sequence[float], theirs: Sequence[float]) -> tuple[Figures, Figures]:
    if len(ours) != len(theirs) or not len(ours):
        raise ValueError(
            f"{len(ours)} nights against {len(theirs)}: both policies need the same ones, and one "
            "at least"
        )
    return np.asarray(ours, np.float64), np.asarray(theirs, np.float64)


def _of_sums(above: Figures, below: Figures) -> Interval:
    """Return the ratio of the sums over the nights, and its interval over nights drawn anew."""
    drawn = np.random.default_rng(_SEED).integers(0, len(above), (RESAMPLES, len(above)))
    total = below[drawn].sum(axis=1)
    ratios = above[drawn].sum(axis=1)[total > 0] / total[total > 0]
    low, high = np.percentile(ratios, PERCENT)
    return Interval(float(above.sum() / below.sum()), float(low), float(high))
