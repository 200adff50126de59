"""Matching: who applies, how plans are merged, and the same answer every time."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.categories import categories
from models.city import CityPack
from models.lifecycles import IncidentState
from playbooks.engine import Plan, PlaybookSet
from playbooks.facts import KNOWN_FACTS, IncidentFacts
from streams.classify.lexicon import load_lexicon
from tests.playbooks.conftest import PLANS, ROOT, Write


def _playbook(playbook_id: str, *lines: str, when: str = "true") -> str:
    head = [f"id: {playbook_id}", "names: {zh: 预案, en: Plan}", f"when: {when!r}"]
    return "\n".join([*head, *lines]) + "\n"


def _engine(count: int | str, within_s: int) -> str:
    return (
        "requirements: [{key: engine, names: {zh: 消防车, en: Engine}, "
        f"skills: [fire_suppression], count: {count}, within_s: {within_s}}}]"
    )


def _task(within_s: int, title: str = "Look") -> str:
    return (
        f"tasks: [{{key: look, title: {{zh: 查看, en: {title}}}, role: dispatcher, "
        f"within_s: {within_s}}}]"
    )


FIRE = IncidentFacts(category="accident.fire.structure", facts={"trapped": 2})


def test_the_strictest_of_each(write: Write) -> None:
    directory = write(
        a=_playbook("a", _engine(1, 300), _task(600), "response_level: IV", "priority: 3"),
        b=_playbook("b", _engine(3, 900), _task(120, "Soon"), "response_level: II", "priority: 1"),
    )
    plan = PlaybookSet.load(directory).match(FIRE)
    (engine,) = plan.requirements
    assert (engine.count, engine.within_s, engine.playbook) == (3, 300, "b")
    assert [(task.within_s, task.title["en"], task.proof) for task in plan.tasks] == [
        (120, "Soon", "none")
    ]
    assert (plan.response_level, plan.priority) == (2, 1)
    assert plan.playbooks == ("a", "b")


def test_in_a_group_the_most_precedent_speaks(write: Write) -> None:
    directory = write(
        a=_playbook("a", _engine(1, 300), "group: g"),
        b=_playbook("b", _engine(2, 300), "group: g", "precedence: 5"),
        c=_playbook("c", _task(60)),
    )
    plans = PlaybookSet.load(directory)
    plan = plans.match(FIRE)
    assert plan.playbooks == ("b", "c")
    assert plan.requirements[0].count == 2


def test_the_group_falls_to_the_next_that_applies(write: Write) -> None:
    directory = write(
        a=_playbook("a", _engine(1, 300), "group: g"),
        b=_playbook("b", _engine(2, 300), "group: g", "precedence: 5", when="incident.hour == 3"),
    )
    plans = PlaybookSet.load(directory)
    assert plans.match(FIRE).playbooks == ("a",)
    assert plans.match(msgspec.structs.replace(FIRE, hour=3)).playbooks == ("b",)


def test_a_fallback_only_where_nothing_else_applies(write: Write) -> None:
    directory = write(
        a=_playbook("a", _engine(1, 300), "categories: [accident.fire]"),
        z=_playbook("z", _task(60), "fallback: true"),
    )
    plans = PlaybookSet.load(directory)
    assert plans.match(FIRE).playbooks == ("a",)
    assert plans.match(IncidentFacts(category="city.other")).playbooks == ("z",)
    assert plans.match(IncidentFacts(category="not in the tree")).playbooks == ("z",)


def test_a_supplement_adds_to_whatever_applies_and_takes_no_place(write: Write) -> None:
    directory = write(
        a=_playbook("a", _task(60), "categories: [accident.fire]"),
        b=_playbook("b", _engine(1, 300), "supplement: true"),
        z=_playbook("z", _task(90), "fallback: true"),
    )
    plans = PlaybookSet.load(directory)
    assert plans.match(FIRE).playbooks == ("a", "b")
    assert plans.match(IncidentFacts(category="city.other")).playbooks == ("b", "z")


def test_counts_from_expressions(write: Write) -> None:
    plans = PlaybookSet.load(write(a=_playbook("a", _engine("incident.facts.trapped", 300))))
    assert plans.match(FIRE).requirements[0].count == 2
    many = IncidentFacts(category="city", facts={"trapped": 4_000})
    assert plans.match(many).requirements[0].count == 50
    assert plans.match(IncidentFacts(category="city")).requirements == ()


def test_a_count_that_fails_still_sends_one(write: Write) -> None:
    plans = PlaybookSet.load(
        write(a=_playbook("a", _engine("6 / (incident.facts.trapped + 1)", 300)))
    )
    plan = plans.match(IncidentFacts(category="city", facts={"trapped": -1}))
    assert plan.requirements[0].count == 1
    assert "divide by zero" in plan.problems[0]
    assert plan.problems[0].startswith("a: count of engine")


def test_deadlines_and_notices_come_through(liyang: PlaybookSet) -> None:
    plan = liyang.match(IncidentFacts(category="natural.forest_fire", grade="II"))
    assert plan.response_level == 3
    late = next(d for d in plan.deadlines if d.key == "nobody_on_the_way")
    assert (late.after_s, late.states, late.to_role) == (600, (IncidentState.OPEN,), "commander")
    assert set(late.notice) == {"zh", "en"}
    (notice,) = plan.notices
    assert set(notice) == {"key", "to_role", "zh", "en", "playbook"}


def test_hash_is_of_the_content(write: Write) -> None:
    directory = write(a=_playbook("a", _engine(1, 300)))
    first = PlaybookSet.load(directory).hash
    assert PlaybookSet.load(directory).hash == first
    write(a=_playbook("a", _engine(2, 300)))
    assert PlaybookSet.load(directory).hash != first


@pytest.fixture(scope="module", params=["liyang", "san_francisco"])
def city(request: pytest.FixtureRequest) -> Path:
    return PLANS / str(request.param)


@pytest.fixture(scope="module")
def plans(city: Path, request: pytest.FixtureRequest) -> PlaybookSet:
    found: PlaybookSet = request.getfixturevalue(city.name)
    return found


def test_every_category_gets_a_plan(plans: PlaybookSet) -> None:
    for category in categories():
        for priority in (1, 2, 3, 4):
            plan = plans.match(IncidentFacts(category=category, priority=priority))
            assert plan.requirements or plan.tasks, (category, priority)
            assert plan.problems == ()


_HURT: tuple[dict[str, bool | int | str], ...] = (
    {"threat_to_life": True},
    {"casualties": 1, "injured": 1},
)


def test_whoever_is_hurt_or_in_danger_is_sent_somebody_who_can_care(plans: PlaybookSet) -> None:
    for category in categories():
        for facts in _HURT:
            plan = plans.match(IncidentFacts(category=category, priority=1, facts=facts))
            skills = {skill for wanted in plan.requirements for skill in wanted.skills}
            assert any(skill.startswith("medical") for skill in skills), (category, facts)


def test_a_life_threatening_report_of_any_category_is_sent_somebody(plans: PlaybookSet) -> None:
    for category in categories():
        assert plans.match(IncidentFacts(category=category, priority=1)).requirements, category


def test_the_city_has_units_for_all_that_its_playbooks_ask(city: Path, plans: PlaybookSet) -> None:
    pack = CityPack.load(ROOT / "cities" / city.name)
    kinds = {frozenset(unit.skills) for unit in pack.units}
    for playbook in plans.playbooks.values():
        for needed in playbook.requirements:
            assert any(kind >= set(needed.skills) for kind in kinds), (playbook.id, needed.key)


def test_every_code_of_the_city_gets_a_plan_of_its_own(city: Path, plans: PlaybookSet) -> None:
    for code, meaning in CityPack.load(ROOT / "cities" / city.name).codes.items():
        if not meaning.category.startswith("city."):
            incident = IncidentFacts(category=meaning.category, code=code)
            assert not any(plans.playbooks[p].fallback for p in plans.match(incident).playbooks), (
                code
            )


_INCIDENTS = st.builds(
    IncidentFacts,
    category=st.sampled_from([*categories()]),
    grade=st.sampled_from(["I", "II", "III", "IV"]),
    priority=st.integers(1, 4),
    hour=st.integers(0, 23),
    alarms=st.integers(1, 4),
    posture=st.sampled_from(["routine", "emergency"]),
    facts=st.dictionaries(
        st.sampled_from([*KNOWN_FACTS]), st.one_of(st.integers(0, 5), st.booleans(), st.text())
    ),
)


def test_playbooks_may_ask_for_what_classification_finds_and_nothing_else() -> None:
    assert set(KNOWN_FACTS) == {*load_lexicon().facts, "casualties"}


@given(incidents=st.lists(_INCIDENTS, min_size=1, max_size=3))
@settings(max_examples=15, deadline=None)
def test_same_facts_same_plan_whatever_was_asked_before(
    liyang: PlaybookSet, incidents: list[IncidentFacts]
) -> None:
    first = [msgspec.json.encode(liyang.match(incident)) for incident in incidents]
    for playbook in liyang.playbooks.values():
        playbook.when._answers.clear()
    again = [msgspec.json.encode(liyang.match(incident)) for incident in reversed(incidents)]
    assert first == again[::-1]


def test_the_order_of_files_never_matters(write: Write, plans: PlaybookSet) -> None:
    shuffled = [*plans.playbooks.values()]
    random.Random(7).shuffle(shuffled)
    other = PlaybookSet(shuffled, plans.hash)
    for category in categories():
        incident = IncidentFacts(category=category, priority=1, facts={"trapped": 1})
        assert other.match(incident) == plans.match(incident)


@pytest.mark.parametrize(
    ("category", "facts", "keys"),
    [
        ("accident.fire.structure", {"trapped": 6}, {"fire_engine", "ladder"}),
        ("accident.gas_leak", {}, {"gas_repair", "fire_engine"}),
        ("accident.traffic", {"hazardous_goods": True}, {"traffic_police", "hazmat_vehicle"}),
        ("city.manhole", {"casualties": 1}, {"municipal", "technical_rescue", "ambulance"}),
        ("city.elderly_alarm", {"threat_to_life": True}, {"home_care", "ambulance"}),
        ("city.waterlogging", {}, {"drainage", "traffic_police"}),
    ],
)
def test_what_liyang_sends(
    liyang: PlaybookSet, category: str, facts: dict[str, int | bool], keys: set[str]
) -> None:
    plan: Plan = liyang.match(IncidentFacts(category=category, priority=2, facts={**facts}))
    assert keys <= {requirement.key for requirement in plan.requirements}
