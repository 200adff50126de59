"""The corpus can be read to its end, says nothing twice, and has all that is to be understood."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from models.categories import categories
from streams.classify import sentences as corpus
from streams.errors import RulesError

RARE = {"natural.biological", "natural.marine"}


def test_every_line_can_be_read_and_stands_once() -> None:
    texts = Counter(one.text for view in corpus.views() for one in corpus.sentences(view))
    assert [text for text, count in texts.items() if count > 1] == []
    assert len(texts) > 10_000


def test_every_category_modality_and_difficulty_is_told_from_several_points_of_view() -> None:
    seen: dict[str, set[str]] = {}
    for view in corpus.views():
        for one in corpus.sentences(view):
            for what in (*one.categories, one.modality, one.difficulty):
                seen.setdefault(what, set()).add(view)
    above = {one.parent for one in categories().values()}
    leaves = [name for name in categories() if name not in above | RARE]
    names = (*leaves, *corpus.MODALITIES, *corpus.DIFFICULTIES)
    assert [name for name in names if len(seen.get(name, ())) < 3] == []


@pytest.mark.parametrize("language", ["zh", "en"])
def test_in_each_language_some_points_of_view_are_held_out(language: str) -> None:
    views = {view for view in corpus.views() if view.startswith(language)}
    held = corpus.held_out() & views
    assert 4 <= len(held) < len(views) / 2
    assert corpus.held_out() | corpus.calibrating() <= set(corpus.views())
    assert not corpus.held_out() & corpus.calibrating()


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_pairs_are_of_one_event_about_as_often_as_not(language: str, held: bool) -> None:
    found = corpus.pairs(language, held=held)
    assert len(found) > 300
    assert 0.4 < sum(pair.same for pair in found) / len(found) < 0.55


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("着火了\taccident.fyre\tlive\t1\t\teasy", "accident.fire"),
        ("着火了\taccident.fire\tlife\t1\t\teasy", "live"),
        ("着火了\taccident.fire\tlive\t2\t\teasy", "danger"),
        ("着火了\taccident.fire\tlive\t1\ttrapped=many\teasy", "number or some"),
        ("着火了\taccident.fire\tlive\t1\tplace=村口\teasy", "does not stand in the text"),
        ("着火了\taccident.fire\tlive\t1\teasy", "5 cells"),
        (" \taccident.fire\tlive\t1\t\teasy", "no text"),
    ],
)
def test_a_mistake_is_named_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, what: str
) -> None:
    monkeypatch.setattr(corpus, "DATA", tmp_path)
    head = "text\tcategory\tmodality\tdanger\tfacts\tdifficulty"
    (tmp_path / "zh-test.tsv").write_text(f"{head}\n{line}\n", encoding="utf-8")
    with pytest.raises(RulesError, match=r"zh-test\.tsv:2") as told:
        corpus.sentences("zh-test")
    assert what in str(told.value)
