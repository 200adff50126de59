"""What examples would do to texts that are like none or some of them, by each curve.

    python tools/reader/taught.py

For choosing ``taught`` of ``streams/classify/thresholds.yaml``: training sentences stand for what a
city taught (100 and 1,000 by chance, and all), the calibrating views for what is read. For each
pair of ``least`` and ``power`` it prints the cross entropy of the category and the share that is
right, both against those of the models alone, and dangers raised and others raised that weren't
before. Views are written apart from each other, so little can be gained here; what a curve must
not do is harm. What is gained where people say things again is printed at the end, by the curves in
force: the live sentences of the calibrating views are taught, and read with an opening before them
or with a twelfth of their words (Chinese: characters) lost. Runs in the project's own environment,
on the models in place.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

import msgspec
import numpy as np

from models.examples import Example
from models.plain_text import plain
from streams.classify.encoder import LANGUAGES, encoder_of
from streams.classify.reader import EncodedText, Thresholds, encode_texts, judge, thresholds
from streams.classify.sentences import Sentence, calibrating, held_out, sentences, views
from streams.classify.taught import Curve, Taught, all_weighed

SEED = 1
SIZES = (100, 1000)
LEASTS = (0.6, 0.7, 0.75, 0.8, 0.85, 0.9)
POWERS = (0.5, 1.0, 2.0, 3.0)
OPENINGS = {
    "zh": ("人民路，", "你好，", "我在小区门口，", "麻烦快点，"),
    "en": ("hello, ", "hi this is at Oak Street, ", "please hurry, ", "not sure who to call, "),
}
LOST = 12
AT = datetime(2026, 7, 1, tzinfo=UTC)


def main() -> None:
    """Print what each curve does, a language after the other."""
    for language in LANGUAGES:
        of = sorted(view for view in views() if view.startswith(language))
        kept = held_out() | calibrating()
        trained = [one for view in of if view not in kept for one in sentences(view)]
        read = [one for view in of if view in calibrating() for one in sentences(view)]
        random.Random(SEED).shuffle(trained)
        encoded = encode_texts([one.text for one in read])
        whole = Taught([_example(one, language) for one in trained])
        print(
            f"{language}: {len(read)} texts; entropy, right, dangers, others raised; models alone:"
        )
        alone = _figures(read, encoded, Taught(), thresholds())
        print("  " + "  ".join(f"{value:.4f}" for value in alone))
        for size in (*SIZES, len(trained)):
            taught = Taught([_example(one, language) for one in trained[:size]], whole)
            print(f"  {size} examples, by least and power: what is more")
            for least in LEASTS:
                for power in POWERS:
                    curves = {language: Curve(least, power)}
                    limits = msgspec.structs.replace(thresholds(), taught=curves)
                    figures = _figures(read, encoded, taught, limits)
                    more = [now - was for now, was in zip(figures, alone, strict=True)]
                    said = "  ".join(f"{value:+.4f}" for value in more)
                    print(f"    {least:4.2f}  {power:3.1f}  {said}")
        _say_again([one for one in read if one.is_live], language)


def _say_again(read: Sequence[Sentence], language: str) -> None:
    chance, taught = random.Random(SEED), Taught([_example(one, language) for one in read])
    opened = [chance.choice(OPENINGS[language]) + one.text for one in read]
    lost = [_lost(one.text, language, chance) for one in read]
    for name, texts in (("with an opening", opened), (f"a {LOST}th lost", lost)):
        encoded = encode_texts(texts)
        for by, examples in (("alone", Taught()), ("taught", taught)):
            _, right, dangers, others = _figures(read, encoded, examples, thresholds())
            said = f"right {right:.3f}, dangers {dangers:.0f}, others raised {others:.0f}"
            print(f"  said again {name}, {by}: {said}")


def _lost(text: str, language: str, chance: random.Random) -> str:
    words = list(text) if language == "zh" else text.split()
    for _ in range(max(1, len(words) // LOST)):
        if len(words) > 1:
            del words[chance.randrange(len(words))]
    return ("" if language == "zh" else " ").join(words)


def _figures(
    read: Sequence[Sentence], encoded: Sequence[EncodedText], taught: Taught, limits: Thresholds
) -> tuple[float, float, float, float]:
    entropy, right, dangers, others = [], [], 0, 0
    for one, text in zip(read, encoded, strict=True):
        found = judge(text, taught, limits)
        is_danger = one.is_live and one.danger
        dangers += found.is_raised and is_danger
        others += found.is_raised and not is_danger
        if not one.is_live or text.encoded is None:
            continue
        labels = encoder_of(text.language).categories
        lesson = taught.lesson(text.language, text.encoded.vector, limits.taught)
        said = lesson.categories if lesson else {}
        chances = all_weighed(
            text.encoded.category.probabilities,
            {labels.index(name): each.weight for name, each in said.items()},
        )
        entropy.append(-np.log(max(1e-9, sum(chances[labels.index(n)] for n in one.categories))))
        right.append(found.category in one.categories)
    return float(np.mean(entropy)), float(np.mean(right)), dangers, others


def _example(one: Sentence, language: str) -> Example:
    return Example(
        jurisdiction="0",
        text=plain(one.text),
        language=language,
        category=one.categories[0],
        danger=one.danger,
        modality=one.modality,
        by="corpus",
        at=AT,
        incident=one.view,
    )


if __name__ == "__main__":
    main()
