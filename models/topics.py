"""Names of the Kafka topics and their declaration, the only thing the rooms share about Kafka.

An exercise has topics of its own: the same names behind ``exercise.``. Nothing may be published
to a topic whose side (live or exercise) is not the event's own; :func:`topic_for` is the one
place where a name is made.
"""

from __future__ import annotations

import msgspec

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

READINGS = "readings"
REPORTS = "reports"
DESK = "desk"
UPDATES = "updates"
DEAD_LETTERS = "dead-letters"

EMBEDDED_PARTITION = 0
"""Where all goes on the embedded broker. Whoever asks that for a topic before it is declared, with
one partition, makes it with four; when the broker was started anew, clients go on believing for
minutes in partitions that nobody reads."""

BATCH_CONTENT_TYPE = "application/cloudevents-batch+json"
EVENT_CONTENT_TYPE = "application/cloudevents+json"
SENML_CONTENT_TYPE = "application/senml+json"

JURISDICTION_HEADER = "jurisdiction"
"""Of a record of readings: whose device it came from. Without it, it is the city's own."""


class TopicSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a topic is for and how it is made.

    Attributes
    ----------
    name
        Name without the exercise prefix.
    partitions
        Number of partitions on Kafka; the key decides which one.
    retention_ms
        How long Kafka keeps a record, in milliseconds. The embedded broker keeps all until
        it is recycled.
    key
        What the record's key holds.
    content
        Media type of a record's value.
    summary
        One sentence for the generated reference.
    """

    name: str
    partitions: int
    retention_ms: int
    key: str
    content: str
    summary: str


TOPICS: tuple[TopicSpec, ...] = (
    TopicSpec(
        name=READINGS,
        partitions=4,
        retention_ms=6 * HOUR_MS,
        key="cell, or device",
        content=SENML_CONTENT_TYPE,
        summary="Telemetry as SenML packs (RFC 8428), read by sense.",
    ),
    TopicSpec(
        name=REPORTS,
        partitions=4,
        retention_ms=7 * DAY_MS,
        key="jurisdiction",
        content=BATCH_CONTENT_TYPE,
        summary="Reports as they were acknowledged, read by classify.",
    ),
    TopicSpec(
        name=DESK,
        partitions=4,
        retention_ms=7 * DAY_MS,
        key="jurisdiction",
        content=BATCH_CONTENT_TYPE,
        summary="Everything a desk decides on: classified reports, orders, unit status, tasks.",
    ),
    TopicSpec(
        name=UPDATES,
        partitions=4,
        retention_ms=DAY_MS,
        key="jurisdiction",
        content=BATCH_CONTENT_TYPE,
        summary="Journal events as they were committed, in order of seq, read by the consoles.",
    ),
    TopicSpec(
        name=DEAD_LETTERS,
        partitions=1,
        retention_ms=30 * DAY_MS,
        key="jurisdiction",
        content=EVENT_CONTENT_TYPE,
        summary="What could not be handled, with the reason.",
    ),
)

EMBEDDED_PARTITIONS = 1
"""Of every topic on the embedded broker, which serves one worker: each partition costs that broker
at every fetch (28 % of a core when all have four and nothing happens, 13 % when all have one)."""

EXERCISE_PREFIX = "exercise."


def topic_for(name: str, *, exercise: bool) -> str:
    """Return the Kafka topic of ``name`` on the live or the exercise side."""
    return EXERCISE_PREFIX + name if exercise else name


def all_topics(*, embedded: bool = False) -> tuple[TopicSpec, ...]:
    """Return the declaration of every topic on Kafka, the exercise twins included.

    Parameters
    ----------
    embedded
        As it is on the embedded broker.
    """
    if embedded:
        return tuple(
            msgspec.structs.replace(spec, partitions=EMBEDDED_PARTITIONS) for spec in all_topics()
        )
    twins = (
        msgspec.structs.replace(
            spec, name=EXERCISE_PREFIX + spec.name, summary=f"Exercise twin. {spec.summary}"
        )
        for spec in TOPICS
    )
    return (*TOPICS, *twins)
