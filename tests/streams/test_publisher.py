"""Records carry what fits, in order, and at least one event."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.publisher import MAX_BYTES, MAX_EVENTS, batches


@given(st.lists(st.integers(1, MAX_BYTES + 10), max_size=20).map(lambda n: [b"x" * i for i in n]))
def test_batches_keep_order_and_bounds(events: list[bytes]) -> None:
    found = list(batches(events))
    assert [event for batch in found for event in batch] == events
    assert all(batch for batch in found)
    assert all(sum(map(len, batch)) <= MAX_BYTES or len(batch) == 1 for batch in found)


def test_many_small_events_share_records() -> None:
    assert [len(batch) for batch in batches([b"e"] * 450)] == [MAX_EVENTS, MAX_EVENTS, 50]
