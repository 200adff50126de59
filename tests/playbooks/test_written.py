"""What lint passes is what a desk uses: any document is refused at a line, or works to the end."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatch.roads import RoadGraph
from models.city import CityPack
from models.events import PlanAdopted, decode, encode
from playbooks.documents import PlaybookError
from playbooks.engine import PlaybookSet
from playbooks.facts import IncidentFacts
from playbooks.lint import check_directory
from playbooks.written import NotWrittenError, parse_playbook
from tests.dispatch.conftest import write_tiny_city
from tests.dispatch.desk_world import DeskWorld, of
from tests.playbooks.conftest import Write

NAMES = {"zh": "预案", "en": "Plan"}
SOUND: dict[str, Any] = {
    "id": "t.one",
    "names": NAMES,
    "categories": ["accident.fire"],
    "when": "incident.priority <= 2",
    "group": "g",
    "precedence": 3,
    "fallback": False,
    "supplement": True,
    "response_level": "II",
    "priority": 2,
    "requirements": [
        {
            "key": "engine",
            "names": NAMES,
            "skills": ["fire_suppression"],
            "alternatives": [["medical_first_response"]],
            "count": 2,
            "within_s": 480,
            "package": "team",
            "shares": ["medic"],
        },
        {
            "key": "medic",
            "names": NAMES,
            "skills": ["medical_first_response"],
            "count": "incident.facts.trapped > 0 ? 2 : 1",
            "within_s": 600.5,
        },
    ],
    "tasks": [
        {"key": "look", "title": NAMES, "role": "grid_worker", "within_s": 60, "proof": "photo"}
    ],
    "deadlines": [
        {
            "key": "late",
            "after_s": 300,
            "while": ["open"],
            "escalate": {"to_role": "commander", "notice": NAMES},
        }
    ],
    "notices": [{"key": "tell", "to_role": "commander", "text": NAMES}],
}


_PLAIN = json.dumps(SOUND)


class Literally(str):
    """Text that goes into the file as it is."""


NUMBERS = st.one_of(
    st.sampled_from(["1.0", "2.0", "1e0", "3", "0x2", "0o3", "1_0", "2.5", "1e3", "-0.0", "0.5"]),
    st.sampled_from(["1e999", "-1e999", ".nan", ".inf", "!!float nan", "!!int x", "9" * 5000]),
    st.integers(1, 4).map(str),
    st.integers().map(str),
    st.floats().map(str),
).map(Literally)
EXPRESSIONS = st.sampled_from(
    [
        *("true", "2", "2.0", "1 / 0", "'x'", "int(1e400)", "9223372036854775807 + 1", "null"),
        *("incident.facts.trapped > 0 ? 2 : 'x'", "incident.facts.trapped * 9999999999"),
        *("[1, 'x'][incident.priority - 1]", "{1: 2}[incident.priority]", "int(incident.code)"),
        *("[true, 'x'][incident.priority - 1]", "int(incident.code) > 1", "[2][0]", "b'a'", "1u"),
        *("(" * 200 + "1" + ")" * 200, "incident.facts.trapped / 2", "incident.facts.dead * 60"),
        *("incident.code.matches('(')", "incident.code.matches('^[0-9]+E$')", "9" * 5000),
    ]
)
TEXTS = st.one_of(
    EXPRESSIONS.map(json.dumps),
    st.text(max_size=6).map(json.dumps),
    st.sampled_from(
        [
            *('"预案 P\\u200b\\ufe0f"', '"预案 P\\n\\u0085\\u2028😀"', '"\\0预P"', '"\\ud800预P"'),
            *('"engine\\n"', '"t.one\\n"', "two", "engine", "fire_suppression", "open", "IV"),
            *("grid_worker", "none", "accident", "e" * 5000, "true", "2", "2.0", '"2"', "~", ""),
        ]
    ),
).map(Literally)
ANYTHING = st.one_of(
    st.booleans(),
    st.none(),
    st.just([]),
    st.just({}),
    st.just([[["fire_suppression"]]]),
    st.just(Literally("[" * 60 + "]" * 60)),
    st.lists(st.integers(0, 3), max_size=2),
    st.dictionaries(st.sampled_from(["zh", "en", "key", "x"]), st.text(max_size=3), max_size=2),
)


LIKELY: dict[str | int, list[str]] = {
    "count": [
        *("1.0", "2.0", "1e0", "5e1", "0x2", "50", '"2"', '"incident.facts.trapped * 9999999999"'),
        *("\"[1, 'x'][incident.priority - 1]\"", '"int(incident.code)"', '"[2][0]"'),
    ],
    "within_s": ["1.0", "2.5", "1e3", "1e-300", "2592000", "2592000.0", "0x10"],
    "after_s": ["1.0", "1e-3", "3e2", "1_0"],
    "precedence": ["-0.0", "1e3", "-1e6", "1000000.0", "1e999", "9" * 30],
    "priority": ["1.0", "4e0", "0x3", "0o2"],
    "zh": ['"预案\\u200b\\ufe0f"', '"预\\n\\u0085\\u2028😀"', '"\\ud800预"', '"预\\0"'],
    "en": ['"P\\u0000"', '"P\\u200b"', "true", '"2e0 P"'],
    "when": [
        '"true"',
        "\"[true, 'x'][incident.priority - 1]\"",
        '"int(incident.code) > 1 || true"',
    ],
    "group": ["g2", '"g\\n"'],
    "fallback": ["true", "True", "!!bool perhaps"],
    "while": ["[open, open]", "[open, closed]"],
    "skills": ["[fire_suppression, fire_suppression]", "[water_rescue]"],
}
"""What mostly passes, by key."""


def _other(value: Any) -> st.SearchStrategy[Any]:
    """What may stand in a value's place: mostly of its kind, and written oddly."""
    if isinstance(value, bool):
        return st.booleans() | TEXTS | NUMBERS
    if isinstance(value, int | float):
        return st.one_of(NUMBERS, NUMBERS, TEXTS)
    if isinstance(value, str):
        return st.one_of(TEXTS, TEXTS, NUMBERS)
    if isinstance(value, list):
        return st.lists(st.sampled_from(value or [0]), max_size=3) | ANYTHING
    return ANYTHING


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(below for key, part in inner for below in _paths(part, (*path, key)))]


def _yaml(value: Any) -> str:
    """Flow style, so that odd literals stand anywhere."""
    if isinstance(value, Literally):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)}: {_yaml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    return json.dumps(value)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A sound playbook in which some values are others, or are missing."""
    document: dict[str, Any] = json.loads(_PLAIN)
    likely = draw(st.booleans())
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        paths = [path for path in _paths(document)[1:] if not likely or path[-1] in LIKELY]
        if not paths:
            break
        path = draw(st.sampled_from(paths))
        holder: Any = document
        for part in path[:-1]:
            holder = holder[part]
        if likely:
            holder[path[-1]] = draw(st.sampled_from(LIKELY[path[-1]]).map(Literally))
        elif isinstance(path[-1], str) and not draw(st.integers(0, 5)):
            del holder[path[-1]]
        else:
            holder[path[-1]] = draw(_other(holder[path[-1]]))
    return _yaml(document)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> tuple[CityPack, RoadGraph]:
    """A tiny city and its roads."""
    pack = CityPack.load(write_tiny_city(tmp_path_factory.mktemp("tiny")))
    return pack, RoadGraph.load(pack)


def _runs(directory: Path, town: tuple[CityPack, RoadGraph]) -> None:
    """The plan of a desk, from files and from memory, is written and read back."""
    plans = PlaybookSet.load(directory, directory / "kept")
    again = PlaybookSet.load(directory, directory / "kept")
    for trapped in (0, 1, 10**30, "9" * 5000):
        fire = IncidentFacts(category="accident.fire", priority=1, facts={"trapped": trapped})
        assert plans.match(fire) == again.match(fire)
    world = DeskWorld(*town, plans=plans)
    made = world.report(facts={"trapped": 3}) + world.wait(1000)
    assert of(made, PlanAdopted)
    for event in made:
        assert decode(encode(event)) == event


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(documents())
def test_any_document_is_refused_at_a_line_or_works(
    town: tuple[CityPack, RoadGraph], text: str
) -> None:
    with TemporaryDirectory() as folder:
        directory = Path(folder)
        (directory / "a.yaml").write_text(text, encoding="utf-8")
        lines = text.count("\n") + 1
        problems = check_directory(directory).problems
        if problems:
            assert all(1 <= one.line <= lines and one.column >= 1 for one in problems)
            assert all(one.file == "a.yaml" and one.message for one in problems)
            with pytest.raises(PlaybookError):
                PlaybookSet.load(directory)
        else:
            _runs(directory, town)


@pytest.mark.parametrize(
    ("path", "literal"),
    [
        (("requirements", 0, "count"), "2.0"),
        (("requirements", 0, "count"), "2e0"),
        (("precedence",), "1e3"),
        (("priority",), "2.0"),
        (("tasks", 0, "within_s"), "6e1"),
    ],
)
def test_a_whole_number_is_one_however_it_is_written(
    write: Write, town: tuple[CityPack, RoadGraph], path: tuple[str | int, ...], literal: str
) -> None:
    document: dict[str, Any] = json.loads(_PLAIN)
    holder: Any = document
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = Literally(literal)
    directory = write(a=_yaml(document))
    assert [str(one) for one in check_directory(directory).problems] == []
    (playbook,) = check_directory(directory).playbooks
    assert playbook == parse_playbook(_with(path, int(float(literal))))
    _runs(directory, town)


def _with(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(_PLAIN)
    holder: Any = document
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("requirements", 1, "count"), 2.0),
        (("requirements", 0, "skills", 0), 1),
        (("tasks", 0, "title", "zh"), None),
        (("deadlines", 0, "while", 0), "closing"),
        (("notices", 0), []),
    ],
)
def test_a_value_of_another_type_is_named_by_its_path(
    path: tuple[str | int, ...], value: object
) -> None:
    with pytest.raises(NotWrittenError) as caught:
        parse_playbook(_with(path, value))
    named = caught.value.path
    assert named == path[: len(named)]
    assert len(named) >= min(2, len(path))
