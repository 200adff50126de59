"""What a desk refuses, with a code for screens and a sentence for the log.

Not for: what can't be read at all; that never reaches a desk (:mod:`models.dead_letters`).
"""

from __future__ import annotations

from typing import ClassVar

from models.events.payload import Payload


class OrderRefused(Payload, frozen=True, kw_only=True):
    """An order could not be carried out; ``proposal`` is what could be done instead."""

    type_name: ClassVar[str] = "order.refused"
    order: str
    by: str
    code: str
    detail: str
    incident: str = ""
    proposal: str = ""


class EventRefused(Payload, frozen=True, kw_only=True):
    """An input that a desk could read but not use, and why (a unit that nobody knows, …).

    ``by`` is the account whose word it was, as far as the input says.
    """

    type_name: ClassVar[str] = "event.refused"
    event: str
    code: str
    detail: str
    by: str = ""
