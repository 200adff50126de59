"""A consumer whose fetches wait longer while they come back empty from a position that is behind.

The embedded broker answers a fetch with nothing where finding its records takes longer than the
wait that it was asked with, which happens with a long partition on a busy machine; asked the same
way again it answers the same, for ever. Relies on two members of aiokafka's fetcher that are not
its public interface; a test tells when they are gone.
"""

from __future__ import annotations

from typing import Any

import aiokafka

LONGER, SHORTER = 4, 4
MOST_WAIT_MS = 2560
"""From 10 ms a fourfold wait comes here within a second."""


class FetchWait:
    """How long the next fetch waits, in milliseconds.

    Longer while records are there and none comes, shorter again with those that come, and as short
    as it was asked for where there are none.
    """

    def __init__(self, least_ms: int) -> None:
        self._least_ms = least_ms
        self.ms = least_ms

    def fetched(self, *, records: bool, behind: bool) -> int:
        """Take note of a fetch that came back; return the next wait."""
        if records:
            self.ms = max(self._least_ms, self.ms // SHORTER)
        elif behind:
            self.ms = max(self._least_ms, min(MOST_WAIT_MS, self.ms * LONGER))
        else:
            self.ms = self._least_ms
        return self.ms


class PatientConsumer(aiokafka.AIOKafkaConsumer):  # type: ignore[misc]
    """Waits ``fetch_max_wait_ms`` for records, and up to :data:`MOST_WAIT_MS` where it must."""

    async def start(self) -> None:
        """Connect, as its base does."""
        await super().start()
        fetcher = self._fetcher
        wait = FetchWait(fetcher._fetch_max_wait_ms)
        process = fetcher._proc_fetch_request

        async def patiently(assignment: Any, node: int, request: Any) -> Any:
            records = await process(assignment, node, request)
            behind = _is_behind(fetcher, assignment, request)
            fetcher._fetch_max_wait_ms = wait.fetched(records=bool(records), behind=behind)
            return records

        fetcher._proc_fetch_request = patiently


def _is_behind(fetcher: Any, assignment: Any, request: Any) -> bool:
    """Say whether there are records beyond one of the positions that a fetch asks for."""
    if not assignment.active:
        return False
    for topic, partitions in request.topics:
        for partition, offset, *_ in partitions:
            place = aiokafka.TopicPartition(topic, partition)
            if place in fetcher._records or place not in assignment.tps:
                continue
            state = assignment.state_value(place)
            known = state.highwater is not None and state.has_valid_position
            if known and state.position == offset and state.highwater > offset:
                return True
    return False
