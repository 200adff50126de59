"""San Francisco on Apache Kafka and PostgreSQL: the whole way, a worker killed, a table locked."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest

from gridcommand.rehearsal.servers import Servers
from gridcommand.rehearsal.system import OwnSystem, running_system
from models.words import Role
from tests.flow import LIGHT, SAN_FRANCISCO, go_the_whole_way, sending, signed_in, until_refused

pytestmark = [pytest.mark.broker, pytest.mark.servers]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, kafka_servers: Servers) -> Iterator[OwnSystem]:
    """San Francisco, live."""
    folder = tmp_path_factory.mktemp("san-francisco") / "var"
    environment = kafka_servers.with_empty_database().environment
    with running_system(folder, environment=environment) as running:
        yield running


async def test_a_report_goes_the_whole_way_and_its_units_are_ordered_once(
    system: OwnSystem,
) -> None:
    await go_the_whole_way(system, SAN_FRANCISCO)


async def test_a_killed_worker_loses_nothing(system: OwnSystem) -> None:
    async with sending(system, 1.0, load=LIGHT) as flow:
        await flow.more(20)
        at = time.monotonic()
        system.child("worker").kill()
        await flow.until_decided(at)


async def test_a_locked_table_refuses_and_what_was_refused_comes_again(system: OwnSystem) -> None:
    address = system.settings.database.replace("+psycopg", "")
    async with (
        signed_in(system, Role.GRID_WORKER) as phone,
        sending(system, 1.0, load=LIGHT) as flow,
    ):
        await flow.more(20)
        with flow.outage():
            async with await psycopg.AsyncConnection.connect(address) as other:
                await other.execute("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
                await until_refused(phone)
                await other.rollback()
            await flow.until_decided(time.monotonic())
    assert flow.phones.answers[503]
