"""An incident as it goes out and into its table: of very many reports the newest.

A quake has thousands, and each would write all the others, and send them to every screen, once
more. The situation keeps all of them, and the journal has each. Not for: what a desk decides by.
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


def brief(entity: T) -> T | BriefIncident:
    """Return an entity as it goes out: of very many reports the newest, and how many there are."""
    if isinstance(entity, Incident) and len(entity.reports) > NEWEST:
        newest = {name: getattr(entity, name)[-NEWEST:] for name in ("reports", "texts", "photos")}
        told = {entity.text, entity.leading, *newest["texts"]}
        newest["words"] = {text: both for text, both in entity.words.items() if text in told}
        whole = msgspec.structs.asdict(entity)
        return BriefIncident(**(whole | newest), report_count=len(entity.reports))
    return entity
