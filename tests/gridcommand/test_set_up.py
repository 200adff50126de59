"""Lock files name versions and hashes and no registry; the set-up does nothing twice."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from gridcommand.doctor import locked_versions
from models.settings import CHECKOUT

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-node.lock")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_hashes(name: str) -> None:
    text = (CHECKOUT / name).read_text()
    packages = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert packages
    assert [p.splitlines()[0] for p in packages if "--hash=sha256:" not in p] == []


@pytest.mark.parametrize("name", [*LOCKS, "package-lock.json", ".npmrc", "pyproject.toml"])
def test_no_registry_is_named(name: str) -> None:
    text = (CHECKOUT / name).read_text()
    assert not re.search(r"index-url|registry=|\"resolved\"|find-links|pypi\.|npmjs|trusted", text)


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    locked = {name for name, _, _ in locked_versions((CHECKOUT / "requirements.lock").read_text())}
    wanted = [*project["dependencies"], *project["optional-dependencies"]["build"]]
    names = {canonical(re.split(r"[\[<>=~! ;]", one)[0]) for one in wanted}
    assert names <= {canonical(name) for name in locked}


def test_tests_run_against_the_versions_that_run() -> None:
    run, test = (locked_versions((CHECKOUT / name).read_text()) for name in LOCKS[:2])
    assert set(run) <= set(test)


def test_browser_libraries_are_locked_by_integrity() -> None:
    packages = json.loads((CHECKOUT / "package-lock.json").read_text())["packages"]
    here = {name: one for name, one in packages.items() if name}
    assert {"node_modules/preact", "node_modules/htm", "node_modules/maplibre-gl"} <= set(here)
    assert [name for name, one in here.items() if "integrity" not in one] == []


@pytest.fixture
def set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The set-up script on a checkout of its own where nothing is really installed."""
    spec = importlib.util.spec_from_file_location("set_up", CHECKOUT / "tools" / "set_up.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in (*LOCKS, "package-lock.json", "pyproject.toml"):
        (tmp_path / name).write_bytes((CHECKOUT / name).read_bytes())
    (tmp_path / "node_modules").mkdir()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setattr(module, "CHECKOUT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(module, "STAMPS", tmp_path / ".venv" / "set-up.json")
    monkeypatch.setattr(module, "NODE_STAMP", tmp_path / "node_modules" / ".set-up.json")
    monkeypatch.setattr(module, "LOG", tmp_path / "setup.log")
    return module


def test_a_second_set_up_does_nothing_and_a_changed_lock_is_installed(
    set_up: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(set_up, "_run", lambda command, *_, **__: ran.append(" ".join(command)))
    monkeypatch.setattr(set_up, "_npm", lambda: ["npm"])
    monkeypatch.setattr(set_up, "find_node", lambda: "node")
    set_up.set_up("run")
    assert any("-m venv" in one for one in ran)
    assert any("--require-hashes" in one for one in ran)
    assert any("npm ci" in one and "--omit=dev" in one for one in ran)
    ran.clear()
    set_up.set_up("run")
    assert ran == []
    with (tmp_path / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    set_up.set_up("run")
    assert len(ran) == 1
    assert "requirements.lock" in ran[0]
    ran.clear()
    set_up.set_up("test")
    assert any("requirements-dev.lock" in one for one in ran)
    ran.clear()
    set_up.set_up("run")
    assert ran == []


def test_a_machine_without_node_gets_one(
    set_up: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(set_up, "_run", lambda command, *_, **__: ran.append(" ".join(command)))
    monkeypatch.setattr(
        set_up,
        "_npm",
        lambda: ["npm"] if any("requirements-node.lock" in one for one in ran) else None,
    )
    set_up.set_up("run")
    assert [("requirements-node" in one, "npm ci" in one) for one in ran][-2:] == [
        (True, False),
        (False, True),
    ]


def test_a_failed_install_says_what_and_the_way_out(
    set_up: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        set_up._run(
            [sys.executable, "-c", "print('ERROR: no route'); exit(1)"], "check the network"
        )

    monkeypatch.setattr(set_up, "_environment", fail)
    assert set_up.main(["run"]) == 1
    said = capsys.readouterr().err
    assert "check the network" in said
    assert "ERROR: no route" in said
    assert "setup.log" in said


def test_make_without_a_python_says_so(tmp_path: Path) -> None:
    answer = subprocess.run(
        ["make", "set-up", "PYTHON="],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert answer.returncode != 0
    assert "Gridcommand needs Python 3.11" in answer.stderr
