"""Whether a broker answers, asked in the Kafka protocol without a client.

A port that takes a connection says nothing: a broker that is halted has one too, for it is the
kernel that takes it. So the first question of every Kafka client is asked, ApiVersions, which is
answered before anybody has signed in.

Relies on plain connections, as all of ours are. Not for whether a cluster can be written.
"""

from __future__ import annotations

import asyncio
import struct

API_VERSIONS = 18
CORRELATION = 0x6772_6964
"""Any number: the answer begins with it."""

WITHIN_S = 1.0
_HEADER = struct.Struct(">hhih")
_ASKED = struct.pack(">i", _HEADER.size) + _HEADER.pack(API_VERSIONS, 0, CORRELATION, -1)
"""Length, then API, version, correlation and no client's name."""


async def answers(servers: str, within_s: float = WITHIN_S) -> bool:
    """Say whether one of ``servers`` (``host:port,…``) answers within so many seconds."""
    asked = [asyncio.create_task(_answers(one.strip(), within_s)) for one in servers.split(",")]
    try:
        for answering in asyncio.as_completed(asked):
            if await answering:
                return True
    finally:
        for task in asked:
            task.cancel()
    return False


async def _answers(server: str, within_s: float) -> bool:
    host, _, port = server.rpartition(":")
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            try:
                writer.write(_ASKED)
                _, correlation = struct.unpack(">ii", await reader.readexactly(8))
            finally:
                writer.close()
    except (OSError, TimeoutError, EOFError, ValueError):
        return False
    return bool(correlation == CORRELATION)
