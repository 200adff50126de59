"""SenML packs: the RFC's own examples, relative times, and that no bytes raise anything else."""

from __future__ import annotations

import contextlib
import itertools
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import EventError
from models.senml import Reading
from streams.senml import AHEAD_S, BEHIND_S, in_words, parse_senml

NOW = datetime(2026, 7, 1, tzinfo=UTC)


def pack(*records: dict[str, object]) -> bytes:
    return json.dumps(records).encode()


def test_base_fields_and_relative_times_of_rfc8428_5_1_3() -> None:
    raw = pack(
        {"bn": "urn:dev:ow:10e2073a0108006:", "bt": 1.276020076001e9, "bu": "A", "bver": 5,
         "n": "voltage", "u": "V", "v": 120.1},
        {"n": "current", "t": -5, "v": 1.2},
        {"n": "current", "t": -4, "v": 1.3},
    )  # fmt: skip
    readings = parse_senml(raw, NOW)
    assert [(r.device, r.quantity, r.value, r.unit) for r in readings] == [
        ("urn:dev:ow:10e2073a0108006", "voltage", 120.1, "V"),
        ("urn:dev:ow:10e2073a0108006", "current", 1.2, "A"),
        ("urn:dev:ow:10e2073a0108006", "current", 1.3, "A"),
    ]
    assert readings[1].at - readings[0].at == -5


def test_small_times_are_relative_to_arrival() -> None:
    (reading,) = parse_senml(pack({"n": "d/q", "t": -60, "v": 1}), NOW)
    assert reading.at == NOW.timestamp() - 60


def test_a_clock_that_is_ahead_is_set_back_with_its_intervals_kept() -> None:
    ahead = NOW.timestamp() + 8 * 3600
    raw = pack(
        {"bn": "d/", "bt": ahead, "n": "q", "t": -60, "v": 1},
        {"n": "q", "v": 2},
        {"n": "other", "bt": NOW.timestamp() - 30, "v": 3},
    )
    readings = parse_senml(raw, NOW)
    assert [r.at - NOW.timestamp() for r in readings] == [AHEAD_S - 60, AHEAD_S, -30]
    assert parse_senml(raw, NOW) == readings
    assert parse_senml(raw, NOW, own_time=True)[1].at == ahead, "a drill's times are its own"


def test_a_clock_that_lost_its_battery_is_set_forward_with_its_intervals_kept() -> None:
    year_2000 = 946_684_800.0
    raw = pack(
        {"bn": "d/", "bt": year_2000, "n": "q", "t": 60, "v": 1},
        {"n": "q", "t": 90, "v": 2},
        {"n": "other", "t": 75, "v": 3},
        {"bn": "e/", "bt": NOW.timestamp() - BEHIND_S, "n": "kept", "v": 4},
    )
    readings = parse_senml(raw, NOW)
    assert [r.at - NOW.timestamp() for r in readings] == [-30, 0, -15, -BEHIND_S]
    assert parse_senml(raw, NOW) == readings
    assert parse_senml(raw, NOW, own_time=True)[0].at == year_2000 + 60


def test_a_clock_that_was_set_right_within_a_pack_leaves_what_it_said_before() -> None:
    raw = pack({"n": "d/q", "t": 946_684_800.0, "v": 1}, {"n": "d/q", "t": -5, "v": 2})
    assert [r.at for r in parse_senml(raw, NOW)] == [946_684_800.0, NOW.timestamp() - 5]


times = st.floats(-1e9, 2e11) | st.floats(-100, 100).map(lambda s: NOW.timestamp() + s)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["d/a", "d/b", "e/a"]), times), max_size=20))
def test_no_reading_is_younger_than_its_receipt_and_all_keep_their_order(
    records: list[tuple[str, float]],
) -> None:
    raw = pack(*({"n": name, "t": at, "v": 1} for name, at in records))
    told = parse_senml(raw, NOW, own_time=True)
    found = parse_senml(raw, NOW)
    assert all(one.at <= NOW.timestamp() + AHEAD_S for one in found)
    for a, b in itertools.pairwise(range(len(found))):
        if (told[a].device, told[a].quantity) == (told[b].device, told[b].quantity):
            assert (told[a].at <= told[b].at) == (found[a].at <= found[b].at) or (
                found[a].at == found[b].at
            )


def test_units_stay_as_told_and_base_values_add() -> None:
    raw = pack({"bn": "d/", "bv": 10, "n": "depth", "u": "cm", "v": 20}, {"n": "on", "vb": True})
    assert parse_senml(raw, NOW) == [
        Reading("d", "depth", 30.0, "cm", NOW.timestamp()),
        Reading("d", "on", 1.0, "", NOW.timestamp()),
    ]


def test_milliseconds_since_1970_are_read_as_such() -> None:
    now_ms = NOW.timestamp() * 1000
    raw = pack({"bn": "d/", "bt": now_ms, "n": "q", "t": -1500, "v": 1}, {"n": "q", "v": 2})
    assert [r.at for r in parse_senml(raw, NOW)] == [NOW.timestamp() - 1.5, NOW.timestamp()]


def test_a_record_that_is_wrong_costs_only_itself_and_is_named() -> None:
    raw = pack(
        {"bn": "d/", "n": "smoke alarm", "v": 1},
        {"n": "smoke", "v": "much"},
        {"bn": "e/", "n": "a", "v": "2"},
        {"n": "b", "v": 3},
    )
    found = parse_senml(raw, NOW)
    assert found == [Reading("e", "b", 3.0, "", NOW.timestamp())], "the base of a wrong one holds"
    assert [one.record for one in found.refused] == [0, 1, 2]
    assert "SenML record 0: name 'd/smoke alarm' must be" in in_words(found, 1)
    assert in_words(found, 1).endswith("and 2 more")


@settings(deadline=None)
@given(st.text("ab1-._/: ", max_size=6), st.text("ab1-._/: ", max_size=6))
def test_a_name_in_two_parts_reads_as_in_one(base: str, own: str) -> None:
    def read(record: dict[str, object]) -> list[Reading] | None:
        try:
            return parse_senml(pack(record), NOW)
        except EventError:
            return None

    assert read({"bn": base, "n": own, "v": 1}) == read({"n": base + own, "v": 1})


def test_strings_and_sums_are_no_readings() -> None:
    assert parse_senml(pack({"n": "d/a", "vs": "x"}, {"n": "d/b", "s": 3.0}), NOW) == []


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not a SenML pack"),
        (b"\xff\xfe", "not a SenML pack"),
        (b"{}", "not a SenML pack"),
        (b"[" * 100_000, "not a SenML pack"),
        (pack({"v": 1}), "record 0: name"),
        (pack({"n": "nodevice", "v": 1}), "name 'nodevice'"),
        (pack({"n": "d/q", "v": 1, "bver": 99}), "version 99"),
        (pack({"n": "d/q", "v": 1, "future_": 1}), "future_"),
        (pack({"n": "d/q", "v": 1, "t": 1e300}), "is no time"),
        (pack(*[{"n": "d/q", "v": 1}] * 10_001), "10001 records"),
    ],
)
def test_what_cannot_be_read_says_why(raw: bytes, message: str) -> None:
    with pytest.raises(EventError, match=message):
        parse_senml(raw, NOW)


@settings(deadline=None)
@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["n", "v", "bt", "t", "u", "bn", "bver"]), inner, max_size=4),
).map(lambda tree: json.dumps(tree).encode()))  # fmt: skip
def test_no_bytes_raise_anything_but_an_event_error(raw: bytes) -> None:
    with contextlib.suppress(EventError):
        parse_senml(raw, NOW)
