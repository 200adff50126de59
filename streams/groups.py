"""Workers' groups on Kafka: their names, and where one begins that is new or was away for long.

Workers for the same stages are a group; workers for others have offsets of their own. Without more
the first ``worker --stage desk`` of a city would read all that its topics keep. What any group has
committed it has done, so another goes on from there. Not for the embedded broker, which keeps
neither records nor offsets for long.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from itertools import combinations

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from models.topics import DESK, READINGS, REPORTS, topic_for
from streams.declare import cluster_admin

log = logging.getLogger(__name__)

APP_ID = "gridcommand"
STAGES = {"classify": REPORTS, "desk": DESK, "sense": READINGS}
"""What a worker can do, and the topic that it reads for it; relay goes with classify."""

WITHIN_S = 10.0


def group_of(stages: Collection[str]) -> str:
    """Return the consumer group of workers for these of :data:`STAGES`."""
    return APP_ID if set(stages) == set(STAGES) else f"{APP_ID}.{'-'.join(sorted(stages))}"


def all_groups() -> set[str]:
    """Return the groups that there may be."""
    return {
        group_of(some) for size in range(1, len(STAGES) + 1) for some in combinations(STAGES, size)
    }


async def begin_where_others_are(servers: str, stages: Collection[str]) -> None:
    """Move the offsets of a group that nobody is in up to those of the farthest group.

    Where that fails the group reads what others have done once more, to no harm.
    """
    try:
        async with asyncio.timeout(WITHIN_S):
            await _begin(servers, stages)
    except (KafkaError, OSError, TimeoutError) as error:
        # A member of the group is at work, for one: then it stands where it should.
        log.info("the group %s begins where it was: %r", group_of(stages), error)


async def _begin(servers: str, stages: Collection[str]) -> None:
    group = group_of(stages)
    topics = {topic_for(STAGES[one], exercise=side) for one in stages for side in (False, True)}
    async with cluster_admin(servers) as admin:
        offsets = {
            name: {
                place: found.offset
                for place, found in (await admin.list_consumer_group_offsets(name)).items()
                if place.topic in topics and found.offset >= 0
            }
            for name in all_groups()
        }
    own = offsets[group]
    ahead: dict[TopicPartition, int] = {}
    for other in offsets.values():
        for place, offset in other.items():
            if offset > max(own.get(place, -1), ahead.get(place, -1)):
                ahead[place] = offset
    if not ahead:
        return
    # With a group, but without a subscription: it commits and joins nothing.
    client = AIOKafkaConsumer(bootstrap_servers=servers, group_id=group, enable_auto_commit=False)
    try:
        await client.start()
        client.assign(list(ahead))
        await client.commit(ahead)
    finally:
        await client.stop()
    log.info("the group %s begins where others are, in %d partitions", group, len(ahead))
