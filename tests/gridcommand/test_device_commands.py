"""`gridcommand device`: who registers devices needs no Python, and a key is shown once."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url
from typer.testing import CliRunner, Result

from gridcommand.main import app
from models.city import CityPack
from models.devices import DeviceError
from models.errors import GridcommandError
from models.settings import Settings
from models.store import Store, open_store
from tests.templates import sqlite_database

Run = Callable[..., Result]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("GRIDCOMMAND_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("GRIDCOMMAND_CITY", "liyang")
    settings = Settings()
    sqlite_database(Path(make_url(settings.database).database or ""))
    with closing(open_store(settings)) as opened:
        yield opened


@pytest.fixture
def run(store: Store) -> Run:
    return lambda *arguments: CliRunner().invoke(app, ["device", *map(str, arguments)])


def test_a_device_is_added_shown_rotated_and_disabled(run: Run, store: Store) -> None:
    liyang = CityPack.load(Settings().city_path)
    assert "gridcommand device add" in run("list").stdout
    lon, lat = liyang.center
    added = run("add", "gas-7", "--lon", lon, "--lat", lat, "--kind", "methane")
    key = added.stdout.splitlines()[1]
    device = store.device("gas-7", key)
    assert device is not None
    assert (device.jurisdiction, device.lon, device.lat) == (liyang.jurisdiction, lon, lat)
    here = liyang.cells.locate(lon, lat)
    assert here is not None
    assert device.cell == here.code
    assert "methane" in run("list").stdout
    assert here.code in run("show", "gas-7").stdout
    new = run("rotate", "gas-7").stdout.splitlines()[1]
    assert (store.device("gas-7", key), store.device("gas-7", new)) == (None, device)
    run("disable", "gas-7")
    assert store.device("gas-7", new) is None
    assert "disabled" in run("list").stdout
    run("disable", "gas-7", "--undo")
    assert store.device("gas-7", new) == device


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add", "烟感"], "can't be a device's id"),
        (["add", "a/"], "can't be a device's id"),
        (["add", "d", "--lon", "119"], "belong together"),
        (["add", "d", "--cell", "nowhere"], "no cell"),
        (["add", "d", "--lon", "0", "--lat", "0"], "lon 0, lat 0 is no place"),
        (["show", "d"], "no device 'd'"),
        (["rotate", "d"], "no device 'd'"),
        (["disable", "d"], "no device 'd'"),
    ],
)
def test_what_cannot_be_says_why(run: Run, arguments: list[str], said: str) -> None:
    error = run(*arguments).exception
    assert isinstance(error, GridcommandError)
    assert said in str(error)


def test_a_registered_device_is_not_registered_again(run: Run, store: Store) -> None:
    key = run("add", "d").stdout.splitlines()[1]
    error = run("add", "d").exception
    assert isinstance(error, GridcommandError)
    assert "rotate" in str(error)
    assert store.device("d", key) is not None, "its key still opens"


TABLE = "id,kind,lon,lat\nw1,level,119.48,31.42\nw2,level,,\n"


def test_a_table_is_registered_whole_and_its_keys_are_written(
    run: Run, store: Store, tmp_path: Path
) -> None:
    table, keys = tmp_path / "devices.csv", tmp_path / "keys.csv"
    table.write_text(TABLE)
    assert run("import", table, "--keys", keys).exit_code == 0
    with keys.open(newline="") as file:
        made = {row["id"]: row["key"] for row in csv.DictReader(file)}
    assert keys.stat().st_mode & 0o077 == 0
    assert all(store.device(name, key) for name, key in made.items())
    assert sorted(made) == ["w1", "w2"]
    table.write_text(TABLE.replace("119.48", "119.49") + "w3,level,119.5,31.4\n")
    again = run("import", table)
    assert [line.split(",")[0] for line in again.stdout.splitlines()] == ["id", "w3"]
    moved = store.device("w1", made["w1"])
    assert moved is not None
    assert moved.lon == 119.49


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("w3,level,east,31.4", "'east' is no number"),
        ("w3,level,nan,31.4", "no place on earth"),
        ("w3,level,119.4,", "belong together"),
        ("w3,level,0,0", "lon 0, lat 0 is no place"),
        ("w1,level,119.4,31.4", "listed twice"),
        ("a b,level,119.4,31.4", "can't be a device's id"),
    ],
)
def test_a_table_with_a_wrong_row_registers_nothing_and_names_it(
    run: Run, store: Store, tmp_path: Path, row: str, said: str
) -> None:
    table = tmp_path / "devices.csv"
    table.write_text(TABLE + row + "\n")
    error = run("import", table).exception
    assert isinstance(error, GridcommandError)
    assert f"{table}:4" in str(error)
    assert said in str(error)
    assert store.devices() == []


def test_a_place_outside_of_every_cell_is_taken_and_said_with_its_line(
    run: Run, store: Store, tmp_path: Path
) -> None:
    added = run("add", "d", "--lon", "31.42", "--lat", "81.48")
    assert added.exit_code == 0
    assert "d at lon 31.42, lat 81.48 lies outside of every cell" in added.stderr
    table = tmp_path / "devices.csv"
    table.write_text(TABLE + "w0,level,31.42,81.48\n")
    imported = run("import", table)
    assert imported.exit_code == 0
    assert f"{table}:4: w0 at lon 31.42" in imported.stderr
    assert imported.stderr.count("lies outside of every cell") == 1
    assert "1 without a place, 1 outside of every cell" in imported.stderr
    assert {one.id for one in store.devices()} == {"d", "w0", "w1", "w2"}


def test_keys_overwrite_no_file(run: Run, store: Store, tmp_path: Path) -> None:
    table = tmp_path / "devices.csv"
    table.write_text(TABLE)
    assert isinstance(run("import", table, "--keys", table).exception, DeviceError)
    assert (table.read_text(), store.devices()) == (TABLE, [])
