"""What `up` makes sure of before it starts anything."""

from __future__ import annotations

from pathlib import Path

from gridcommand.preparation import prepare
from models.settings import Settings
from models.store import open_store


def test_the_first_grid_worker_answers_for_cells_so_that_tasks_come(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    prepared = prepare(settings, exercise=True)
    assert set(prepared.links) == {"commander", "grid_worker"}
    store = open_store(settings)
    account = store.account("worker")
    store.close()
    assert account is not None
    assert account.cells
