"""A desk keeps packages whole, sends one unit in two roles, and holds reserves by posture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack, UnitSpec
from models.neighbours import LentUnit, Neighbour
from models.reserves import Around, ReserveRule
from models.words import Posture
from playbooks.engine import PlaybookSet
from tests.dispatch import desk_world
from tests.dispatch.desk_world import DeskWorld, of

PLANS = """\
id: t.hazmat
names: {zh: 危化品, en: Hazmat}
categories: [accident.hazmat]
when: "true"
requirements:
  - {key: team, names: {zh: 处置车, en: Team}, skills: [hazmat_response], count: 2, within_s: 900,
     package: entry}
  - {key: wash, names: {zh: 洗消车, en: Wash}, skills: [support_services], count: 1, within_s: 900,
     package: entry}
---
id: t.mass
names: {zh: 群体伤亡, en: Mass casualty}
categories: [health.medical]
when: "true"
requirements:
  - {key: command, names: {zh: 指挥, en: Command}, skills: [medical_command], count: 1,
     within_s: 900, shares: [aid]}
  - {key: aid, names: {zh: 急救, en: Aid}, skills: [medical_first_response], count: 1,
     within_s: 900}
---
id: t.bin
names: {zh: 垃圾桶起火, en: Bin fire}
categories: [accident.fire]
when: "true"
requirements:
  - {key: engine, names: {zh: 消防车, en: Engine}, skills: [fire_suppression], count: 1,
     within_s: 900}
"""

World = Callable[..., DeskWorld]


def unit(name: str, *skills: str, lon: float = 119.40, lat: float = 31.40) -> UnitSpec:
    return UnitSpec(name, "kind", tuple(sorted(skills)), "government", "", lon, lat, name)


@pytest.fixture
def world(
    tiny_city: CityPack, tiny_roads: RoadGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> World:
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "all.yaml").write_text(PLANS, encoding="utf-8")
    monkeypatch.setattr(desk_world, "PLANS", PlaybookSet.load(tmp_path / "plans"))

    def make(
        *units: UnitSpec,
        reserves: tuple[ReserveRule, ...] = (),
        neighbours: tuple[Neighbour, ...] = (),
    ) -> DeskWorld:
        ordered = tuple(sorted(units, key=lambda u: u.id))
        city = replace(tiny_city, units=ordered, reserves=reserves, neighbours=neighbours)
        desk = DeskWorld(city, tiny_roads)
        for lender in neighbours:
            for lent in lender.units:
                desk.say(
                    ev.UnitRegistered(
                        unit=lent.id, kind=lent.kind, skills=lent.skills, owner=lent.owner,
                        lon=lent.lon, lat=lent.lat, neighbour=lender.id,
                    )
                )  # fmt: skip
        return desk

    return make


def rules_of(proposal: ev.ProposalMade) -> dict[str, tuple[str, ...]]:
    return {e.rule: e.units for choice in proposal.choices for e in choice.excluded}


def test_a_team_goes_whole_or_not_at_all(world: World) -> None:
    desk = world(unit("H1", "hazmat_response"), unit("S1", "support_services"))
    desk.report("accident.hazmat")
    made = desk.settle()
    assert not of(made, ev.AssignmentOrdered)
    proposal = of(made, ev.ProposalMade)[-1]
    assert proposal.shortage == {"team": 2, "wash": 1}
    assert {u for e in proposal.choices for x in e.excluded if x.rule == "package" for u in x.units
            } == {"H1", "S1"}  # fmt: skip
    desk.say(
        ev.UnitRegistered(
            unit="H2", kind="kind", skills=("hazmat_response",), owner="government", lon=119.41,
            lat=31.40,
        )
    )  # fmt: skip
    assert {a.unit for a in of(desk.settle(), ev.AssignmentOrdered)} == {"H1", "H2", "S1"}


def test_a_team_of_which_a_part_is_nowhere_stays(world: World) -> None:
    desk = world(unit("H1", "hazmat_response"), unit("H2", "hazmat_response"))
    desk.report("accident.hazmat")
    assert not of(desk.settle(), ev.AssignmentOrdered)


def test_a_person_may_send_a_part_of_a_team(world: World) -> None:
    desk = world(unit("H1", "hazmat_response"), unit("S1", "support_services"))
    desk.report("accident.hazmat")
    desk.settle()
    [incident] = desk.incident_ids()
    made = desk.say(ev.SendUnits(incident=incident, units=("H1",), by="lin"))
    assert [a.unit for a in of(made, ev.AssignmentOrdered)] == ["H1"]


def test_a_captain_is_sent_once_and_fills_both_roles(world: World) -> None:
    desk = world(unit("C1", "medical_command", "medical_first_response"))
    desk.report("health.medical")
    made = desk.settle()
    [sent] = of(made, ev.AssignmentOrdered)
    assert {sent.requirement, sent.also} == {"command", "aid"}
    proposal = of(made, ev.ProposalMade)[-1]
    assert {c.requirement: c.chosen.also for c in proposal.choices} == {
        "command": "aid",
        "aid": "command",
    }
    assert proposal.shortage == {}
    assert proposal.solved == "optimal"
    assert not of(desk.wait(60), ev.ProposalMade)


def test_two_units_go_where_the_second_is_nearer_for_its_role(world: World) -> None:
    far = unit("C1", "medical_command", "medical_first_response", lon=119.415, lat=31.415)
    desk = world(far, unit("E1", "medical_first_response", lon=119.405, lat=31.405))
    desk.report("health.medical")
    sent = of(desk.settle(), ev.AssignmentOrdered)
    assert {(a.unit, a.requirement) for a in sent} == {("C1", "command"), ("E1", "aid")}


TOWN = ReserveRule(
    "town",
    {"zh": "主城区", "en": "the town"},
    {Posture.ROUTINE: 0, Posture.EMERGENCY: 1},
    skills=("fire_suppression",),
)


def test_a_reserve_is_kept_in_emergency_only_but_not_from_a_life(world: World) -> None:
    desk = world(unit("E1", "fire_suppression"), reserves=(TOWN,))
    desk.say(ev.SetPosture(posture=Posture.EMERGENCY, by="lin", reason="flood"))
    desk.report("accident.fire.structure", priority=3)
    proposal = of(desk.settle(), ev.ProposalMade)[-1]
    assert proposal.shortage == {"engine": 1}
    [held] = [e for c in proposal.choices for e in c.excluded if e.rule == "reserved"]
    assert (held.units, held.names) == (("E1",), {"zh": "主城区", "en": "the town"})
    desk.report("accident.fire.structure", priority=1, at=(3, 3))
    assert [a.unit for a in of(desk.settle(), ev.AssignmentOrdered)] == ["E1"]


def test_in_routine_the_same_unit_goes(world: World) -> None:
    desk = world(unit("E1", "fire_suppression"), reserves=(TOWN,))
    desk.report("accident.fire.structure", priority=3)
    [choice] = of(desk.settle(), ev.ProposalMade)[-1].choices
    assert choice.chosen is not None
    assert choice.chosen.unit == "E1"


def test_a_reserve_that_never_breaks_stays_even_for_a_life(world: World) -> None:
    never = ReserveRule("n", TOWN.names, {Posture.ROUTINE: 1}, TOWN.skills, breaks_for=())
    desk = world(unit("E1", "fire_suppression"), reserves=(never,))
    desk.report("accident.fire.structure")
    made = desk.settle()
    assert not of(made, ev.AssignmentOrdered)
    assert rules_of(of(made, ev.ProposalMade)[-1])["reserved"] == ("E1",)


def test_a_reserve_around_a_place_counts_who_stands_there(world: World) -> None:
    near = Around("S1", 300.0)
    rule = ReserveRule("n", TOWN.names, {Posture.ROUTINE: 1}, TOWN.skills, around=near)
    far = unit("E2", "fire_suppression", lon=119.415, lat=31.415)
    desk = world(unit("E1", "fire_suppression"), far, reserves=(rule,))
    desk.report("accident.fire.structure", priority=3, at=(0, 0))
    [choice] = of(desk.settle(), ev.ProposalMade)[-1].choices
    assert choice.chosen is not None
    assert choice.chosen.unit == "E2"


def test_a_neighbour_helps_where_it_is_sooner_by_its_cost(world: World) -> None:
    lent = LentUnit("N1", "kind", ("fire_suppression",), 119.40, 31.40)
    aid = Neighbour("next", {"zh": "邻区", "en": "Next"}, 60.0, (lent,))
    own = unit("E1", "fire_suppression", lon=119.405, lat=31.40)
    for cost_s, who in ((600.0, "E1"), (0.0, "N1")):
        desk = world(own, neighbours=(msgspec.structs.replace(aid, cost_s=cost_s),))
        desk.report("accident.fire.structure", priority=3, at=(0, 0))
        [choice] = of(desk.settle(), ev.ProposalMade)[-1].choices
        named = {c.unit: c for c in (choice.chosen, *choice.runners_up) if c is not None}
        assert choice.chosen is not None
        assert choice.chosen.unit == who
        assert (named["N1"].aid, named["N1"].aid_s) == ({"zh": "邻区", "en": "Next"}, cost_s)
        assert named["E1"].aid == {}


def test_a_neighbours_units_are_no_cover_and_no_reserve_of_ours(world: World) -> None:
    lent = LentUnit("N1", "kind", ("fire_suppression",), 119.40, 31.40)
    aid = Neighbour("next", {"zh": "邻区", "en": "Next"}, 6000.0, (lent,))
    kept = ReserveRule("n", TOWN.names, {Posture.ROUTINE: 1}, TOWN.skills, breaks_for=())
    desk = world(unit("E1", "fire_suppression"), reserves=(kept,), neighbours=(aid,))
    desk.report("accident.fire.structure")
    assert [a.unit for a in of(desk.settle(), ev.AssignmentOrdered)] == ["N1"]
    desk.wait(600)
    assert not of(desk.journal, ev.MoveUpProposed)
