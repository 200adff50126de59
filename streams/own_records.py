"""Records of our own, told from those that other systems write straight to our topics.

A record of ours says so in a header: what it carries is in the inbox, or nobody misses it when it
is lost with a process (where a drill's units are, once a second). One without comes from elsewhere,
and its events go into the inbox before anything else is done with them. Told by the record, so that
no database is asked about every event on its way.
"""

from __future__ import annotations

from collections.abc import Iterable

from streams.publisher import Publisher

MARK = ("gridcommand", b"own")
"""Name and value of the header."""


class OwnPublisher(Publisher):
    """The publisher of our own processes: all that it sends carries :data:`MARK`."""

    async def send(
        self, topic: str, key: bytes, value: bytes, headers: list[tuple[str, bytes]]
    ) -> None:
        """Send one record as it is, marked."""
        await super().send(topic, key, value, [*headers, MARK])


def is_own(headers: Iterable[tuple[str, bytes]] | None) -> bool:
    """Whether a record is of our own, by its headers."""
    return headers is not None and MARK in headers
