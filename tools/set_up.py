"""Set-up of a checkout: virtual environment, locked packages, browser libraries.

For ``make``: ``set_up.py run`` installs what running needs, ``set_up.py test`` also what tests and
checks need, ``set_up.py node ARGS…`` runs Node. A second run finds its stamps and does nothing;
a lock file that changed is installed again. Not for production images, which install the same lock
files by their own means.

pip installs uv, uv installs everything else; where uv can't be had or fails, pip does its work from
the same lock files. Both check every hash.

Relies on the standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from steps import LOG, CommandError, SetUpError, Step, run, shown
from uv_settings import pip_settings, uv_environment, uv_options

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
STAMPS = VENV / "set-up.json"
NODE_STAMP = CHECKOUT / "node_modules" / ".set-up.json"
LOCKS = {"run": ("requirements.lock",), "test": ("requirements-dev.lock", "requirements.lock")}
UV_LOCK = "requirements-uv.lock"
NODE_LOCK = "requirements-node.lock"
OLDEST_NODE = 20
PIP_FOR_OTHERS = (22, 3)
PIP_REMEDY = (
    "Python packages can't be installed: check the network and pip's index "
    "(pip config list), then run the same again"
)
VENV_REMEDY = "install Python's venv module (Debian, Ubuntu: apt-get install python3-venv)"
TAMPERED = re.compile(r"hash mismatch|do not match the hashes", re.IGNORECASE)

# The programs import a sixth of what is installed. To compile that takes some seconds, to compile
# everything most of a minute. Without any, all programs of the first start compile the same files
# at the same time, and each start anew where PYTHONDONTWRITEBYTECODE is set.
PROGRAMS = (
    "gridcommand.main",
    "gridcommand.supervisor",
    "gridcommand.preparation",
    "streams.broker",
    "streams.worker",
    "web_console.server",
    "ortools.sat.python.cp_model",  # which the worker loads as it starts
)
CHECKS = (
    "_pytest.assertion.rewrite",
    "hypothesis",
    "playwright.sync_api",
    "pytest",
    "pytest_asyncio",
    "scipy.sparse.csgraph",
    "xdist",
)


def main(arguments: list[str]) -> int:
    """Do the set-up that ``arguments`` ask for and return the exit code."""
    try:
        if arguments[:1] == ["node"]:
            node = find_node()
            if node is None:
                raise SetUpError("there is no Node yet: run make set-up-dev")
            return subprocess.run([node, *arguments[1:]], cwd=CHECKOUT, check=False).returncode
        if arguments not in (["run"], ["test"]):
            raise SetUpError("say what to set up: set_up.py run | test | node ARGS…")
        with _alone():
            set_up(arguments[0])
    except SetUpError as error:
        print(f"\nSet-up stopped: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nSet-up interrupted; the next run goes on.", file=sys.stderr)
        return 130
    return 0


def set_up(purpose: str) -> None:
    """Install everything for ``purpose`` that is not there yet."""
    if sys.version_info < (3, 11):  # noqa: UP036 - whose Python this is nobody has checked yet
        raise SetUpError(
            f"Python {sys.version.split()[0]} is too old, 3.11 or newer is needed: "
            "say make PYTHON=/path/to/python3.11"
        )
    _environment()
    packages = Packages()
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        libraries = _browser_libraries(purpose, packages, beside)
        _python_packages(purpose, packages)
        if libraries is not None:
            with Step("Browser libraries, installed meanwhile"):
                libraries.result()


def find_node() -> str | None:
    """Return a Node that is new enough: from ``PATH``, else the one in the environment."""
    for candidate in (shutil.which("node"), str(VENV / "bin" / "node")):
        if candidate is None or not Path(candidate).exists():
            continue
        answer = subprocess.run(
            [candidate, "--version"], capture_output=True, text=True, check=False
        )
        version = re.match(r"v(\d+)\.", answer.stdout)
        if version and int(version[1]) >= OLDEST_NODE:
            return candidate
    return None


class Packages:
    """Installs Python packages into the environment: with uv, or with pip where uv can't be had."""

    def __init__(self) -> None:
        self.uv: list[str] = []
        self.uv_environment: dict[str, str] = {}
        self.is_uv_out = False

    def install(self, lock: str) -> None:
        """Install what a lock file names, each archive checked against the file's hashes.

        A lock file names all that its packages need: nobody has to ask the packages.
        """
        text = (CHECKOUT / lock).read_text()
        total = len(re.findall(r"^[a-z0-9]", text, re.MULTILINE))
        self._get_uv()
        with Step(f"Python packages of {lock}") as step:
            self._install(
                ["--require-hashes", "--no-deps", "-r", str(CHECKOUT / lock)], step, total
            )

    def install_checkout(self) -> None:
        """Install Gridcommand itself, editable, built by what the lock file brought."""
        self._get_uv()
        with Step("Gridcommand itself") as step:
            self._install(
                ["--no-deps", "--no-build-isolation", "--editable", str(CHECKOUT)], step, 1
            )

    def _get_uv(self) -> None:
        if self.uv or self.is_uv_out:
            return
        digest = _digest(UV_LOCK)
        with Step("uv, the installer") as step:
            pip = _pip()
            try:
                if _read(STAMPS).get(UV_LOCK) != digest or not UV.exists():
                    # To build uv of its sources takes longer than all that pip does instead.
                    wheel = ["--only-binary=:all:", "--no-deps", "--no-compile"]
                    locked = ["--require-hashes", "-r", str(CHECKOUT / UV_LOCK)]
                    run([*pip, "install", *wheel, *locked], PIP_REMEDY)
                    _stamp({UV_LOCK: digest})
                settings = pip_settings(pip)
            except CommandError as error:
                self._leave_uv(error, step)
                return
        self.uv = [str(UV), "--color", "never", "pip", "install", "--python", str(PYTHON)]
        self.uv += uv_options(settings)
        self.uv_environment = uv_environment(settings, os.environ)

    def _install(self, arguments: list[str], step: Step, total: int) -> None:
        if not self.is_uv_out:
            try:
                run(
                    [*self.uv, *arguments],
                    PIP_REMEDY,
                    show=UvProgress(step),
                    variables=self.uv_environment,
                )
                return
            except CommandError as error:
                self._leave_uv(error, step)
        run(
            [*_pip(), "install", "--no-compile", "--prefer-binary", *arguments],
            PIP_REMEDY,
            show=PipProgress(step, total),
        )

    def _leave_uv(self, error: CommandError, step: Step) -> None:
        if TAMPERED.search(error.output):
            raise error
        self.is_uv_out = True
        reason = textwrap.shorten(error.reason, 200, placeholder=" …")
        step.note(f"uv can't install here ({reason}): pip does, and takes longer")


class UvProgress:
    """How far uv is, by what it prints."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.sizes: dict[str, float] = {}
        self.here = 0.0

    def __call__(self, line: str) -> None:
        if found := re.match(r"Resolved (\d+) packages", line):
            self.step.progress(f"{found[1]} found")
        elif found := re.match(r"Downloading (\S+) \(([\d.]+)([KMG])iB\)", line):
            self.sizes[found[1]] = float(found[2]) * {"K": 1 / 1024, "M": 1, "G": 1024}[found[3]]
        elif found := re.match(r" *Downloaded (\S+)", line):
            self.here += self.sizes.get(found[1], 0.0)
            self.step.progress(f"{self.here:.0f} of {sum(self.sizes.values()):.0f} MiB")
        elif line.startswith("Prepared"):
            self.step.progress("all here, unpacking")


class PipProgress:
    """How far pip is, by what it prints."""

    def __init__(self, step: Step, total: int) -> None:
        self.step = step
        self.total = total
        self.seen = 0

    def __call__(self, line: str) -> None:
        if line.startswith(("Collecting ", "Requirement already satisfied", "Ignoring ")):
            self.seen += 1
            self.step.progress(f"{self.seen} of {self.total}")
        elif line.startswith("Installing collected"):
            self.step.progress("all here, unpacking")


def _environment() -> None:
    if PYTHON.exists() and _read(STAMPS).get("checkout") == str(CHECKOUT):
        return
    with Step(f"Environment for Python {sys.version_info.major}.{sys.version_info.minor}"):
        # Its scripts name their place: a checkout that was moved needs them anew.
        run(
            [sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)],
            f"the virtual environment can't be made: {VENV_REMEDY}",
        )
        _write(STAMPS, {"checkout": str(CHECKOUT)})


def _python_packages(purpose: str, packages: Packages) -> None:
    stamps = _read(STAMPS)
    wanted = LOCKS[purpose]
    is_new = stamps.get(wanted[0]) != _digest(wanted[0])
    if is_new:
        packages.install(wanted[0])
        _stamp({name: _digest(name) for name in wanted})
    if stamps.get("pyproject.toml") != _digest("pyproject.toml"):
        packages.install_checkout()
        _stamp({"pyproject.toml": _digest("pyproject.toml")})
    if is_new:
        _compile(PROGRAMS if purpose == "run" else PROGRAMS + CHECKS)


def _compile(modules: tuple[str, ...]) -> None:
    """Leave the bytecode of what each start imports; a start does without, but slowly."""
    with Step("Bytecode of what the programs import") as step:
        try:
            run(
                [str(PYTHON), "-c", f"import {', '.join(modules)}"],
                "the programs can't be imported",
                variables={"PYTHONDONTWRITEBYTECODE": ""},
            )
        except CommandError as error:
            step.note(f"{error.reason}: left to the first start")


def _browser_libraries(
    purpose: str, packages: Packages, beside: concurrent.futures.Executor
) -> concurrent.futures.Future[None] | None:
    """Start to install the browser libraries that are not there yet; return what to wait for."""
    wanted = {"package-lock.json": _digest("package-lock.json"), "checks": purpose == "test"}
    present = _read(NODE_STAMP)
    if present.get("package-lock.json") == wanted["package-lock.json"] and (
        present.get("checks") or not wanted["checks"]
    ):
        return None
    if find_node() is None or _npm() is None:
        packages.install(NODE_LOCK)
    npm = _npm()
    if npm is None:
        raise SetUpError(f"no Node {OLDEST_NODE} or newer could be installed: see {shown(LOG)}")
    return beside.submit(_npm_install, npm, wanted)


def _npm_install(npm: list[str], wanted: Mapping[str, object]) -> None:
    path = os.environ.get("PATH", "")
    run(
        [*npm, "ci", "--no-fund", "--no-audit", *([] if wanted["checks"] else ["--omit=dev"])],
        "the browser libraries can't be installed: check that npm's registry can be reached "
        "(npm config get registry)",
        variables={"PATH": f"{Path(npm[0]).parent}{os.pathsep}{path}"},
    )
    _write(NODE_STAMP, wanted)


def _npm() -> list[str] | None:
    """Return how to call an npm that belongs to a new enough Node."""
    node = find_node()
    if node is None:
        return None
    beside = Path(node).parent / "npm"
    if beside.exists():
        return [str(beside)]
    found = shutil.which("npm")
    return [found] if found else None


def _pip() -> list[str]:
    """Return how to call a pip that installs into the environment.

    The pip of the Python at hand does: one of the environment's own takes longer to make than uv.
    """
    own = [str(PYTHON), "-m", "pip"]
    if not any(VENV.glob("lib/python3*/site-packages/pip/__main__.py")):
        if _pip_at_hand() >= PIP_FOR_OTHERS:
            own = [sys.executable, "-m", "pip", "--python", str(PYTHON)]
        else:
            run([str(PYTHON), "-m", "ensurepip"], f"there is no pip: {VENV_REMEDY}")
    return [*own, "--disable-pip-version-check", "--no-input"]


def _pip_at_hand() -> tuple[int, ...]:
    try:
        version = importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError:
        return ()
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Hold the set-up's lock: two of them at once would write into one another's packages."""
    place = CHECKOUT / ".var" / "set-up.lock"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("  Waiting for another set-up of this checkout …", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest(name: str) -> str:
    return hashlib.sha256((CHECKOUT / name).read_bytes()).hexdigest()


def _read(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")


def _stamp(done: Mapping[str, object]) -> None:
    _write(STAMPS, _read(STAMPS) | dict(done))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
