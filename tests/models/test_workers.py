"""Workers' signs of life: one row each, and none of those long gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from models.store import Store
from models.workers import FORGET_AFTER, WorkerSign

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_a_worker_has_its_last_sign_and_the_long_dead_none(store: Store) -> None:
    store.note_worker("a:1", ["desk", "classify"], NOON)
    store.note_worker("b:2", ["sense"], NOON)
    later = NOON + timedelta(seconds=3)
    store.note_worker("a:1", ["classify", "desk"], later)
    assert store.worker_signs() == [
        WorkerSign("a:1", frozenset({"classify", "desk"}), later),
        WorkerSign("b:2", frozenset({"sense"}), NOON),
    ]
    at = NOON + FORGET_AFTER + timedelta(seconds=2)
    store.note_worker("a:1", ["desk"], at)
    assert [sign.worker for sign in store.worker_signs()] == ["a:1"]
