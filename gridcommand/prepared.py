"""What ``gridcommand prepare`` tells ``gridcommand up``: one line of JSON.

Apart from :mod:`gridcommand.preparation` because the supervisor imports none of the rooms.
"""

from __future__ import annotations

import msgspec


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What ``up`` shows.

    Attributes
    ----------
    city
        The city's name in English.
    links
        Role to URL that signs in once.
    """

    city: str
    links: dict[str, str]

    def to_json(self) -> str:
        """Return it as one line of JSON."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, line: bytes) -> Prepared:
        """Read what :meth:`to_json` wrote."""
        return msgspec.json.decode(line, type=cls)
