"""What a journal teaches: the person's last word on a text that was read, and why some don't."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.events import (
    Event,
    IncidentMoved,
    IncidentOpened,
    IncidentRevised,
    Payload,
    Reading,
    ReportLinked,
)
from models.lifecycles import IncidentState
from models.words import Grade
from streams.classify import teaching
from streams.classify.judging import sentence_of
from streams.classify.sentences import read_sentences, written
from streams.classify.teaching import Lessons, lessons_in

AT = datetime(2026, 7, 1, tzinfo=UTC)
READ = Reading(reader="r", language="zh")
DRILL = Reading(reader="r", language="zh", modality="drill", real=0.1)


def learned(*payloads: Payload) -> Lessons:
    return lessons_in(
        Event(id=str(seq), source="/desk", time=AT, jurisdiction="320481", data=data, seq=seq + 1)
        for seq, data in enumerate(payloads)
    )


def opened(
    text: str, reading: Reading | None = READ, incident: str = "i1", **more: object
) -> IncidentOpened:
    return IncidentOpened(
        incident=incident,
        number=incident,
        report="r1",
        category="city.other",
        priority=3,
        grade=Grade.IV,
        confidence=0.4,
        text=text,
        received_at=AT,
        reading=reading,
        **more,  # type: ignore[arg-type]
    )


def said(category: str, priority: int = 3, by: str = "li", incident: str = "i1") -> IncidentRevised:
    return IncidentRevised(
        incident=incident,
        category=category,
        priority=priority,
        grade=Grade.IV,
        triage=False,
        by=by,
    )


def moved(state: IncidentState, by: str = "li") -> IncidentMoved:
    return IncidentMoved(incident="i1", state=state, by=by)


def linked(text: str, *, leads: bool) -> ReportLinked:
    return ReportLinked(
        incident="i1", report="r2", distance_m=5.0, age_s=9.0, text=text, leads=leads, reading=READ
    )


def test_the_last_word_of_a_person_counts_and_a_machines_does_not() -> None:
    (one,) = learned(
        opened("我叫王小明,路口井盖没了"),
        said("city.other"),
        said("city.manhole", 1),
        said("city.road_damage", 2, by=""),
    ).examples
    assert (one.category, one.danger, one.real) == ("city.manhole", True, True)
    assert (one.text, one.by, one.incident) == ("我叫...,路口井盖没了", "li", "i1")


def test_the_text_that_leads_is_learned() -> None:
    (one,) = learned(
        opened("有声音"), linked("楼上漏水", leads=False), linked("房子塌了", leads=True),
        said("accident.rescue"),
    ).examples  # fmt: skip
    assert one.text == "房子塌了"


def test_a_text_that_came_again_is_as_it_was_said_last() -> None:
    found = learned(
        opened("井盖没了"), opened("井盖没了", incident="i2"),
        said("city.manhole", incident="i2"), said("city.other"),
    )  # fmt: skip
    assert [one.category for one in found.examples] == ["city.other"]
    assert found.skipped == {teaching.SAID_AGAIN: 1}


@pytest.mark.parametrize(
    ("payloads", "modality"),
    [
        ((said("city.other", 4), moved(IncidentState.CANCELLED)), "drill"),
        ((said("city.other", 4), moved(IncidentState.CANCELLED, by="")), None),
        ((said("city.other", 4),), None),
        ((said("city.other", 3), moved(IncidentState.CANCELLED)), "live"),
    ],
)
def test_only_what_a_person_ended_as_of_no_matter_was_not_real(
    payloads: tuple[Payload, ...], modality: str | None
) -> None:
    found = learned(opened("我们在搞疏散演习", DRILL), *payloads)
    assert [one.modality for one in found.examples] == ([modality] if modality else [])
    assert bool(found.skipped[teaching.STILL_OPEN]) == (modality is None)


@pytest.mark.parametrize(
    ("payloads", "why"),
    [
        ((opened("井盖没了", None), said("city.manhole")), teaching.NOT_READ),
        ((opened("", READ), said("city.manhole")), teaching.NOT_READ),
        ((opened("警报", READ, words={"zh": "警报"}), said("city.manhole")), teaching.NOT_READ),
        ((opened("пожар", Reading(reader="r")), said("city.manhole")), teaching.NO_LANGUAGE),
        ((opened("13812345678"), said("city.manhole")), teaching.TOO_SHORT),
        ((opened("井盖没了"), said("city.gone")), teaching.NO_CATEGORY),
    ],
)
def test_what_teaches_nothing_says_why(payloads: tuple[Payload, ...], why: str) -> None:
    found = learned(*payloads)
    assert not found.examples
    assert found.skipped == {why: 1}


def test_what_nobody_triaged_is_no_example() -> None:
    assert learned(opened("井盖没了"), said("city.manhole", by="")) == Lessons([], Counter())


def test_examples_are_written_so_that_the_corpus_reads_them(tmp_path: Path) -> None:
    examples = learned(opened("路口井盖没了"), said("city.manhole", 1)).examples
    file = tmp_path / "zh-320481.tsv"
    file.write_text(written(map(sentence_of, examples)), "utf-8")
    (one,) = read_sentences(file)
    assert one == sentence_of(examples[0])
    assert (one.categories, one.danger, one.is_live) == (("city.manhole",), True, True)
