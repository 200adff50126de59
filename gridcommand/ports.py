"""Ports of this machine: is one free, which one shall it be.

The broker's port is chosen below the systems' ranges of ephemeral ports, so that no client that
retries can be given it as its own source port.
"""

from __future__ import annotations

import errno
import random
import socket

from models.errors import GridcommandError

RANGE = (20_000, 32_000)
TRIES = 200


class PortInUseError(GridcommandError):
    """A port that another program holds; the message says which setting to change."""


def is_free(host: str, port: int) -> bool:
    """Say whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise PortInUseError(
                f"nothing can listen on {host}:{port} ({error.strerror}): "
                "set GRIDCOMMAND_WEB_HOST to an address of this machine"
            ) from error
    return True


def check_free(host: str, port: int, setting: str, remedy: str) -> None:
    """Raise :class:`PortInUseError` when the port that ``setting`` names is taken."""
    if not is_free(host, port):
        raise PortInUseError(
            f"port {port} is in use by another program: change {setting} ({remedy})"
        )


def choose_port(remembered: int = 0) -> int:
    """Return the remembered port if it is free, else a free one of `RANGE`."""
    if remembered and is_free("127.0.0.1", remembered):
        return remembered
    chance = random.SystemRandom()
    for _ in range(TRIES):
        port = chance.randrange(*RANGE)
        if is_free("127.0.0.1", port):
            return port
    raise PortInUseError(
        f"no free port between {RANGE[0]} and {RANGE[1]}: set GRIDCOMMAND_BROKER_PORT"
    )
