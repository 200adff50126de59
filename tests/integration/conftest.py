"""A real ``gridcommand up`` under a full load: for ``make rehearse``, on a machine of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from gridcommand.rehearsal.servers import Servers
from gridcommand.rehearsal.system import OwnSystem, running_system
from streams.broker import free_port
from tests.conftest import SERVERS_REQUIRED
from tests.flow import SAN_FRANCISCO, City


@pytest.fixture(scope="module")
def city() -> City:
    """San Francisco, where a module doesn't say otherwise."""
    return SAN_FRANCISCO


@pytest.fixture(scope="module")
def system(
    tmp_path_factory: pytest.TempPathFactory, servers: Servers, city: City
) -> Iterator[OwnSystem]:
    """A city, live, without a drill; one for the tests of a module."""
    environment = {
        **servers.with_empty_database().environment,
        "GRIDCOMMAND_CITY": city.name,
        "GRIDCOMMAND_METRICS_PORT": str(free_port()),
    }
    with running_system(
        tmp_path_factory.mktemp("system") / "var", environment=environment
    ) as running:
        yield running


def needed(program: str, package: str) -> None:
    """Skip where a program isn't there that Debian has; fail where it must be."""
    if shutil.which(program) is None:
        how = f"no {program}. Debian: apt-get install {package}"
        (pytest.fail if SERVERS_REQUIRED else pytest.skip)(how)
