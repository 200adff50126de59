"""Turn restrictions become forbidden turns of the network; what isn't followed is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from gridcommand import osm_turns
from gridcommand.city_build import build
from gridcommand.osm_turns import APART, CUTS_OFF, NO_MEMBERS, OF_OTHERS, Restriction, restrictions
from models.city import TURNS_FILE, CityPack
from models.profiles import Profile
from tests.gridcommand.osm_inputs import square

SIDE, STEP = 4, 0.004
ENGINE, CAR, MOTORCYCLE = Profile.ENGINE, Profile.CAR, Profile.MOTORCYCLE
ALL = {ENGINE, CAR, MOTORCYCLE}

N, E, S, W = 211, 111, 201, 110
"""The four streets at the crossing 11, in row 1 and column 1: each block is a way of its own."""


def streets(
    oneway: dict[int, str] | None = None, without: frozenset[int] = frozenset()
) -> list[dict[str, str]]:
    """Rows of a grid: crossings ``row column``, ways 1rc to the east and 2rc to the north."""
    ways: dict[int, tuple[int, int]] = {}
    for row in range(SIDE):
        for column in range(SIDE):
            here = row * 10 + column
            ways |= {100 + here: (here, here + 1)} if column < SIDE - 1 else {}
            ways |= {200 + here: (here, here + 10)} if row < SIDE - 1 else {}
    return [
        {"id": f"{way}-0", "u": str(u), "v": str(v), "oneway": (oneway or {}).get(way, "B")}
        for way, (u, v) in sorted(ways.items())
        if way not in without
    ]


def read(
    tags: dict[str, str] | str, *members: tuple[str, int], via: int | None = 11, number: int = 1
) -> list[Restriction]:
    """A relation; of `tags` as text it is the restriction that counts always."""
    said = {"restriction": tags} if isinstance(tags, str) else tags
    node = [] if via is None else [("via", "n", via)]
    return restrictions(number, said, [*((role, "w", way) for role, way in members), *node])


def made(
    found: list[Restriction], edges: list[dict[str, str]] | None = None
) -> tuple[set[tuple[str, str, str]], dict[str, list[int]]]:
    result = osm_turns.turns(found, edges or streets())
    return {(row["from"], row["via"], row["to"]) for row in result.turns}, result.unheeded


@pytest.mark.parametrize(
    ("tags", "who"),
    [
        ({"restriction": "no_left_turn"}, ALL),
        ({"restriction": "no_left_turn", "except": "psv;bicycle"}, ALL),
        ({"restriction": "no_left_turn", "except": "psv; emergency"}, {CAR, MOTORCYCLE}),
        ({"restriction": "no_left_turn", "except": "motorcar"}, {MOTORCYCLE}),
        ({"restriction": "no_left_turn", "except": "motor_vehicle"}, set()),
        ({"restriction:motorcar": "no_left_turn"}, {ENGINE, CAR}),
        ({"restriction:motorcycle": "no_left_turn"}, {MOTORCYCLE}),
        ({"restriction": "no_left_turn", "restriction:emergency": "none"}, {CAR, MOTORCYCLE}),
        ({"restriction:conditional": "no_left_turn @ (Mo-Fr 07:00-09:00)"}, {CAR, MOTORCYCLE}),
        ({"restriction": "no_left_turn", "hour_on": "07:00"}, {CAR, MOTORCYCLE}),
        (
            {
                "restriction": "no_left_turn",
                "restriction:conditional": "none @ (20:00-07:00)",
            },
            ALL,
        ),
        ({"restriction:bus": "no_left_turn"}, set()),
        ({"type": "restriction:bus", "restriction": "no_left_turn"}, set()),
        ({"type": "multipolygon", "restriction": "no_left_turn"}, set()),
        ({"type": "restriction", "restriction": "no_left_turn"}, ALL),
    ],
)
def test_a_restriction_binds_whom_it_names(tags: dict[str, str], who: set[Profile]) -> None:
    found = read(tags, ("from", W), ("to", N))
    assert {one for each in found for one in each.who} == who
    assert made(found)[1] == {}


@pytest.mark.parametrize(
    "tags",
    [
        {"restriction:hgv": "no_left_turn"},
        {"restriction:conditional": "no_left_turn @ (weight>7.5)"},
        {"restriction": "give_way"},
    ],
)
def test_what_is_for_other_vehicles_is_named_and_not_followed(tags: dict[str, str]) -> None:
    found = read(tags, ("from", W), ("to", N), number=17)
    assert made(found) == (set(), {OF_OTHERS: [17]})


def test_one_turn_is_forbidden() -> None:
    assert made(read("no_left_turn", ("from", W), ("to", N))) == (
        {("110-0", "11", "211-0")},
        {},
    )


def test_all_turns_but_one_are_forbidden_and_turning_round_too() -> None:
    turns, unheeded = made(read("only_straight_on", ("from", W), ("to", E)))
    assert turns == {("110-0", "11", f"{way}-0") for way in (N, S, W)}
    assert unheeded == {}


def test_who_may_not_turn_round_may_not_on_one_street_either() -> None:
    assert made(read("no_u_turn", ("from", W), ("to", W)))[0] == {("110-0", "11", "110-0")}


def test_several_streets_in_or_out_are_each_forbidden() -> None:
    found = read("no_exit", ("from", W), ("to", N), ("to", S))
    assert made(found)[0] == {("110-0", "11", "211-0"), ("110-0", "11", "201-0")}
    found = read("no_entry", ("from", W), ("from", E), ("to", S))
    assert made(found)[0] == {("110-0", "11", "201-0"), ("111-0", "11", "201-0")}


def test_a_turn_over_a_street_between_is_forbidden_as_a_whole() -> None:
    found = read("no_u_turn", ("from", S), ("via", E), ("to", 202), via=None)
    assert made(found)[0] == {("201-0", "11|111-0|12", "202-0")}
    found = read("only_left_turn", ("from", S), ("via", E), ("to", 212), via=None)
    assert made(found)[0] == {
        *(("201-0", "11", f"{way}-0") for way in (W, N, S)),
        *(("201-0", "11|111-0|12", f"{way}-0") for way in (E, 112, 202)),
    }
    found = read("no_left_turn", ("from", W), ("via", 112), ("via", E), ("to", 213), via=None)
    assert made(found)[0] == {("110-0", "11|111-0|12|112-0|13", "213-0")}


def test_one_way_streets_tell_which_part_of_a_street_is_meant() -> None:
    """The way 9 goes through the crossing; only one part of it leads there."""
    both = [row | {"id": f"9-{row['id'][2]}"} if row["id"] in ("110-0", "111-0") else row
            for row in streets({110: "F", 111: "F"})]  # fmt: skip
    assert made(read("no_left_turn", ("from", 9), ("to", N)), both)[0] == {("9-0", "11", "211-0")}
    assert made(read("no_right_turn", ("from", S), ("to", 9)), both)[0] == {("201-0", "11", "9-1")}
    two_way = [row | {"oneway": "B"} for row in both]
    found = read("no_left_turn", ("from", 9), ("to", N), number=5)
    assert made(found, two_way) == (set(), {APART: [5]})


def test_a_turn_against_a_one_way_street_is_no_turn() -> None:
    found = read("no_left_turn", ("from", W), ("to", N))
    assert made(found, streets({211: "T"})) == (set(), {})
    assert made(found, streets({110: "T"})) == (set(), {})


def test_what_can_not_be_told_is_named() -> None:
    apart = read("no_left_turn", ("from", W), ("to", 222), number=2)
    assert made(apart) == (set(), {APART: [2]})
    no_via = read("no_left_turn", ("from", W), ("to", N), via=None, number=3)
    assert made(no_via) == (set(), {NO_MEMBERS: [3]})
    two = [("from", "w", W), ("to", "w", N), ("via", "n", 11), ("via", "n", 12)]
    assert made(restrictions(4, {"restriction": "no_left_turn"}, two)) == (
        set(),
        {NO_MEMBERS: [4]},
    )


def test_a_street_outside_the_network_is_about_nobody_but_when_it_alone_may_be_gone() -> None:
    for members in ((("from", 999), ("to", N)), (("from", W), ("to", 999))):
        assert made(read("no_left_turn", *members)) == (set(), {})
    only = read("only_right_turn", ("from", W), ("to", 999), number=8)
    assert made(only) == (set(), {APART: [8]})
    assert made(read("no_left_turn", ("from", 998), ("to", 999), via=None))[1] == {}


def test_turns_that_alone_lead_to_a_street_stay_allowed_and_are_named() -> None:
    """One street leads to 99, from the crossing 11."""
    dead_end = [*streets(), {"id": "300-0", "u": "11", "v": "99", "oneway": "B"}]
    found = [
        *read("no_left_turn", ("from", W), ("to", 300), number=1),
        *read("no_right_turn", ("from", E), ("to", 300), number=2),
        *read("no_straight_on", ("from", S), ("to", 300), number=3),
    ]
    turns, unheeded = made(found, dead_end)
    assert len(turns) == 3
    assert unheeded == {}
    found += read("no_right_turn", ("from", N), ("to", 300), number=4)
    found += read("no_left_turn", ("from", W), ("to", N), number=5)
    turns, unheeded = made(found, dead_end)
    assert turns == {("110-0", "11", "211-0")}
    assert unheeded == {CUTS_OFF: [1, 2, 3, 4]}


def test_two_restrictions_of_one_turn_are_one_row() -> None:
    found = read({"restriction:motorcycle": "no_left_turn"}, ("from", W), ("to", N), number=1)
    found += read({"restriction:motorcar": "no_left_turn"}, ("from", W), ("to", N), number=2)
    assert osm_turns.turns(found, streets()).turns == [
        {"id": "1-1", "from": "110-0", "via": "11", "to": "211-0", "who": "car|engine|motorcycle"}
    ]


def extract(path: Path, *relations: str) -> Path:
    lines = ['<osm version="0.6">']
    for row in range(SIDE):
        for column in range(SIDE):
            place = f'lat="{50 + row * STEP}" lon="{8 + column * STEP}"'
            lines.append(f'<node id="{row * 10 + column + 1000}" version="1" {place}/>')
    for street in streets():
        ends = "".join(f'<nd ref="{int(street[end]) + 1000}"/>' for end in "uv")
        ends += '<tag k="highway" v="residential"/>'
        lines.append(f'<way id="{street["id"][:-2]}" version="1">{ends}</way>')
    path.write_text("\n".join([*lines, *relations, "</osm>"]))
    return path


def relation(number: int, members: dict[str, int], tags: dict[str, str], via: int = 1011) -> str:
    inner = "".join(f'<member type="way" ref="{ref}" role="{at}"/>' for at, ref in members.items())
    inner += f'<member type="node" ref="{via}" role="via"/>'
    inner += "".join(f'<tag k="{k}" v="{v}"/>' for k, v in ({"type": "restriction"} | tags).items())
    return f'<relation id="{number}" version="1">{inner}</relation>'


def test_a_city_that_is_built_drives_by_its_restrictions(tmp_path: Path) -> None:
    osm = extract(
        tmp_path / "t.osm",
        relation(1, {"from": W, "to": N}, {"restriction": "no_left_turn"}),
        relation(2, {"from": E, "to": N}, {"restriction": "no_right_turn", "except": "emergency"}),
        relation(3, {"from": W, "to": 222}, {"restriction": "no_right_turn"}),
        relation(4, {"from": W, "to": S}, {"restriction:hgv": "no_right_turn"}),
        relation(5, {"from": 998, "to": 999}, {"restriction": "no_right_turn"}),
    )
    said: list[str] = []
    pack = build(tmp_path / "packs" / "t", osm, square(tmp_path / "a"), None, "UTC", said.append)
    text = "\n".join(said)
    assert "16 crossings, 24 stretches of street, 2 forbidden turns" in text
    assert f"1  turn restriction isn't followed: {APART} (relation 3)" in text
    assert f"1  turn restriction isn't followed: {OF_OTHERS} (relation 4)" in text
    assert text.count("turn restriction isn't followed") == 2
    travel = TravelTimes.of_pack(RoadGraph.load(pack), pack)
    assert len(travel.graph.turns) == 2

    def way(kind: str, column: float) -> tuple[str, ...]:
        there = (8 + STEP, 50 + 1.5 * STEP)
        route = travel.of_kind(kind).route((8 + column * STEP, 50 + STEP), there)
        assert route is not None
        return route.edge_ids

    assert way("engine", 0.7) != ("110-0", "211-0")
    assert way("engine", 1.3) == ("111-0", "211-0")
    assert way("gas_repair_van", 1.3) != ("111-0", "211-0")
    assert way("volunteer_team", 0.7) == ("110-0", "211-0")


def test_a_city_without_restrictions_has_no_table_of_turns(tmp_path: Path) -> None:
    osm = extract(tmp_path / "t.osm")
    pack = build(tmp_path / "packs" / "t", osm, square(tmp_path / "a"), None, "UTC", print)
    assert not (pack.path / TURNS_FILE).exists()
    assert RoadGraph.load(CityPack.load(pack.path)).turns == ()
