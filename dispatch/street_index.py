"""Which streets are near: a grid of cells that knows the straight pieces of streets in each.

For: the nearest point of the nearest street, and the streets that a closure may touch, over a
`dispatch.roads.RoadGraph`. Not for: ways. Relies on numpy alone: as objects of a geometry
library the streets of a metropolis would take 100 MB, and be searched one place at a time.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

_PIECES_A_CELL = 4
_FARTHEST = 16
"""Who has no street within so many cells is compared with every piece there is."""


class StreetIndex:
    """The pieces of all streets, by where they are.

    Parameters
    ----------
    coords : float64 (c, 2)
        lon, lat of all geometries; edge ``i`` has ``coords[start[i]:start[i + 1]]``.
    start : int32 (e + 1,)
    metres
        Turns (n, 2) lon, lat into x, y.
    """

    def __init__(
        self, coords: Floats, start: NDArray[np.int32], metres: Callable[[Floats], Floats]
    ) -> None:
        self._coords, self._start, self._metres = coords, start, metres
        last = np.zeros(len(coords), dtype=np.bool_)
        last[start[1:] - 1] = True
        # Row of the first point of each piece, and its edge.
        self._piece = np.flatnonzero(~last).astype(np.int32)
        sizes = np.diff(start)
        self._edge = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes - 1)
        xy = metres(coords)
        self._low = xy.min(axis=0)
        spread = xy.max(axis=0) - self._low
        # A city on a line has no area, but a length.
        self._side = max(
            float(np.sqrt(spread.prod() * _PIECES_A_CELL / len(self._piece))),
            float(spread.max()) * _PIECES_A_CELL / len(self._piece),
            1.0,
        )
        self._columns, self._rows = (spread // self._side).astype(np.int64) + 1
        ends = self._cell(xy[self._piece]), self._cell(xy[self._piece + 1])
        many, cells = self._cells(np.minimum(*ends), np.maximum(*ends))
        order = np.argsort(cells, kind="stable")
        self._held = np.repeat(np.arange(len(self._piece), dtype=np.int32), many)[order]
        counts = np.bincount(cells, minlength=self._columns * self._rows)
        self._first = np.concatenate([[0], np.cumsum(counts)])

    def nearest(self, places: Floats) -> tuple[Rows, Floats, Floats]:
        """Return for each place its nearest edge, the fraction along it, and the metres to it.

        Parameters
        ----------
        places : float64 (n, 2)
            lon, lat in degrees.

        Notes
        -----
        Of edges equally near the first is taken. Some 10 µs a place.
        """
        points = self._metres(places)
        piece = np.zeros(len(points), np.intp)
        share, off_m = np.zeros(len(points)), np.full(len(points), np.inf)
        left = np.arange(len(points))
        reach = 1
        while len(left) and reach <= _FARTHEST:
            middle = self._cell(points[left])
            many, near = self._pieces(middle - reach, middle + reach)
            of = np.repeat(left, many)
            at, metres = self._project(points[of], near)
            order = np.lexsort((near, metres, of))
            best = order[np.flatnonzero(np.diff(of[order], prepend=-1))]
            piece[of[best]], share[of[best]], off_m[of[best]] = near[best], at[best], metres[best]
            # What was not looked at is farther away than this.
            left = left[off_m[left] >= reach * self._side]
            reach *= 2
        for one in left.tolist():
            everything = np.arange(len(self._piece))
            at, metres = self._project(points[one], everything)
            best_of_all = int(np.argmin(metres))
            piece[one], share[one], off_m[one] = best_of_all, at[best_of_all], metres[best_of_all]
        return self._edge[piece].astype(np.intp), self._along(piece, share), off_m

    def touching(self, low: Floats, high: Floats) -> Rows:
        """Return the edges that may come into a box of x, y in metres, and some near it."""
        _, pieces = self._pieces(self._cell(low[None]), self._cell(high[None]))
        return np.unique(self._edge[pieces]).astype(np.intp)

    def lengths_m(self) -> Floats:
        """Return how long each edge is as it is drawn."""
        steps = np.hypot(*np.diff(self._metres(self._coords), axis=0).T)[self._piece]
        drawn_m = np.bincount(self._edge, steps, minlength=len(self._start) - 1)
        return np.asarray(drawn_m, dtype=np.float64)

    def _cell(self, xy: Floats) -> NDArray[np.int64]:
        """Column and row; of places off the grid too."""
        return np.asarray(np.floor((xy - self._low) / self._side), dtype=np.int64)

    def _cells(
        self, low: NDArray[np.int64], high: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How many cells each box has on the grid, and these one box after the other."""
        low = np.maximum(low, 0)
        high = np.minimum(high, [self._columns - 1, self._rows - 1])
        wide, tall = np.maximum(high - low + 1, 0).T
        many = wide * tall
        place = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        up, right = np.divmod(place, np.repeat(np.maximum(wide, 1), many))
        column, row = np.repeat(low, many, axis=0).T
        return many, (row + up) * self._columns + column + right

    def _pieces(
        self, low: NDArray[np.int64], high: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], Rows]:
        """How many pieces the cells of each box hold, and these one box after the other."""
        boxes, cells = self._cells(low, high)
        first = self._first[cells]
        held = self._first[cells + 1] - first
        place = np.arange(held.sum()) - np.repeat(np.cumsum(held) - held, held)
        pieces = self._held[np.repeat(first, held) + place].astype(np.intp)
        total = np.concatenate([[0], np.cumsum(held)])
        after = np.cumsum(boxes)
        return total[after] - total[after - boxes], pieces

    def _project(self, points: Floats, pieces: Rows) -> tuple[Floats, Floats]:
        """Fraction of each piece that is nearest to a point, and the metres to it."""
        begin = self._metres(self._coords[self._piece[pieces]])
        end = self._metres(self._coords[self._piece[pieces] + 1])
        way, to = end - begin, points - begin
        square = (way**2).sum(axis=1)
        share = np.clip((to * way).sum(axis=1) / np.where(square > 0, square, 1.0), 0.0, 1.0)
        # Streets that meet are equally near to whom their crossing is nearest, to the last bit.
        foot = np.where((share == 1.0)[:, None], end, begin + share[:, None] * way)
        return share, np.hypot(*(points - foot).T)

    def _along(self, pieces: Rows, share: Floats) -> Floats:
        """Fractions of whole edges, from fractions of their pieces."""
        edges = self._edge[pieces]
        first, after = self._start[edges], self._start[edges + 1]
        many = after - first - 1
        row = np.repeat(np.arange(len(pieces)), many)
        place = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many) + first[row]
        steps = np.hypot(
            *(self._metres(self._coords[place + 1]) - self._metres(self._coords[place])).T
        )
        mine = self._piece[pieces][row]
        whole = np.bincount(row, steps, minlength=len(pieces))
        before = np.where(place < mine, steps, np.where(place == mine, share[row] * steps, 0.0))
        so_far = np.bincount(row, before, minlength=len(pieces))
        return np.clip(so_far / np.where(whole > 0, whole, 1.0), 0.0, 1.0)
