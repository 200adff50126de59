"""How a process of ours runs: logging, signals, readiness, and the end.

For the commands that stay (worker, console, broker, drill). Not for supervising them: that is
:mod:`gridcommand.supervisor`, which hands each child a pipe in ``GRIDCOMMAND_READY_FD`` and takes
one byte on it for "ready", and may hold a child that it started early at its gate
(``GRIDCOMMAND_GATE_FD``) until what the child needs is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from models.settings import Settings

READY_FD = "GRIDCOMMAND_READY_FD"
GATE_FD = "GRIDCOMMAND_GATE_FD"

ABOUT = ("event", "jurisdiction", "stage", "code")
"""What a line of the log may be about; given to the logger as ``extra``."""

SAME_S = 10.0

SWITCH_S = 0.0005
"""How long a thread that computes may keep the others waiting, in seconds. A desk that plans has
Kafka's threads beside it, and each of their turns would wait for ten times that by default."""


def run_until_stopped(
    settings: Settings, body: Callable[[asyncio.Event], Awaitable[object]]
) -> None:
    """Run ``body`` until it returns; SIGTERM and SIGINT set the event that it is given."""
    configure_logging(settings)
    sys.setswitchinterval(SWITCH_S)
    asyncio.run(_run(body))


def tell_ready() -> None:
    """Tell the supervisor, if there is one, that this process does its work now."""
    descriptor = os.environ.pop(READY_FD, "")
    if descriptor:
        with contextlib.suppress(OSError):
            os.write(int(descriptor), b"1")
            os.close(int(descriptor))


def wait_at_gate() -> None:
    """Wait until the supervisor, if there is one, closes its end of the gate."""
    descriptor = os.environ.pop(GATE_FD, "")
    if descriptor:
        with os.fdopen(int(descriptor), "rb") as gate:
            gate.read()


def configure_logging(settings: Settings) -> None:
    """Log to standard error, one line a record, times in UTC."""
    formatter: logging.Formatter
    if settings.log_format == "json":
        formatter = _JsonFormatter()
    else:
        formatter = logging.Formatter(
            "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
        )
        formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    handler.addFilter(_Seldom())
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    # They tell each fetch and each request at INFO, and a broker that is away many times a second.
    for name in ("aiokafka", "faust", "mode", "uvicorn.access", "alembic"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))


class _Seldom(logging.Filter):
    """Lets Kafka's client say the same thing once in `SAME_S`, and how often it would have.

    While a broker is away it says so thirty times a second.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to say it."""
        if not record.name.startswith("aiokafka"):
            return True
        # By the line of code, for what it says names partitions and ports.
        key, now = (record.pathname, record.lineno), time.monotonic()
        said_at, more = self._said.get(key, (float("-inf"), 0))
        if now - said_at < SAME_S:
            self._said[key] = said_at, more + 1
            return False
        self._said[key] = now, 0
        if more:
            record.msg, record.args = (
                f"{record.getMessage()} (and {more} more since that was said last)",
                (),
            )
        return True


class _JsonFormatter(logging.Formatter):
    """One JSON object a record; `ABOUT` come from ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line."""
        said: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        said |= {name: getattr(record, name) for name in ABOUT if hasattr(record, name)}
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)


async def _run(body: Callable[[asyncio.Event], Awaitable[object]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await body(stop)
