"""Lock files name versions and hashes and no registry; the set-up does nothing twice."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from gridcommand.doctor import locked_versions
from models.settings import CHECKOUT

LOCKS = (
    "requirements.lock",
    "requirements-dev.lock",
    "requirements-uv.lock",
    "requirements-node.lock",
)
MIRROR = "https://mirror.example/simple"


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


def test_running_needs_nothing_that_only_tests_import() -> None:
    run, test = (locked_versions((CHECKOUT / name).read_text()) for name in LOCKS[:2])
    only_tests = {"scipy", "pytest", "hypothesis", "playwright", "mypy"}
    assert {name for name, _, _ in run} & only_tests == set()
    assert only_tests <= {name for name, _, _ in test}


def test_browser_libraries_are_locked_by_integrity() -> None:
    packages = json.loads((CHECKOUT / "package-lock.json").read_text())["packages"]
    here = {name: one for name, one in packages.items() if name}
    assert {"node_modules/preact", "node_modules/htm", "node_modules/maplibre-gl"} <= set(here)
    assert [name for name, one in here.items() if "integrity" not in one] == []


class Commands:
    """The commands that a set-up would run; `failing` says which of them fail, and with what."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.variables: list[Mapping[str, str]] = []
        self.failing: Callable[[str], str | None] = lambda command: None
        self.error: type[Exception] = Exception

    def run(
        self,
        command: list[str],
        remedy: str,
        *,
        show: object = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        line = " ".join(command)
        self.ran.append(line)
        self.variables.append(variables or {})
        said = self.failing(line)
        if said is not None:
            raise self.error(remedy, said, said)

    def with_(self, part: str) -> list[str]:
        return [one for one in self.ran if part in one]


@pytest.fixture
def set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The set-up script on a checkout of its own where nothing is really installed."""
    monkeypatch.syspath_prepend(CHECKOUT / "tools")
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
    (tmp_path / ".venv" / "bin" / "uv").touch()
    monkeypatch.setattr(module, "CHECKOUT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(module, "UV", tmp_path / ".venv" / "bin" / "uv")
    monkeypatch.setattr(module, "STAMPS", tmp_path / ".venv" / "set-up.json")
    monkeypatch.setattr(module, "NODE_STAMP", tmp_path / "node_modules" / ".set-up.json")
    monkeypatch.setattr(module, "pip_settings", lambda pip: {})
    # The environment that the tests run in has no pip of its own.
    monkeypatch.setattr(module, "_pip_at_hand", lambda: module.PIP_FOR_OTHERS)
    monkeypatch.setattr(module, "_npm", lambda: ["npm"])
    monkeypatch.setattr(module, "find_node", lambda: "node")
    monkeypatch.setattr(importlib.import_module("steps"), "LOG", tmp_path / "setup.log")
    return module


@pytest.fixture
def commands(set_up: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """The set-up's commands, noted instead of run."""
    noted = Commands()
    noted.error = set_up.CommandError
    monkeypatch.setattr(set_up, "run", noted.run)
    return noted


def test_a_second_set_up_does_nothing_and_a_changed_lock_is_installed(
    set_up: ModuleType, commands: Commands, tmp_path: Path
) -> None:
    set_up.set_up("run")
    assert commands.with_("-m venv")
    assert commands.with_("--require-hashes")
    assert "--omit=dev" in commands.with_("npm ci")[0]
    commands.ran.clear()
    set_up.set_up("run")
    assert commands.ran == []
    with (tmp_path / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    set_up.set_up("run")
    assert "requirements.lock" in commands.ran[0]
    assert "import gridcommand.main" in commands.ran[1]
    assert len(commands.ran) == 2
    commands.ran.clear()
    set_up.set_up("test")
    assert commands.with_("requirements-dev.lock")
    commands.ran.clear()
    set_up.set_up("run")
    assert commands.ran == []


def test_a_python_without_pip_makes_one_in_the_environment(
    set_up: ModuleType, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_up, "_pip_at_hand", lambda: ())
    set_up.set_up("run")
    made = next(n for n, one in enumerate(commands.ran) if "-m ensurepip" in one)
    got = next(n for n, one in enumerate(commands.ran) if "requirements-uv.lock" in one)
    assert made < got
    assert "--python" not in commands.ran[got]


def test_uv_installs_what_pip_got_it_for(set_up: ModuleType, commands: Commands) -> None:
    set_up.set_up("test")
    (bootstrap,) = commands.with_("requirements-uv.lock")
    assert "-m pip " in bootstrap
    (packages,) = commands.with_("requirements-dev.lock")
    (checkout,) = commands.with_("--editable")
    assert all(f"{set_up.UV} " in one for one in (packages, checkout))
    assert "--no-build-isolation" in checkout


@pytest.mark.parametrize("fails", ["requirements-uv.lock", "/uv "])
def test_every_locked_install_requires_hashes_with_uv_and_with_pip(
    set_up: ModuleType, commands: Commands, fails: str
) -> None:
    commands.failing = lambda command: "error: no such wheel" if fails in command else None
    set_up.set_up("test")
    installs = commands.with_(".lock")
    assert len(installs) >= 2
    assert [one for one in installs if "--require-hashes" not in one] == []


@pytest.mark.parametrize("fails", ["requirements-uv.lock", "/uv "])
def test_pip_installs_where_uv_is_not_to_be_had_or_fails(
    set_up: ModuleType, commands: Commands, capsys: pytest.CaptureFixture[str], fails: str
) -> None:
    reason = "error: not on this machine (from versions: " + ", ".join(map(str, range(500)))
    commands.failing = lambda command: reason if fails in command else None
    set_up.set_up("test")
    said = [line for line in capsys.readouterr().out.splitlines() if "pip does" in line]
    assert len(said) == 1
    assert "error: not on this machine" in said[0]
    assert len(said[0]) < 300
    assert "-m pip " in commands.with_("requirements-dev.lock")[-1]
    assert "-m pip " in commands.with_("--editable")[-1]
    assert len(commands.with_("/uv ")) <= 1  # not asked again once it failed
    commands.ran.clear()
    set_up.set_up("test")
    assert commands.ran == []


@pytest.mark.parametrize(
    "said",
    [
        "× Failed to download\n  ╰─▶ Hash mismatch for `numpy==2.0`",
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
    ],
)
@pytest.mark.parametrize("fails", ["requirements-uv.lock", "/uv "])
def test_an_archive_with_another_hash_is_not_tried_again(
    set_up: ModuleType, commands: Commands, fails: str, said: str
) -> None:
    commands.failing = lambda command: said if fails in command else None
    with pytest.raises(set_up.CommandError):
        set_up.set_up("run")
    assert fails in commands.ran[-1]


def test_bytecode_is_written_even_where_python_is_told_not_to(
    set_up: ModuleType, commands: Commands
) -> None:
    set_up.set_up("run")
    assert "import gridcommand.main" in commands.ran[-1]
    assert commands.variables[-1] == {"PYTHONDONTWRITEBYTECODE": ""}


def test_what_is_compiled_first_can_be_imported(set_up: ModuleType) -> None:
    modules = (*set_up.PROGRAMS, *set_up.CHECKS)
    assert [one for one in modules if importlib.util.find_spec(one) is None] == []


def test_a_machine_without_node_gets_one(
    set_up: ModuleType, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        set_up, "_npm", lambda: ["npm"] if commands.with_("requirements-node.lock") else None
    )
    set_up.set_up("run")
    (node,) = commands.with_("requirements-node.lock")
    (libraries,) = commands.with_("npm ci")
    assert commands.ran.index(node) < commands.ran.index(libraries)


def test_browser_libraries_that_fail_stop_the_set_up(
    set_up: ModuleType, commands: Commands
) -> None:
    commands.failing = lambda command: "npm error E404" if "npm ci" in command else None
    with pytest.raises(set_up.CommandError, match="npm error E404"):
        set_up.set_up("run")
    commands.ran.clear()
    commands.failing = lambda command: None
    set_up.set_up("run")
    assert [one for one in commands.ran if "npm ci" not in one] == []
    assert len(commands.ran) == 1


def test_a_failed_install_says_what_and_the_way_out(
    set_up: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        set_up.run([sys.executable, "-c", "print('ERROR: no route'); exit(1)"], "check the network")

    monkeypatch.setattr(set_up, "_environment", fail)
    assert set_up.main(["run"]) == 1
    said = capsys.readouterr().err
    assert "check the network" in said
    assert "ERROR: no route" in said
    assert "setup.log" in said


def test_a_failed_command_names_the_first_error_and_its_causes(set_up: ModuleType) -> None:
    said = "Resolved 7 packages\nerror: Failed to fetch\n  cause: no route\nerror: later"
    with pytest.raises(set_up.CommandError) as stopped:
        set_up.run([sys.executable, "-c", f"print({said!r}); exit(2)"], "check the network")
    assert stopped.value.reason == "error: Failed to fetch: no route"


def test_a_program_that_cannot_be_run_is_a_failed_command(set_up: ModuleType) -> None:
    with pytest.raises(set_up.CommandError, match="No such file"):
        set_up.run(["/nowhere/uv"], "get another")


@pytest.fixture
def uv_settings(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that tells uv what pip is told."""
    monkeypatch.syspath_prepend(CHECKOUT / "tools")
    return importlib.import_module("uv_settings")


def test_uv_gets_the_settings_of_pip(uv_settings: ModuleType, tmp_path: Path) -> None:
    wheels, certificate = tmp_path / "wheels", tmp_path / "ca.pem"
    wheels.mkdir()
    certificate.touch()
    told = {
        "index-url": MIRROR,
        "extra-index-url": "https://one.example/simple\nhttps://two.example/simple",
        "find-links": f"{wheels} {tmp_path}/gone https://three.example/wheels",
        "trusted-host": "one.example two.example:8080",
        "cert": str(certificate),
        "client-cert": "/etc/client.pem",
        "proxy": "http://proxy.example:3128",
        "timeout": "12.5",
        "retries": "7",
        "no-cache-dir": "true",
    }
    proxies = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
    assert uv_settings.uv_environment(told, {}) == {
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_DEFAULT_INDEX": MIRROR,
        "UV_INDEX": "https://one.example/simple https://two.example/simple",
        "UV_FIND_LINKS": f"{wheels},https://three.example/wheels",
        "UV_INSECURE_HOST": "one.example two.example:8080",
        "UV_HTTP_TIMEOUT": "13",
        "UV_HTTP_RETRIES": "7",
        "UV_NO_CACHE": "true",
        "SSL_CERT_FILE": str(certificate),
        "SSL_CLIENT_CERT": "/etc/client.pem",
        **dict.fromkeys(proxies, "http://proxy.example:3128"),
    }
    assert uv_settings.uv_options({"no-index": "1"}) == ["--no-index"]
    assert uv_settings.uv_options({"no-index": "false"}) == []


def test_settings_of_uv_itself_go_first(uv_settings: ModuleType) -> None:
    told = {"index-url": MIRROR, "timeout": "5"}
    own = {"UV_INDEX_URL": "https://own.example/simple", "UV_HTTP_TIMEOUT": "90"}
    added = uv_settings.uv_environment(told, own)
    assert {"UV_DEFAULT_INDEX", "UV_HTTP_TIMEOUT"} & set(added) == set()


@pytest.mark.parametrize(
    ("environment", "added"),
    [
        ({}, {"UV_SYSTEM_CERTS": "true"}),
        ({"SSL_CERT_FILE": "/etc/own.pem"}, {}),
        ({"REQUESTS_CA_BUNDLE": "/etc/own.pem"}, {"SSL_CERT_FILE": "/etc/own.pem"}),
        ({"CURL_CA_BUNDLE": "/"}, {"SSL_CERT_DIR": "/"}),
    ],
)
def test_uv_trusts_the_certificates_that_pip_trusts(
    uv_settings: ModuleType, environment: dict[str, str], added: dict[str, str]
) -> None:
    here = uv_settings.uv_environment({}, environment)
    assert {name: here[name] for name in here if name != "UV_INDEX_STRATEGY"} == added


def test_pips_own_listing_is_read_with_the_later_level_on_top(uv_settings: ModuleType) -> None:
    listing = r"""
:env:.default-timeout='180'
:env:.find-links='/opt/wheels'
freeze.timeout='1'
global.cert='/etc/ca.pem'
global.extra-index-url='\nhttps://one.example\nhttps://two.example'
global.find-links='/srv/wheels'
global.index-url='https://mirror.example/simple'
global.timeout='20'
install.index-url='https://nearer.example/simple'
install.proxy=''
"""
    assert uv_settings.parse_pip_settings(listing) == {
        "timeout": "180",
        "find-links": "/opt/wheels",
        "cert": "/etc/ca.pem",
        "extra-index-url": "https://one.example\nhttps://two.example",
        "index-url": "https://nearer.example/simple",
    }


def test_pip_itself_is_asked_for_its_settings(uv_settings: ModuleType, tmp_path: Path) -> None:
    pip = tmp_path / "pip.py"
    pip.write_text(
        "import sys\n"
        "assert sys.argv[-2:] == ['config', 'list']\n"
        f"print(\"global.index-url='{MIRROR}'\")\n"
    )
    assert uv_settings.pip_settings([sys.executable, str(pip)]) == {"index-url": MIRROR}
    pip.write_text("raise SystemExit('configuration file contains invalid bytes')")
    assert uv_settings.pip_settings([sys.executable, str(pip)]) == {}


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
