"""Examples decide what a text like them is, may raise a danger, and never lower one."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from models.examples import LIVE, Example
from streams.classify.encoder import Encoded, Seen, encoder_of
from streams.classify.reader import (
    EncodedText,
    Understood,
    encode_texts,
    judge,
    thresholds,
    understand,
)
from streams.classify.taught import Curve, Taught, all_weighed, weighed

AT = datetime(2026, 7, 1, tzinfo=UTC)
TEXT = "路口井盖没了"


def example(
    text: str = TEXT,
    category: str = "city.manhole",
    *,
    danger: bool = False,
    modality: str = LIVE,
    number: int = 7,
) -> Example:
    return Example(
        id=number,
        jurisdiction="320481",
        text=text,
        language="zh",
        category=category,
        danger=danger,
        modality=modality,
        by="li",
        at=AT,
        incident="i1",
    )


@pytest.fixture(scope="module")
def read() -> EncodedText:
    (one,) = encode_texts([TEXT])
    return one


def sure_of(read: EncodedText, *, danger: float, real: float) -> EncodedText:
    """The text as a model sees it that is sure of a category of no matter."""
    encoder, encoded = encoder_of("zh"), read.encoded
    assert encoded is not None

    def chances(labels: tuple[str, ...], name: str, p: float, seen: Seen) -> Seen:
        of = np.full(len(labels), (1 - p) / (len(labels) - 1), np.float32)
        of[labels.index(name)] = p
        return Seen(of, seen.shares)

    said: Encoded = encoded._replace(
        category=chances(encoder.categories, "city.noise", 0.99, encoded.category),
        modality=chances(encoder.modalities, LIVE, real, encoded.modality),
        danger=Seen(np.array([danger], np.float32), encoded.danger.shares),
    )
    return read._replace(encoded=said)


def judged(one: EncodedText, *examples: Example, but: str = "") -> Understood:
    return judge(one, Taught(examples), but=but)


def test_the_same_text_is_what_a_person_said_however_sure_the_model_is(read: EncodedText) -> None:
    one = sure_of(read, danger=0.01, real=0.99)
    assert judged(one).category == "city.noise"
    found = judged(one, example())
    assert (found.category, found.reading.taught) == ("city.manhole", "7")
    assert found.confidence > 0.9
    assert not found.triage
    chances = [each.probability for each in found.reading.categories]
    assert chances == sorted(chances, reverse=True)


def test_what_is_like_no_example_is_read_by_the_model_alone(read: EncodedText) -> None:
    far = example("孩子发烧三天了,医院不收", "health.medical", danger=True)
    assert judged(read, far) == judged(read)
    assert judged(read, example(), but=TEXT) == judged(read)


def test_an_example_of_danger_raises_and_lets_nothing_be_ordered(read: EncodedText) -> None:
    one = sure_of(read, danger=0.02, real=0.3)
    assert not judged(one).is_raised
    found = judged(one, example(danger=True))
    assert found.is_raised
    assert found.reading.danger > 0.9
    assert not found.is_sure
    assert found.triage
    assert found.reading.taught == "7"


@pytest.mark.parametrize("modality", [LIVE, "drill", "past"])
def test_no_example_lowers_a_danger(read: EncodedText, modality: str) -> None:
    one = sure_of(read, danger=0.95, real=0.95)
    before, found = judged(one), judged(one, example(modality=modality))
    assert before.is_raised
    assert before.is_sure
    assert (found.is_raised, found.is_sure) == (True, True)
    assert found.reading.danger >= before.reading.danger
    assert found.reading.real >= before.reading.real


def test_what_was_not_real_asks_for_a_person_and_teaches_no_category(read: EncodedText) -> None:
    one = sure_of(read, danger=0.01, real=0.99)
    found = judged(one, example(modality="drill"))
    assert (found.category, found.is_unreal, found.triage) == ("city.noise", True, True)
    assert (found.reading.modality, found.reading.taught) == ("drill", "7")


def test_the_nearer_example_decides(read: EncodedText) -> None:
    one = sure_of(read, danger=0.01, real=0.99)
    near, nearer = example("路口的井盖没有了", "city.road_damage", number=1), example(number=2)
    assert judged(one, near, nearer).reading.taught == "2"


def test_a_category_that_the_models_do_not_know_is_left_out() -> None:
    assert len(Taught([example(category="city.gone")])) == 0


def test_vectors_that_are_known_are_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Taught([example()])

    def fail(texts: list[str]) -> None:
        raise AssertionError(texts)

    monkeypatch.setattr(encoder_of("zh"), "encode", fail)
    assert len(Taught([example(category="city.noise")], first)) == 1


def test_texts_are_read_as_taught() -> None:
    (found,) = understand([TEXT], Taught([example(category="city.noise")]))
    assert (found.category, found.reading.taught) == ("city.noise", "7")


def test_curves_and_odds() -> None:
    curve = Curve(least=0.8, power=2)
    assert curve.weight(0.5) == curve.weight(0.8) == 1
    assert curve.weight(0.9) == pytest.approx(4)
    assert curve.weight(1.0) == curve.weight(1.1) > 10_000
    assert weighed(0.5, 1) == 0.5
    assert weighed(0.5, 3) == pytest.approx(0.75)
    assert weighed(1.0, 3) == weighed(1.0, 1) == 1
    chances = all_weighed(np.array([0.5, 0.5, 0.0], np.float32), {0: 3.0})
    assert chances.tolist() == pytest.approx([0.75, 0.25, 0.0])
    assert set(thresholds().taught) == {"zh", "en"}
