"""The plan for the topics: what is compared, what can't be changed, and what Kafka makes of it."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import UnknownTopicOrPartitionError

from gridcommand.rehearsal.servers import Servers
from models.settings import Settings
from models.topics import HOUR_MS, REPORTS, TopicSpec, all_topics
from streams import topic_plan
from streams.app import broker_at_hand
from streams.declare import cluster_admin
from streams.topic_plan import (
    Cluster,
    TopicPlan,
    TopicState,
    apply_plans,
    make_missing,
    plan_topics,
    read_cluster,
    reassignment,
    wanted_topics,
)
from tests.waiting import HANG_S, LOOK_AGAIN_S

REPORTS_SPEC = next(spec for spec in all_topics() if spec.name == REPORTS)


def planned(
    partitions: int, *, brokers: int = 1, held: tuple[int, ...] = (1,), hours: int = 7 * 24
) -> TopicPlan:
    state = TopicState(
        replicas=dict.fromkeys(range(partitions), held),
        retention_ms=hours * HOUR_MS,
        own_configs={},
    )
    cluster = Cluster(brokers=tuple(range(1, brokers + 1)), topics={REPORTS: state})
    return plan_topics(cluster, [REPORTS_SPEC])[0]


def test_what_is_as_declared_stays() -> None:
    plan = planned(4)
    assert not plan.changes
    assert plan.notes == ()


class Goes:
    """An administrator of a cluster whose only topic is deleted between two questions."""

    async def describe_cluster(self) -> dict[str, Any]:
        return {"brokers": [{"node_id": 1}]}

    async def describe_topics(self) -> list[dict[str, Any]]:
        return [{"topic": REPORTS, "partitions": [{"partition": 0, "replicas": [1]}]}]

    async def describe_configs(self, asked: Sequence[ConfigResource]) -> list[SimpleNamespace]:
        gone = UnknownTopicOrPartitionError.errno
        return [SimpleNamespace(resources=[(gone, None, 2, one.name, ()) for one in asked])]


async def test_a_topic_that_goes_while_they_are_read_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @asynccontextmanager
    async def admin(servers: str) -> AsyncIterator[Goes]:
        yield Goes()

    monkeypatch.setattr(topic_plan, "cluster_admin", admin)
    assert await read_cluster("nowhere:1") == Cluster(brokers=(1,), topics={})


def test_a_missing_topic_is_made_with_as_many_copies_as_brokers_three_at_most() -> None:
    for brokers, copies in ((1, 1), (2, 2), (3, 3), (7, 3)):
        cluster = Cluster(brokers=tuple(range(brokers)), topics={})
        plans = plan_topics(cluster, wanted_topics())
        assert {(plan.creates, plan.copies) for plan in plans} == {(True, copies)}
        assert len(plans) == 10


def test_partitions_grow_with_a_word_about_order_and_never_shrink() -> None:
    grows = planned(2)
    assert grows.adds_partitions
    assert "another order" in grows.notes[0]
    keeps = planned(8)
    assert not keeps.changes
    assert "can't take partitions away" in keeps.notes[0]


def test_one_copy_on_a_cluster_that_grew_is_shown_and_its_reassignment_written() -> None:
    plan = planned(4, brokers=3)
    assert not plan.changes
    assert "has 1 of 3 copies" in plan.notes[0]
    moves = json.loads(reassignment([plan], [1, 2, 3]))["partitions"]
    assert [move["partition"] for move in moves] == [0, 1, 2, 3]
    for move in moves:
        assert move["replicas"][0] == 1  # the one that has the data leads on
        assert sorted(move["replicas"]) == [1, 2, 3]
    assert reassignment([planned(4)], [1]) == ""


def test_two_of_three_copies_must_have_a_record_before_it_counts() -> None:
    for brokers, in_step in ((1, 1), (2, 1), (3, 2), (7, 2)):
        cluster = Cluster(brokers=tuple(range(brokers)), topics={})
        assert {plan.in_step for plan in plan_topics(cluster, wanted_topics())} == {in_step}
    grown = planned(4, brokers=3, held=(1, 2, 3))
    assert grown.sets_in_step
    assert grown.in_step == 2
    # With one copy on a cluster of three, two in step would be no writing at all.
    assert planned(4, brokers=3).in_step == 1


def test_what_a_city_set_higher_stays_and_what_can_not_be_written_is_said() -> None:
    state = TopicState(
        replicas=dict.fromkeys(range(4), (1, 2, 3)),
        retention_ms=REPORTS_SPEC.retention_ms,
        own_configs={},
        in_step=3,
    )
    cluster = Cluster(brokers=(1, 2, 3), topics={REPORTS: state})
    (plan,) = plan_topics(cluster, [REPORTS_SPEC])
    assert not plan.changes
    alone = msgspec.structs.replace(state, replicas=dict.fromkeys(range(4), (1,)), in_step=2)
    (plan,) = plan_topics(Cluster(brokers=(1,), topics={REPORTS: alone}), [REPORTS_SPEC])
    assert "nothing can be written" in plan.notes[0]


def test_copies_go_round_the_brokers() -> None:
    plan = planned(4, brokers=5)
    moves = json.loads(reassignment([plan], [1, 2, 3, 4, 5]))["partitions"]
    assert {broker for move in moves for broker in move["replicas"]} == {1, 2, 3, 4, 5}
    assert {len(move["replicas"]) for move in moves} == {3}


def test_more_partitions_are_for_what_workers_share() -> None:
    counts = {spec.name: spec.partitions for spec in wanted_topics(12)}
    assert counts["reports"] == counts["exercise.desk"] == 12
    assert counts["dead-letters"] == 1


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> TopicSpec:
    """The product's topics under names of this test's own, on a Kafka that others use too.

    Returns that of the reports.
    """
    mine = f"plan-{uuid.uuid4().hex[:8]}"
    specs = {
        spec.name: msgspec.structs.replace(spec, name=f"{mine}.{spec.name}")
        for spec in all_topics()
    }
    for module in ("topic_plan", "declare"):
        monkeypatch.setattr(f"streams.{module}.all_topics", lambda: tuple(specs.values()))
    return specs[REPORTS]


@pytest.mark.parametrize(
    "servers", [pytest.param("kafka", marks=pytest.mark.servers)], indirect=True
)
@pytest.mark.broker
async def test_a_cluster_is_brought_to_what_is_declared(
    servers: Servers, reports: TopicSpec
) -> None:
    address, name = servers.environment["GRIDCOMMAND_KAFKA_SERVERS"], reports.name
    assert (await read_cluster(address)).topics == {}
    await _applied(address, wanted_topics())
    # Others set something on a topic, and one keeps for too short a time.
    changed = {"retention.ms": "60000", "segment.bytes": "1048576"}
    async with cluster_admin(address) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, changed)])
    await _until(address, lambda cluster: cluster.topics[name].retention_ms == 60000)
    cluster = await read_cluster(address)
    wanted = reports.partitions + 2
    more = [
        msgspec.structs.replace(spec, partitions=wanted) if spec == reports else spec
        for spec in wanted_topics()
    ]
    plan = next(p for p in plan_topics(cluster, more) if p.spec.name == name)
    assert plan.sets_retention
    assert plan.adds_partitions
    after = await _applied(address, more)
    assert after.topics[name].partitions == wanted
    assert after.topics[name].retention_ms == REPORTS_SPEC.retention_ms
    assert after.topics[name].own_configs["segment.bytes"] == "1048576"
    # Fewer are asked for: it says so and leaves them.
    plan = next(p for p in plan_topics(after, wanted_topics()) if p.spec.name == name)
    assert not plan.changes
    assert "keeps them" in plan.notes[0]


@pytest.mark.parametrize(
    "servers", [pytest.param("kafka", marks=pytest.mark.servers)], indirect=True
)
@pytest.mark.broker
async def test_a_worker_waits_for_missing_topics_and_names_them(
    servers: Servers, reports: TopicSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, name = servers.environment["GRIDCOMMAND_KAFKA_SERVERS"], reports.name
    await make_missing(address)
    async with cluster_admin(address) as admin:
        await admin.delete_topics([name])
    await _until(address, lambda cluster: name not in cluster.topics)
    said: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()
    monkeypatch.setattr("streams.declare.log.warning", lambda *words: said.put_nowait(words))
    waiting = asyncio.create_task(broker_at_hand(Settings(kafka_servers=address)))
    words = await asyncio.wait_for(said.get(), HANG_S)
    while "gridcommand topics apply" not in words[0]:
        words = await asyncio.wait_for(said.get(), HANG_S)  # it was slow to answer
    assert words[1] == name
    assert not waiting.done()
    assert name not in (await read_cluster(address)).topics
    assert await make_missing(address) == [name]
    await asyncio.wait_for(waiting, HANG_S)
    assert (await read_cluster(address)).topics[name].own_configs["min.insync.replicas"] == "1"


async def _applied(address: str, wanted: Sequence[TopicSpec]) -> Cluster:
    await apply_plans(address, plan_topics(await read_cluster(address), wanted))
    return await _until(
        address, lambda cluster: not any(plan.changes for plan in plan_topics(cluster, wanted))
    )


async def _until(address: str, holds: Callable[[Cluster], bool]) -> Cluster:
    async with asyncio.timeout(HANG_S):
        while True:
            cluster = await read_cluster(address)
            if holds(cluster):
                return cluster
            await asyncio.sleep(LOOK_AGAIN_S)
