"""What a rehearsal says of its sensors: each lasting condition told once, or not."""

from __future__ import annotations

import pytest

from gridcommand.rehearsal.sensors import Watched, compare


@pytest.mark.parametrize(
    ("began", "told", "expected"),
    [
        ([10.0, 130.0], [10.0, 131.0], Watched(conditions=2)),
        ([10.0, 130.0], [10.0], Watched(conditions=2, missed=1)),
        ([10.0], [10.0, 40.0], Watched(conditions=1, doubled=1)),
        ([10.0], [9.0, 10.0], Watched(conditions=1, doubled=1)),
        ([], [], Watched()),
    ],
)
def test_each_condition_is_told_once(
    began: list[float], told: list[float], expected: Watched
) -> None:
    assert compare({"a": began, "b": []}, {"a": told}) == expected
