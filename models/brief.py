"""An incident as it goes out and into its table: of very many reports the newest, no sketches.

A quake has thousands, and each would write all the others, and send them to every screen, once
more. The situation keeps all of them, and the journal has each. What a desk compares texts by says
nothing to a person. Not for: what a desk decides by.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from models.situation import Incident

NEWEST: Final = 50
"""Where an incident has more reports, only so many of them, of its texts and photos go out."""

T = TypeVar("T")


class BriefIncident(Incident, kw_only=True, omit_defaults=True):
    """An incident with the newest of very many reports; ``report_count`` is of all of them."""

    report_count: int


def brief(entity: T) -> T | Incident:
    """Return an entity as it goes out, itself where nothing is left out."""
    if not isinstance(entity, Incident):
        return entity
    shown = _newest(entity)
    if shown.sketches or (shown.reading is not None and shown.reading.sketch):
        reading = shown.reading and msgspec.structs.replace(shown.reading, sketch="")
        return msgspec.structs.replace(shown, reading=reading, sketches=[])
    return shown


def _newest(entity: Incident) -> Incident:
    if len(entity.reports) > NEWEST:
        newest = {name: getattr(entity, name)[-NEWEST:] for name in ("reports", "texts", "photos")}
        told = {entity.text, entity.leading, *newest["texts"]}
        newest["words"] = {text: both for text, both in entity.words.items() if text in told}
        whole = msgspec.structs.asdict(entity)
        return BriefIncident(**(whole | newest), report_count=len(entity.reports))
    return entity
