"""What a worker reads texts with: the models, and what the city's people taught meanwhile.

For: :mod:`streams.agents`. The register of examples is looked at every minute, on a thread; while
one is read anew, texts are read by what was known before. Not for reading itself
(:mod:`streams.classify.reader`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from models.errors import StoreError
from models.examples import Example
from streams.classify.reader import Thresholds, Understood, understand
from streams.classify.taught import Taught

log = logging.getLogger(__name__)

EVERY_S = 60.0


class Register(Protocol):
    """The store, as much as is seen of it here."""

    def examples_mark(self) -> tuple[int, datetime | None]:
        """Return what changes whenever the register does."""

    def examples(self, jurisdiction: str | None = None) -> list[Example]:
        """Return the examples of a jurisdiction."""


class Lessons:
    """Reads texts as the city taught it.

    Parameters
    ----------
    jurisdiction
        Whose examples count; its exercises are read by them too.
    limits
        The city's thresholds.
    """

    def __init__(
        self, register: Register, jurisdiction: str, limits: Thresholds | None = None
    ) -> None:
        self._register = register
        self._jurisdiction = jurisdiction
        self._limits = limits
        self._taught = Taught()
        self._mark: object = None

    def understand(self, texts: Sequence[str], *, is_exercise: bool = False) -> list[Understood]:
        """Read texts, of the live side or an exercise; on any thread."""
        return understand(texts, self._taught, self._limits, is_exercise=is_exercise)

    def look(self) -> bool:
        """Read the register anew where it changed; say whether it did. About 2 ms a new text."""
        mark = self._register.examples_mark()
        if mark == self._mark:
            return False
        self._taught = Taught(self._register.examples(self._jurisdiction), self._taught)
        self._mark = mark
        return True

    async def keep_up(self, every_s: float = EVERY_S) -> None:
        """Look at once and every minute; runs until cancelled.

        What goes wrong is told, and tried again: texts are read all the same.
        """
        while True:
            try:
                if await asyncio.to_thread(self.look):
                    log.info("texts are read with %d examples", len(self._taught))
            except StoreError as error:
                log.warning("what was taught can't be looked at: %s", error)
            except Exception:
                log.exception("what was taught can't be used")
            await asyncio.sleep(every_s)
