"""Dead letters: the topic's record is bounded, and the topic holds nothing up."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest

from models.dead_letters import DeadLetterRow
from streams import dead_letters
from streams.dead_letters import DeadLetters, as_cloud_event
from streams.errors import OversizeError
from tests.waiting import HANG_S

LETTER = DeadLetterRow(
    at=datetime(2026, 1, 1, tzinfo=UTC),
    topic="readings",
    key="cell-7",
    body=b"[" + b"7" * 800_000 + b"]",
    code="unreadable",
    reason="an odd name",
    stage="readings",
)


class World:
    """A database that keeps and a broker that behaves as told."""

    def __init__(self, failure: type[Exception] | None = None, *, hangs: bool = False) -> None:
        self.kept: list[DeadLetterRow] = []
        self.sent: list[bytes] = []
        self.failure = failure
        self.hangs = hangs

    def save(self, letters: Sequence[DeadLetterRow]) -> None:
        self.kept.extend(letters)

    async def send(self, topic: str, key: bytes, value: bytes, headers: object) -> None:
        if self.failure:
            raise self.failure(topic)
        if self.hangs:
            await asyncio.Event().wait()
        self.sent.append(value)

    def letters(self) -> DeadLetters:
        return DeadLetters(self.save, self)  # type: ignore[arg-type]


async def test_the_topic_has_the_beginning_with_length_and_digest_of_all() -> None:
    world = World()
    await world.letters().write(LETTER)
    (record,) = world.sent
    assert len(record) < 300_000
    data = json.loads(record)["data"]
    begins = base64.b64decode(data["body_base64"])
    assert LETTER.body.startswith(begins)
    assert len(begins) == dead_letters.BODY_ON_TOPIC
    assert data["body_bytes"] == len(LETTER.body)
    assert data["body_sha256"] == hashlib.sha256(LETTER.body).hexdigest()
    assert world.kept[0].body == LETTER.body


async def test_a_strangers_long_words_are_cut() -> None:
    world = World()
    long = msgspec.structs.replace(LETTER, key="k" * 10**6, reason="\ud800" * 10**6)
    await world.letters().write(long)
    assert len(world.sent[0]) < 300_000
    assert len(world.kept[0].reason) == dead_letters.TEXT_MAX


@pytest.mark.parametrize("world", [World(OversizeError), World(hangs=True)])
async def test_a_topic_that_can_not_be_written_holds_nothing_up(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dead_letters, "TOPIC_WITHIN_S", 0.05)
    async with asyncio.timeout(HANG_S):
        await world.letters().write(LETTER)
    assert len(world.kept) == 1
    assert "not on topic dead-letters" in caplog.text


def test_a_letter_of_the_same_record_is_the_same_event() -> None:
    later = msgspec.structs.replace(LETTER, at=datetime(2026, 1, 2, tzinfo=UTC))
    first, second = json.loads(as_cloud_event(LETTER)), json.loads(as_cloud_event(later))
    assert first["id"] == second["id"]
