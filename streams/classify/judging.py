"""How well texts are understood: what was made of sentences whose meaning is known, in shares.

For: ``benchmarks/understanding.py`` and ``gridcommand understanding``. Not for deciding anything.
Relies on a sentence being read as a citizen's report without a code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple, TypeVar

from models.categories import OTHER
from models.city import CityPack
from models.events import FactValue, ReportClassified, ReportReceived
from models.examples import Example
from models.words import Channel
from streams.classify.reader import EncodedText, Thresholds, judge
from streams.classify.reports import LIFE_THREATENING, classify
from streams.classify.sentences import COUNTS, Sentence
from streams.classify.taught import Taught

NOW: Final = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
IN_SHORT: Final = ("category_right", "danger_raised", "unreal_raised")
_Z: Final = 1.96
_T = TypeVar("_T")


class Read(NamedTuple):
    """A sentence and what was made of it."""

    sentence: Sentence
    report: ReportClassified


def received(sentence: Sentence) -> ReportReceived:
    """Return a sentence as a citizen's report without a code."""
    return ReportReceived(
        channel=Channel.CITIZEN,
        received_at=NOW,
        text=sentence.text,
        language=sentence.language,
    )


def sentence_of(example: Example) -> Sentence:
    """Return a city's example as a sentence of the corpus; its view is the city."""
    return Sentence(
        f"{example.language}-{example.jurisdiction}",
        example.text,
        (example.category,),
        example.modality,
        example.danger,
        (),
        "medium",
    )


def judged(
    said: Sequence[Sentence],
    encoded: Sequence[EncodedText],
    pack: CityPack,
    taught: Taught,
    limits: Thresholds,
    *,
    left_out: bool = False,
) -> list[Read]:
    """Return what is made of sentences by what a city taught.

    Parameters
    ----------
    encoded
        The sentences' texts.
    left_out
        Each sentence is judged without the example that it is itself.
    """
    return [
        Read(
            one,
            classify(
                received(one), pack, judge(text, taught, limits, one.text if left_out else "")
            ),
        )
        for one, text in zip(said, encoded, strict=True)
    ]


def figures_of(found: list[Read]) -> dict[str, float | None]:
    """Return the shares of some sentences."""
    live = [each for each in found if each.sentence.is_live]
    unseen = [each for each in live if not each.report.triage]
    raised = [each for each in found if is_raised(each)]
    ordered = [each for each in raised if each.report.life_threat]
    dangers = [each for each in live if is_danger(each)]
    counts = [
        (int(value), each.report.facts.get(name, 0))
        for each in live
        for name, value in each.sentence.facts
        if name in COUNTS and value not in ("some", "0")
    ]
    counted = [each for each in live if counts_said(each.sentence)]
    return {
        **share("category_right", live, right),
        **share("gives_up", live, lambda each: each.report.category == OTHER and not right(each)),
        **share("sent_unseen", live, lambda each: not each.report.triage),
        **share("right_unseen", unseen, right),
        **share("danger_raised", dangers, is_raised),
        **share("raised_right", raised, is_danger),
        "unreal_raised": sum(not each.sentence.is_live for each in raised),
        **share("ordered", dangers, lambda each: is_raised(each) and each.report.life_threat),
        **share("ordered_right", ordered, is_danger),
        "unreal_ordered": sum(not each.sentence.is_live for each in ordered),
        **share("facts_right", counted, facts_right),
        **share("counts_right", counts, lambda each: each[0] == each[1]),
    }


def in_short(found: list[Read]) -> dict[str, float | None]:
    """Return the figures of `IN_SHORT` by language, with how many sentences there were."""
    short: dict[str, float | None] = {}
    for language in sorted({each.sentence.language for each in found}):
        of = [each for each in found if each.sentence.language == language]
        figures = figures_of(of)
        short[f"{language}.sentences"] = len(of)
        short |= {f"{language}.{name}": figures[name] for name in IN_SHORT}
    return short


def worse(before: list[Read], after: list[Read]) -> list[tuple[Read, Read]]:
    """Return what is less well understood than before: category, danger, or raised for nothing."""
    return [
        (was, now)
        for was, now in zip(before, after, strict=True)
        if (was.sentence.is_live and right(was) and not right(now))
        or (is_danger(was) and is_raised(was) and not is_raised(now))
        or (not is_danger(was) and not is_raised(was) and is_raised(now))
    ]


def right(each: Read) -> bool:
    """Whether a category is one of the right ones."""
    return each.report.category in each.sentence.categories


def is_raised(each: Read) -> bool:
    """Whether it has priority 1."""
    return each.report.priority == LIFE_THREATENING


def is_danger(each: Read) -> bool:
    """Whether a life is at stake, here and now."""
    return each.sentence.is_live and each.sentence.danger


def counts_said(sentence: Sentence) -> dict[str, str]:
    """Return what a sentence says of people, by what happened to them."""
    return {name: value for name, value in sentence.facts if name in COUNTS}


def facts_right(each: Read) -> bool:
    """Whether each thing that happened to people is read, and nothing besides."""

    def fits(value: str, found: FactValue) -> bool:
        return found != 0 if value == "some" else found == int(value)

    said, facts = counts_said(each.sentence), each.report.facts
    return all(fits(said.get(name, "0"), facts.get(name, 0)) for name in COUNTS)


def share(name: str, of: Iterable[_T], holds: Callable[[_T], bool]) -> dict[str, float | None]:
    """Return the share of those of which something holds, and its 95 % interval (Wilson)."""
    flags = [holds(one) for one in of]
    n = len(flags)
    if not n:
        return dict.fromkeys((name, f"{name}_from", f"{name}_to"))
    p = sum(flags) / n
    middle = (p + _Z * _Z / (2 * n)) / (1 + _Z * _Z / n)
    half = _Z * math.sqrt(p * (1 - p) / n + _Z * _Z / (4 * n * n)) / (1 + _Z * _Z / n)
    return {name: p, f"{name}_from": middle - half, f"{name}_to": middle + half}
