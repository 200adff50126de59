"""classify: from a report as it came to a report that a desk can act on.

Validates the place, turns times to UTC and coordinates to WGS-84, finds category, priority,
grade, confidence and the facts in the text, and the grid cell. Pure: the same report gives the
same answer. Throws nothing away: what it can't tell asks for triage.

Relies on the city pack for codes and cells and on :mod:`streams.classify.lexicon` for texts.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from models.categories import OTHER, categories
from models.city import CityPack
from models.events import FactValue, ReportClassified, ReportReceived
from models.geodesy import to_wgs84
from models.plain_text import plain
from models.words import DEVICE, Channel, Grade
from streams.classify.lexicon import Lexicon, Reading, load_lexicon
from streams.classify.place_names import names_of

TRIAGE_BELOW = 0.6
"""Confidence under which a person must look."""

CODE_CONFIDENCE = 0.95
OTHER_PRIORITY = 3
LIFE_THREATENING = 1
_OTHER_CONFIDENCE = 0.1
_TRUSTED = frozenset({Channel.SENSOR, Channel.SYSTEM})
_GRADES = ((Grade.I, 30, 100), (Grade.II, 10, 50), (Grade.III, 3, 10))


def classify(
    report: ReportReceived, pack: CityPack, lexicon: Lexicon | None = None
) -> ReportClassified:
    """Return what a report means.

    Parameters
    ----------
    report
        As it was acknowledged.
    pack
        The city: its map of structured codes, its cells, its time zone.
    lexicon
        Words to read texts with; the product's own when not given.

    Notes
    -----
    A structured code decides over the text: one from the pack's map, or a category id (a grid
    worker's choice, a sensor rule). A code that nobody knows is kept, and the text decides.

    The grade follows the thresholds of the State Council's Order 493 (2007), article 3 (I: 30
    dead or 100 injured; II: 10 or 50; III: 3 or 10; else IV), counting people trapped or missing
    like the dead, as the national plan for production accidents counts lives in danger.
    GB/T 35561-2017 names the four grades but gives no thresholds. It is a first guess that a
    person may change.
    """
    words = lexicon or load_lexicon()
    reading = words.read(report.text, report.place)
    facts = reading.facts | _of_device(report)
    category, priority, grade, confidence = _by_code(report, pack, words)
    urgency = 0.0
    if not category:
        category, confidence = _by_text(reading.scores, words)
        urgency = _danger(reading, words)
        priority = words.categories[category].priority if category != OTHER else OTHER_PRIORITY
        for name, value in facts.items():
            if value and name in words.facts:
                priority = min(priority, words.facts[name].priority)
    lon, lat = _place(report)
    cell = near = None
    if lon is not None and lat is not None:
        cell = pack.cells.locate(lon, lat)
    if cell is None:
        near = names_of(pack.cells).find(f"{report.place}\n{report.text}")
    zone = _zone(pack.timezone)
    received_at = _utc(report.received_at, zone)
    observed_at = None if report.observed_at is None else _utc(report.observed_at, zone)
    return ReportClassified(
        channel=report.channel,
        received_at=received_at,
        category=category,
        priority=priority,
        grade=grade or _grade(facts),
        confidence=confidence,
        triage=confidence < TRIAGE_BELOW,
        life_threat=priority == LIFE_THREATENING and max(confidence, urgency) >= TRIAGE_BELOW,
        text=report.text,
        code=report.code,
        lon=lon,
        lat=lat,
        accuracy_m=report.accuracy_m,
        place=report.place,
        cell=cell.code if cell else "",
        outside=cell is None,
        observed_at=observed_at,
        clock_skew_s=0.0
        if observed_at is None
        else round((observed_at - received_at).total_seconds(), 3),
        reporter=report.reporter,
        language=report.language or _language(report.text),
        photos=report.photos,
        facts=facts,
        attributes=report.attributes,
        terms=tuple(term for term in reading.terms if words.names(category, term)),
        near=near,
    )


def _of_device(report: ReportReceived) -> dict[str, FactValue]:
    """What a person must know of the device that raised an alarm: it may have no place."""
    if report.channel is not Channel.SENSOR:
        return {}
    return {name: report.attributes[name] for name in DEVICE if name in report.attributes}


def _by_code(
    report: ReportReceived, pack: CityPack, words: Lexicon
) -> tuple[str, int, Grade | None, float]:
    attributes, code = report.attributes, plain(report.code)
    if not code:
        return "", 0, None, 0.0
    entry = pack.meaning(
        code, str(attributes.get("group", "")), str(attributes.get("priority", ""))
    )
    if entry is not None:
        return entry.category, entry.priority, entry.grade, CODE_CONFIDENCE
    if code not in categories():
        return "", 0, None, 0.0
    known = words.categories.get(code)
    priority = known.priority if known else OTHER_PRIORITY
    given = attributes.get("priority")
    if report.channel in _TRUSTED and given in (1, 2, 3, 4):
        priority = int(given)
    return code, priority, None, CODE_CONFIDENCE


def _by_text(scores: dict[str, int], words: Lexicon) -> tuple[str, float]:
    """Category and confidence.

    One term of weight 5 alone gives 0.83, of weight 2 gives 0.67, of weight 1 gives 0.5. A rival
    of another family with the same score halves that; one of the same family (both fires, say)
    takes a quarter.
    """
    if not scores:
        return OTHER, _OTHER_CONFIDENCE
    ranked = sorted(scores, key=lambda key: (-scores[key], words.categories[key].priority, key))
    best = ranked[0]
    top = scores[best]
    doubt = max(
        (
            scores[key] / top * (0.25 if _family(key) == _family(best) else 0.5)
            for key in ranked[1:]
        ),
        default=0.0,
    )
    return best, round(top / (top + 1) * (1 - doubt), 3)


def _danger(reading: Reading, words: Lexicon) -> float:
    """Confidence that a life is in danger, whichever category it is of.

    As :func:`_by_text` has it for a category. Where a fact says that a life is in danger (somebody
    is trapped, or not breathing) there is no rival: that something happens is sure enough where
    the terms of any category say so. Else only what says that none is in danger is a rival.
    """
    scores = reading.scores
    dangerous = [
        score for key, score in scores.items() if words.categories[key].priority == LIFE_THREATENING
    ]
    if any(
        value and name in words.facts and words.facts[name].priority == LIFE_THREATENING
        for name, value in reading.facts.items()
    ):
        top, doubt = max(scores.values(), default=0), 0.0
    elif dangerous:
        top = max(dangerous)
        others = [
            score
            for key, score in scores.items()
            if words.categories[key].priority != LIFE_THREATENING
        ]
        doubt = min(1.0, max(others, default=0) / top * 0.5)
    else:
        return 0.0
    return round(top / (top + 1) * (1 - doubt), 3)


def _family(category_id: str) -> str:
    return ".".join(category_id.split(".")[:2])


def _place(report: ReportReceived) -> tuple[float | None, float | None]:
    """Longitude and latitude in WGS-84; None where what was sent is no place on earth."""
    lon, lat = report.lon, report.lat
    if lon is None or lat is None or not (math.isfinite(lon) and math.isfinite(lat)):
        return None, None
    if abs(lon) > 180 or abs(lat) > 90 or (lon == 0 and lat == 0):
        # 0, 0 is what a phone without a fix says.
        return None, None
    return to_wgs84(lon, lat, report.datum)


def _grade(facts: dict[str, FactValue]) -> Grade:
    lives = sum(int(facts.get(name, 0)) for name in ("dead", "trapped", "missing"))
    injured = int(facts.get("injured", 0))
    for grade, lives_from, injured_from in _GRADES:
        if lives >= lives_from or injured >= injured_from:
            return grade
    return Grade.IV


@lru_cache(maxsize=16)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _utc(time: datetime, zone: ZoneInfo) -> datetime:
    """A time without zone is the city's own."""
    return (time.replace(tzinfo=zone) if time.tzinfo is None else time).astimezone(UTC)


def _language(text: str) -> str:
    if any("\u3400" <= char <= "\u9fff" for char in text):
        return "zh"
    return "en" if any(char.isalpha() and char.isascii() for char in text) else ""
