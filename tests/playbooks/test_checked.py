"""What lint found right is kept: the same playbooks, not checked again until they change."""

from __future__ import annotations

from pathlib import Path

import pytest

from playbooks import engine
from playbooks.documents import PlaybookError
from playbooks.engine import PlaybookSet
from playbooks.facts import IncidentFacts
from tests.playbooks.conftest import PLANS, Write

RIGHT = """
id: a
names: {zh: 预案, en: Plan}
when: "true"
tasks: [{key: look, title: {zh: 查看, en: Look}, role: dispatcher, within_s: 60}]
"""
FIRE = IncidentFacts(category="accident.fire.structure", facts={"trapped": 2})


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be checked from now on."""

    def check(directory: Path) -> None:
        raise AssertionError(f"{directory} is checked again")

    monkeypatch.setattr(engine, "check_directory", check)


@pytest.mark.parametrize("city", ["san_francisco", "liyang"])
def test_what_is_kept_is_the_same(
    city: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    first = PlaybookSet.load(PLANS / city, tmp_path / "cache")
    request.getfixturevalue("unchecked")
    again = PlaybookSet.load(PLANS / city, tmp_path / "cache")
    assert again.hash == first.hash
    assert again.playbooks.keys() == first.playbooks.keys()
    assert again.match(FIRE) == first.match(FIRE)


def test_a_change_is_checked(write: Write, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert len(PlaybookSet.load(write(a=RIGHT), cache).playbooks) == 1
    with pytest.raises(PlaybookError, match="dispatcher"):
        PlaybookSet.load(write(a=RIGHT.replace("dispatcher", "dispatchr")), cache)
    with pytest.raises(PlaybookError):
        PlaybookSet.load(tmp_path, cache)
    assert len(list(cache.iterdir())) == 1


def test_a_damaged_memory_and_none_cost_a_check_only(write: Write, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    PlaybookSet.load(write(a=RIGHT), cache)
    (kept,) = cache.iterdir()
    kept.write_bytes(b"[{")
    assert len(PlaybookSet.load(write(a=RIGHT), cache).playbooks) == 1
    assert len(PlaybookSet.load(write(a=RIGHT), Path("/dev/null/none")).playbooks) == 1
