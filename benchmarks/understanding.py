"""How well reports are understood: the points of view that nothing was trained or tuned on.

    python benchmarks/understanding.py

What is in force (``streams.classify.reports``) reads each held-out sentence of
``streams/classify/corpus`` as a report without a code. ``category_right`` is the share of live
ones whose category is one of the right ones, ``gives_up`` of those read as ``city.other`` and
something else, ``right_unseen`` of those right among ``sent_unseen``, which need no triage.
``danger_raised`` is the share of live dangers to life that have priority 1, ``raised_right`` of
live dangers among all that have it; ``unreal_raised`` counts texts that are not live among those.
``counts_right`` is the share of people counts of one or more that are right. Each share stands
with its 95 % interval (Wilson), ``_from`` and ``_to``, None where there is none of it; by language
and difficulty too.
``yardstick_ms`` is a fixed loop measured in the same run.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TypeVar

from report import Yardstick, print_result

from models.categories import OTHER
from models.city import CityPack
from models.events import ReportClassified, ReportReceived
from models.settings import CHECKOUT
from models.words import Channel
from streams.classify.reports import classify
from streams.classify.sentences import COUNTS, DIFFICULTIES, Sentence, held_out, sentences

LIFE_THREATENING = 1
NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
Z = 1.96
Read = tuple[Sentence, ReportClassified]
T = TypeVar("T")


def main() -> None:
    """Read all, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    yardstick = Yardstick()
    packs = {
        "zh": CityPack.load(CHECKOUT / "cities" / "liyang"),
        "en": CityPack.load(CHECKOUT / "cities" / "san_francisco"),
    }
    given = [one for view in sorted(held_out()) for one in sentences(view)]
    began = time.process_time()
    found = [(one, read(one, packs[one.language])) for one in given]
    ms = (time.process_time() - began) / len(given) * 1e3
    figures: dict[str, float | None] = {"ms_a_text": ms}
    figures |= figures_of(found)
    for language in packs:
        mine = [each for each in found if each[0].language == language]
        figures |= {f"{language}.{name}": value for name, value in figures_of(mine).items()}
    for difficulty in DIFFICULTIES:
        mine = [each for each in found if each[0].difficulty == difficulty]
        figures |= share(f"{difficulty}.category_right", mine, right)
    print_result(
        "understanding",
        seed=None,
        size={"texts": len(given), "views": len(held_out())},
        figures=figures | yardstick.figures(),
    )


def read(sentence: Sentence, pack: CityPack) -> ReportClassified:
    """Return what the pipeline makes of a sentence."""
    report = ReportReceived(
        channel=Channel.CITIZEN,
        received_at=NOW,
        text=sentence.text,
        language=sentence.language,
    )
    return classify(report, pack)


def figures_of(found: list[Read]) -> dict[str, float | None]:
    """Return the shares of some sentences."""
    live = [each for each in found if each[0].is_live]
    unseen = [each for each in live if not each[1].triage]
    raised = [each for each in found if each[1].priority == LIFE_THREATENING]
    dangers = [each for each in live if each[0].danger]
    counts = [
        (int(value), reading.facts.get(name, 0))
        for sentence, reading in live
        for name, value in sentence.facts
        if name in COUNTS and value not in ("some", "0")
    ]
    return {
        **share("category_right", live, right),
        **share("gives_up", live, lambda each: each[1].category == OTHER and not right(each)),
        **share("sent_unseen", live, lambda each: not each[1].triage),
        **share("right_unseen", unseen, right),
        **share("danger_raised", dangers, lambda each: each[1].priority == LIFE_THREATENING),
        **share("raised_right", raised, lambda each: each[0].is_live and each[0].danger),
        "unreal_raised": sum(not each[0].is_live for each in raised),
        **share("counts_right", counts, lambda each: each[0] == each[1]),
    }


def right(each: Read) -> bool:
    """Whether a category is one of the right ones."""
    return each[1].category in each[0].categories


def share(name: str, of: Iterable[T], holds: Callable[[T], bool]) -> dict[str, float | None]:
    """Return the share of those of which something holds, and its interval."""
    flags = [holds(one) for one in of]
    n = len(flags)
    if not n:
        return dict.fromkeys((name, f"{name}_from", f"{name}_to"))
    p = sum(flags) / n
    middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return {name: p, f"{name}_from": middle - half, f"{name}_to": middle + half}


if __name__ == "__main__":
    main()
