"""Two cities in one data folder: each console shows and begins at its own city's sides alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from models.registers import Drill
from models.store import Store
from models.words import Role
from tests.web_console.conftest import DRILL, HOME


@pytest.fixture
def second_city(store: Store) -> None:
    """Journals and a running drill of another city, as its worker leaves them."""
    now = datetime.now(UTC)
    for jurisdiction, exercise in (("aloft", False), ("aloft.exercise", True)):
        store.claim(jurisdiction, exercise=exercise, at=now)
    store.put_drill(
        Drill(
            jurisdiction="aloft.exercise.2",
            name="theirs",
            recording="x",
            recording_sha256="x",
            speed=1.0,
            anchor_sim=now,
            anchor_wall=now,
            updated_at=now,
        )
    )


@pytest.mark.usefixtures("second_city")
@pytest.mark.parametrize("belongs", ["*", HOME])
async def test_only_the_consoles_own_city_is_offered(
    client: httpx.AsyncClient,
    sign_in: Any,
    begin_drill: Callable[..., datetime],
    store: Store,
    belongs: str,
) -> None:
    now = datetime.now(UTC)
    store.claim(HOME, exercise=False, at=now)
    begin_drill(now)
    sign_in("root", Role.ADMIN, belongs)
    city = (await client.get("/api/city")).json()
    assert [(one["id"], one["exercise"]) for one in city["jurisdictions"]] == [
        (HOME, False),
        (DRILL, True),
    ]
    assert (await client.get("/api/session")).json()["jurisdictions"] == [HOME, DRILL]


@pytest.mark.usefixtures("second_city")
async def test_a_city_that_an_account_names_besides_is_not_offered(
    client: httpx.AsyncClient, sign_in: Any
) -> None:
    sign_in("both", Role.COMMANDER, HOME, "aloft")
    city = (await client.get("/api/city")).json()
    assert [one["id"] for one in city["jurisdictions"]] == [HOME]


@pytest.mark.usefixtures("second_city")
async def test_a_screen_does_not_begin_in_another_citys_drill(
    client: httpx.AsyncClient, store: Store
) -> None:
    now = datetime.now(UTC)
    account = store.add_account("trainee", Role.DISPATCHER, at=now, jurisdictions=("*",))
    token = store.make_link(account, at=now, hours=1, jurisdiction=DRILL)
    answer = await client.post("/api/session/link", json={"token": token})
    assert answer.json()["jurisdiction"] == DRILL
