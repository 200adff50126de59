"""`gridcommand understanding`: a journal teaches, once, and what it taught can be looked at."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import make_url
from typer.testing import CliRunner, Result

from gridcommand.main import app
from models.errors import GridcommandError
from models.events import Event, IncidentOpened, IncidentRevised, Payload, Reading, encode
from models.settings import Settings
from models.store import Store, open_store
from models.words import Grade
from streams.classify import sentences
from streams.classify.sentences import read_sentences
from tests.templates import sqlite_database

AT = datetime(2026, 7, 1, tzinfo=UTC)
HOME, DRILL = "320481", "320481.exercise"
Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A corpus with one held-out point of view of two sentences."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "views.yaml").write_text("held_out: [zh-thumb]\ncalibrating: []\n")
    rows = (sentences.DATA / "zh-thumb.tsv").read_text("utf-8").splitlines()[:3]
    (folder / "zh-thumb.tsv").write_text("\n".join(rows) + "\n", "utf-8")
    monkeypatch.setattr(sentences, "DATA", folder)
    return folder


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("GRIDCOMMAND_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("GRIDCOMMAND_CITY", "liyang")
    settings = Settings()
    sqlite_database(Path(make_url(settings.database).database or ""))
    with closing(open_store(settings)) as opened:
        yield opened


@pytest.fixture
def run(store: Store) -> Run:
    return lambda *arguments, **more: CliRunner().invoke(
        app, ["understanding", *map(str, arguments)], **more
    )


def triaged(text: str, category: str, priority: int = 3, name: str = "i1") -> list[Payload]:
    return [
        IncidentOpened(
            incident=name,
            number=name,
            report=f"r-{name}",
            category="city.other",
            priority=3,
            grade=Grade.IV,
            confidence=0.4,
            text=text,
            received_at=AT,
            reading=Reading(reader="r", language="zh"),
        ),
        IncidentRevised(
            incident=name,
            category=category,
            priority=priority,
            grade=Grade.IV,
            triage=False,
            by="li",
        ),
    ]


def write(store: Store, payloads: list[Payload], jurisdiction: str = HOME) -> None:
    exercise = jurisdiction == DRILL
    lease = store.claim(jurisdiction, exercise=exercise, at=AT)
    events = [
        Event(
            id=f"e{lease.seq + place}",
            source="/desk",
            time=AT,
            jurisdiction=jurisdiction,
            data=data,
            exercise=exercise,
            seq=lease.seq + place,
        )
        for place, data in enumerate(payloads, start=1)
    ]
    store.commit_step(lease, events, [encode(one) for one in events], wall=AT)


def test_a_journal_teaches_once_and_an_exercise_does_not(run: Run, store: Store) -> None:
    assert "no journal" in run("teach").stdout
    assert "understanding teach" in run("list").stdout
    write(store, triaged("我叫王小明，路口井盖没了", "city.manhole", 1))
    write(store, triaged("水管爆了", "city.water"), DRILL)
    dry = run("teach", "--dry-run").stdout
    assert "1 would be learned" in dry
    assert store.examples() == []
    taught = run("teach").stdout
    assert "我叫...,路口井盖没了" in taught
    assert "1 learned" in taught
    assert "held-out points of view" in taught
    assert "Nothing became worse." in taught
    (one,) = store.examples()
    assert (one.category, one.danger, one.jurisdiction) == ("city.manhole", True, HOME)
    again = run("teach").stdout
    assert "0 learned, 0 changed, 1 known before" in again
    assert "became worse" not in again
    assert one.text in run("list").stdout


def test_what_became_worse_is_told_with_the_example(run: Run, store: Store, corpus: Path) -> None:
    _, *rows = (corpus / "zh-thumb.tsv").read_text("utf-8").splitlines()
    text = rows[0].split("\t")[0]
    right = read_sentences(corpus / "zh-thumb.tsv")[0].categories[0]
    write(store, triaged(text, right))
    run("teach")
    write(store, triaged(text, "city.vendor", name="i2"))
    said = run("teach").stdout
    (one,) = store.examples()
    assert "1 changed" in said
    assert "Worse than before: 1" in said
    assert f"by example {one.id}" in said


def test_evaluating_says_figures_also_where_there_is_no_corpus(
    run: Run, store: Store, corpus: Path
) -> None:
    figures = json.loads(run("evaluate", "--json").stdout)
    assert (figures["examples"], figures["own"]) == (0, None)
    assert figures["held_out"]["models"]["zh.sentences"] == 2
    write(store, triaged("路口井盖没了", "city.manhole"))
    run("teach")
    shutil.rmtree(corpus)
    figures = json.loads(run("evaluate", "--json").stdout)
    assert figures["held_out"] is None
    assert figures["own"]["taught"]["zh.sentences"] == 1
    assert "not installed" in run("evaluate").stdout


def test_examples_are_exported_and_forgotten(run: Run, store: Store, tmp_path: Path) -> None:
    write(store, triaged("路口井盖没了", "city.manhole"))
    write(store, triaged("楼上装修太吵了", "city.noise", name="i2"))
    run("teach")
    file = tmp_path / "zh-liyang.tsv"
    assert "2 examples" in run("export", file).stdout
    assert [one.categories for one in read_sentences(file)] == [("city.manhole",), ("city.noise",)]
    assert run("forget").exit_code == 2
    first = store.examples()[0].id
    assert run("forget", first, input="n\n").exit_code == 1
    assert len(store.examples()) == 2
    assert "forgotten" in run("forget", first, input="y\n").stdout
    assert "skipped 1: to be forgotten" in run("teach").stdout
    with pytest.raises(GridcommandError, match="no example 99"):
        run("forget", "99", "--yes", catch_exceptions=False)
    assert "1 forgotten" in run("forget", "--all", "--yes").stdout
    assert "2 learned" in run("teach").stdout
    with pytest.raises(GridcommandError, match="no journal of us-ca-sf"):
        run("teach", "--jurisdiction", "us-ca-sf", catch_exceptions=False)
