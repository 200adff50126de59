"""Corpus sentences as batches of numbers, with the small faults that typing and dictating make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from models.categories import categories
from models.plain_text import plain
from streams.classify.encoder import MAX_TOKENS
from streams.classify.sentences import (
    COUNTS,
    MODALITIES,
    Sentence,
    calibrating,
    held_out,
    sentences,
    views,
)
from streams.classify.wordpiece import WordPiece

BATCH: Final = 32
LENGTHS: Final = (16, 24, 32, 48, 64, MAX_TOKENS + 2)
"""Tokens that batches are padded to: each length is compiled once."""

CATEGORIES: Final = tuple(categories())
VULNERABLE: Final = ("child", "elderly", "pregnant", "disabled", "patient")
FACTS: Final = (*COUNTS, *VULNERABLE)
LABELS: Final = {
    "category": len(CATEGORIES),
    "modality": len(MODALITIES),
    "danger": 1,
    "facts": len(FACTS),
}
SMOOTHING: Final = 0.05
SHARES: Final = {1: (1.0,), 2: (0.7, 0.3), 3: (0.6, 0.25, 0.15)}
"""Of what is right: the first category is better than the others."""

UNREAL_WEIGHT: Final = 0.5
"""Of the category where a sentence isn't live: nothing is sent for it."""

NO_SIGNS, LOST, MASKED = 0.3, 0.05, 0.08
"""Chances that a sentence loses its punctuation, and a token is lost (in half of all) or masked."""


class Example(NamedTuple):
    """A sentence and its tokens, without the marks at both ends."""

    sentence: Sentence
    tokens: tuple[int, ...]


class Sets(NamedTuple):
    """Examples to train on, to calibrate by, and to judge by."""

    train: list[Example]
    calibrate: list[Example]
    held: list[Example]


def load(language: str, words: WordPiece) -> Sets:
    """Return the corpus of a language; what calibrates and judges is kept apart by view."""
    sets = Sets([], [], [])
    for view in views():
        if not view.startswith(language):
            continue
        into = sets.train
        if view in held_out():
            into = sets.held
        elif view in calibrating():
            into = sets.calibrate
        for one in sentences(view):
            tokens = words.tokens(plain(one.text), MAX_TOKENS)
            into.append(Example(one, tuple(token.id for token in tokens)))
    return sets


def epoch(
    examples: Sequence[Example], words: WordPiece, mask_id: int, chance: np.random.Generator
) -> Iterator[dict[str, np.ndarray]]:
    """Yield all examples once in batches of similar length, in an order by chance."""
    order = chance.permutation(len(examples))
    batches = []
    for start in range(0, len(order), BATCH * 16):
        chunk = sorted(
            order[start : start + BATCH * 16], key=lambda place: len(examples[place].tokens)
        )
        batches += [chunk[at : at + BATCH] for at in range(0, len(chunk) - BATCH + 1, BATCH)]
    chance.shuffle(batches)
    signs = words.signs
    for places in batches:
        of = [examples[place] for place in places]
        said = [_faulty(one.tokens, signs, mask_id, chance) for one in of]
        yield tokens_of(said, words) | targets([one.sentence for one in of])


def tokens_of(said: Sequence[Sequence[int]], words: WordPiece) -> dict[str, np.ndarray]:
    """Return ``ids`` and ``mask`` of sentences, padded to one of ``LENGTHS``."""
    longest = max(map(len, said)) + 2
    width = next(length for length in LENGTHS if length >= longest)
    ids = np.zeros((len(said), width), np.int32)
    mask = np.zeros((len(said), width), np.float32)
    for row, tokens in enumerate(said):
        whole = (words.first, *tokens, words.last)
        ids[row, : len(whole)] = whole
        mask[row, : len(whole)] = 1
    return {"ids": ids, "mask": mask}


def targets(of: Sequence[Sentence]) -> dict[str, np.ndarray]:
    """Return what is right for each head, smoothed where one label holds."""
    category = np.full((len(of), len(CATEGORIES)), SMOOTHING / len(CATEGORIES), np.float32)
    modality = np.full((len(of), len(MODALITIES)), SMOOTHING / len(MODALITIES), np.float32)
    for row, one in enumerate(of):
        named = one.categories[:3]
        for name, share in zip(named, SHARES[len(named)], strict=True):
            category[row, CATEGORIES.index(name)] += (1 - SMOOTHING) * share
        modality[row, MODALITIES.index(one.modality)] += 1 - SMOOTHING
    return {
        "category": category,
        "modality": modality,
        "danger": np.array([[one.danger] for one in of], np.float32),
        "facts": np.array([facts_of(one) for one in of], np.float32),
        "weight": np.array([1.0 if one.is_live else UNREAL_WEIGHT for one in of], np.float32),
    }


def facts_of(one: Sentence) -> list[float]:
    """Return 1 for each of ``FACTS`` that a sentence says, else 0."""
    said = {name for name, value in one.facts if name in COUNTS and value != "0"}
    said |= {value for name, value in one.facts if name == "vulnerable"}
    return [float(fact in said) for fact in FACTS]


def _faulty(
    tokens: tuple[int, ...], signs: frozenset[int], mask_id: int, chance: np.random.Generator
) -> list[int]:
    said = list(tokens)
    if chance.random() < NO_SIGNS:
        said = [token for token in said if token not in signs] or said
    if chance.random() < 0.5:
        said = [token for token in said if chance.random() > LOST] or said
    return [mask_id if chance.random() < MASKED else token for token in said]
