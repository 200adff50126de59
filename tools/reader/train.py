"""Train the reader's model of one language from the corpus, and write it where workers read it.

    python tools/reader/train.py zh

Runs in an environment of its own (``make reader`` builds it from ``requirements-train.lock``).
The same corpus, base, seed and versions give the same bytes on one kind of processor. Takes some
40 minutes for Chinese and 15 for English on two cores. The last line printed is one JSON object
with what the held-out views say; ``benchmarks/understanding.py`` judges the files in place.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

import jax
import numpy as np
from base import BASES, CACHE, graph_of, vocabulary_of, weights_of
from calibrate import calibrated, judged, seen
from examples import BATCH, LABELS, LENGTHS, Example, epoch, load
from export import export
from network import Params, Shape, begin, shape_of, step

from streams.classify.encoder import DATA
from streams.classify.wordpiece import WordPiece

EPOCHS = 5
RATE = 8e-5
WARM_UP = 0.08
"""Part of all steps in which the rate rises from nothing; after it the rate falls to nothing."""

SEED = 7
TOLD_EVERY = 50


def main() -> None:
    """Train, export, calibrate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("language", choices=sorted(BASES))
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--to", type=Path, help="folder of the model (default: where it is read)")
    given = parser.parse_args()
    language: str = given.language
    graph, vocabulary = graph_of(language), vocabulary_of(language)
    weights = weights_of(graph)
    shape = shape_of(weights, BASES[language].attention_heads)
    words = WordPiece(vocabulary)
    sets = load(language, words)
    print({name: len(of) for name, of in zip(sets._fields, sets, strict=True)}, flush=True)
    params = begin(weights, LABELS, LENGTHS[-1], SEED)
    params = _trained(params, shape, sets.train, words, vocabulary.index("[MASK]"), given.epochs)
    CACHE.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {name: np.asarray(at) for name, at in params.items()}
    np.savez(CACHE / f"{language}.npz", **arrays)
    temperatures = calibrated(seen(params, shape, sets.calibrate, words), sets.calibrate)
    export(
        given.to or DATA / language,
        graph,
        params,
        vocabulary,
        temperatures,
        seen(params, shape, sets.train, words).middle,
    )
    found = judged(seen(params, shape, sets.held, words), sets.held)
    print(json.dumps({"language": language, "temperatures": temperatures, **found}))


def _trained(
    params: Params,
    shape: Shape,
    examples: list[Example],
    words: WordPiece,
    mask_id: int,
    epochs: int,
) -> Params:
    chance = np.random.default_rng(SEED)
    key = jax.random.PRNGKey(SEED)
    first = {name: np.zeros_like(at) for name, at in params.items()}
    second = {name: np.zeros_like(at) for name, at in params.items()}
    total, done, began = epochs * (len(examples) // BATCH), 0, time.monotonic()
    lost = 0.0
    for _ in range(epochs):
        for batch in epoch(examples, words, mask_id, chance):
            done += 1
            key, mine = jax.random.split(key)
            rate = RATE * min(done / (WARM_UP * total), (total - done) / ((1 - WARM_UP) * total))
            params, first, second, value = step(
                shape, params, first, second, float(done), batch, mine, max(rate, 0.0)
            )
            lost += float(value)
            if done % TOLD_EVERY == 0:
                left_s = (time.monotonic() - began) / done * (total - done)
                print(
                    f"{done}/{total} loss {lost / TOLD_EVERY:.3f}, {left_s / 60:.0f} min left",
                    flush=True,
                )
                lost = 0.0
    return params


if __name__ == "__main__":
    main()
