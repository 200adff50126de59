"""Faust's Kafka transport: a fetch wait of our choosing, and commits of what came since joining.

Faust 0.15 fixes the wait of a fetch at 1500 ms. Apache Kafka answers a waiting fetch as soon as
there is a record, but the embedded broker only near the wait's end, so the wait is the latency
of a hop there. Relies on two hooks of Faust: the class of the consumer's thread and the method in
which it makes its aiokafka consumer.

aiokafka 0.14 tries a commit that failed again, also when the broker has thrown its group out
meanwhile: as nobody's commit then, of an offset from before. An embedded broker that was started
anew, empty, takes that, and its next records are passed over until there are as many. The same
happens where it is a member again by then, and where Faust counts records from before the
partitions were told anew, which its agents still have. Relies on the one private method of aiokafka
that makes the request and on Faust's set of what isn't acknowledged; tests tell when they are gone.

A Kafka node that was halted lets clients in before it counts itself in again. aiokafka's routine
for the group ends at a cluster without nodes, and tells nobody. Relies on aiokafka's own client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from aiokafka.consumer.subscription_state import Assignment
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import UnknownMemberIdError
from aiokafka.protocol.commit import OffsetCommitRequest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from mode.threads import ServiceThread, WorkerThread

from models.patient import PatientConsumer

NODES_KNOWN_WITHIN_S = 5.0
ASK_NODES_AGAIN_S = 0.1


class _DaemonThread(WorkerThread):  # type: ignore[misc]
    """Ends with its process: after a broker was lost Faust's consumer may never stop by itself."""

    def __init__(self, service: ServiceThread, **more: Any) -> None:
        super().__init__(service, **more)
        self.daemon = True


class Member(PatientConsumer):
    """Consumer that commits as the member of its group that it was asked as, or not at all."""

    async def start(self) -> None:
        """Connect, to join the group with what is subscribed to then.

        Raises
        ------
        KafkaError
            No node can be reached.
        TimeoutError
            One answers, and knows of no node for :data:`NODES_KNOWN_WITHIN_S`.
        """
        await super().start()
        async with asyncio.timeout(NODES_KNOWN_WITHIN_S):
            while not self._client.cluster.brokers():
                await self._client.force_metadata_update()
                await asyncio.sleep(ASK_NODES_AGAIN_S)
        coordinator = self._coordinator
        commit = coordinator._do_commit_offsets

        async def as_member(assignment: Assignment, offsets: Mapping[object, object]) -> None:
            is_member = coordinator.generation != OffsetCommitRequest.DEFAULT_GENERATION_ID
            if not (is_member and assignment.active):
                raise UnknownMemberIdError(self._group_id)
            await commit(assignment, offsets)

        coordinator._do_commit_offsets = as_member


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Consumer thread whose consumer waits ``transport.fetch_wait_ms`` at most for records."""

    Worker = _DaemonThread

    def _create_worker_consumer(self, transport: ShortWaitTransport) -> Member:
        conf = self.app.conf
        return Member(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[RoundRobinPartitionAssignor],
            enable_auto_commit=False,
            # The embedded broker's end offsets can't be trusted: never 'latest'.
            auto_offset_reset="earliest",
            max_poll_records=conf.broker_max_poll_records,
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            fetch_max_wait_ms=transport.fetch_wait_ms,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            retry_backoff_ms=transport.retry_backoff_ms,
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            metadata_max_age_ms=conf.consumer_metadata_max_age_ms,
            connections_max_idle_ms=conf.consumer_connections_max_idle_ms,
        )


class Consumer(driver.Consumer):  # type: ignore[misc]
    """Consumer on a :class:`ConsumerThread`.

    What it was given before partitions were told anew is handled to its end, and says nothing of
    how far the place is now. Nothing is committed from the record on at which somebody holds a
    partition: Faust itself commits past a record that isn't acknowledged where it is the first.
    """

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._held: dict[TP, int] = {}

    def hold(self, tp: TP, offset: int) -> None:
        """Commit a partition up to this record and no farther."""
        self._held[tp] = offset

    def let_go(self, tp: TP) -> None:
        """Commit a partition as far as its records are handled."""
        self._held.pop(tp, None)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Take notice that partitions are told anew: all of them, as our assignor does it."""
        await super().on_partitions_revoked(revoked)
        self._unacked_messages.clear()
        self._held.clear()

    def ack(self, message: Message) -> bool:
        """Count a record as handled; return whether it counts."""
        return message in self._unacked_messages and super().ack(message)

    def _new_offset(self, tp: TP) -> int | None:
        held = self._held.get(tp)
        if held is None:
            return super()._new_offset(tp)  # type: ignore[no-any-return]
        acked = self._acked[tp]
        beyond = [offset for offset in acked if offset >= held]
        acked[:] = [offset for offset in acked if offset < held]
        try:
            return super()._new_offset(tp)  # type: ignore[no-any-return]
        finally:
            acked.extend(beyond)


class ShortWaitTransport(driver.Transport):  # type: ignore[misc]
    """Faust's aiokafka transport with its fetch wait and back-off as attributes.

    Attributes
    ----------
    fetch_wait_ms
        How long the broker may hold a fetch without records, in milliseconds.
    retry_backoff_ms
        Pause before a failed request to the broker is tried again, in milliseconds.
    """

    Consumer: ClassVar[type[Consumer]] = Consumer
    fetch_wait_ms: int = 10
    retry_backoff_ms: int = 100
    loop: asyncio.AbstractEventLoop
