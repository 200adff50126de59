"""What ``gridcommand up`` tells other commands of itself, in ``data_dir/run.json``.

For: commands beside an ``up`` that runs, which must find its pages and its broker. Not for: whether
a second ``up`` may start, which is a lock's to say (:mod:`gridcommand.supervisor`).
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import psutil

from gridcommand.ports import is_free
from models.errors import GridcommandError
from models.settings import Settings

NAME = "run.json"


class NoBrokerError(GridcommandError):
    """No broker is named and no ``up`` has one; the message says what to start or to set."""


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


def broker_beside(settings: Settings) -> int:
    """Return the port of the embedded broker of the ``up`` that runs on the data folder.

    Raises
    ------
    NoBrokerError
        When no ``up`` runs there, or no broker listens where that of ``up`` should.
    """
    run = read_run_file(settings.data_dir)
    if not run.is_running:
        raise NoBrokerError(
            f"no gridcommand up runs on the data folder {settings.data_dir}: start one first, "
            "name the folder of the one that runs in GRIDCOMMAND_DATA_DIR, or name the brokers in "
            "GRIDCOMMAND_KAFKA_SERVERS"
        )
    # The port of an earlier run is remembered, also while brokers of a Kafka serve.
    if not run.broker_port or is_free("127.0.0.1", run.broker_port):
        raise NoBrokerError(
            f"gridcommand up (process {run.supervisor_pid}) runs on {settings.data_dir}, but no "
            "embedded broker of it listens: try again when it says that all is ready, or, where "
            "it runs with a Kafka, name that in GRIDCOMMAND_KAFKA_SERVERS"
        )
    return run.broker_port
