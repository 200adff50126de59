"""The corpus of what people say to a control room: read with every mistake named by its line.

For: judging what understands texts (:mod:`streams.classify.judging`), and training it. Not for the
pipeline: no worker reads this. What the columns mean stands in ``corpus/README.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from ruamel.yaml import YAML

from models.categories import categories
from models.named import unknown
from streams.errors import RulesError

DATA: Final = Path(__file__).parent / "corpus"
MODALITIES: Final = (
    "live",
    "drill",
    "test",
    "past",
    "question",
    "rumour",
    "quotation",
    "resolved",
    "wrong_number",
    "advertisement",
    "hypothetical",
    "negated",
    "complaint",
)
COUNTS: Final = ("injured", "dead", "trapped", "missing")
FACTS: Final = (*COUNTS, "vulnerable", "hazard", "floor", "place")
DIFFICULTIES: Final = ("easy", "medium", "hard")
COLUMNS: Final = ("text", "category", "modality", "danger", "facts", "difficulty")
_PAIR_COLUMNS: Final = ("first", "second", "categories", "metres", "minutes", "same", "kind")
_COUNT: Final = re.compile(r"\d+|some")


class Sentence(NamedTuple):
    """One report as somebody may say it, and what a careful reader makes of it.

    Attributes
    ----------
    view
        The point of view it is told from: the file's name.
    categories
        Those that are right, the best first.
    danger
        A life may be at stake now, as told.
    facts
        Fact and value as written; a fact may stand more than once.
    """

    view: str
    text: str
    categories: tuple[str, ...]
    modality: str
    danger: bool
    facts: tuple[tuple[str, str], ...]
    difficulty: str

    @property
    def language(self) -> str:
        """``zh`` or ``en``."""
        return self.view[:2]

    @property
    def is_live(self) -> bool:
        """Whether it happens here and now, for real."""
        return self.modality == "live"


class Pair(NamedTuple):
    """Two reports, and whether they are of one event; metres None where one has no place."""

    first: str
    second: str
    categories: tuple[str, str]
    metres: float | None
    minutes: float
    same: bool
    kind: str


def is_installed() -> bool:
    """Say whether the corpus is here: a checkout has it, an installed package doesn't."""
    return (DATA / "views.yaml").is_file()


def held_out() -> frozenset[str]:
    """Return the points of view that nothing is trained or tuned on."""
    return frozenset(YAML(typ="safe").load(DATA / "views.yaml")["held_out"])


def calibrating() -> frozenset[str]:
    """Return the points of view that probabilities and thresholds are set by, nothing else."""
    return frozenset(YAML(typ="safe").load(DATA / "views.yaml")["calibrating"])


def views() -> tuple[str, ...]:
    """Return all points of view, by name."""
    return tuple(sorted(path.stem for path in DATA.glob("[a-z][a-z]-*.tsv")))


def sentences(view: str) -> list[Sentence]:
    """Read one point of view.

    Raises
    ------
    RulesError
        A line that is not as it must be, with file and line.
    """
    return read_sentences(DATA / f"{view}.tsv")


def read_sentences(path: Path) -> list[Sentence]:
    """Read a file of sentences, whose point of view is its name; errors as :func:`sentences`."""
    return [_sentence(path.stem, where, cells) for where, cells in _rows(path, COLUMNS)]


def written(of: Iterable[Sentence]) -> str:
    """Return sentences as :func:`read_sentences` reads them."""
    lines = [
        (
            one.text,
            "|".join(one.categories),
            one.modality,
            str(int(one.danger)),
            ";".join(f"{name}={value}" for name, value in one.facts),
            one.difficulty,
        )
        for one in of
    ]
    return "".join("\t".join(cells) + "\n" for cells in (COLUMNS, *lines))


def pairs(language: str, *, held: bool) -> list[Pair]:
    """Read the pairs of a language that judge, or those to train on; errors as :func:`sentences`.

    Those that judge were written apart from the others.
    """
    files = [DATA / f"pairs-{language}.tsv"]
    if not held:
        files = sorted(DATA.glob(f"pairs-{language}-*.tsv"))
    return [_pair(where, cells) for file in files for where, cells in _rows(file, _PAIR_COLUMNS)]


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        cells, where = line.split("\t"), f"{path.name}:{number}"
        if number == 1:
            if tuple(cells) != columns:
                raise RulesError(f"{where}: columns must be {', '.join(columns)}")
        elif len(cells) != len(columns):
            raise RulesError(f"{where}: {len(cells)} cells, not {len(columns)}")
        else:
            yield where, cells


def _sentence(view: str, where: str, cells: list[str]) -> Sentence:
    text, named, modality, danger, facts, difficulty = cells
    _known(where, "modality", modality, MODALITIES)
    _known(where, "danger", danger, ("0", "1"))
    _known(where, "difficulty", difficulty, DIFFICULTIES)
    if not text.strip():
        raise RulesError(f"{where}: no text")
    return Sentence(
        view,
        text,
        _categories(where, named.split("|")),
        modality,
        danger == "1",
        tuple(_fact(where, fact, text) for fact in facts.split(";") if fact),
        difficulty,
    )


def _fact(where: str, written: str, text: str) -> tuple[str, str]:
    name, _, value = written.partition("=")
    _known(where, "fact", name, FACTS)
    if name in COUNTS and not _COUNT.fullmatch(value):
        raise RulesError(f"{where}: {name} is a number or some, not {value!r}")
    if name == "place" and value not in text:
        raise RulesError(f"{where}: the place {value!r} does not stand in the text")
    return name, value


def _pair(where: str, cells: list[str]) -> Pair:
    first, second, named, metres, minutes, same, kind = cells
    both = _categories(where, named.split(";"))
    _known(where, "same", same, ("0", "1"))
    if len(both) != 2:
        raise RulesError(f"{where}: a pair has two categories")
    try:
        away = float(metres) if metres else None
        return Pair(first, second, (both[0], both[1]), away, float(minutes), same == "1", kind)
    except ValueError as error:
        raise RulesError(f"{where}: {error}") from error


def _categories(where: str, names: list[str]) -> tuple[str, ...]:
    for name in names:
        _known(where, "category", name, tuple(categories()))
    return tuple(names)


def _known(where: str, what: str, name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        raise RulesError(f"{where}: {unknown(what, name, dict.fromkeys(names, ()))}")
