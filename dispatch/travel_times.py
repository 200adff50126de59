"""How long units take and by which streets, around what is closed.

For: time matrices, nearest units and routes over a `dispatch.roads.RoadGraph`, with closures
that change often. Not for: waiting and turnout times of crews. Relies on contraction hierarchies
(:mod:`dispatch.metric`), in which a closure costs milliseconds.

The rules of this model
- Weights are whole milliseconds, so that sums are the same on every machine.
- A point counts at the nearest place on the nearest street. Farther off than `FAR_M`
  (`dispatch.routes`), it is flagged and the stretch to the street is added at walking speed;
  between two such places one may also walk straight.
- A closed street is driven by nobody, with two exceptions that keep people from being stuck: who
  stands on one may leave it along itself, to the nearer end that is open; and to a place among
  closed streets one drives up to the cordon and walks on (`dispatch.cordon`).
- A turn that is forbidden is made by nobody whom that binds, also out of the street on which one
  starts and into the one that one goes to. Where no other open way leads there, who drives with
  priority makes it (`dispatch.turns`, `dispatch.profiles`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import routingkit_cch as rk
from numpy.typing import ArrayLike, NDArray

from dispatch.calibration import CalibratedTimes
from dispatch.cordon import Ends, left_by, reached_by
from dispatch.metric import InForce, Metrics
from dispatch.profiles import MOTIONS, OF_ENGINES, Motion
from dispatch.roads import Closure, RoadGraph, SlowZone
from dispatch.routes import WALK_M_S, Leg, Point, Route, Snap, make_route, walk_s, walked_route
from models.errors import GridcommandError
from models.profiles import PROFILE_OF_KIND, Profile

if TYPE_CHECKING:
    from models.city import CityPack

CROSSING_M = 1.0
"""Nearer than this to the end of a street, a place is the crossing itself, in metres."""

_SNAPS_KEPT = 1 << 14
_ENDS_KEPT = 1 << 12
"""Places whose ends are kept at most, left and reached each; then all are forgotten."""

_LIKELY = 4
"""Times as many as are asked for are looked at first, where the nearest are."""


class BadPlaceError(GridcommandError, ValueError):
    """Coordinates that are no finite (lon, lat) in degrees."""


class TravelTimes:
    """Times and routes on one road graph under the closures set last.

    Parameters
    ----------
    graph
        The network.
    speed_factor
        Multiplies every speed of the graph; a city pack brings its own.
    calibrated
        Turns the time at those speeds into what crews really take; None: it is taken as it is.
    cache_dir
        Where the contraction order is kept between starts, by content hash; None: not kept.
    motion
        How this differs from an engine; see `of_kind`.
    profiles
        Kinds of units that the city lets move as something else than usual.

    Notes
    -----
    Safe to share between threads: questions are answered one at a time, by the streets that were
    in force when their turn came; none waits for a closure.
    The same graph, closures and question give the same answer, whatever was asked or closed
    before. Not guaranteed: which of two equally fast ways a route takes, only that it is always
    the same one.
    """

    def __init__(
        self,
        graph: RoadGraph,
        *,
        speed_factor: float = 1.0,
        calibrated: CalibratedTimes | None = None,
        cache_dir: Path | None = None,
        motion: Motion | None = None,
        profiles: Mapping[str, Profile] = MappingProxyType({}),
    ) -> None:
        motion = motion or OF_ENGINES
        if motion.both_ways:
            self.graph = graph.both_ways()
        else:
            self.graph = graph.following(motion.turns) if motion.turns else graph
        self._calibrated = calibrated if motion.calibrated else None
        speed_kmh = np.minimum(graph.edge_speed_kmh * speed_factor * motion.speed, motion.most_kmh)
        self._edge_ms = np.maximum(np.rint(graph.edge_length_m * 3600.0 / speed_kmh), 1.0)
        self._metrics = Metrics(self.graph, self._edge_ms, cache_dir)
        self._profiles = {**PROFILE_OF_KIND, **profiles}
        self._moving = partial(
            TravelTimes, graph, speed_factor=speed_factor, calibrated=calibrated,
            cache_dir=cache_dir,
        )  # fmt: skip
        self._by_profile: dict[Profile, TravelTimes] = {}
        self._anyhow = (
            msgspec.structs.replace(motion, turns=None, priority=False)
            if motion.priority and self.graph is not graph
            else None
        )
        self._by_any_turn: TravelTimes | None = None
        self._closures: frozenset[str | Closure | SlowZone] = frozenset()
        self._closed_edges: frozenset[str] = frozenset()
        self._closing, self._making = Lock(), Lock()
        self._snaps: dict[Point, Snap] = {}

    @classmethod
    def of_pack(
        cls, graph: RoadGraph, pack: CityPack, *, cache_dir: Path | None = None
    ) -> TravelTimes:
        """Times as this city's pack has them: calibrated, else by its speed factor."""
        calibrated = None if pack.calibration is None else CalibratedTimes(pack.calibration)
        times = cls(
            graph,
            speed_factor=1.0 if calibrated else pack.speed_factor,
            calibrated=calibrated,
            cache_dir=cache_dir,
            profiles=pack.profiles,
        )
        for unit in pack.units:
            times.of_kind(unit.kind)
        return times

    def profile_of(self, kind: str) -> Profile:
        """What a kind of unit moves as."""
        return self._profiles.get(kind, Profile.ENGINE)

    def of_kind(self, kind: str) -> TravelTimes:
        """The times of a kind of unit, under the closures in force here.

        What drives like an engine shares these times; any other's are made when first asked
        for, those of a pack's units with the pack's.
        """
        profile = self.profile_of(kind)
        motion = MOTIONS.get(profile)
        if motion is None:
            return self
        with self._making:
            times = self._by_profile.get(profile)
            if times is None:
                times = self._by_profile[profile] = self._moving(motion=motion)
        times.set_closures(self._closures)
        return times

    def _turning_anyhow(self) -> TravelTimes | None:
        """The times of who makes forbidden turns too, made when first asked for; None: not done."""
        if self._anyhow is None:
            return None
        with self._making:
            if self._by_any_turn is None:
                self._by_any_turn = self._moving(motion=self._anyhow)
            times = self._by_any_turn
        times.set_closures(self._closures)
        return times

    def matrix_of(
        self, kinds: Sequence[str], origins: ArrayLike, destinations: ArrayLike
    ) -> NDArray[np.float32]:
        """As `matrix`, each line for the kind of unit that stands there."""
        starts = _places(origins)
        rows: dict[Profile, list[int]] = {}
        for row, kind in enumerate(kinds):
            profile = self.profile_of(kind)
            rows.setdefault(profile if profile in MOTIONS else Profile.ENGINE, []).append(row)
        if len(rows) == 1:
            return self.of_kind(kinds[0]).matrix(starts, destinations)
        result = np.full((len(starts), len(_places(destinations))), np.inf, np.float32)
        for mine in rows.values():
            result[mine] = self.of_kind(kinds[mine[0]]).matrix(starts[mine], destinations)
        return result

    @property
    def closed_edges(self) -> frozenset[str]:
        """Ids of all edges that are closed now."""
        return self._closed_edges

    @property
    def closures(self) -> frozenset[str | Closure | SlowZone]:
        """What was set last."""
        return self._closures

    def set_closures(self, closures: Iterable[str | Closure | SlowZone]) -> frozenset[str]:
        """Make these, and no others, the closures and slow zones in force.

        Parameters
        ----------
        closures
            Edge ids and `EdgeClosure`, `CircleClosure`, `AreaClosure`, `SlowZone`, in any order.

        Returns
        -------
        frozenset of str
            Ids of all edges that are closed now.

        Raises
        ------
        UnknownEdgeError
            An edge id isn't in the graph; then nothing has changed.

        Notes
        -----
        Calling it again with the same set costs a comparison; a new set costs what changed, some
        10 µs for each edge opened or closed in a city of 15,000, 100 µs in one of 350,000.
        """
        wanted = frozenset(closures)
        with self._closing:
            if wanted == self._closures:
                return self._closed_edges
            names: set[str] = set()
            speeds: dict[int, float] = {}
            for closure in wanted:
                if isinstance(closure, SlowZone):
                    for row in map(self.graph.edge_row, self.graph.edges_in(closure.area)):
                        speeds[row] = min(speeds.get(row, 1.0), closure.speed)
                else:
                    ids = [closure] if isinstance(closure, str) else self.graph.edges_in(closure)
                    names.update(ids)
            self._metrics.close(frozenset(map(self.graph.edge_row, names)), speeds)
            self._closed_edges, self._closures = frozenset(names), wanted
            return self._closed_edges

    def snap(self, lon: float, lat: float) -> Snap:
        """Where this point meets the network, open or closed."""
        return self._snap_all(np.array([[lon, lat]], dtype=np.float64))[0]

    def matrix(
        self,
        origins: ArrayLike,
        destinations: ArrayLike,
        *,
        hour: float | None = None,
        driven_s: float = 0.0,
    ) -> NDArray[np.float32]:
        """Seconds from every origin to every destination.

        Parameters
        ----------
        origins : array_like (n, 2)
            lon, lat in degrees.
        destinations : array_like (m, 2)
            lon, lat in degrees.
        hour
            Local hour, 0 to 24, whose traffic counts where the pack knows it; None: a usual one.
        driven_s
            Seconds that those at the origins have been driving: where a pack is calibrated, the
            rest of a drive takes less than a new one.

        Returns
        -------
        float32 (n, m)
            inf where there is no open way.

        Raises
        ------
        BadPlaceError
            Not of shape (…, 2), or not finite.
        """
        starts, goals = _places(origins), _places(destinations)
        leave, reach = self._snap_all(starts), self._snap_all(goals)
        return self._between(starts, goals, leave, reach, hour, driven_s)

    def _between(
        self,
        starts: NDArray[np.float64],
        goals: NDArray[np.float64],
        leave: Sequence[Snap],
        reach: Sequence[Snap],
        hour: float | None,
        driven_s: float = 0.0,
    ) -> NDArray[np.float32]:
        """Seconds between places, given with where they meet the network."""
        if not leave or not reach:
            return np.full((len(leave), len(reach)), np.inf, np.float32)
        result = self._driven_ms(leave, reach)
        walk_out = np.array([snap.walk_s for snap in leave])[:, None]
        walk_in = np.array([snap.walk_s for snap in reach])[None, :]
        result /= 1000.0
        if self._calibrated is not None:
            result = self._calibrated.matrix(result, starts, goals, hour, driven_s)
        result += walk_out + walk_in
        for line, column in np.argwhere((walk_out > 0) & (walk_in > 0)).tolist():
            on_foot = walk_s(self.graph, starts[line].tolist(), goals[column].tolist())
            result[line, column] = min(result[line, column], on_foot)
        return np.asarray(result, dtype=np.float32)

    def _driven_ms(self, leave: Sequence[Snap], reach: Sequence[Snap]) -> NDArray[np.float64]:
        """Milliseconds from street to street."""
        result = np.full((len(leave), len(reach)), np.inf)
        with self._metrics.reading() as now:
            first = [_kept(now, now.ways_out, snap, self._ways_out) for snap in leave]
            last = [_kept(now, now.ways_in, snap, self._ways_in) for snap in reach]
            if len(reach) <= len(leave):
                _fill(now, result, first, last, towards=True)
            else:
                _fill(now, result.T, last, first, towards=False)
            by_edge: dict[int, list[int]] = {}
            for column, snap in enumerate(reach):
                by_edge.setdefault(snap.edge, []).append(column)
            for line, start in enumerate(leave):
                for column in by_edge.get(start.edge, ()):
                    direct = self._along(now, start, reach[column])
                    result[line, column] = min(result[line, column], direct)
        lost = np.isinf(result)
        if lost.any() and (anyhow := self._turning_anyhow()):
            result[lost] = anyhow._driven_ms(leave, reach)[lost]
        return result

    def nearest(
        self, destination: Point, origins: ArrayLike, k: int, *, hour: float | None = None
    ) -> tuple[tuple[int, float], ...]:
        """The `k` origins that reach `destination` soonest, as (row in `origins`, seconds).

        Sorted by seconds, then row; who can't reach it is left out.
        """
        starts, goal = _places(origins), _places([destination])
        snaps, there = self._snap_all(starts), self._snap_all(goal)

        def seconds(rows: NDArray[np.intp]) -> NDArray[np.float32]:
            leave = [snaps[row] for row in rows.tolist()]
            return self._between(starts[rows], goal, leave, there, hour)[:, 0]

        off_m = np.array([snap.distance_m for snap in snaps]) + there[0].distance_m
        least = self._least_s(starts, goal, off_m, hour)
        order = np.argsort(least, kind="stable")
        # The likely ones first; then those who could still be sooner than the last of these.
        asked, rest = order[: _LIKELY * k], order[_LIKELY * k :]
        times = seconds(asked)
        if k and len(rest):
            rest = rest[least[rest] <= np.partition(times, k - 1)[k - 1]]
            asked, times = np.append(asked, rest), np.append(times, seconds(rest))
        best = np.lexsort((asked, times))[:k]
        return tuple((int(asked[at]), float(times[at])) for at in best if np.isfinite(times[at]))

    def _least_s(
        self,
        starts: NDArray[np.float64],
        goal: NDArray[np.float64],
        off_m: NDArray[np.float64],
        hour: float | None,
    ) -> NDArray[np.float64]:
        """Seconds under which nobody drives there, as the crow flies from street to street."""
        metres = self.graph.projection.metres
        apart = np.hypot(*(metres(starts) - metres(goal)).T) - off_m
        # The ends of a way are whole milliseconds too, and float32 knows seven digits.
        free_s = np.maximum(0.0, apart / self._fastest_m_s - 0.002)
        if self._calibrated is not None:
            free_s = self._calibrated.matrix(free_s[:, None], starts, goal, hour)[:, 0]
        return np.asarray(free_s * (1 - 1e-6), dtype=np.float64)

    @cached_property
    def _fastest_m_s(self) -> float:
        """What the fastest street makes in a straight line; on foot one is slower anyhow."""
        speeds = self.graph.index.lengths_m() * 1000.0 / self._edge_ms
        return max(float(speeds.max()), WALK_M_S)

    def route(
        self, origin: Point, destination: Point, *, hour: float | None = None
    ) -> Route | None:
        """The fastest open way between two (lon, lat), or None where there is none."""
        start, goal = self._snap_all(_places([origin, destination]))
        with self._metrics.reading() as now:
            out = _kept(now, now.ways_out, start, self._ways_out)
            into = _kept(now, now.ways_in, goal, self._ways_in)
            direct = self._along(now, start, goal) if start.edge == goal.edge else np.inf
            query = rk.CCHQuery(now.metric)
            found = query.run_multi(_seeds(out), _seeds(into))
            driven_ms = np.inf if found.distance is None else float(found.distance)
            nodes, arcs = list(found.node_path), list(found.arc_path)
            # The metric can't be customised again while these live.
            del found, query
            if not np.isfinite(min(direct, driven_ms)):
                if anyhow := self._turning_anyhow():
                    return anyhow.route(origin, destination, hour=hour)
                both_far = start.far and goal.far
                return walked_route(self.graph, origin, destination) if both_far else None
            if direct <= driven_ms:
                driven, walked = [(start.edge, start.fraction, goal.fraction, direct)], []
            else:
                _, left = min((ms, legs) for node, ms, legs in out if node == nodes[0])
                _, met = min((ms, legs) for node, ms, legs in into if node == nodes[-1])
                driven, walked = [*left, *self._arc_legs(now, arcs)], list(met)
            if goal.edge not in now.closed:
                driven, walked = [*driven, *walked], []
            elif direct <= driven_ms:
                driven, walked = [], driven
        way = make_route(self.graph, (origin, destination), (start, goal), driven, walked)
        way = self._as_driven(way, (start, goal), (origin, destination), hour)
        if start.far and goal.far and walk_s(self.graph, origin, destination) < way.time_s:
            return walked_route(self.graph, origin, destination)
        return way

    def _as_driven(
        self, way: Route, snaps: tuple[Snap, Snap], ends: tuple[Point, Point], hour: float | None
    ) -> Route:
        """The same way with calibrated seconds; stretches off the road stay at walking speed."""
        before, after = snaps[0].walk_s, snaps[1].walk_s
        free_s = way.time_s - before - after
        if self._calibrated is None or free_s <= 0:
            return way
        start, end = np.array([ends[0]]), np.array([ends[1]])
        real_s = float(self._calibrated.matrix(np.array([[free_s]]), start, end, hour)[0, 0])
        elapsed = np.array(way.elapsed_s)
        on_the_road = np.clip(elapsed - before, 0.0, free_s)
        elapsed += on_the_road * (real_s / free_s - 1.0)
        times = tuple(elapsed.tolist())
        return msgspec.structs.replace(way, elapsed_s=times, time_s=before + real_s + after)

    def _snap_all(self, places: NDArray[np.float64]) -> list[Snap]:
        keys: list[Point] = [(lon, lat) for lon, lat in places.tolist()]
        # Other threads may add to it and empty it meanwhile: what was found stays in hand.
        found = {key: snap for key in keys if (snap := self._snaps.get(key)) is not None}
        fresh = [key for key in dict.fromkeys(keys) if key not in found]
        if fresh:
            new = dict(zip(fresh, self._snap_fresh(np.array(fresh)), strict=True))
            if len(self._snaps) + len(new) > _SNAPS_KEPT:
                self._snaps = {}
            self._snaps.update(new)
            found.update(new)
        return [found[key] for key in keys]

    def _snap_fresh(self, places: NDArray[np.float64]) -> list[Snap]:
        rows, fractions, distances = self.graph.index.nearest(places)
        triples = zip(rows.tolist(), fractions.tolist(), distances.tolist(), strict=True)
        return [Snap(edge, fraction, distance) for edge, fraction, distance in triples]

    def _ways_out(self, now: InForce, snap: Snap) -> Ends:
        """Ends by which a place is left; never empty."""
        row, oneway, ms = snap.edge, self.graph.edge_oneway[snap.edge], now.edge_ms[snap.edge]
        if row in now.closed:
            return now.cordon.ways_out(snap)
        ends: Ends = []
        for end, is_open in ((1.0, oneway >= 0), (0.0, oneway <= 0)):
            there = self._at_end(snap, end)
            if is_open or there:
                leg = row, snap.fraction, end, abs(end - snap.fraction) * ms
                ends += left_by(self.graph, leg, freely=there)
        return ends

    def _ways_in(self, now: InForce, snap: Snap) -> Ends:
        """Ends by which a place is reached; never empty."""
        row, oneway, ms = snap.edge, self.graph.edge_oneway[snap.edge], now.edge_ms[snap.edge]
        if row in now.closed:
            return now.cordon.ways_in(snap)
        ends: Ends = []
        for end, is_open in ((0.0, oneway >= 0), (1.0, oneway <= 0)):
            there = self._at_end(snap, end)
            if is_open or there:
                leg = row, end, snap.fraction, abs(end - snap.fraction) * ms
                ends += reached_by(self.graph, leg, freely=there)
        return ends

    def _at_end(self, snap: Snap, end: float) -> bool:
        """Whether the place is the crossing itself, where every street of it can be taken."""
        length_m = float(self.graph.edge_length_m[snap.edge])
        return abs(end - snap.fraction) * length_m <= CROSSING_M

    def _along(self, now: InForce, start: Snap, goal: Snap) -> float:
        """Milliseconds between two places on one edge without leaving it; inf if against it."""
        gap = goal.fraction - start.fraction
        if start.edge in now.closed:
            return float(round(abs(gap) * self.graph.edge_length_m[start.edge] * 1000 / WALK_M_S))
        oneway = self.graph.edge_oneway[start.edge]
        if gap * oneway < 0:
            return np.inf
        return float(round(abs(gap) * now.edge_ms[start.edge]))

    def _arc_legs(self, now: InForce, arcs: Sequence[int]) -> list[Leg]:
        legs: list[Leg] = []
        for arc in arcs:
            forward = bool(self.graph.arc_forward[arc])
            row = int(self.graph.arc_edge[arc])
            legs.append((row, 0.0 if forward else 1.0, 1.0 if forward else 0.0,
                         float(now.edge_ms[row])))  # fmt: skip
        return legs


def _kept(
    now: InForce, kept: dict[Snap, Ends], snap: Snap, find: Callable[[InForce, Snap], Ends]
) -> Ends:
    """Ends of a place, found once for the streets as they are; asked while they are held."""
    ends = kept.get(snap)
    if ends is None:
        if len(kept) >= _ENDS_KEPT:
            kept.clear()
        ends = kept[snap] = find(now, snap)
    return ends


def _fill(
    now: InForce,
    result: NDArray[np.float64],
    many: Sequence[Ends],
    few: Sequence[Ends],
    *,
    towards: bool,
) -> None:
    """Least milliseconds between `many` (lines) and `few` (columns), one sweep a column."""
    met = [node for ends in many for node, _, _ in ends]
    nodes, where = np.unique(met, return_inverse=True)
    offsets = np.array([ms for ends in many for _, ms, _ in ends], dtype=np.float64)
    first = np.concatenate([[0], np.cumsum([len(ends) for ends in many])[:-1]])
    pinned: list[int] = nodes.tolist()
    sweep: Callable[[list[tuple[int, int]]], list[int | None]]
    if towards:
        sweep = rk.CCHManyToOne(now.metric, pinned).distances_to_multi
    else:
        sweep = rk.CCHOneToMany(now.metric, pinned).distances_from_multi
    for column, ends in enumerate(few):
        # None (no way) becomes nan, which fmin must not prefer: inf instead.
        reached = np.array(sweep(_seeds(ends)), dtype=np.float64)
        reached[np.isnan(reached)] = np.inf
        result[:, column] = np.minimum.reduceat(reached[where] + offsets, first)


def _seeds(ends: Ends) -> list[tuple[int, int]]:
    return [(node, ms) for node, ms, _ in ends]


def _places(places: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(places, dtype=np.float64)
    if array.size == 0:
        return array.reshape(0, 2)
    if array.ndim != 2 or array.shape[1] != 2:
        raise BadPlaceError(f"places must have the shape (n, 2), not {array.shape}")
    if not np.isfinite(array).all():
        bad = array[~np.isfinite(array).all(axis=1)][0].tolist()
        raise BadPlaceError(f"place {bad} must be finite lon, lat in degrees")
    return array
