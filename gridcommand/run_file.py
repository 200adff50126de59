"""What ``gridcommand up`` tells other commands of itself, in ``data_dir/run.json``."""

from __future__ import annotations

from pathlib import Path

import msgspec
import psutil

NAME = "run.json"


class RunFile(msgspec.Struct):
    """What ``up`` remembers between two runs, and what others may know of the one that runs."""

    broker_port: int = 0
    supervisor_pid: int = 0
    console_url: str = ""
    """Where its pages are, which ``--port`` may have changed."""

    @property
    def is_running(self) -> bool:
        """Whether the ``up`` that wrote this lives."""
        return self.supervisor_pid > 0 and psutil.pid_exists(self.supervisor_pid)


def read_run_file(data_dir: Path) -> RunFile:
    """Return what the last run remembered; an unreadable file is an empty one."""
    try:
        return msgspec.json.decode((data_dir / NAME).read_bytes(), type=RunFile)
    except (OSError, msgspec.MsgspecError):
        return RunFile()


def write_run_file(data_dir: Path, remembered: RunFile) -> None:
    """Keep what a run remembers."""
    (data_dir / NAME).write_bytes(msgspec.json.encode(remembered))
