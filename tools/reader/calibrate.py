"""From logits to probabilities that mean the share that is right, and what held-out views say.

Temperature scaling (Guo et al. 2017, *On Calibration of Modern Neural Networks*): one number a
head, chosen on the calibrating views.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from examples import BATCH, CATEGORIES, FACTS, Example, facts_of, tokens_of
from network import HEADS, ONE_OF, Params, Shape, read
from numpy.typing import NDArray

from streams.classify.sentences import MODALITIES
from streams.classify.wordpiece import WordPiece

Floats = NDArray[np.float32]
_TRIED = np.exp(np.linspace(np.log(0.3), np.log(5.0), 113))


class Looked(NamedTuple):
    """Logits by head, (n, labels), and ``middle`` (n, hidden): the mean of the last layer."""

    logits: dict[str, Floats]
    middle: Floats


def seen(params: Params, shape: Shape, examples: list[Example], words: WordPiece) -> Looked:
    """Return what the model says of examples, in their order."""
    order = sorted(range(len(examples)), key=lambda place: len(examples[place].tokens))
    logits: dict[str, list[Floats]] = {head: [] for head in HEADS}
    middles: list[Floats] = []
    for start in range(0, len(order), BATCH):
        places = order[start : start + BATCH]
        # A last batch that isn't full is filled up, so that no other shape is compiled.
        filled = places + [places[-1]] * (BATCH - len(places))
        batch = tokens_of([examples[place].tokens for place in filled], words)
        found, middle = read(shape, params, batch["ids"], batch["mask"])
        for head in HEADS:
            logits[head].append(np.asarray(found[head])[: len(places)])
        middles.append(np.asarray(middle)[: len(places)])
    back = np.argsort(order)
    return Looked(
        {head: np.concatenate(parts)[back] for head, parts in logits.items()},
        np.concatenate(middles)[back],
    )


def calibrated(looked: Looked, examples: list[Example]) -> dict[str, float]:
    """Return the temperature of each head with the least cross entropy."""
    return {
        head: round(float(min(_TRIED, key=lambda t: _entropy(head, looked, examples, t))), 4)
        for head in HEADS
    }


def judged(looked: Looked, examples: list[Example]) -> dict[str, float]:
    """Return shares that are right: category of live ones, modality live or not, danger, facts."""
    of = [one.sentence for one in examples]
    live = np.array([one.is_live for one in of])
    best = looked.logits["category"].argmax(axis=1)
    right = np.array(
        [CATEGORIES[label] in one.categories for label, one in zip(best, of, strict=True)]
    )
    real = _softmax(looked.logits["modality"])[:, MODALITIES.index("live")]
    at_stake = _sigmoid(looked.logits["danger"][:, 0]) * real
    endangered = live & np.array([one.danger for one in of])
    figures = {
        "category_right": float(right[live].mean()),
        "live_right": float(((real >= 0.5) == live).mean()),
    }
    for name in ("easy", "medium", "hard"):
        which = live & np.array([one.difficulty == name for one in of])
        figures[f"category_right.{name}"] = float(right[which].mean())
    for recall in (0.9, 0.95, 0.97):
        least = np.quantile(at_stake[endangered], 1 - recall)
        figures[f"danger_precision_at_{recall}"] = float(endangered[at_stake >= least].mean())
    said = np.array([facts_of(one) for one in of]) > 0
    for place, name in enumerate(FACTS):
        held = looked.logits["facts"][:, place] > 0
        both = float((held & said[:, place]).sum())
        figures[f"f1.{name}"] = 2 * both / max(1.0, float(held.sum() + said[:, place].sum()))
    return {name: round(value, 3) for name, value in figures.items()}


def _entropy(head: str, looked: Looked, examples: list[Example], temperature: float) -> float:
    logits = looked.logits[head] / temperature
    of = [one.sentence for one in examples]
    if head in ONE_OF:
        chances = _softmax(logits)
        if head == "category":
            # Any of those that are right counts: that is what a probability promises.
            mine = [
                sum(chances[row, CATEGORIES.index(name)] for name in one.categories)
                for row, one in enumerate(of)
                if one.is_live
            ]
        else:
            mine = [chances[row, MODALITIES.index(one.modality)] for row, one in enumerate(of)]
        return float(-np.log(np.clip(mine, 1e-9, 1)).mean())
    if head == "danger":
        right = np.array([[one.danger] for one in of], np.float32)
    else:
        right = np.array([facts_of(one) for one in of], np.float32)
    return float((np.logaddexp(0, logits) - right * logits).mean())


def _softmax(logits: Floats) -> Floats:
    chances: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    return chances


def _sigmoid(logits: Floats) -> Floats:
    chances: Floats = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return chances
