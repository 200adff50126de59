"""Dead letters: what could not be handled, with the reason, to the database and to a topic.

The database is what a person looks at and what finishes an inbox row; the topic tells other
systems. Raises nothing: a letter that can't be written is logged whole.
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
from streams.metrics import DEAD_LETTERS as WRITTEN
from streams.publisher import Publisher

log = logging.getLogger(__name__)

MAX_BODY = 1_000_000
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
        self.count += 1
        WRITTEN.labels(letter.stage, letter.code).inc()
        log.warning(
            "dead letter from %s: %s: %s",
            letter.topic,
            letter.code,
            letter.reason,
            extra={
                "event": letter.event_id,
                "jurisdiction": letter.jurisdiction,
                "stage": letter.stage,
                "code": letter.code,
            },
        )
        letter = msgspec.structs.replace(letter, body=letter.body[:MAX_BODY])
        for attempt in range(DATABASE_TRIES):
            try:
                await asyncio.to_thread(self._save, [letter])
                break
            except Exception as error:
                log.error("dead letter %d not saved: %s", attempt, error)
                await asyncio.sleep(DATABASE_PAUSE_S)
        else:
            log.critical("dead letter lost to the log: %s", msgspec.json.encode(letter).decode())
        await self._publisher.send(
            topic_for(DEAD_LETTERS, exercise=letter.exercise),
            letter.jurisdiction.encode(),
            as_cloud_event(letter),
            _HEADERS,
        )


def as_cloud_event(letter: DeadLetterRow) -> bytes:
    """Return the letter as a CloudEvent whose id is its content's, so that a repeat is one."""
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
                "body_base64": base64.b64encode(letter.body).decode(),
            },
        }
    )
