"""Two people at once: the second is asked again, and what holds for all can be set back."""

from __future__ import annotations

from typing import Any

import pytest

from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.situation import dump, load
from models.words import Grade, Posture
from tests.dispatch.desk_world import DeskWorld, of

HERE = "i000001"
SECOND: list[ev.Order] = [
    ev.SendUnits(incident=HERE, units=("E02",), by="li"),
    ev.PinUnit(incident=HERE, unit="E02", by="li"),
    ev.BanUnit(incident=HERE, unit="E02", by="li"),
    ev.LiftOverride(incident=HERE, by="li"),
    ev.RecallUnit(unit="E01", by="li"),
    ev.DivertUnit(incident="i000002", unit="E01", by="li"),
    ev.TriageIncident(
        incident=HERE, category="health.medical", priority=3, grade=Grade.IV, by="li"
    ),
    ev.MergeIncidents(incident="i000002", duplicate=HERE, by="li"),
    ev.CloseIncident(incident=HERE, by="li"),
]


@pytest.fixture
def world(tiny_city: CityPack, tiny_roads: RoadGraph) -> DeskWorld:
    """Two incidents that nothing is sent to by itself."""
    made = DeskWorld(tiny_city, tiny_roads, automatic=())
    made.report(at=(1, 0))
    made.report(at=(3, 3))
    made.settle()
    return made


def again(order: ev.Order, **changes: Any) -> ev.Order:
    return type(order)(**{f: getattr(order, f) for f in order.__struct_fields__} | changes)


@pytest.mark.parametrize("second", SECOND, ids=lambda order: order.type_name)
def test_the_second_is_asked_again_and_may_go_on(world: DeskWorld, second: ev.Order) -> None:
    saw = world.situation.seq
    first = ev.SendUnits(incident=HERE, units=("E01",), by="wang", reason="nearer")
    assert not of(world.say(first), ev.OrderRefused)
    last = world.situation.incidents[HERE].last_order
    assert last is not None
    assert (last.order, last.by, last.reason, last.units) == (
        "send_units", "wang", "nearer", ("E01",),
    )  # fmt: skip
    before = len(world.situation.incidents[HERE].assignments)
    (refused,) = of(world.say(again(second, saw=saw)), ev.OrderRefused)
    assert (refused.code, refused.incident) == ("changed_meanwhile", HERE)
    assert "wang" in refused.detail
    assert len(world.situation.incidents[HERE].assignments) == before
    assert world.situation.incidents[HERE].last_order == last
    # Who has seen it may; so may who never said what they saw.
    made = world.say(again(second, saw=world.situation.seq))
    assert "changed_meanwhile" not in {one.code for one in of(made, ev.OrderRefused)}


def test_a_proposal_is_not_confirmed_over_what_somebody_else_ordered(world: DeskWorld) -> None:
    saw = world.situation.seq
    proposal = world.situation.incidents[HERE].proposal
    world.say(ev.BanUnit(incident=HERE, unit="E01", by="wang"))
    (refused,) = of(
        world.say(ev.ConfirmProposal(incident=HERE, proposal=proposal, by="li", saw=saw)),
        ev.OrderRefused,
    )
    assert refused.code == "changed_meanwhile"
    assert not world.situation.incidents[HERE].assignments


def test_nobody_is_asked_about_their_own_orders_nor_about_other_incidents(world: DeskWorld) -> None:
    saw = world.situation.seq
    world.say(ev.BanUnit(incident=HERE, unit="E01", by="wang"))
    own = world.say(ev.BanUnit(incident=HERE, unit="E02", by="wang", saw=saw))
    other = world.say(ev.BanUnit(incident="i000002", unit="E01", by="li", saw=saw))
    unsaid = world.say(ev.PinUnit(incident=HERE, unit="E01", by="li"))
    assert not of([*own, *other, *unsaid], ev.OrderRefused)


def test_a_refused_order_is_nothing_that_happened(world: DeskWorld) -> None:
    saw = world.situation.seq
    assert of(world.say(ev.LiftOverride(incident=HERE, by="wang")), ev.OrderRefused)
    assert world.situation.incidents[HERE].last_order is None
    made = world.say(ev.BanUnit(incident=HERE, unit="E01", by="li", saw=saw))
    assert not of(made, ev.OrderRefused)


def test_what_was_ordered_last_survives_a_snapshot(world: DeskWorld) -> None:
    world.say(ev.BanUnit(incident=HERE, unit="E01", by="wang", reason="broken"))
    world.say(ev.SetPosture(posture=Posture.EMERGENCY, by="wang", reason="flood"))
    known = load(dump(world.situation))
    assert known.incidents[HERE].last_order == world.situation.incidents[HERE].last_order
    assert known.rules == world.situation.rules


# ── what holds for the whole jurisdiction ─────────────────────────────────────────────────────

RULES = [
    (ev.SetPosture, {"posture": Posture.EMERGENCY}, {"posture": Posture.ROUTINE}),
    (ev.SetAutomation, {"priorities": (1, 2)}, {"priorities": ()}),
]


@pytest.mark.parametrize(("kind", "rule", "before"), RULES)
@pytest.mark.parametrize("reason", ["", "  "])
def test_a_rule_without_a_reason_is_refused(
    world: DeskWorld, kind: type[ev.Order], rule: Any, before: Any, reason: str
) -> None:
    known = dump(world.situation)
    (refused,) = of(world.say(kind(by="wang", reason=reason, **rule)), ev.OrderRefused)
    assert refused.code == "no_reason"
    assert load(known).rules == world.situation.rules


@pytest.mark.parametrize(("kind", "rule", "before"), RULES)
def test_a_rule_says_who_when_why_and_is_set_back_by_what_was_before(
    world: DeskWorld, kind: type[ev.Order], rule: Any, before: Any
) -> None:
    rules = world.situation.rules
    was = (rules.posture, rules.automatic_priorities)
    made = world.say(kind(by="wang", reason="flood", **rule))
    (told,) = of(made, ev.PostureSet, ev.AutomationSet)
    assert (told.by, told.reason) == ("wang", "flood")
    change = rules.posture_change or rules.automation_change
    assert change is not None
    assert (change.by, change.reason, change.at) == ("wang", "flood", world.now)
    assert {"posture": change.before, "priorities": change.before}[next(iter(before))] == next(
        iter(before.values())
    )
    back = world.say(kind(by="li", reason="over", saw=change.seq, **before))
    assert not of(back, ev.OrderRefused)
    assert (rules.posture, rules.automatic_priorities) == was


@pytest.mark.parametrize(("kind", "rule", "before"), RULES)
def test_a_rule_that_another_set_meanwhile_is_not_set_back_unseen(
    world: DeskWorld, kind: type[ev.Order], rule: Any, before: Any
) -> None:
    world.say(kind(by="wang", reason="flood", **rule))
    saw = world.situation.seq
    world.say(kind(by="zhao", reason="worse", **rule))
    (refused,) = of(world.say(kind(by="li", reason="over", saw=saw, **before)), ev.OrderRefused)
    assert refused.code == "changed_meanwhile"
    assert "zhao" in refused.detail
