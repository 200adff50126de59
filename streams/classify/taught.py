"""What a city's own people taught: their examples, as vectors that a text is compared with.

For: :mod:`streams.classify.reader`, which asks what the examples that a text is like say of it. Not
for keeping examples (:mod:`models.examples`) nor for making them
(:mod:`streams.classify.teaching`). Relies on :mod:`streams.classify.encoder` for the vectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, NamedTuple

import msgspec
import numpy as np

from models.examples import Example
from streams.classify.encoder import LANGUAGES, Floats, encoder_of

_AT_ONCE: Final = 64
_NEAREST: Final = 50
_APART: Final = 0.001
"""Two texts are never nearer than this, as 1 less their cosine."""

_POSSIBLE: Final = 0.001
"""What a person said of a text like this one is never less probable to the model."""


class Curve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an example says of a text, by the cosine of the two.

    The odds that what holds of the example holds of the text are multiplied by
    ``((1 - least) / (1 - cosine)) ** power``: the probability is a logistic curve over the
    logarithm of their distance.

    Attributes
    ----------
    least
        Cosine from which on an example says anything.
    power
        How much more it says the nearer it is.
    """

    least: Annotated[float, msgspec.Meta(ge=0, lt=1)]
    power: Annotated[float, msgspec.Meta(ge=0, le=10)]

    def weight(self, alike: float) -> float:
        """Return what odds are multiplied by at a cosine; 1 or more."""
        nearer = max(1.0, (1 - self.least) / max(_APART, 1 - alike))
        return float(nearer**self.power)


class Said(NamedTuple):
    """What an example says, and how much that weighs."""

    example: Example
    weight: float


class Lesson(NamedTuple):
    """The nearest examples that a text is like, by what they say of it.

    Attributes
    ----------
    categories
        By category, of what was real.
    danger, unreal
        A life was at stake; it didn't happen there and then. None: no such one is near.
    """

    categories: dict[str, Said]
    danger: Said | None
    unreal: Said | None


class _Of(NamedTuple):
    """The examples of one language; ``vectors`` is (examples, sketch)."""

    examples: list[Example]
    vectors: Floats


class Taught:
    """Examples by language; never changed once made.

    Parameters
    ----------
    examples
        About 2 ms of one core each, but for those whose text is in ``before``. One of a category
        that the models don't know is left out.
    before
        What was made of earlier ones.
    """

    def __init__(self, examples: Sequence[Example] = (), before: Taught | None = None) -> None:
        known = {} if before is None else before.vectors()
        self._of: dict[str, _Of] = {}
        for language in LANGUAGES:
            of = [one for one in examples if one.language == language]
            if of:
                labels = encoder_of(language).categories
                of = [one for one in of if one.category in labels]
            if not of:
                continue
            new = [one.text for one in of if (language, one.text) not in known]
            for first in range(0, len(new), _AT_ONCE):
                texts = new[first : first + _AT_ONCE]
                for text, one in zip(texts, encoder_of(language).encode(texts), strict=True):
                    known[language, text] = one.vector
            vectors = np.stack([known[language, one.text] for one in of])
            self._of[language] = _Of(of, vectors.astype(np.float32))

    def __len__(self) -> int:
        return sum(len(of.examples) for of in self._of.values())

    def vectors(self) -> dict[tuple[str, str], Floats]:
        """Return the vectors by language and text."""
        return {
            (language, one.text): vector
            for language, of in self._of.items()
            for one, vector in zip(of.examples, of.vectors, strict=True)
        }

    def lesson(
        self, language: str, vector: Floats, curves: Mapping[str, Curve], but: str = ""
    ) -> Lesson | None:
        """Return what the examples say that a text is like; None: it is like none.

        Parameters
        ----------
        vector
            As :attr:`streams.classify.encoder.Encoded.vector`.
        curves
            By language.
        but
            Text of an example that is left out, so that a text can be judged by the others.
        """
        of, curve = self._of.get(language), curves.get(language)
        if of is None or curve is None:
            return None
        alike = of.vectors @ vector
        near = np.flatnonzero(alike > curve.least)
        if not near.size:
            return None
        near = near[np.argsort(-alike[near], kind="stable")][:_NEAREST]
        lesson = Lesson({}, None, None)
        for place in near:
            one = of.examples[place]
            if but and one.text == but:
                continue
            said = Said(one, curve.weight(float(alike[place])))
            if not one.real:
                lesson = lesson._replace(unreal=lesson.unreal or said)
                continue
            lesson.categories.setdefault(one.category, said)
            if one.danger:
                lesson = lesson._replace(danger=lesson.danger or said)
        return lesson


def weighed(probability: float, weight: float) -> float:
    """Return a probability whose odds are multiplied by the weight of an example."""
    likely = max(_POSSIBLE, probability) * weight
    return likely / (likely + 1 - probability)


def all_weighed(chances: Floats, weights: Mapping[int, float]) -> Floats:
    """Return probabilities that add up to one after some were multiplied, by place."""
    found = chances.astype(np.float64)
    for place, weight in weights.items():
        found[place] = max(_POSSIBLE, found[place]) * weight
    whole: Floats = (found / found.sum()).astype(np.float32)
    return whole
