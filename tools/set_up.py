"""Set-up of a checkout: virtual environment, locked packages, browser libraries.

For ``make``: ``set_up.py run`` installs what running needs, ``set_up.py test`` also what tests and
checks need, ``set_up.py node ARGS…`` runs Node. A second run finds its stamps and does nothing;
a lock file that changed is installed again. Not for production images, which install the same lock
files by their own means.

Relies on the standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMPS = VENV / "set-up.json"
NODE_STAMP = CHECKOUT / "node_modules" / ".set-up.json"
LOG = CHECKOUT / ".var" / "log" / "setup.log"
LOCKS = {"run": ("requirements.lock",), "test": ("requirements-dev.lock", "requirements.lock")}
NODE_LOCK = "requirements-node.lock"
OLDEST_NODE = 20
BEAT_S = 10.0


class SetUpError(Exception):
    """A step that failed; the message says what, and the way out."""


class Step:
    """One step as the terminal shows it: what it does, how far it is, how long it took."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.started = time.monotonic()
        self.shown = self.started
        self.lively = sys.stdout.isatty()
        self._write(f"{title} …")

    def progress(self, done: str) -> None:
        """Show how far the step is: at once on a terminal, now and then in a log."""
        now = time.monotonic()
        if self.lively or now - self.shown >= BEAT_S:
            self.shown = now
            self._write(f"{self.title} … {done}, {now - self.started:.0f} s")

    def end(self) -> None:
        """Show how long it took."""
        self._write(f"{self.title}: {time.monotonic() - self.started:.0f} s", last=True)

    def _write(self, text: str, *, last: bool = False) -> None:
        if self.lively:
            print(f"\r\x1b[K  {text}", end="\n" if last else "", flush=True)
        else:
            print(f"  {text}", flush=True)


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
    stamps = _read(STAMPS)
    wanted = LOCKS[purpose]
    if stamps.get(wanted[0]) != _digest(wanted[0]):
        _install(wanted[0])
        stamps |= {name: _digest(name) for name in wanted}
        _write(STAMPS, stamps)
    if stamps.get("pyproject.toml") != _digest("pyproject.toml"):
        step = Step("Gridcommand itself")
        _pip("install", "--no-deps", "--no-build-isolation", "--editable", str(CHECKOUT))
        step.end()
        _write(STAMPS, stamps | {"pyproject.toml": _digest("pyproject.toml")})
    _browser_libraries(purpose)


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


def _environment() -> None:
    if PYTHON.exists() and _read(STAMPS).get("checkout") == str(CHECKOUT):
        return
    step = Step(f"Environment for Python {sys.version_info.major}.{sys.version_info.minor}")
    # Its scripts name their place: a checkout that was moved needs them anew.
    _run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)],
        "the virtual environment can't be made: install Python's venv module "
        "(Debian, Ubuntu: apt-get install python3-venv)",
    )
    _write(STAMPS, {"checkout": str(CHECKOUT)})
    step.end()


def _install(lock: str) -> None:
    total = len(re.findall(r"^[a-z0-9]", (CHECKOUT / lock).read_text(), re.MULTILINE))
    step = Step(f"Python packages of {lock}")
    seen = 0

    def show(line: str) -> None:
        nonlocal seen
        if line.startswith(("Collecting ", "Requirement already satisfied", "Ignoring ")):
            seen += 1
            step.progress(f"{seen} of {total}")
        elif line.startswith("Installing collected"):
            step.progress("all here, unpacking")

    _pip("install", "--require-hashes", "--prefer-binary", "-r", str(CHECKOUT / lock), show=show)
    step.end()


def _browser_libraries(purpose: str) -> None:
    wanted = {"package-lock.json": _digest("package-lock.json"), "checks": purpose == "test"}
    present = _read(NODE_STAMP)
    if present.get("package-lock.json") == wanted["package-lock.json"] and (
        present.get("checks") or not wanted["checks"]
    ):
        return
    if find_node() is None or _npm() is None:
        _install(NODE_LOCK)
    npm = _npm()
    if npm is None:
        raise SetUpError(f"no Node {OLDEST_NODE} or newer could be installed: see {_shown(LOG)}")
    step = Step("Browser libraries")
    _run(
        [*npm, "ci", "--no-fund", "--no-audit", *([] if wanted["checks"] else ["--omit=dev"])],
        "the browser libraries can't be installed: check that npm's registry can be reached "
        "(npm config get registry)",
        path_first=str(Path(npm[0]).parent),
    )
    _write(NODE_STAMP, wanted)
    step.end()


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


def _pip(*arguments: str, show: object = None) -> None:
    _run(
        [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments],
        "Python packages can't be installed: check the network and pip's index "
        "(pip config list), then run the same again",
        show=show,
    )


def _run(command: list[str], remedy: str, *, show: object = None, path_first: str = "") -> None:
    """Run a command with its output in the log; raise with its last words when it fails."""
    LOG.parent.mkdir(parents=True, exist_ok=True)
    path = os.environ.get("PATH", "")
    environment = os.environ | {"PATH": f"{path_first}{os.pathsep}{path}" if path_first else path}
    last = ""
    with LOG.open("a", encoding="utf-8") as log:
        print(f"\n$ {' '.join(command)}", file=log, flush=True)
        with subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                log.write(line)
                if callable(show):
                    show(line)
                if re.match(r"\s*(npm )?error\b", line, re.IGNORECASE):
                    last = last or line.strip()
    if process.returncode:
        raise SetUpError(
            f"{remedy}.\n  {last or 'it ended without a word'}\n  All of it: {_shown(LOG)}"
        )


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


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")


def _shown(path: Path) -> str:
    return os.path.relpath(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
