"""What the topics on a Kafka cluster are, what they should be, and bringing them there.

Partitions are added, retention and the copies in step that a write needs are set; topics that are
missing are made. Partitions are never
taken away, which Kafka can't do, and copies are not moved: :func:`reassignment` writes the file
with which Kafka's own tool does that. Topics of others on the same cluster are not looked at.

Relies on :mod:`models.topics` for what should be. Not for the embedded broker, whose topics are
made anew with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from aiokafka.admin import NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from models.topics import DEAD_LETTERS, EXERCISE_PREFIX, TopicSpec, all_topics
from streams.declare import cluster_admin
from streams.errors import BrokerError

COPIES = 3
"""Of each partition, where there are as many brokers: one may fail while another is down."""

RETENTION = "retention.ms"
IN_STEP = "min.insync.replicas"
_SET_ON_THE_TOPIC = 1
"""Kafka's config source of a value set on the topic itself, not inherited."""


class TopicState(msgspec.Struct, frozen=True, kw_only=True):
    """A topic as a cluster has it.

    Attributes
    ----------
    replicas
        Broker ids that hold a copy, for each partition by number.
    retention_ms, in_step
        In force, wherever they are set; ``in_step`` is how many copies must have a record before
        it is acknowledged.
    own_configs
        What is set on the topic itself.
    """

    replicas: Mapping[int, tuple[int, ...]]
    retention_ms: int
    own_configs: Mapping[str, str]
    in_step: int = 1

    @property
    def partitions(self) -> int:
        """How many there are."""
        return len(self.replicas)

    @property
    def copies(self) -> int:
        """How many brokers hold the partition that the fewest hold."""
        return min(map(len, self.replicas.values()), default=0)


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan is made from."""

    brokers: tuple[int, ...]
    topics: Mapping[str, TopicState]


class TopicPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is and what should be of one topic.

    Attributes
    ----------
    is_now
        None: there is no such topic yet.
    copies
        That there should be.
    in_step
        Copies that must have a record before it is acknowledged, at least.
    notes
        What can't be changed from here, or what a change brings with it.
    """

    spec: TopicSpec
    is_now: TopicState | None
    copies: int
    in_step: int = 1
    notes: tuple[str, ...] = ()

    @property
    def creates(self) -> bool:
        """Whether the topic is made."""
        return self.is_now is None

    @property
    def adds_partitions(self) -> bool:
        """Whether partitions are added to it."""
        return self.is_now is not None and self.is_now.partitions < self.spec.partitions

    @property
    def sets_retention(self) -> bool:
        """Whether its retention is set anew."""
        return self.is_now is not None and self.is_now.retention_ms != self.spec.retention_ms

    @property
    def sets_in_step(self) -> bool:
        """Whether more copies are asked for than before; what a city set higher stays."""
        return self.is_now is not None and self.is_now.in_step < self.in_step

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return self.creates or self.adds_partitions or self.sets_retention or self.sets_in_step


def wanted_topics(partitions: int | None = None) -> tuple[TopicSpec, ...]:
    """Return the declaration, with ``partitions`` of each topic that workers share."""
    if partitions is None:
        return all_topics()
    return tuple(
        spec
        if spec.name.removeprefix(EXERCISE_PREFIX) == DEAD_LETTERS
        else msgspec.structs.replace(spec, partitions=partitions)
        for spec in all_topics()
    )


def plan_topics(cluster: Cluster, wanted: Sequence[TopicSpec]) -> list[TopicPlan]:
    """Compare what is with what should be; changes nothing."""
    copies = min(COPIES, len(cluster.brokers))
    return [
        TopicPlan(
            spec=spec,
            is_now=(state := cluster.topics.get(spec.name)),
            copies=copies,
            in_step=in_step_of(copies if state is None else state.copies),
            notes=() if state is None else tuple(_notes(state, spec, copies)),
        )
        for spec in wanted
    ]


def in_step_of(copies: int) -> int:
    """Return how many of so many copies must have a record before it counts as written.

    Two of three: one may be down and nothing that was acknowledged is on one disk only. With
    fewer copies one is enough, else a broker that is down would stop everything.
    """
    return 2 if copies >= COPIES else 1


def reassignment(plans: Sequence[TopicPlan], brokers: Sequence[int]) -> str:
    """Return the file for ``kafka-reassign-partitions.sh`` that makes the copies missing.

    A copy that stands stays where it is; missing ones go to the brokers in turn, so that each
    holds about as many. Empty where no topic lacks copies.
    """
    moves = []
    turn = 0
    for plan in plans:
        if plan.is_now is None or plan.is_now.copies >= plan.copies:
            continue
        for partition, held in sorted(plan.is_now.replicas.items()):
            order = [*brokers[turn % len(brokers) :], *brokers[: turn % len(brokers)]]
            others = [broker for broker in order if broker not in held]
            replicas = [*held, *others][: max(plan.copies, len(held))]
            moves.append({"topic": plan.spec.name, "partition": partition, "replicas": replicas})
            turn += 1
    return json.dumps({"version": 1, "partitions": moves}, indent=1) + "\n" if moves else ""


async def read_cluster(servers: str) -> Cluster:
    """Ask a cluster for its brokers and our topics on it.

    Raises
    ------
    BrokerError
        When it can't be reached or refuses to say.
    """
    names = {spec.name for spec in all_topics()}
    try:
        async with cluster_admin(servers) as admin:
            about = await admin.describe_cluster()
            # All of them: a question for one by name makes it, where a cluster allows that.
            found = [each for each in await admin.describe_topics() if each["topic"] in names]
            configs = await _configs(admin, [each["topic"] for each in found])
    except (KafkaError, OSError) as error:
        raise BrokerError(f"can't read the topics at {servers}: {error}") from error
    topics = {}
    for each in found:
        values = configs.get(each["topic"])
        if values is None:
            continue
        topics[each["topic"]] = TopicState(
            replicas={one["partition"]: tuple(one["replicas"]) for one in each["partitions"]},
            retention_ms=int(values[RETENTION][0]),
            in_step=int(values[IN_STEP][0]),
            own_configs={
                key: value for key, (value, source) in values.items() if source == _SET_ON_THE_TOPIC
            },
        )
    return Cluster(brokers=tuple(sorted(one["node_id"] for one in about["brokers"])), topics=topics)


async def make_missing(servers: str) -> list[str]:
    """Make those topics that a cluster lacks, as declared; return their names.

    Changes none that is there.

    Raises
    ------
    BrokerError
        When the cluster can't be reached or refuses a topic.
    """
    plans = [
        plan for plan in plan_topics(await read_cluster(servers), wanted_topics()) if plan.creates
    ]
    if plans:
        await apply_plans(servers, plans)
    return [plan.spec.name for plan in plans]


async def apply_plans(servers: str, plans: Sequence[TopicPlan]) -> None:
    """Do what the plans say; what was done before a refusal stays, and a second call goes on.

    Raises
    ------
    BrokerError
        When the cluster can't be reached or refuses a change, named in the message.
    """
    try:
        async with cluster_admin(servers) as admin:
            await _create(admin, [plan for plan in plans if plan.creates])
            for plan in plans:
                if plan.adds_partitions:
                    await admin.create_partitions(
                        {plan.spec.name: NewPartitions(plan.spec.partitions)}
                    )
            await _set_configs(
                admin, [plan for plan in plans if plan.sets_retention or plan.sets_in_step]
            )
    except (KafkaError, OSError) as error:
        raise BrokerError(f"the cluster at {servers} refused: {error}") from error


def _notes(state: TopicState, spec: TopicSpec, copies: int) -> list[str]:
    notes = []
    if state.partitions > spec.partitions:
        notes.append(
            f"has {state.partitions} partitions and keeps them: Kafka can't take partitions away"
        )
    if state.partitions < spec.partitions:
        notes.append(
            "keys move to other partitions: what waits in the old ones and what comes after may "
            "be decided in another order; apply it in a quiet moment, with nothing waiting"
        )
    if state.in_step > state.copies:
        notes.append(
            f"has {state.copies} copies and asks for {state.in_step} at each write: nothing can be "
            f"written; set {IN_STEP} to {in_step_of(state.copies)}"
        )
    if state.copies < copies:
        notes.append(
            f"has {state.copies} of {copies} copies, as many as there were brokers when it was "
            "made; apply doesn't move copies: gridcommand topics plan --reassignment FILE writes "
            "what kafka-reassign-partitions.sh does it with"
        )
    return notes


async def _configs(admin: Any, names: Sequence[str]) -> dict[str, dict[str, tuple[str, int]]]:
    """Each topic's settings: value and where it is set; of those that are still there."""
    if not names:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found = {}
    for answer in await admin.describe_configs(asked):
        for code, message, _kind, name, entries in answer.resources:
            if for_code(code) is UnknownTopicOrPartitionError:
                continue  # It was there a moment ago, when we asked which there are.
            if code:
                raise BrokerError(f"topic {name}: {for_code(code).__name__} {message or ''}")
            # name, value, read only, source, …
            found[name] = {entry[0]: (entry[1], entry[3]) for entry in entries}
    return found


async def _create(admin: Any, plans: Sequence[TopicPlan]) -> None:
    if not plans:
        return
    answer = await admin.create_topics(
        [
            NewTopic(
                plan.spec.name,
                plan.spec.partitions,
                plan.copies,
                topic_configs={
                    RETENTION: str(plan.spec.retention_ms),
                    IN_STEP: str(plan.in_step),
                },
            )
            for plan in plans
        ]
    )
    for name, code, *message in answer.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):
            raise BrokerError(f"topic {name}: {for_code(code).__name__} {message}")


async def _set_configs(admin: Any, plans: Sequence[TopicPlan]) -> None:
    # This request replaces all that is set on a topic, so what others set there goes with it.
    changed = [
        ConfigResource(
            ConfigResourceType.TOPIC,
            plan.spec.name,
            {
                **plan.is_now.own_configs,
                RETENTION: str(plan.spec.retention_ms),
                IN_STEP: str(max(plan.in_step, plan.is_now.in_step)),
            },
        )
        for plan in plans
        if plan.is_now is not None
    ]
    if not changed:
        return
    for answer in await admin.alter_configs(changed):
        for code, message, _kind, name in answer.resources:
            if code:
                raise BrokerError(f"topic {name}: {for_code(code).__name__} {message or ''}")
