"""Examples are kept once a text, change with what was said last, and stay forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from models.examples import Example
from models.store import Store

AT = datetime(2026, 7, 1, tzinfo=UTC)
LATER = AT + timedelta(days=1)


def example(text: str, category: str = "city.manhole", jurisdiction: str = "320481") -> Example:
    return Example(
        jurisdiction=jurisdiction,
        text=text,
        language="zh",
        category=category,
        danger=False,
        modality="live",
        by="li",
        at=AT,
        incident="i1",
    )


def test_a_text_is_kept_once_with_what_was_said_last(store: Store) -> None:
    first, second = example("井盖没了"), example("路灯坏了", "city.streetlight")
    assert store.learn([first, second], AT).new == [first, second]
    mark = store.examples_mark()
    assert store.learn([first, second], LATER).known == [first, second]
    assert store.examples_mark() == mark
    other = example("井盖没了", "city.road")
    assert store.sort_examples([other]).changed == [other]
    assert store.learn([other], LATER).changed == [other]
    assert store.examples_mark() != mark
    assert [one.category for one in store.examples("320481")] == ["city.road", "city.streetlight"]
    assert store.examples("330100") == []


def test_each_jurisdiction_has_its_own(store: Store) -> None:
    store.learn([example("井盖没了"), example("井盖没了", jurisdiction="330100")], AT)
    assert [one.jurisdiction for one in store.examples()] == ["320481", "330100"]
    assert store.forget_examples("330100") == 1
    assert [one.jurisdiction for one in store.examples()] == ["320481"]


def test_what_was_forgotten_leaves_no_text_and_is_not_learned_again(store: Store) -> None:
    one = example("井盖没了")
    store.learn([one], AT)
    (kept,) = store.examples()
    mark = store.examples_mark()
    assert store.forget_example(kept.id, LATER)
    assert not store.forget_example(kept.id, LATER)
    assert store.examples_mark() != mark
    assert store.learn([one], LATER).forgotten == [one]
    assert store.examples() == []
    assert store.forget_examples() == 0
    assert store.learn([one], LATER).new == [one]
