"""What a rehearsal says of its sensors: each lasting condition told once, or not."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from gridcommand.rehearsal.sensors import (
    EVERY_KIND,
    LASTS_S,
    NEIGHBOUR_DEG,
    Kind,
    Pack,
    Watched,
    compare,
    share_taken,
)
from streams.senml import parse_senml
from streams.sense import SenseState
from streams.sense_rules import load_sense_rules


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


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_each_kind_is_told_once_by_its_own_rule_and_not_before_it_began(kind: Kind) -> None:
    state, began = SenseState(load_sense_rules()), 1_800_000_000.0
    told: list[tuple[float, str]] = []
    for second in range(-14, int(LASTS_S)):
        now = began + second
        at = datetime.fromtimestamp(now, UTC)
        for member in range(kind.devices):
            place = [{"n": "lon", "v": 119.4 + member * NEIGHBOUR_DEG}, {"n": "lat", "v": 31.4}]
            # Twice, as what wasn't committed comes again.
            for _ in range(2):
                pack = [{"bn": f"d{member}/", "bt": now, **place[0]}, place[1]]
                pack += kind.records(now, began)
                sensed = state.sense(parse_senml(json.dumps(pack).encode(), at))
                told += [(now, alarm.rule) for alarm in sensed.alarms]
        told += [(now, alarm.rule) for alarm in state.pass_time(at).alarms]
    assert [rule for _, rule in told] == [kind.value]
    assert told[0][0] >= began
    assert all(kind.sees(now - began) for now, _ in told)


def test_what_is_refused_counts_only_outside_of_outages() -> None:
    packs = [Pack(1.0, 1.1, 10, True), Pack(2.0, 2.1, 10, False), Pack(3.0, 3.1, 20, True)]
    assert share_taken(packs) == 0.75
    assert share_taken(packs, [(1.5, 2.5)]) == 1.0
    assert share_taken(packs, [(2.05, 2.5)]) == 1.0
    assert share_taken(packs, [(2.5, 4.0)]) == 0.5
    assert share_taken(packs, [(0.0, 4.0)]) == 1.0
