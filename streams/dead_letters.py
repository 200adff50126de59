"""Dead letters: what could not be handled, with the reason, to the database and to a topic.

The database is what a person looks at and what finishes an inbox row; the topic tells other
systems, as far as it can within some seconds: what the database has is not held up by it. Raises
nothing: a letter that can't be written is logged whole.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
from collections.abc import Callable, Sequence
from datetime import UTC

import msgspec

from models.dead_letters import DeadLetterRow
from models.topics import DEAD_LETTERS, EVENT_CONTENT_TYPE, topic_for
from streams.errors import OversizeError
from streams.metrics import DEAD_LETTERS as WRITTEN
from streams.publisher import Publisher

log = logging.getLogger(__name__)

BODY_ON_TOPIC = 192_000
"""Bytes of a body that go to the topic, a third more as base64; the database keeps more of it."""
TEXT_MAX = 2_000
"""Characters of a key or a reason: both may hold what a stranger wrote."""
TOPIC_WITHIN_S = 10.0
DATABASE_PAUSE_S = 1.0
DATABASE_TRIES = 30
_HEADERS = [("content-type", EVENT_CONTENT_TYPE.encode())]


class DeadLetters:
    """Writes dead letters.

    Parameters
    ----------
    save
        ``Store.add_dead_letters``: keeps them and finishes their inbox rows; called on a thread.
    publisher
        For the topic.
    """

    def __init__(
        self, save: Callable[[Sequence[DeadLetterRow]], object], publisher: Publisher
    ) -> None:
        self._save = save
        self._publisher = publisher
        self.count = 0

    async def write(self, letter: DeadLetterRow) -> None:
        """Write one; waits while the database is away, for some half a minute."""
        letter = msgspec.structs.replace(
            letter, key=_short(letter.key), reason=_short(letter.reason)
        )
        about = {
            "event": letter.event_id,
            "jurisdiction": letter.jurisdiction,
            "stage": letter.stage,
            "code": letter.code,
        }
        self.count += 1
        WRITTEN.labels(letter.stage, letter.code).inc()
        log.warning(
            "dead letter from %s: %s: %s",
            letter.topic,
            letter.code,
            letter.reason,
            extra=about,
        )
        for attempt in range(DATABASE_TRIES):
            try:
                await asyncio.to_thread(self._save, [letter])
                break
            except Exception as error:
                log.error("dead letter not saved at try %d: %s", attempt + 1, error, extra=about)
                await asyncio.sleep(DATABASE_PAUSE_S)
        else:
            log.critical(
                "dead letter lost to the log: %s", msgspec.json.encode(letter).decode(), extra=about
            )
        topic = topic_for(DEAD_LETTERS, exercise=letter.exercise)
        try:
            async with asyncio.timeout(TOPIC_WITHIN_S):
                await self._publisher.send(
                    topic, letter.jurisdiction.encode(), as_cloud_event(letter), _HEADERS
                )
        except (OversizeError, TimeoutError) as error:
            log.error("dead letter not on topic %s: %r", topic, error, extra=about)


def _short(text: str) -> str:
    return text[:TEXT_MAX].encode("utf-8", "replace").decode()


def as_cloud_event(letter: DeadLetterRow) -> bytes:
    """Return the letter as a CloudEvent whose id is its content's, so that a repeat is one.

    It carries the beginning of a long body, with the length and the SHA-256 of all of it.
    """
    digest = hashlib.sha256(letter.topic.encode() + b"\0" + letter.body).hexdigest()[:32]
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": f"dead/{letter.event_id or digest}",
            "source": f"/{letter.stage}",
            "type": "gridcommand.dead_letter",
            "time": letter.at.astimezone(UTC),
            "jurisdiction": letter.jurisdiction or "unknown",
            "exercise": letter.exercise,
            "datacontenttype": "application/json",
            "data": {
                "topic": letter.topic,
                "key": letter.key,
                "code": letter.code,
                "reason": letter.reason,
                "event": letter.event_id,
                "body_base64": base64.b64encode(letter.body[:BODY_ON_TOPIC]).decode(),
                "body_bytes": len(letter.body),
                "body_sha256": hashlib.sha256(letter.body).hexdigest(),
            },
        }
    )
