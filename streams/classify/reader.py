"""What a text says: whether it happens now, whether a life is at stake, and what it is.

For: :mod:`streams.classify.reports`, for reports without a code. Not for: flags of danger
(:mod:`streams.classify.lexicon`), places, and what is done about it.

Layers, each with a probability of its own: modality (is it real, here and now), danger, category.
They are read from the same vectors (:mod:`streams.classify.encoder`) and don't hear each other: a
text of no clear category may be surely dangerous. ``thresholds.yaml`` says what is made of them.
Chinese and English are read so. Of a text in another language only words of danger are known
(:mod:`streams.classify.languages`): with one it may be life-threatening, and a person looks.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from models.categories import OTHER
from models.events import FactValue, LikelyCategory, Reading
from models.likeness import sketch_of
from models.plain_text import plain
from streams.classify.encoder import LANGUAGES, Encoded, Encoder, encoder_of, version
from streams.classify.facts import facts_of
from streams.classify.languages import category_of, danger_in, language_of, load_languages
from streams.classify.lexicon import load_lexicon
from streams.classify.wordpiece import Token
from streams.errors import RulesError

THRESHOLDS: Final = Path(__file__).parent / "thresholds.yaml"
LIVE: Final = "live"
MAX_CHARS: Final = 600
"""Characters of a text that are read; the encoder takes fewer tokens than that."""

_GUESSED: Final = 0.5
"""Probability of a category that only words of danger speak for."""

_MAYBE: Final = 0.6
"""Probability of danger where a word of danger stands in a text that isn't read."""

_CATEGORIES: Final = 3
_REASONS: Final = 3
_REASON_CHARS: Final = 24
_PLAIN_DANGERS: Final = frozenset(("threat_to_life", "weapon", "explosion"))
"""Facts of the lexicon that raise a text that is more likely live than not."""

_LEAST_REAL: Final = 0.5
_LEAST_SHARE: Final = 0.3
"""A token is a reason where its share of the logit is at least this part of the largest one."""


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From which probability on something is done; each from 0 to 1.

    Attributes
    ----------
    raise_danger
        A life is at stake here and now (danger times real): priority 1.
    order_danger, order_real
        Both reached: the machine may order without a person.
    real
        Below, a person looks first.
    category
        Below, a person looks first.
    """

    raise_danger: float
    order_danger: float
    order_real: float
    real: float
    category: float

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, not from 0 to 1")


class Understood(NamedTuple):
    """What was made of a text.

    Attributes
    ----------
    category, confidence
        The most probable one and its probability.
    is_raised
        A life may be at stake: priority 1, whatever the category.
    is_sure
        So surely that the machine may order.
    is_unreal
        Most probably not here and now.
    triage
        A person looks first.
    facts
        Counts of people by what happened to them, and flags of the vulnerable.
    """

    category: str
    confidence: float
    is_raised: bool
    is_sure: bool
    is_unreal: bool
    triage: bool
    facts: dict[str, FactValue]
    reading: Reading


def understand(texts: Sequence[str]) -> list[Understood]:
    """Read texts of any language; some 2 ms of one core each, faster together."""
    said = [plain(text)[:MAX_CHARS] for text in texts]
    languages = [language_of(text) for text in said]
    found: dict[int, Understood] = {}
    for language in LANGUAGES:
        places = [place for place, one in enumerate(languages) if one == language]
        if not places:
            continue
        encoder = encoder_of(language)
        encoded = encoder.encode([said[place] for place in places])
        for place, one in zip(places, encoded, strict=True):
            found[place] = _understood(said[place], one, language, encoder)
    return [
        found.get(place) or unread(text, language)
        for place, (text, language) in enumerate(zip(said, languages, strict=True))
    ]


def load_reader() -> None:
    """Load the models, some 0.3 s, so that no report waits for it."""
    understand(["火", "fire"])


def unread(text: str, language: str) -> Understood:
    """Return what is known of a text in a language that isn't read; loads no model.

    A person looks, at once where a word of danger stands in it. An empty text is no danger.
    """
    alarming = danger_in(text, language)
    category = category_of(alarming, language)
    confidence = 0.0 if category == OTHER else _GUESSED
    reading = Reading(
        reader=load_languages().version,
        real=0.5 if text.strip() else 0.0,
        danger=_MAYBE if alarming else 0.0,
        categories=(LikelyCategory(category=category, probability=_GUESSED),) if confidence else (),
        alarming=alarming,
    )
    return Understood(
        category,
        confidence,
        is_raised=bool(alarming),
        is_sure=False,
        is_unreal=False,
        triage=True,
        facts={},
        reading=reading,
    )


@cache
def thresholds(path: Path = THRESHOLDS) -> Thresholds:
    """Read a file of thresholds, once.

    Raises
    ------
    RulesError
        It can't be read, or a number isn't from 0 to 1.
    """
    try:
        tree = YAML(typ="safe", pure=True).load(io.StringIO(path.read_text(encoding="utf-8")))
        return msgspec.convert(tree, Thresholds)
    except (OSError, UnicodeDecodeError, YAMLError, ValueError, msgspec.ValidationError) as error:
        raise RulesError(f"{path}: {error}") from error


def _understood(
    text: str,
    encoded: Encoded,
    language: str,
    encoder: Encoder,
) -> Understood:
    limits, categories, modalities = thresholds(), encoder.categories, encoder.modalities
    hinted = {name for name, value in load_lexicon().read(text).facts.items() if value}
    ranked = np.argsort(-encoded.category.probabilities, kind="stable")[:_CATEGORIES]
    confidence = float(encoded.category.probabilities[ranked[0]])
    real = float(encoded.modality.probabilities[modalities.index(LIVE)])
    danger = float(encoded.danger.probabilities[0])
    facts = facts_of(text, encoded, encoder.facts, hinted)
    # The model may miss what the plainest words say; those cost nearly no false alarm.
    is_plain = real >= _LEAST_REAL and (
        bool(hinted & _PLAIN_DANGERS) or ("trapped" in hinted and bool(facts.get("trapped")))
    )
    is_raised = is_plain or danger * real >= limits.raise_danger
    is_sure = is_raised and danger >= limits.order_danger and real >= limits.order_real
    modality = modalities[int(np.argmax(encoded.modality.probabilities))]
    against = np.zeros(len(encoded.tokens), np.float32)
    if modality != LIVE:
        shares = encoded.modality.shares
        against = shares[:, modalities.index(modality)] - shares[:, modalities.index(LIVE)]
    reading = Reading(
        reader=version(),
        language=language,
        modality=modality,
        real=round(real, 3),
        danger=round(danger, 3),
        categories=tuple(
            LikelyCategory(
                category=categories[label],
                probability=round(float(encoded.category.probabilities[label]), 3),
            )
            for label in ranked
        ),
        because=_reasons(text, encoded.tokens, encoded.category.shares[:, ranked[0]]),
        alarming=_reasons(text, encoded.tokens, encoded.danger.shares[:, 0]) if is_raised else (),
        unreal=_reasons(text, encoded.tokens, against),
        sketch=sketch_of(encoded.vector),
    )
    return Understood(
        category=categories[ranked[0]],
        confidence=round(confidence, 3),
        is_raised=is_raised,
        is_sure=is_sure,
        is_unreal=modality != LIVE,
        triage=confidence < limits.category or real < limits.real or (is_raised and not is_sure),
        facts=facts,
        reading=reading,
    )


def _reasons(text: str, tokens: tuple[Token, ...], shares: NDArray[np.float32]) -> tuple[str, ...]:
    """Return the words that speak most for something, in the order of the text."""
    if not len(tokens) or shares.max() <= 0:
        return ()
    least = float(shares.max()) * _LEAST_SHARE
    spans: list[tuple[float, int, int]] = []
    for token, share in zip(tokens, shares, strict=True):
        if share < least or not text[token.start : token.end].strip():
            continue
        weight, start, end = spans[-1] if spans else (0.0, -9, -9)
        gap = text[end : token.start] if end >= 0 else "x"
        if end >= 0 and not gap.strip() and token.end - start <= _REASON_CHARS:
            spans[-1] = (weight + float(share), start, token.end)
        else:
            spans.append((float(share), token.start, token.end))
    best = sorted(spans, key=lambda span: (-span[0], span[1]))[:_REASONS]
    return tuple(
        dict.fromkeys(text[start:end] for _, start, end in sorted(best, key=lambda span: span[1]))
    )
