"""What events carry, by kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from models.events import Event, Payload

P = TypeVar("P", bound=Payload)


def payloads(events: Iterable[Event], kind: type[P]) -> list[P]:
    """Return the payloads of one kind, in the order of their events."""
    return [event.data for event in events if isinstance(event.data, kind)]
