"""The command line teaches, refuses in one sentence, and ends with a code that means something."""

from __future__ import annotations

import os
import re
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from gridcommand.run_file import RunFile, write_run_file
from models.registers import Drill
from models.settings import CHECKOUT, Settings
from models.store import open_store
from tests.gridcommand.conftest import Answer, Cli


def test_help_shows_the_way_in(process: Cli) -> None:
    answer = process("--help")
    assert answer.returncode == 0
    assert "gridcommand up --demo" in answer.stdout
    assert "doctor" in answer.stdout


@pytest.mark.parametrize(
    "command",
    [
        "up",
        "worker",
        "console",
        "broker",
        "drill import",
        "drill run",
        "journal verify",
        "user add",
    ],
)
def test_each_command_has_an_example(cli: Cli, command: str) -> None:
    answer = cli(*command.split(), "--help")
    assert answer.returncode == 0
    assert "Example" in answer.stdout


def test_an_unknown_option_is_misuse(cli: Cli) -> None:
    assert cli("up", "--sped", "60").returncode == 2


def test_a_stage_that_there_is_not_is_misuse_and_names_those_that_are(cli: Cli) -> None:
    answer = cli("worker", "--stage", "desks")
    assert answer.returncode == 2
    assert all(stage in answer.stderr for stage in ("classify", "sense", "desk"))


def test_a_wrong_setting_is_one_sentence(cli: Cli) -> None:
    answer = cli("drill", "list", web_port="seventy")
    assert answer.returncode == 2
    assert "GRIDCOMMAND_WEB_PORT" in answer.stderr
    assert "seventy" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_mistyped_key_in_the_file_gets_a_suggestion(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "gridcommand.toml").write_text("webport = 9000\n")
    answer = cli("drill", "list")
    assert answer.returncode == 2
    assert "did you mean web_port" in answer.stderr


def test_a_settings_file_that_is_not_there_is_said(cli: Cli) -> None:
    answer = cli("drill", "list", config="elsewhere.toml")
    assert answer.returncode == 2
    assert "elsewhere.toml" in answer.stderr


def test_debug_shows_where(cli: Cli) -> None:
    quiet, loud = cli("drill", "run", "nothing"), cli("--debug", "drill", "run", "nothing")
    assert quiet.returncode == loud.returncode == 1
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in loud.stderr


def test_an_unknown_recording_lists_those_there_are(cli: Cli) -> None:
    assert "new_year_2017" in cli("drill", "run", "nothing").stderr


def test_an_unknown_city_lists_those_there_are(process: Cli) -> None:
    answer = process("up", "--city", "atlantis", "--port", str(_free_port()))
    assert answer.returncode == 1
    assert "atlantis" in answer.stderr
    assert "san_francisco" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_port_in_use_says_what_to_change(process: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = process("up", "--port", str(port))
    assert answer.returncode == 1
    assert f"port {port} is in use" in answer.stderr
    assert "PORT=" in answer.stderr


def test_playbooks_with_a_mistake_stop_up_with_file_and_line(
    process: Cli, cli: Cli, tmp_path: Path
) -> None:
    plans = tmp_path / "plans"
    plans.mkdir()
    (plans / "fire.yaml").write_text("playbooks:\n  - id: fire\n    when: 'category =='\n")
    answer = process("up", "--port", str(_free_port()), playbooks_dir=str(plans))
    assert answer.returncode == 1
    assert re.search(r"fire\.yaml:\d+:\d+: ", answer.stderr)
    lint = cli("playbook", "lint", str(plans))
    assert lint.returncode == 1
    assert re.search(r"fire\.yaml:\d+:\d+: ", lint.stdout)


def test_the_playbooks_of_a_city_are_found_and_without_mistakes(cli: Cli) -> None:
    """Those of each city: ``tests/playbooks/test_lint.py``."""
    answer = cli("playbook", "lint", "--city", "liyang")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout == f"{CHECKOUT / 'playbooks' / 'plans' / 'liyang'}: nothing to mend\n"


def test_accounts_begin_with_a_link(cli: Cli) -> None:
    added = cli("user", "add", "li_wei", "--role", "grid_worker", "--cell", "320481100001001")
    assert added.returncode == 0, added.stderr
    assert re.search(r"http://127\.0\.0\.1:8740/s/[\w-]{30,}", added.stdout)
    home = re.search(r"has the role grid_worker in (\S+) now", added.stdout)
    assert home, added.stdout
    again = cli("user", "link", "li_wei")
    assert again.stdout != added.stdout
    assert "/s/" in again.stdout
    assert cli("user", "add", "li_wei").returncode == 1
    assert cli("user", "add", "1/46-1").returncode == 0
    refused = cli("user", "add", "1//46")
    assert refused.returncode == 2
    assert "before and behind each" in refused.stderr
    unknown = cli("user", "link", "nobody")
    assert unknown.returncode == 1
    assert "li_wei" in unknown.stderr
    # Where it belongs is said, and a link leads nowhere else.
    everywhere = cli("user", "add", "boss", "--role", "admin", "--jurisdiction", "*")
    assert "in every jurisdiction" in everywhere.stdout
    listed = cli("user", "list").stdout
    assert re.search(rf"^li_wei +grid_worker +{re.escape(home[1])}$", listed, re.MULTILINE)
    assert re.search(r"^boss +admin +\*$", listed, re.MULTILINE)
    foreign = cli("user", "link", "li_wei", "--jurisdiction", "elsewhere")
    assert foreign.returncode == 1
    assert "elsewhere" in foreign.stderr
    assert cli("user", "link", "li_wei", "--jurisdiction", f"{home[1]}.exercise").returncode == 0
    exercises = [f"{home[1]}.exercise", f"{home[1]}.exercise.2"]
    for where in (*exercises, "*", home[1]):
        assert cli("user", "belongs", "li_wei", "--jurisdiction", where).returncode == 0
    assert cli("user", "belongs", "nobody", "--jurisdiction", "*").returncode == 1


@pytest.mark.parametrize("wrong", ["elsewhere", "", " ", "X", "X.exercise.x", "X.exercises"])
def test_nobody_belongs_where_no_city_of_this_database_is(
    wrong: str, cli: Cli, tmp_path: Path
) -> None:
    home = re.search(r" in (\S+) now", cli("user", "add", "early").stdout)
    assert home
    cli("user", "add", "boss", "--jurisdiction", "*")
    named = wrong.replace("X", home[1]) if wrong != "X" else f"{home[1]}x"
    for command in (
        ("user", "add", "foreign"),
        ("user", "belongs", "early"),
        ("drill", "record", "x"),
        *([("user", "link", "boss")] if named else []),
    ):
        answer = cli(*command, "--jurisdiction", named)
        assert answer.returncode == 2, command
        assert home[1] in answer.stderr, "what runs here is named"
    assert "foreign" not in cli("user", "list").stdout
    store = open_store(Settings(data_dir=tmp_path / "var"))
    store.claim("elsewhere", exercise=False, at=datetime.now(UTC))
    store.close()
    shared = cli("user", "belongs", "early", "--jurisdiction", "elsewhere")
    assert shared.returncode == 0, "a city that shares the database"


def test_while_a_drill_runs_links_lead_to_its_exercise(cli: Cli, tmp_path: Path) -> None:
    """One who was added for a drill landed on the empty live side."""
    before = cli("user", "add", "early")
    assert "A drill runs" not in before.stdout
    home = re.search(r" in (\S+) now", before.stdout)
    assert home
    exercise, now = f"{home[1]}.exercise", datetime.now(UTC)
    data_dir = tmp_path / "var"
    store = open_store(Settings(data_dir=data_dir))

    def leads_to(said: Answer) -> str:
        token = said.stdout.strip().rpartition("/s/")[2]
        found = store.use_link(token, at=now)
        assert found is not None
        assert ("A drill runs" in said.stdout) == bool(found[1] == exercise)
        return found[1]

    try:
        running = Drill(
            jurisdiction=exercise, name="night", recording="", recording_sha256="", speed=1.0,
            anchor_sim=now, anchor_wall=now, updated_at=now + timedelta(hours=1),
        )  # fmt: skip
        store.put_drill(running)
        store.claim("elsewhere", exercise=False, at=now)
        assert leads_to(cli("user", "add", "late", "--role", "dispatcher")) == exercise
        assert leads_to(cli("user", "link", "early")) == exercise
        assert leads_to(cli("user", "add", "guest", "--jurisdiction", "elsewhere")) == ""
        said = cli("user", "link", "late").stdout
        offered = re.search(r"user link late (--jurisdiction) (\S+)", said)
        assert offered
        assert leads_to(cli("user", "link", "late", *offered.groups())) == home[1]
        # Its process died without a word: by its row it runs for good.
        store.put_drill(msgspec.structs.replace(running, updated_at=now - timedelta(minutes=1)))
        assert leads_to(cli("user", "link", "early")) == ""
        store.put_drill(msgspec.structs.replace(running, state="ended"))
        assert leads_to(cli("user", "add", "after")) == ""
    finally:
        store.close()


def test_a_link_leads_to_where_up_has_its_pages_while_it_runs(cli: Cli, tmp_path: Path) -> None:
    assert cli("user", "add", "li_wei").returncode == 0
    elsewhere = "http://127.0.0.1:9123"
    for pid, origin in ((os.getpid(), elsewhere), (0, "http://127.0.0.1:8740")):
        write_run_file(tmp_path / "var", RunFile(supervisor_pid=pid, console_url=elsewhere))
        assert f"{origin}/s/" in cli("user", "link", "li_wei").stdout


def test_a_journal_that_is_not_there_is_said(cli: Cli) -> None:
    answer = cli("journal", "verify")
    assert answer.returncode == 1
    assert "gridcommand up" in answer.stderr


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
