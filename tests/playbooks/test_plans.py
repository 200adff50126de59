"""What the shipped plans send where a category alone was chosen, and what a count changes."""

from __future__ import annotations

import pytest

from models.categories import categories, is_a
from playbooks.engine import PlaybookSet
from playbooks.facts import FactValue, IncidentFacts
from streams.classify.lexicon import load_lexicon
from tests.playbooks.conftest import PLANS

PRIORITIES = load_lexicon().priorities

SERVICES = (
    {"fire_suppression", "technical_rescue", "aircraft_rescue"},
    {"medical_transport"},
    {"public_security"},
)
"""Fire and rescue, ambulances, police: any of a service's skills will do."""

EVERYDAY = (
    "accident.fire", "accident.gas_leak", "accident.traffic", "accident.rescue",
    "natural.forest_fire",
)  # fmt: skip
"""Life-threatening kinds of every day, for which each city has a plan of its own."""

MAJOR = [
    category
    for category in categories()
    if PRIORITIES[category] == 1
    and not is_a(category, "health")
    and not any(is_a(category, one) for one in EVERYDAY)
]


@pytest.fixture(scope="module", params=["generic", "liyang", "san_francisco"])
def plans(request: pytest.FixtureRequest) -> PlaybookSet:
    return PlaybookSet.load(PLANS / str(request.param))


def asked(
    plans: PlaybookSet, category: str, priority: int | None = None, **facts: FactValue
) -> dict[str, int]:
    """How many units of each skill are asked for; by default at the category's own priority."""
    plan = plans.match(
        IncidentFacts(
            category=category,
            code=category,
            priority=priority or PRIORITIES[category],
            facts=dict(facts),
        )
    )
    assert plan.problems == ()
    counts: dict[str, int] = {}
    for needed in plan.requirements:
        for skill in needed.skills:
            counts[skill] = counts.get(skill, 0) + needed.count
    return counts


def known(plans: PlaybookSet) -> set[str]:
    return {
        skill
        for playbook in plans.playbooks.values()
        for needed in playbook.requirements
        for skill in needed.skills
    }


def test_a_kind_that_may_hurt_many_asks_for_every_service(plans: PlaybookSet) -> None:
    assert {"security.terror", "accident.rail", "natural.earthquake"} < set(MAJOR)
    for category in MAJOR:
        for service in SERVICES:
            if service & known(plans):
                assert service & asked(plans, category).keys(), (category, service)


def test_a_rescue_asks_for_an_ambulance(plans: PlaybookSet) -> None:
    for category in categories():
        if is_a(category, "accident.rescue") and PRIORITIES[category] == 1:
            assert asked(plans, category).get("medical_transport"), category


@pytest.mark.parametrize("category", ["health.food", "health.poisoning"])
def test_people_ill_from_food_or_poison_are_sent_ambulances(
    plans: PlaybookSet, category: str
) -> None:
    sent = [
        asked(plans, category, priority, casualties=casualties).get("medical_transport", 0)
        for priority, casualties in ((2, 0), (2, 1), (2, 2), (2, 6), (3, 0), (3, 1))
    ]
    assert sent == [1, 1, 2, 3, 0, 1]
