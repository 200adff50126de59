"""A worker that hangs is noticed, named and replaced; no other worker stands in for it here."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gridcommand.rehearsal.servers import Servers
from gridcommand.rehearsal.system import running_system
from tests.integration.conftest import BACK_WITHIN_S, LOOKS_S, sending, until
from tests.integration.hanging_policy import MARK

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]
STALLED_S = 3.0


async def test_a_desk_that_hangs_is_named_and_replaced(tmp_path: Path, servers: Servers) -> None:
    mark = tmp_path / "hang"
    environment = {
        **servers.with_empty_database().environment,
        "GRIDCOMMAND_POLICY": "tests.integration.hanging_policy:HangsOnce",
        "GRIDCOMMAND_STALLED_AFTER_S": f"{STALLED_S:g}",
        MARK: str(mark),
    }
    with running_system(tmp_path / "var", environment=environment) as system:
        async with sending(system, 4.0) as flow:
            await flow.more(200)
            mark.touch()
            await until(lambda: not mark.exists())
            await flow.until_decided(time.monotonic(), STALLED_S + LOOKS_S + BACK_WITHIN_S)
        assert "hangs on event tick/" in system.said("worker")
