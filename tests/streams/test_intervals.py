"""Confidence intervals over nights: of which figures, how wide, and paired."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from streams.intervals import Interval, difference, ratio


def test_nights_that_say_the_same_leave_no_doubt() -> None:
    assert difference([3.0, 5.0, 9.0], [1.0, 3.0, 7.0]) == Interval(2.0, 2.0, 2.0)
    assert ratio([2.0, 4.0], [4.0, 8.0]) == Interval(0.5, 0.5, 0.5)


def test_nights_are_paired_so_that_how_busy_they_were_falls_out() -> None:
    chance = np.random.default_rng(7)
    busy = chance.uniform(100.0, 900.0, 12)
    better = chance.normal(-10.0, 2.0, 12)
    found = difference((busy + better).tolist(), busy.tolist())
    assert found.high < 0
    assert found.high - found.low < 5, "of unpaired nights it would be some 300 wide"


def test_of_many_nights_it_is_the_normal_one() -> None:
    more = np.random.default_rng(3).normal(5.0, 20.0, 400)
    found = difference(more.tolist(), [0.0] * len(more))
    half = NormalDist().inv_cdf(0.975) * more.std() / np.sqrt(len(more))
    assert found.value == pytest.approx(more.mean())
    assert (found.low, found.high) == pytest.approx(
        (more.mean() - half, more.mean() + half), abs=0.05 * half
    )


def test_one_night_apart_from_all_others_proves_nothing() -> None:
    found = difference([0.0, 0.0, 0.0, 0.0, 0.0, -60.0], [0.0] * 6)
    assert (found.value, found.high) == (-10.0, 0.0)


def test_a_share_of_nothing_is_none_and_unequal_nights_are_refused() -> None:
    assert ratio([1.0, 0.0], [0.0, 0.0]) is None
    for ours, theirs in (([1.0], [1.0, 2.0]), ([], [])):
        with pytest.raises(ValueError, match="the same ones"):
            difference(ours, theirs)
