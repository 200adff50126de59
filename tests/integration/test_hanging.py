"""A worker that hangs is noticed, named and replaced; no other worker stands in for it here."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridcommand.rehearsal.servers import Servers
from gridcommand.rehearsal.system import running_system
from tests.integration.conftest import HEALED_S, sending
from tests.integration.hanging_policy import MARK

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]


async def test_a_desk_that_hangs_is_named_and_replaced(tmp_path: Path, servers: Servers) -> None:
    mark = tmp_path / "hang"
    environment = {
        **servers.with_empty_database().environment,
        "GRIDCOMMAND_POLICY": "tests.integration.hanging_policy:HangsOnce",
        "GRIDCOMMAND_STALLED_AFTER_S": "3",
        MARK: str(mark),
    }
    with running_system(tmp_path / "var", environment=environment) as system:
        async with sending(system, 4.0) as (phones, _):
            await phones.until_acknowledged(40, HEALED_S)
            mark.touch()
        said = "".join(log.read_text() for log in (tmp_path / "var" / "log").glob("*worker*"))
        assert "hangs on event tick/" in said
