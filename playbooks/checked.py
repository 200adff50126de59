"""What lint found right, kept on disk: a worker that was ended must be back at once.

Reading YAML with its places and trying every expression takes a second or two; what came of it is
a list of playbooks. It is kept under a hash of the playbooks and of the code that checked them,
so a change of either is looked at anew. Only what has no mistake is kept. Not for: saying what is
wrong, which is :mod:`playbooks.lint`'s. A folder that can't be read or written costs the second.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

import msgspec

from playbooks.written import WrittenPlaybook

CODE = Path(__file__).parent.parent
ROOMS = ("models", "playbooks")
"""Whose code and tables decide what is right."""


class CheckedPlaybooks:
    """Checked playbooks, by hash.

    Parameters
    ----------
    folder
        Where they are kept; made when something is.
    content_hash
        Of the playbooks.
    """

    def __init__(self, folder: Path, content_hash: str) -> None:
        self._path = folder / f"playbooks-{_with_code(content_hash)}.json"

    def read(self) -> list[WrittenPlaybook] | None:
        """Return the playbooks in the order of their files; None where they aren't known."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=list[WrittenPlaybook])
        except (OSError, msgspec.MsgspecError):
            return None

    def keep(self, playbooks: list[WrittenPlaybook]) -> None:
        """Keep playbooks that were found right."""
        half = self._path.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            half.write_bytes(msgspec.json.encode(playbooks))
            half.replace(self._path)


def _with_code(content_hash: str) -> str:
    digest = hashlib.sha256(content_hash.encode())
    for room in ROOMS:
        for path in sorted((CODE / room).rglob("*")):
            if path.suffix in (".py", ".yaml", ".txt") and "plans" not in path.parts:
                digest.update(path.read_bytes())
    return digest.hexdigest()
