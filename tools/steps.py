"""The steps of the set-up: how far each is on the terminal, what its commands print in the log.

Relies on the standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
LOG = CHECKOUT / ".var" / "log" / "setup.log"
BEAT_S = 10.0


class SetUpError(Exception):
    """A step that failed; the message says what, and the way out."""


class CommandError(SetUpError):
    """A command that failed: what it said first of its error, and the last lines of its output."""

    def __init__(self, remedy: str, reason: str, output: str) -> None:
        super().__init__(f"{remedy}.\n  {reason}\n  All of it: {shown(LOG)}")
        self.reason = reason
        self.output = output


class Step:
    """One step as the terminal shows it: what it does, how far it is, how long it took.

    The seconds go on while the step says nothing: each second on a terminal, now and then in a log.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.done = ""
        self.started = time.monotonic()
        self.lively = sys.stdout.isatty()
        self.ended = threading.Event()
        self.clock = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Step:
        self._write(f"{self.title} …")
        self.clock.start()
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        self.ended.set()
        self.clock.join()
        how = "stopped after " if failed else ""
        self._write(f"{self.title}: {how}{time.monotonic() - self.started:.0f} s", last=True)

    def progress(self, done: str) -> None:
        """Show how far the step is: at once on a terminal, with the next beat in a log."""
        self.done = done
        if self.lively:
            self._show()

    def note(self, line: str) -> None:
        """Show a line that stays."""
        self._write(line, last=True)

    def _tick(self) -> None:
        while not self.ended.wait(1.0 if self.lively else BEAT_S):
            self._show()

    def _show(self) -> None:
        done = f"{self.done}, " if self.done else ""
        self._write(f"{self.title} … {done}{time.monotonic() - self.started:.0f} s")

    def _write(self, text: str, *, last: bool = False) -> None:
        if self.lively:
            print(f"\r\x1b[K  {text}", end="\n" if last else "", flush=True)
        else:
            print(f"  {text}", flush=True)


def run(
    command: list[str],
    remedy: str,
    *,
    show: Callable[[str], None] | None = None,
    variables: Mapping[str, str] | None = None,
) -> None:
    """Run a command with its output in the log; raise with its last words when it fails."""
    LOG.parent.mkdir(parents=True, exist_ok=True)
    said: deque[str] = deque(maxlen=100)
    reason = ""
    with LOG.open("a", encoding="utf-8", buffering=1) as log:
        print(f"\n$ {' '.join(command)}", file=log)
        try:
            process = subprocess.Popen(
                command,
                cwd=CHECKOUT,
                env=os.environ | (variables or {}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
        except OSError as error:
            print(error, file=log)
            raise CommandError(remedy, str(error), "") from error
        with process:
            assert process.stdout is not None
            for line in process.stdout:
                log.write(line)
                said.append(line)
                if show is not None:
                    show(line)
                reason = _reason(reason, line.strip())
    if process.returncode:
        raise CommandError(remedy, reason or "it ended without a word", "".join(said))


def _reason(known: str, line: str) -> str:
    """Return the first error that a command names, with the causes that uv puts under it."""
    if not known:
        is_error = re.match(r"(npm )?error\b|\w+Error: |× ", line, re.IGNORECASE)
        return line if is_error else ""
    cause = re.match(r"(?:cause:|Caused by:|╰─▶) (.+)", line)
    return f"{known}: {cause[1]}" if cause else known


def shown(path: Path) -> str:
    return os.path.relpath(path)
