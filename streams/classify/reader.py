"""What a text says: whether it happens now, whether a life is at stake, and what it is.

For: :mod:`streams.classify.reports`, for reports without a code. Not for: flags of danger
(:mod:`streams.classify.lexicon`), places, and what is done about it.

Layers, each with a probability of its own: modality (is it real, here and now), danger, category.
They are read from the same vectors (:mod:`streams.classify.encoder`) and don't hear each other: a
text of no clear category may be surely dangerous. ``thresholds.yaml`` says what is made of them.
What a city's people taught (:mod:`streams.classify.taught`) counts beside the models: an example
makes its category more probable the more a text is like it, and one of danger may raise the text.
None makes a danger smaller, and none lets the machine order by itself.
Chinese and English are read so. Of a text in another language only words of danger are known
(:mod:`streams.classify.languages`): with one it may be life-threatening, and a person looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.categories import OTHER
from models.errors import CityPackError
from models.events import FactValue, LikelyCategory, Reading
from models.examples import LIVE, TEXT_MAX
from models.likeness import sketch_of
from models.pack_files import YamlFile
from models.plain_text import plain
from models.settings import Settings
from streams.classify.encoder import LANGUAGES, Encoded, encoder_of, version
from streams.classify.facts import facts_of
from streams.classify.languages import category_of, danger_in, language_of, load_languages
from streams.classify.lexicon import load_lexicon
from streams.classify.taught import Curve, Lesson, Taught, all_weighed, weighed
from streams.classify.wordpiece import Token
from streams.errors import RulesError

THRESHOLDS: Final = Path(__file__).parent / "thresholds.yaml"
DRILL: Final = "drill"
MAX_CHARS: Final = TEXT_MAX
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


Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


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
    taught
        By language: what an example says of a text that is like it. It belongs to the models, not
        to a city; a file without it has ours.
    """

    raise_danger: Share
    order_danger: Share
    order_real: Share
    real: Share
    category: Share
    taught: dict[str, Curve] = {}


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


class EncodedText(NamedTuple):
    """A text in its plain form, as a model sees it; None: in a language that isn't read."""

    text: str
    language: str
    encoded: Encoded | None


def understand(
    texts: Sequence[str],
    taught: Taught | None = None,
    limits: Thresholds | None = None,
    *,
    is_exercise: bool = False,
) -> list[Understood]:
    """Read texts of any language; some 2 ms of one core each, faster together.

    Parameters
    ----------
    taught
        A city's examples; None: only the models count.
    limits
        A city's own thresholds; None: ours.
    is_exercise
        They are an exercise's: there a text that says it is a drill is meant.
    """
    return [judge(one, taught, limits, is_exercise=is_exercise) for one in encode_texts(texts)]


def encode_texts(texts: Sequence[str]) -> list[EncodedText]:
    """Do the costly part of reading; what is made of it is :func:`judge`'s."""
    said = [plain(text)[:MAX_CHARS] for text in texts]
    languages = [language_of(text) for text in said]
    found: dict[int, Encoded] = {}
    for language in LANGUAGES:
        places = [place for place, one in enumerate(languages) if one == language]
        if places:
            encoded = encoder_of(language).encode([said[place] for place in places])
            found |= zip(places, encoded, strict=True)
    return [
        EncodedText(text, language, found.get(place))
        for place, (text, language) in enumerate(zip(said, languages, strict=True))
    ]


def judge(
    one: EncodedText,
    taught: Taught | None = None,
    limits: Thresholds | None = None,
    but: str = "",
    *,
    is_exercise: bool = False,
) -> Understood:
    """Return what is made of an encoded text.

    Parameters
    ----------
    taught, limits, is_exercise
        As of :func:`understand`.
    but
        Text of an example that doesn't count.
    """
    if one.encoded is None:
        return unread(one.text, one.language)
    limits = limits or thresholds()
    lesson = None
    if taught is not None:
        lesson = taught.lesson(one.language, one.encoded.vector, limits.taught, but)
    return _understood(one.text, one.encoded, one.language, limits, lesson, is_exercise)


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
        It can't be read, or a number isn't what it must be; says file and line.
    """
    try:
        found = YamlFile(path).convert(Thresholds)
    except CityPackError as error:
        raise RulesError(str(error)) from error
    return found if found.taught else msgspec.structs.replace(found, taught=thresholds().taught)


def thresholds_in_force(settings: Settings) -> Thresholds:
    """Return the city pack's own thresholds where it has some, else ours; errors as above."""
    return thresholds(settings.own_thresholds or THRESHOLDS)


def _understood(
    text: str,
    encoded: Encoded,
    language: str,
    limits: Thresholds,
    lesson: Lesson | None,
    is_exercise: bool,
) -> Understood:
    encoder = encoder_of(language)
    categories, modalities = encoder.categories, encoder.modalities
    hinted = {name for name, value in load_lexicon().read(text).facts.items() if value}
    meant = encoded.modality.probabilities.copy()
    if is_exercise:
        meant[modalities.index(LIVE)] += meant[modalities.index(DRILL)]
        meant[modalities.index(DRILL)] = 0.0
    real = float(meant[modalities.index(LIVE)])
    danger = float(encoded.danger.probabilities[0])
    modality = modalities[int(np.argmax(meant))]
    facts = facts_of(text, encoded, encoder.facts, hinted)
    # The model may miss what the plainest words say; those cost nearly no false alarm.
    is_plain = real >= _LEAST_REAL and (
        bool(hinted & _PLAIN_DANGERS) or ("trapped" in hinted and bool(facts.get("trapped")))
    )
    is_raised = is_plain or danger * real >= limits.raise_danger
    # By the model alone: that a text is like another one is no reason to order without a person.
    is_sure = is_raised and danger >= limits.order_danger and real >= limits.order_real
    chances, taught = encoded.category.probabilities, ""
    if lesson is not None:
        weights = {categories.index(name): said.weight for name, said in lesson.categories.items()}
        chances = all_weighed(chances, weights)
        if said := lesson.categories.get(categories[int(np.argmax(chances))]):
            taught = str(said.example.id)
        if (said := lesson.danger) and not is_raised:
            at_stake, now = weighed(danger, said.weight), weighed(real, said.weight)
            if at_stake * now >= limits.raise_danger:
                danger, real, is_raised = at_stake, now, True
                modality, taught = LIVE, str(said.example.id)
        if (said := lesson.unreal) and not is_raised:
            doubted = 1 - weighed(1 - real, said.weight)
            if doubted < limits.real:
                real, modality, taught = doubted, said.example.modality, str(said.example.id)
    ranked = [
        (categories[label], float(chances[label]))
        for label in np.argsort(-chances, kind="stable")[:_CATEGORIES]
    ]
    category, confidence = ranked[0]
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
            LikelyCategory(category=name, probability=round(chance, 3)) for name, chance in ranked
        ),
        because=_reasons(
            text, encoded.tokens, encoded.category.shares[:, categories.index(category)]
        ),
        alarming=_reasons(text, encoded.tokens, encoded.danger.shares[:, 0]) if is_raised else (),
        unreal=_reasons(text, encoded.tokens, against),
        sketch=sketch_of(encoded.vector),
        taught=taught,
    )
    return Understood(
        category=category,
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
