"""The doctor finds what is missing, says how to mend it, and breaks off at nothing."""

from __future__ import annotations

import io
import resource
import socket
from pathlib import Path

import pytest

from gridcommand import doctor
from gridcommand.configuration import load_settings
from gridcommand.doctor import Finding, examine
from models.settings import Settings
from tests.gridcommand.conftest import Cli


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings().model_copy(update={"data_dir": tmp_path})


def test_the_exit_code_counts_only_what_is_needed(settings: Settings) -> None:
    def well(_: Settings) -> Finding:
        return Finding("one", "fine")

    def optional(_: Settings) -> Finding:
        return Finding("two", "not here", "get it", optional=True)

    def broken(_: Settings) -> Finding:
        raise OSError("unplugged")

    out = io.StringIO()
    assert examine(settings, out, [well, optional]) == 0
    assert "→ get it" in out.getvalue()
    assert examine(settings, out, [broken, well]) == 1
    assert "OSError: unplugged" in out.getvalue()


def test_a_package_of_another_version_is_found(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "msgspec==0.0.1 \\\n    --hash=sha256:0\nnothing-like-it==1.0 \\\n"
        "colorama==0.1 ; sys_platform == 'nowhere' \\\n"
    )
    monkeypatch.setattr(doctor, "LOCK", lock)
    finding = doctor.packages(settings)
    assert "the lock says 0.0.1" in finding.said
    assert "nothing-like-it 1.0 is missing" in finding.said
    assert "colorama" not in finding.said
    assert finding.mend == "make set-up"


def test_packages_here_are_as_locked(settings: Settings) -> None:
    assert doctor.packages(settings).is_well


def test_a_variable_that_is_no_setting_is_found(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRIDCOMMAND_WEBPORT", "9000")
    assert "GRIDCOMMAND_WEBPORT" in doctor.environment(settings).said


def test_a_port_in_use_is_found(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        busy = settings.model_copy(update={"web_port": port, "live_port": 65_000})
        finding = doctor.ports(busy)
    assert str(port) in finding.said
    assert not finding.is_well


def test_an_unreachable_database_is_found(settings: Settings) -> None:
    away = settings.model_copy(
        update={"database_url": "postgresql+psycopg://nobody@127.0.0.1:1/none?connect_timeout=1"}
    )
    finding = doctor.database(away)
    assert not finding.is_well
    assert "DATABASE_URL" in finding.mend


def test_missing_browser_libraries_are_found(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "CHECKOUT", tmp_path)
    assert "preact" in doctor.browser_libraries(settings).said


def test_the_command_says_a_line_for_each(cli: Cli) -> None:
    answer = cli("doctor", city="atlantis")
    assert answer.returncode == 1
    assert "MISSING  city" in answer.stdout
    assert "san_francisco" in answer.stdout
    assert "embedded broker   starts and answers" in answer.stdout


def test_too_few_file_descriptors_for_the_screens_are_found(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doctor.descriptors in doctor.CHECKS
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    assert doctor.descriptors(settings.model_copy(update={"screens_max": 1920})).is_well
    finding = doctor.descriptors(settings.model_copy(update={"screens_max": 2000}))
    assert "LimitNOFILE=4256" in finding.mend
    unlimited = (1024, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda _: unlimited)
    assert doctor.descriptors(settings).is_well


def test_a_unit_far_from_every_street_is_named(settings: Settings) -> None:
    assert doctor.roads in doctor.CHECKS
    finding = doctor.roads(settings.model_copy(update={"city": "san_francisco"}))
    assert "(AP, 10.2 km from the nearest street)" in finding.said
    assert finding.to_judge
    assert not doctor.roads(settings.model_copy(update={"city": "atlantis"})).is_well
