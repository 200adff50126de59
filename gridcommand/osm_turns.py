"""OpenStreetMap's turn restrictions: what they say, for whom, and the turns of a network by them.

For: ``gridcommand.osm_extract``, which reads them, and ``gridcommand.osm_roads``. Read as the
OpenStreetMap wiki has them (Relation:restriction, Conditional restrictions). Pure.

Who follows which
- An engine (an ambulance, a police car) may pass a sign on a call, and no kerb; the map doesn't
  tell them apart. So what holds always binds it too, unless ``except`` names it. What holds at
  some hours only is a sign: it binds all but those with priority, at all hours.
- What is about another kind of vehicle (``restriction:hgv``) or a weight binds nobody here.
- What would leave a street that can't be reached, or not be left, binds nobody: most likely the
  map is wrong there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import product

import msgspec
import networkx as nx
import numpy as np

from dispatch.turns import Arcs, Arrows
from models.profiles import Profile

KEYS: Mapping[Profile, tuple[str, ...]] = {
    Profile.ENGINE: ("emergency", "motorcar", "motor_vehicle", "vehicle"),
    Profile.CAR: ("motorcar", "motor_vehicle", "vehicle"),
    Profile.MOTORCYCLE: ("motorcycle", "motor_vehicle", "vehicle"),
}
"""What OpenStreetMap calls them, most specific first."""

TAGS = tuple(
    f"restriction{kind}{hours}"
    for kind in ("", *(f":{key}" for key in dict.fromkeys(sum(KEYS.values(), ()))), ":hgv")
    for hours in ("", ":conditional")
)
"""Keys that make a relation one to be looked at."""

OF_OTHERS = "for other vehicles or by weight only"
NO_MEMBERS = "it has no from, via or to"
APART = "its streets don't meet where it says, or it can't be told which is meant"
CUTS_OFF = "a street could not be reached, or not be left"

_OLD_HOURS = ("day_on", "day_off", "hour_on", "hour_off")
_OF_SIZE = ("weight", "length", "height", "width", "axleload", "hazmat", "trailer")


class Restriction(msgspec.Struct, frozen=True):
    """A relation as it is mapped.

    Attributes
    ----------
    only
        All turns but this one are forbidden.
    via
        Ways between; empty where it is over a node.
    node
        The node that it is over, if it is.
    who
        Those it binds; nobody where it is about others.
    """

    id: int
    only: bool
    from_: tuple[int, ...]
    via: tuple[int, ...]
    node: int | None
    to: tuple[int, ...]
    who: frozenset[Profile]


class Street(msgspec.Struct, frozen=True):
    """An edge of the network."""

    id: str
    u: str
    v: str
    oneway: str

    def other(self, end: str) -> str:
        """The other end."""
        return self.u if end == self.v else self.v

    def leads(self, begin: str) -> str | None:
        """The end that one drives to from another end; None where nobody may."""
        if begin == self.u != self.v and self.oneway != "T":
            return self.v
        if begin == self.v != self.u and self.oneway != "F":
            return self.u
        return None


class Found(msgspec.Struct):
    """What the restrictions come to.

    ``turns`` are rows of a pack's table; ``unheeded`` has the relations that aren't followed, by
    the reason.
    """

    turns: list[dict[str, str]]
    unheeded: dict[str, list[int]]


def restrictions(
    number: int, tags: Mapping[str, str], members: Iterable[tuple[str, str, int]]
) -> list[Restriction]:
    """Read a relation; as many as it says different things to different vehicles.

    Parameters
    ----------
    members
        Role, type (``n`` or ``w``) and id of each.
    """
    if tags.get("type", "restriction") != "restriction" or tags.keys().isdisjoint(TAGS):
        return []
    by_role: dict[str, list[int]] = defaultdict(list)
    for role, kind, ref in members:
        by_role[role if kind == "w" else f"{role} {kind}"].append(ref)
    nodes, via = by_role["via n"], by_role["via"]
    if len(nodes) + bool(via) != 1:
        nodes, via = [], []
    said: dict[str, set[Profile]] = defaultdict(set)
    for who in KEYS:
        if kind := _kind(tags, who):
            said[kind].add(who)
    if not said and "except" not in tags:
        said[""] = set()
    return [
        Restriction(
            number,
            kind.startswith("only_"),
            tuple(by_role["from"]),
            tuple(via),
            nodes[0] if nodes else None,
            tuple(by_role["to"]),
            frozenset(bound),
        )
        for kind, bound in said.items()
    ]


def _kind(tags: Mapping[str, str], who: Profile) -> str:
    """``no_left_turn`` and the like, where it binds these."""
    excepted = {word.strip() for word in tags.get("except", "").split(";")}
    if not excepted.isdisjoint(KEYS[who]):
        return ""
    for suffix in (*(f":{key}" for key in KEYS[who]), ""):
        key = f"restriction{suffix}"
        if (kind := tags.get(key)) is not None:
            always = all(word not in tags for word in _OLD_HOURS)
            return kind if _is_known(kind) and (always or who is not Profile.ENGINE) else ""
        kind, _, condition = tags.get(f"{key}:conditional", "").partition("@")
        if kind and not any(word in condition for word in _OF_SIZE):
            kind = kind.strip()
            return kind if _is_known(kind) and who is not Profile.ENGINE else ""
    return ""


def _is_known(kind: str) -> bool:
    return kind.startswith(("no_", "only_"))


def turns(found: Sequence[Restriction], edges: Sequence[Mapping[str, str]]) -> Found:
    """Forbid the turns of a network by its restrictions.

    Parameters
    ----------
    edges
        Rows of the pack's table; an id is that of the way, a hyphen and a number.

    Notes
    -----
    What begins or ends on a street that isn't in the network is about nobody.
    """
    by_way: dict[int, list[Street]] = defaultdict(list)
    at: dict[str, list[Street]] = defaultdict(list)
    for row in edges:
        street = Street(row["id"], row["u"], row["v"], row["oneway"])
        by_way[int(street.id.partition("-")[0])].append(street)
        for end in {street.u, street.v}:
            at[end].append(street)
    unheeded: dict[str, list[int]] = defaultdict(list)
    bound: dict[tuple[str, ...], tuple[int, set[Profile]]] = {}
    for one in found:
        ways = _ways(one, by_way)
        if isinstance(ways, str):
            unheeded[ways].append(one.id)
            continue
        for way in ways:
            for forbidden in _others(way, at) if one.only else [way]:
                bound.setdefault(forbidden, (one.id, set()))[1].update(one.who)
    for way in _cutting_off(list(bound), edges):
        unheeded[CUTS_OFF].append(bound.pop(way)[0])
    many: dict[int, int] = defaultdict(int)
    rows = []
    for way, (number, who) in sorted(bound.items()):
        many[number] += 1
        rows.append(
            {
                "id": f"{number}-{many[number]}",
                "from": way[0],
                "via": "|".join(way[1:-1]),
                "to": way[-1],
                "who": "|".join(sorted(who)),
            }
        )
    return Found(rows, {why: sorted(set(ids)) for why, ids in unheeded.items()})


def _ways(one: Restriction, by_way: Mapping[int, list[Street]]) -> list[tuple[str, ...]] | str:
    """Edges and nodes in turn, as the restriction has them; or why that can't be told."""
    in_net = [way for way in (*one.from_, *one.via, *one.to) if way in by_way]
    if not (one.from_ and one.to and (one.via or one.node is not None)):
        return NO_MEMBERS if in_net else []
    if not in_net or not any(way in by_way for way in one.from_):
        return []
    if not one.who:
        return OF_OTHERS
    if any(way not in by_way for way in one.via) or not any(way in by_way for way in one.to):
        # Nobody can make the turn; of those that one must make, none is left.
        return APART if one.only else []
    if one.node is not None:
        middles: list[tuple[str, ...]] = [(str(one.node),)]
    else:
        middles = _chains([street for way in one.via for street in by_way[way]])
    found, met = [], False
    for middle in middles:
        for begin, goal in product(one.from_, one.to):
            first = [edge for edge in by_way.get(begin, []) if middle[0] in (edge.u, edge.v)]
            last = [edge for edge in by_way.get(goal, []) if middle[-1] in (edge.u, edge.v)]
            met = met or bool(first and last)
            into = [edge.id for edge in first if edge.leads(edge.other(middle[0]))]
            onto = [edge.id for edge in last if edge.leads(middle[-1])]
            if len(into) > 1 or len(onto) > 1:
                return APART
            found += [(into[0], *middle, onto[0])] if into and onto else []
    if not met or (one.via and len(found) > 1):
        return APART
    return found


def _chains(streets: list[Street]) -> list[tuple[str, ...]]:
    """Streets between, from end to end in each direction that may be driven, nodes and edges."""
    at: dict[str, list[Street]] = defaultdict(list)
    for street in streets:
        at[street.u].append(street)
        at[street.v].append(street)
    chains = []
    for end in sorted(node for node, here in at.items() if len(here) == 1):
        chain, node, left = [end], end, list(streets)
        while left:
            following = [one for one in left if one in at[node] and one.leads(node)]
            if len(following) != 1:
                break
            left.remove(following[0])
            node = following[0].leads(node) or node
            chain += [following[0].id, node]
        if not left:
            chains.append(tuple(chain))
    return chains


def _others(way: tuple[str, ...], at: Mapping[str, list[Street]]) -> list[tuple[str, ...]]:
    """Turns that leave the only way that may be gone."""
    return [
        (*way[: row + 1], street.id)
        for row in range(1, len(way), 2)
        for street in at[way[row]]
        if street.id != way[row + 1] and street.leads(way[row])
    ]


def _cutting_off(
    ways: list[tuple[str, ...]], edges: Sequence[Mapping[str, str]]
) -> list[tuple[str, ...]]:
    """Turns without which, and only so, each street is reached from each."""
    if not ways:
        return []
    names = {name: row for row, name in enumerate(sorted({e[k] for e in edges for k in "uv"}))}
    streets: dict[str, Street] = {}
    arcs: dict[tuple[str, str], int] = {}
    rows: list[tuple[int, int, int]] = []
    for row, edge in enumerate(edges):
        street = Street(edge["id"], edge["u"], edge["v"], edge["oneway"])
        streets[street.id] = street
        for begin in (street.u, street.v):
            if end := street.leads(begin):
                arcs[street.id, begin] = len(rows)
                rows.append((names[begin], names[end], row))
    tail, head, of = np.array(rows, np.int32).T
    arrows = Arrows(tail, head, of, len(names))

    def as_arcs(way: tuple[str, ...]) -> Arcs:
        first = arcs[way[0], streets[way[0]].other(way[1])]
        return (first, *(arcs[way[row + 1], way[row]] for row in range(1, len(way), 2)))

    left = {way: as_arcs(way) for way in ways}
    lifted: list[tuple[str, ...]] = []
    while left:
        parts = arrows.split(set(left.values()))
        net: nx.DiGraph[int] = nx.DiGraph()
        net.add_edges_from(zip(parts.tail.tolist(), parts.head.tolist(), strict=True))
        largest = max(nx.strongly_connected_components(net), key=len)
        core = np.zeros(len(parts.vertex_node), np.bool_)
        core[list(largest)] = True
        edge = of[parts.arc]
        reached = np.bincount(edge, core[parts.tail], minlength=len(edges)) > 0
        is_left = np.bincount(edge, core[parts.head], minlength=len(edges)) > 0
        lost = set(np.flatnonzero(~(reached & is_left)).tolist())
        guilty = [
            way
            for way, arcs_ in left.items()
            if not lost.isdisjoint((int(of[arcs_[-1]]), int(of[arcs_[-2]])))
        ]
        if not guilty:
            break
        lifted += guilty
        for way in guilty:
            del left[way]
    return lifted
