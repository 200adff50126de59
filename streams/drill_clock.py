"""The clock of a live drill: kept in the drill's row, held back when the desk can't keep up.

For: :mod:`streams.drill`. The row is shared: a console writes speed, pause and end into it, intake,
desk and screens read the time from it. Which exercise a recording runs in is decided here too.

- The same recording goes on in its exercise until its drill has ended; each other run gets an
  exercise of its own: ``<jurisdiction>.exercise``, then ``.exercise.2``, ``.exercise.3``, … One
  in which something is told of later than the recording begins is left out: its desk's time never
  runs back, so nothing would move there.
- States of the row: ``running``; ``stopped`` (nobody drives it, its clock stands; the next start
  goes on there); ``ended``.
- A drill whose process died without a word goes on where its clock was last confirmed, or, if
  that is less than `GAP_S` ago, where the clock is now.
- To hold, the clock's anchor is put into the future of the wall clock; until then it stands. The
  speed that a person chose stays.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from models.clock import JurisdictionClock
from models.registers import GAP_S, Drill
from models.store import Store
from models.words import EXERCISE_MARK, home_jurisdiction
from streams.recording import Recording
from streams.seats import read_situation

log = logging.getLogger(__name__)

RUNNING, STOPPED, ENDED = "running", "stopped", "ended"
ALIVE_S = 5.0
HOLD_S = 0.5
HOLD_ABOVE = 150
GO_ON_BELOW = 50
"""Unfinished inbox rows of the exercise at which the clock is held, and let go."""

STUCK_S = 2.0
"""The clock is held as well when rows wait and the journal hasn't grown for so long; before the
desk's first answer, at once."""


def take_up(
    store: Store, recording: Recording, home: str, speed: float, wall: datetime
) -> tuple[Drill, bool]:
    """Return the drill to drive, its clock running, and whether it goes on from before."""
    digest = _sha256(recording.path)
    ours = [d for d in store.drills() if home_jurisdiction(d.jurisdiction) == home]
    for drill in ours:
        if drill.state != ENDED and drill.recording_sha256 == digest:
            going_on = msgspec.structs.replace(
                drill,
                anchor_sim=_time_of(drill, wall),
                anchor_wall=wall,
                updated_at=wall,
                # After a crash a speed that a person chose stands; a new start may change it.
                speed=speed if drill.state == STOPPED else drill.speed,
                state=RUNNING,
            )
            _end_others(store, ours, going_on.jurisdiction, wall)
            store.put_drill(going_on)
            return going_on, True
    drill = Drill(
        jurisdiction=_free_exercise(
            store, home, {d.jurisdiction for d in ours}, recording.described.first
        ),
        name=recording.described.name,
        recording=str(recording.path),
        recording_sha256=digest,
        speed=speed,
        anchor_sim=recording.described.first,
        anchor_wall=wall,
        updated_at=wall,
        state=RUNNING,
    )
    _end_others(store, ours, drill.jurisdiction, wall)
    store.put_drill(drill)
    return drill, False


def driven(store: Store, home: str, wall: datetime) -> Drill | None:
    """Return the drill of a city whose driver gave a sign of life in the last `ALIVE_S` seconds."""
    for drill in store.drills():
        seen = timedelta(0) <= wall - drill.updated_at <= timedelta(seconds=ALIVE_S)
        if home_jurisdiction(drill.jurisdiction) == home and drill.state == RUNNING and seen:
            return drill
    return None


class DrillClock:
    """The time of one drill, as its row says, and the hand that holds it.

    Parameters
    ----------
    drill
        As `take_up` returned it.
    """

    def __init__(self, store: Store, drill: Drill) -> None:
        self._store = store
        self.drill = drill
        self._held = False
        self._grew_at = drill.anchor_wall
        self._seq: int | None = None
        self._answered = False

    @property
    def runs(self) -> bool:
        """Whether time passes now."""
        return not self.drill.paused and not self._held

    @property
    def is_ended(self) -> bool:
        """Whether a console ended the drill, as the row said when it was read last."""
        return self.drill.state == ENDED

    def now(self, wall: datetime) -> datetime:
        """Return the drill's time."""
        now = JurisdictionClock(exercise=True, drill=self.drill).now(wall)
        return now or self.drill.anchor_sim

    def look(self, wall: datetime, position: int, seq: int) -> None:
        """Read the row anew, confirm that we live, and hold or let go the clock.

        Parameters
        ----------
        position
            Lines of the recording that were handed over.
        seq
            How far the journal was read.
        """
        name = self.drill.jurisdiction
        self._store.set_drill(name, updated_at=wall, position=position)
        self.drill = self._store.drill(name) or self.drill
        if self._seq is not None and seq > self._seq:
            self._answered = True
            self._grew_at = wall
        self._seq = seq
        unfinished = self._store.unfinished(name)
        if not unfinished:
            self._grew_at = wall
        # Before its first answer we don't know whether there is a desk at all.
        patience_s = STUCK_S if self._answered else 0.0
        stuck = (wall - self._grew_at).total_seconds() > patience_s
        limit = GO_ON_BELOW if self._held else HOLD_ABOVE
        if self.drill.paused or (unfinished <= limit and not stuck):
            if self._held:
                self._held = False
                log.info("drill %s goes on at %s", name, self.now(wall).isoformat())
                self._anchor(self.now(wall), wall)
            return
        now = self.now(wall)
        if not self._held:
            self._held = True
            log.warning(
                "drill %s is held at %s: the desk has %d events to decide on%s",
                name,
                now.isoformat(),
                unfinished,
                " and doesn't answer" if stuck else "",
            )
        self._anchor(now, wall + timedelta(seconds=HOLD_S))

    def stop(self, wall: datetime, position: int, state: str) -> None:
        """Let the clock stand where it is, for the next start or for good."""
        now = self.now(wall)
        self._store.set_drill(
            self.drill.jurisdiction,
            anchor_sim=now,
            anchor_wall=wall,
            updated_at=wall,
            position=position,
            state=state,
        )

    def _anchor(self, now: datetime, wall: datetime) -> None:
        self._store.set_drill(self.drill.jurisdiction, anchor_sim=now, anchor_wall=wall)
        self.drill = msgspec.structs.replace(self.drill, anchor_sim=now, anchor_wall=wall)


def _time_of(drill: Drill, wall: datetime) -> datetime:
    """Where the clock of a drill stands that nobody drives."""
    gap_s = (wall - drill.updated_at).total_seconds()
    seen = wall if 0 <= gap_s <= GAP_S else drill.updated_at
    return JurisdictionClock(exercise=True, drill=drill).now(seen) or drill.anchor_sim


def _end_others(store: Store, drills: list[Drill], jurisdiction: str, wall: datetime) -> None:
    """One drill of a city at a time: a clock that nobody drives must not run on."""
    for drill in drills:
        if drill.jurisdiction != jurisdiction and drill.state == RUNNING:
            store.set_drill(
                drill.jurisdiction,
                anchor_sim=_time_of(drill, wall),
                anchor_wall=wall,
                state=STOPPED,
            )


def _free_exercise(store: Store, home: str, taken: set[str], first: datetime) -> str:
    name, number = home + EXERCISE_MARK, 1
    while name in taken or _is_ahead(store, name, first):
        number += 1
        name = f"{home}{EXERCISE_MARK}.{number}"
    return name


def _is_ahead(store: Store, exercise: str, first: datetime) -> bool:
    """Whether something that no drill sent is decided there later than that, or waits."""
    now = read_situation(store, exercise).now if store.head(exercise) is not None else None
    if not (store.unfinished(exercise) or (now is not None and now > first)):
        return False
    log.warning(
        "%s has events that no drill sent, %s: the drill, which begins at %s, gets an exercise of "
        "its own",
        exercise,
        "which wait" if now is None else f"up to {now.isoformat()}",
        first.isoformat(),
    )
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
