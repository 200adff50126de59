"""Workers as members of their group on Kafka, and those that died without a word.

Until the session of a dead member is over its group gives nobody its partitions, and on the
embedded broker whoever joins waits for longer than that. But who starts on the machine where
another died sees that it is dead: a membership is named after the process. It says its goodbye for
it, and decisions flow again as soon as the new one is ready.

Not for the dead of other machines and containers: those are out after their session. Nor for
those that died while the embedded broker formed their group: it goes on believing in a leader that
left then, and never lets anybody in again, but knows what to do when a leader's session ends.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import uuid
from collections.abc import Collection
from pathlib import Path

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.group import LeaveGroupRequest

from streams.declare import cluster_admin

log = logging.getLogger(__name__)

PREFIX = "gridcommand-worker"
WITHIN_S = 3.0
FORMING = "Unknown"
"""The embedded broker's word for a group that somebody joins; Kafka has no such state."""
_PROC = Path("/proc")
_ENDED = frozenset("ZX")
_NAMED = re.compile(
    rf"{re.escape(PREFIX)}\.(?P<space>[0-9a-f]+)\.(?P<pid>[0-9]+)\.(?P<started>[0-9]+)"
)


def member_name() -> str:
    """Return what this process is called as a member; brokers put a number of theirs behind it."""
    space, started = _space(), _started(os.getpid())
    if not space or not started:
        return f"{PREFIX}.{uuid.uuid4().hex}"
    return f"{PREFIX}.{space}.{os.getpid()}.{started}"


def is_dead(member: str) -> bool:
    """Say whether a member was a process that can be seen from here, and is no more."""
    named = _NAMED.match(member)
    return (
        named is not None
        and named["space"] == _space()
        and _started(int(named["pid"])) != named["started"]
    )


async def part_from_the_dead(servers: str, group: str) -> None:
    """Let those members leave a group whose processes died on this machine.

    Where that fails their sessions end by themselves.
    """
    try:
        async with asyncio.timeout(WITHIN_S):
            await _part(servers, group)
    except (KafkaError, OSError, TimeoutError) as error:
        log.info("the dead of the group %s leave it by themselves: %r", group, error)


async def forming(servers: str, groups: Collection[str]) -> set[str]:
    """Return those groups that an embedded broker is forming now, with somebody in them.

    Raises
    ------
    KafkaError, OSError
        It can't be asked.
    """
    async with cluster_admin(servers) as admin:
        # One at a time: of several together its answer can't be read.
        answers = [
            answer for group in groups for answer in await admin.describe_consumer_groups([group])
        ]
    return {
        group
        for answer in answers
        for _error, group, state, _kind, _protocol, members, *_ in answer.groups
        if state == FORMING and members
    }


async def _part(servers: str, group: str) -> None:
    async with cluster_admin(servers) as admin:
        node = await admin.find_coordinator(group)
        (answer,) = await admin.describe_consumer_groups([group], node)
    dead = [
        member_id
        for _error, _group, state, _kind, _protocol, members, *_ in answer.groups
        for member_id, *_ in members
        if state != FORMING and is_dead(member_id)
    ]
    if not dead:
        return
    client = AIOKafkaClient(bootstrap_servers=servers)
    try:
        await client.bootstrap()
        for member in dead:
            await client.send(node, LeaveGroupRequest(group, member))
            log.info("%s is dead and out of the group %s", member, group)
    finally:
        await client.close()


def _space() -> str:
    """Where a process's number means the same process: this boot and this container."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text()
        return f"{boot[:8]}{(_PROC / 'self/ns/pid').stat().st_ino:x}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a living process was started, in ticks since the boot: no clock's, so none can jump."""
    try:
        # Its own name, in brackets, may hold anything.
        state, *rest = (_PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()
    except (OSError, ValueError):
        return ""
    return "" if state in _ENDED else rest[18]
