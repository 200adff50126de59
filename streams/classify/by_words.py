"""What a text is by the words of the lexicon alone: for a worker whose reader can't be used.

Right on a third of the texts that are right with the reader, and gives up on most of the others,
which then wait for a person (``benchmarks/understanding.py`` measures both).
"""

from __future__ import annotations

from models.categories import OTHER
from models.events import Reading
from streams.classify.encoder import LANGUAGES
from streams.classify.languages import language_of
from streams.classify.lexicon import Lexicon, load_lexicon
from streams.classify.lexicon import Reading as Said
from streams.classify.reader import Understood, unread

LIFE_THREATENING = 1
SURE_FROM = 0.6
"""Confidence under which a person must look."""

VERSION = "words"
_OTHER_PRIORITY = 3
_OTHER_CONFIDENCE = 0.1


def by_words(said: Said, text: str, words: Lexicon) -> Understood:
    """Return what the terms of a text say it is; pure, some microseconds."""
    language = language_of(text)
    if language and language not in LANGUAGES:
        return unread(text, language)
    category, confidence = _category_of(said.scores, words)
    urgency = _danger_of(said, words)
    priority = words.priorities[category] if category != OTHER else _OTHER_PRIORITY
    for name, value in said.facts.items():
        if value and name in words.facts:
            priority = min(priority, words.facts[name].priority)
    is_raised = priority == LIFE_THREATENING
    is_sure = is_raised and max(confidence, urgency) >= SURE_FROM
    return Understood(
        category,
        confidence,
        is_raised=is_raised,
        is_sure=is_sure,
        is_unreal=False,
        triage=confidence < SURE_FROM,
        facts=said.facts,
        reading=Reading(reader=VERSION, language=language, because=said.terms),
    )


def read_by_words(text: str) -> Understood:
    """Return what the product's own lexicon makes of a text."""
    words = load_lexicon()
    return by_words(words.read(text), text, words)


def _category_of(scores: dict[str, int], words: Lexicon) -> tuple[str, float]:
    """Category and confidence.

    One term of weight 5 alone gives 0.83, of weight 2 gives 0.67, of weight 1 gives 0.5. A rival
    of another family with the same score halves that; one of the same family (both fires, say)
    takes a quarter.
    """
    if not scores:
        return OTHER, _OTHER_CONFIDENCE
    ranked = sorted(scores, key=lambda key: (-scores[key], words.priorities[key], key))
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


def _danger_of(said: Said, words: Lexicon) -> float:
    """Confidence that a life is in danger, whichever category it is of.

    As :func:`_category_of` has it for a category. Where a fact says that a life is in danger
    (somebody is trapped, or not breathing) there is no rival: that something happens is sure
    enough where the terms of any category say so. Else only what says that none is in danger is a
    rival.
    """
    scores = said.scores
    dangerous = [
        score for key, score in scores.items() if words.priorities[key] == LIFE_THREATENING
    ]
    if any(
        value and name in words.facts and words.facts[name].priority == LIFE_THREATENING
        for name, value in said.facts.items()
    ):
        top, doubt = max(scores.values(), default=0), 0.0
    elif dangerous:
        top = max(dangerous)
        others = [
            score for key, score in scores.items() if words.priorities[key] != LIFE_THREATENING
        ]
        doubt = min(1.0, max(others, default=0) / top * 0.5)
    else:
        return 0.0
    return round(top / (top + 1) * (1 - doubt), 3)


def _family(category_id: str) -> str:
    return ".".join(category_id.split(".")[:2])
