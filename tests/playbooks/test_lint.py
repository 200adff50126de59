"""Lint finds each class of mistake, at its line and column, and says what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from models.city import available_cities
from models.settings import Settings
from playbooks.documents import PlaybookError
from playbooks.engine import PlaybookSet
from playbooks.lint import check_directory, lint
from playbooks.schema import playbook_schema, schema_text
from tests.playbooks.conftest import ROOT, Write

GOOD = """\
id: t.fire
names: {zh: 火灾, en: Fire}
categories: [accident.fire]
when: incident.priority <= 2
requirements:
  - key: engine
    names: {zh: 消防车, en: Engine}
    skills: [fire_suppression]
    count: 1
    within_s: 480
tasks:
  - key: look
    title: {zh: 查看, en: Look}
    role: grid_worker
    within_s: 600
    proof: photo
deadlines:
  - key: late
    after_s: 300
    while: [open]
    escalate:
      to_role: commander
      notice: {zh: 迟了, en: Late}
notices:
  - key: tell
    to_role: commander
    text: {zh: 火灾, en: Fire}
"""


def test_good_is_good(write: Write) -> None:
    assert lint(write(a=GOOD)) == []


@pytest.mark.parametrize("city", available_cities(ROOT / "cities"))
def test_the_plans_of_each_city_are_clean(city: str) -> None:
    assert [str(problem) for problem in lint(Settings(city=city).plans_dir)] == []


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "message"),
    [
        # YAML
        ("id: t.fire", "id: [t.fire", 2, 6, "mend the YAML"),
        ("count: 1", "count: 1\n    count: 2", 10, 5, "'count' is written twice"),
        # schema
        ("within_s: 480", "within: 480", 10, 5, "did you mean 'within_s'"),
        ("within_s: 480", "within: 480", 6, 5, "'within_s' is missing in requirements"),
        ("after_s: 300", "after_s: 0", 19, 14, "more than 0"),
        ("after_s: 300", "after_s: soon", 19, 14, "must be of type number"),
        ("count: 1", "count: 0", 9, 12, "give 1 or more"),
        ("count: 1", "count: 99", 9, 12, "give 50 or less"),
        ("id: t.fire", "id: T Fire", 1, 5, "isn't well formed"),
        ("when: incident.priority <= 2", "when: true", 4, 7, "put text in quotes"),
        ("skills: [fire_suppression]", "skills: []", 8, 13, "give at least one"),
        # words that don't exist
        ("skills: [fire_suppression]", "skills: [fire_supression]", 8, 14, "'fire_suppression'?"),
        ("categories: [accident.fire]", "categories: [accident.fir]", 3, 14, "'accident.fire'?"),
        ("role: grid_worker", "role: worker", 14, 11, "'grid_worker'?"),
        ("while: [open]", "while: [opened]", 20, 13, "unknown incident state 'opened'"),
        ("to_role: commander", "to_role: mayor", 22, 16, "unknown role 'mayor'"),
        ("proof: photo", "proof: video", 16, 12, "unknown proof 'video'"),
        ("proof: photo", "until: judged", 16, 12, "unknown until 'judged'"),
        # packages and roles
        ("count: 1", "count: 1\n    package: team", 10, 14, "package 'team' is one unit only"),
        ("count: 1", "count: 1\n    package: A Team", 10, 14, "isn't well formed"),
        ("count: 1", "count: 1\n    shares: [engine]", 10, 14, "shared with itself"),
        ("count: 1", "count: 1\n    shares: [engin]", 10, 14, "is no requirement's key"),
        # both languages
        ("title: {zh: 查看, en: Look}", "title: {en: Look}", 13, 12, "'zh' is missing"),
        ("title: {zh: 查看, en: Look}", "title: {zh: Look, en: Look}", 13, 17, "中文 text"),
        ("title: {zh: 查看, en: Look}", "title: {zh: 查看, en: 查看}", 13, 25, "English text"),
        # CEL
        ("when: incident.priority <= 2", "when: incident.priority <=", 4, 25, "mend the expr"),
        ("when: incident.priority <= 2", "when: 'incident.prio <= 2'", 4, 17, "field 'prio'"),
        ("when: incident.priority <= 2", "when: true || incident.code > 1", 4, 15, "types"),
        (
            "when: incident.priority <= 2",
            "when: |\n  incident.priority <= 2 &&\n  incident.facts.trap > 1",
            6,
            18,
            "unknown fact 'trap'",
        ),
        ("count: 1", "count: '1 + incident.facts.trappd'", 9, 32, "did you mean 'trapped'"),
        ("count: 1", "count: incident.facts.weapon", 9, 12, "must give a whole number"),
        ("count: 1", "count: 6 / incident.facts.trapped", 9, 12, "divide by zero"),
        ("when: incident.priority <= 2", "when: incident.priority > 4", 4, 7, "never be true"),
        (
            "when: incident.priority <= 2",
            "when: is_a(incident.category, 'city')",
            4,
            7,
            "never be true",
        ),
        ("count: 1", "count: incident.facts.trapped * 0", 9, 12, "0 for every incident"),
    ],
)
def test_each_mistake_at_its_place(
    write: Write, old: str, new: str, line: int, column: int, message: str
) -> None:
    assert old in GOOD
    problems = lint(write(a=GOOD.replace(old, new, 1)))
    found = [(p.file, p.line, p.column) for p in problems if message in p.message]
    assert found == [("a.yaml", line, column)], [str(p) for p in problems]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [*a]\n", "a.yaml:1:4: an anchor that holds itself"),
        ("- 1\n", "a.yaml:1:1: playbook must be of type object, not [1]"),
        (GOOD.replace("480", ".inf"), "a.yaml:10:15: within_s must be of type number, not '.inf'"),
        (GOOD.replace("count: 1", "count: !!int x"), "a.yaml:9:12: count: unknown name 'x'"),
        (GOOD.partition("tasks:")[0] + "tasks: []\n", "a.yaml:11:8: tasks is empty"),
        ("? [a]\n: 1\n", "a.yaml:1:3: unknown key"),
        ("\tid: x\n", "a.yaml:1:1: mend the YAML"),
    ],
)
def test_odd_yaml_is_a_problem_and_no_crash(write: Write, text: str, message: str) -> None:
    assert any(str(problem).startswith(message) for problem in lint(write(a=text)))


@pytest.mark.parametrize(
    "when",
    [
        "incident.code.matches('^[0-9]+E[0-9]+$')",
        "incident.code.startsWith('10') && incident.code.endsWith('E')",
        "incident.code.startsWith('10') && incident.code.size() > 4",
        "incident.cell.matches('^sf-r1[0-9]')",
        "incident.category.matches('fire[.]v')",
        "incident.category.endsWith('vehicle')",
        "int(incident.code) > 100",
        "incident.code > 'm' && incident.code < 'n'",
        "incident.facts.trapped * incident.facts.trapped == 49",
        "incident.facts.trapped > incident.facts.dead && incident.facts.dead > "
        "incident.facts.injured && incident.facts.injured > incident.facts.missing",
    ],
)
def test_what_is_true_for_some_incident_is_no_mistake(write: Write, when: str) -> None:
    good = GOOD.replace("categories: [accident.fire]\n", "")
    assert lint(write(a=good.replace("incident.priority <= 2", json.dumps(when)))) == []


def test_samples_are_made_from_patterns_and_from_both_affixes(write: Write) -> None:
    for when in (
        "incident.code.matches('^[0-9]+E[0-9]+$')",
        "incident.code.startsWith('10') && incident.code.endsWith('E')",
        "incident.cell.matches('^sf-r1[0-9]')",
    ):
        checked = check_directory(write(a=GOOD.replace("incident.priority <= 2", when)))
        assert (checked.problems, checked.warnings) == ([], []), when


def test_what_samples_cannot_decide_is_a_warning_at_its_place(write: Write) -> None:
    when = "int(incident.code) > 100"
    checked = check_directory(write(a=GOOD.replace("incident.priority <= 2", when)))
    assert checked.problems == []
    assert [(one.line, one.column) for one in checked.warnings] == [(4, 7)]
    assert [playbook.when for playbook in checked.playbooks] == [when]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: " + "[" * 200 + "]" * 200, 1, "more than 20 levels"),
        (GOOD.replace("incident.priority <= 2", "(" * 200 + "true" + ")" * 200), 4, "brackets"),
        (
            GOOD.replace("incident.priority <= 2", " && ".join(["true"] * 300)),
            4,
            "too long a chain",
        ),
        (GOOD.replace("incident.priority <= 2", f"{'9' * 30} > 1"), 4, "at most 18 digits"),
        (GOOD.replace("incident.priority <= 2", f'"{"a" * 5000}"'), 4, "4,000 characters"),
        (
            "a: &a [x, x, x, x, x, x, x, x, x]\n"
            + "".join(
                f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n"
                for a, b in zip("abcdefgh", "bcdefghi", strict=True)
            ),
            1,
            "50,000 values",
        ),
        ("# " + "x" * 1_000_000, 1, "1,000,000 bytes"),
        (GOOD.replace("en: Fire", 'en: "Fire\\0"', 1), 2, "can't be stored"),
        (GOOD.replace("en: Fire", 'en: "Fire\\ud800"', 1), 2, "can't be stored"),
        (GOOD.replace("480", "!!float nan"), 10, "must be of type number"),
        (GOOD.replace("key: engine", 'key: "engine\\n"'), 6, "isn't well formed"),
        (
            GOOD.replace("count: 1", "count: \"incident.facts.trapped > 0 ? 2 : 'x'\""),
            9,
            "two types",
        ),
    ],
)
def test_limits_and_what_can_not_be_kept_are_named(
    write: Write, text: str, line: int, message: str
) -> None:
    problems = lint(write(a=text))
    assert [p.line for p in problems if message in p.message] == [line], problems


def test_a_file_is_read_whatever_the_case_of_its_ending(write: Write, tmp_path: Path) -> None:
    write(a=GOOD)
    (tmp_path / "b.YAML").write_text(GOOD.replace("count: 1", "count: 0"), encoding="utf-8")
    (tmp_path / "c.Yml").mkdir()
    found = [str(problem) for problem in lint(tmp_path)]
    assert any(one.startswith("b.YAML:9:12") for one in found)
    assert any(one.startswith("c.Yml:1:1: the file can't be read") for one in found)
    with pytest.raises(PlaybookError):
        PlaybookSet.load(tmp_path)


def test_what_looks_like_a_playbook_and_is_not_read_is_named(write: Write, tmp_path: Path) -> None:
    write(a=GOOD)
    (tmp_path / "old").mkdir()
    for name in ("b.yaml.txt", "c.yml~", ".d.yaml.swp", "README.md"):
        (tmp_path / name).write_text("nothing", encoding="utf-8")
    checked = check_directory(tmp_path)
    assert checked.problems == []
    assert [one.file for one in checked.warnings] == ["b.yaml.txt", "c.yml~", "old"]
    assert "not read" in checked.warnings[0].message


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe")
    assert "save the file as UTF-8" in lint(tmp_path)[0].message


def test_a_playbook_that_asks_for_nothing(write: Write) -> None:
    (problem,) = lint(write(a="id: t\nnames: {zh: 火, en: Fire}\nwhen: 'true'\n"))
    assert str(problem).startswith("a.yaml:1:1: the playbook asks for nothing")


def test_an_id_in_two_files(write: Write) -> None:
    (problem,) = lint(write(a=GOOD, b="# second\n" + GOOD))
    assert str(problem) == "b.yaml:2:5: id 't.fire' is also at a.yaml:1; rename one"


def test_a_key_twice_in_one_list(write: Write) -> None:
    again = "  - {key: tell, to_role: commander, text: {zh: 火灾, en: Fire}}\n"
    (problem,) = lint(write(a=GOOD + again))
    assert str(problem) == "a.yaml:28:11: key 'tell' is there twice in notices; rename one"


def test_one_key_with_two_meanings(write: Write) -> None:
    other = GOOD.replace("id: t.fire", "id: t.other").replace(
        "[fire_suppression]", "[aerial_ladder]"
    )
    (problem,) = lint(write(a=GOOD, b=other))
    assert (problem.file, problem.line, problem.column) == ("b.yaml", 6, 10)
    assert "asks for other skills at a.yaml:6" in problem.message


def test_second_playbook_of_a_file_has_its_own_lines(write: Write) -> None:
    second = GOOD.replace("id: t.fire", "id: t.second").replace("priority <= 2", "nope <= 2")
    (problem,) = lint(write(a=f"{GOOD}---\n{second}"))
    assert (problem.line, problem.column) == (4 + GOOD.count("\n") + 1, 16)


def test_empty_and_missing(write: Write, tmp_path: Path) -> None:
    assert "no such directory" in lint(tmp_path / "nowhere")[0].message
    assert "no playbooks here" in lint(tmp_path)[0].message
    assert "empty" in lint(write(a="# nothing\n"))[0].message


def test_loading_refuses_and_says_everything(write: Write) -> None:
    bad = GOOD.replace("count: 1", "count: 0").replace("photo", "video")
    with pytest.raises(PlaybookError) as caught:
        PlaybookSet.load(write(a=bad))
    assert [problem.line for problem in caught.value.problems] == [9, 16]
    assert "2 problems" in str(caught.value)
    assert "a.yaml:16:12: unknown proof 'video'" in str(caught.value)


def test_the_example_of_the_guide_is_sound(write: Write) -> None:
    guide = (ROOT / "playbooks" / "README.md").read_text(encoding="utf-8")
    assert lint(write(a=guide.partition("```yaml\n")[2].partition("```")[0])) == []


def test_the_published_schema_is_todays() -> None:
    published = (ROOT / "docs" / "playbook.schema.json").read_text(encoding="utf-8")
    assert published == schema_text()
    Draft202012Validator.check_schema(playbook_schema())
    assert json.loads(published)["title"] == "Gridcommand playbook"
