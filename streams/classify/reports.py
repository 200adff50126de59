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
from typing import NamedTuple
from zoneinfo import ZoneInfo

from models.categories import categories
from models.city import CityPack
from models.events import FactValue, ReportClassified, ReportReceived
from models.geodesy import to_wgs84
from models.plain_text import plain
from models.words import DEVICE, Channel, Grade
from streams.classify.by_words import by_words
from streams.classify.languages import language_of
from streams.classify.lexicon import Lexicon, load_lexicon
from streams.classify.lexicon import Reading as Said
from streams.classify.place_names import names_of
from streams.classify.reader import Understood, understand

CODE_CONFIDENCE = 0.95
LIFE_THREATENING = 1
UNREAL_PRIORITY = 3
"""Of what isn't live: a person looks, and nothing is sent before."""

_TRUSTED = frozenset({Channel.SENSOR, Channel.SYSTEM})
_GRADES = ((Grade.I, 30, 100), (Grade.II, 10, 50), (Grade.III, 3, 10))


class _Meaning(NamedTuple):
    category: str
    priority: int
    grade: Grade | None
    confidence: float
    triage: bool
    life_threat: bool


def classify(
    report: ReportReceived,
    pack: CityPack,
    understood: Understood | None = None,
    lexicon: Lexicon | None = None,
    *,
    is_exercise: bool = False,
) -> ReportClassified:
    """Return what a report means.

    Parameters
    ----------
    report
        As it was acknowledged.
    pack
        The city: its map of structured codes, its cells, its time zone.
    understood
        What :func:`~streams.classify.reader.understand` made of :func:`text_to_read`; read here
        where it isn't given.
    lexicon
        Words to find facts with; the product's own when not given.
    is_exercise
        As of ``understand``, where it is read here.

    Notes
    -----
    A structured code decides over the text: one from the pack's map, or a category id (a grid
    worker's choice, a sensor rule). Beside a category that a person chose the words count too: a
    danger to life raises it, and what they say isn't happening now waits for triage. A code that
    the pack doesn't know is kept, and the text decides.

    The grade follows the thresholds of the State Council's Order 493 (2007), article 3 (I: 30
    dead or 100 injured; II: 10 or 50; III: 3 or 10; else IV), counting people trapped or missing
    like the dead, as the national plan for production accidents counts lives in danger.
    GB/T 35561-2017 names the four grades but gives no thresholds. It is a first guess that a
    person may change.
    """
    words = lexicon or load_lexicon()
    said = words.read(report.text, report.place)
    by_code = _by_code(report, pack, words)
    if understood is None and text_to_read(report, pack):
        (understood,) = understand([text_to_read(report, pack)], is_exercise=is_exercise)
    facts = _facts(said, understood) | _of_device(report)
    if by_code is None:
        meaning = _by_text(understood or by_words(said, report.text, words), words)
    else:
        meaning = _beside_words(by_code, understood)
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
        category=meaning.category,
        priority=meaning.priority,
        grade=meaning.grade or _grade(facts),
        confidence=meaning.confidence,
        triage=meaning.triage,
        life_threat=meaning.life_threat,
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
        language=report.language or language_of(report.text),
        photos=report.photos,
        facts=facts,
        attributes=report.attributes,
        terms=tuple(term for term in said.terms if words.names(meaning.category, term)),
        near=near,
        reading=understood.reading if understood else None,
    )


def text_to_read(report: ReportReceived, pack: CityPack) -> str:
    """Return the words of a report that :func:`classify` needs read; empty: a code says it all."""
    words = report.text or report.place
    code = plain(report.code)
    if not code:
        return words
    attributes = report.attributes
    if pack.meaning(code, str(attributes.get("group", "")), str(attributes.get("priority", ""))):
        return ""
    if code in categories() and (report.channel in _TRUSTED or not report.text):
        return ""
    return words


def _facts(said: Said, understood: Understood | None) -> dict[str, FactValue]:
    """What the words say of people and dangers; counts as the reader has them, where it read."""
    if understood is None:
        return said.facts
    facts: dict[str, FactValue] = {
        name: value for name, value in said.facts.items() if value is True or value == 0
    }
    facts |= understood.facts
    if "injured" in facts or "dead" in facts:
        facts["casualties"] = int(facts.get("injured", 0)) + int(facts.get("dead", 0))
    return dict(sorted(facts.items()))


def _of_device(report: ReportReceived) -> dict[str, FactValue]:
    """What a person must know of the device that raised an alarm: it may have no place."""
    if report.channel is not Channel.SENSOR:
        return {}
    return {name: report.attributes[name] for name in DEVICE if name in report.attributes}


def _by_code(report: ReportReceived, pack: CityPack, words: Lexicon) -> _Meaning | None:
    attributes, code = report.attributes, plain(report.code)
    if not code:
        return None
    entry = pack.meaning(
        code, str(attributes.get("group", "")), str(attributes.get("priority", ""))
    )
    if entry is not None:
        return _sure(entry.category, entry.priority, entry.grade)
    if code not in categories():
        return None
    priority = words.priorities[code]
    given = attributes.get("priority")
    if report.channel in _TRUSTED and given in (1, 2, 3, 4):
        priority = int(given)
    return _sure(code, priority, None)


def _sure(category: str, priority: int, grade: Grade | None) -> _Meaning:
    return _Meaning(category, priority, grade, CODE_CONFIDENCE, False, priority == LIFE_THREATENING)


def _beside_words(chosen: _Meaning, understood: Understood | None) -> _Meaning:
    """What a person chose, and what the words beside the choice make of it."""
    if understood is None:
        return chosen
    if understood.is_unreal:
        chosen = chosen._replace(triage=True, life_threat=False)
    if not understood.is_raised or chosen.priority == LIFE_THREATENING:
        return chosen
    return chosen._replace(
        priority=LIFE_THREATENING,
        triage=not understood.is_sure,
        life_threat=understood.is_sure,
    )


def _by_text(understood: Understood, words: Lexicon) -> _Meaning:
    priority = max(words.priorities[understood.category], LIFE_THREATENING + 1)
    if understood.is_raised:
        priority = LIFE_THREATENING
    elif understood.is_unreal:
        priority = max(priority, UNREAL_PRIORITY)
    return _Meaning(
        understood.category,
        priority,
        None,
        understood.confidence,
        understood.triage,
        understood.is_sure,
    )


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
