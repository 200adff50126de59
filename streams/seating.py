"""Taking a jurisdiction's seat: claim, read, build the desk, tell it what is new.

For: the desk's shell, on the desk's thread. All of it or nothing: a seat that is returned is open,
with its opening in the journal. What can't be opened says why, by an error of its own, for it is no
event's fault and no event is given up for it. Not for when to try again; that is
:mod:`streams.claims`.
"""

from __future__ import annotations

import gc
from datetime import UTC, datetime
from typing import NamedTuple

from dispatch.desk import Desk
from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from models.city import CityPack
from models.clock import read_clock
from models.errors import JournalBrokenError, StoreError
from models.settings import Settings
from models.steps import Lease
from models.store import Store
from models.words import is_exercise
from playbooks.engine import PlaybookSet
from streams.claims import Claims
from streams.errors import OpeningError, StumbledError
from streams.opening import opening_events
from streams.seats import Seat, read_given_up, read_hung_ticks, read_journal

SELDOM = (50_000, 20, 20)
"""Objects between two looks for garbage among the young, and so on (``gc.set_threshold``)."""


class Taken(NamedTuple):
    """An open seat, and the journal's events of its opening."""

    seat: Seat
    journaled: list[bytes]


class Seating:
    """Takes seats in one city."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        pack: CityPack,
        playbooks: PlaybookSet,
        graph: RoadGraph,
        claims: Claims,
    ) -> None:
        self._settings = settings
        self._store = store
        self._pack = pack
        self._playbooks = playbooks
        self._graph = graph
        self._claims = claims

    def take(self, jurisdiction: str, kept: Lease | None = None) -> Taken:
        """Claim a jurisdiction and open its desk; blocks for as long as reading takes.

        Parameters
        ----------
        kept
            Of a desk that failed here and is opened once more: it is ours, and all that is on its
            way comes to us. A new claim would have all of that sent again.

        Raises
        ------
        NotOursError
            It may not be claimed now; nothing was touched.
        OpeningError
            It can't be opened: pack, plans, policy or journal are not as they must be.
        StoreError
            The database can't be asked; or :class:`~models.errors.FencedError`.
        """
        # Asked here, for a claim may have waited for its turn while partitions moved.
        self._claims.check(jurisdiction)
        try:
            taken = self._take(jurisdiction, kept)
        except JournalBrokenError as error:
            raise _cannot_open(jurisdiction, error) from error
        except StoreError:
            raise
        except StumbledError as error:
            raise _cannot_open(jurisdiction, error.why) from error.why
        except Exception as error:
            raise _cannot_open(jurisdiction, error) from error
        self._claims.opened(jurisdiction)
        return taken

    def _take(self, jurisdiction: str, kept: Lease | None) -> Taken:
        if kept is not None:
            lease = self._store.renew(kept)
        else:
            lease = self._store.claim(
                jurisdiction, exercise=is_exercise(jurisdiction), at=datetime.now(UTC)
            )
        seat = self._built(lease)
        at = seat.clock.now(datetime.now(UTC)) or seat.situation.now
        opening = opening_events(
            seat.situation,
            self._pack,
            self._playbooks,
            automatic_priorities=self._settings.automatic_priorities,
            correlation_radius_m=self._settings.correlation_radius_m,
            correlation_window_s=self._settings.correlation_window_s,
            at=at or datetime.now(UTC),
        )
        return Taken(seat, seat.write(seat.decide(opening, None)))

    def _built(self, lease: Lease) -> Seat:
        jurisdiction = lease.jurisdiction
        situation, since = read_journal(self._store, jurisdiction)
        if situation.seq != lease.seq:
            raise JournalBrokenError(
                f"the journal of {jurisdiction} is read up to seq {situation.seq} and its head "
                f"stands at {lease.seq}: see `gridcommand journal verify`"
            )
        travel = TravelTimes.of_pack(
            self._graph, self._pack, cache_dir=self._settings.data_dir / "cache"
        )
        desk = Desk(
            situation,
            self._pack,
            self._playbooks,
            travel,
            Policy.of(self._settings, self._pack.calibration),
        )
        return Seat(
            self._store,
            lease,
            desk,
            read_clock(self._store, jurisdiction),
            read_given_up(self._store, jurisdiction),
            read_hung_ticks(self._store, jurisdiction),
            since,
            self._settings.snapshot_every,
        )


def sweep() -> None:
    """Free desks that were left, and let what stays be looked through no more.

    City and program stay: looking them through for garbage again and again would hold up a
    proposal by 30 ms. A desk that was left must not stay with them, so they are looked through
    once, when a seat has been taken and nothing holds the one before. What a desk makes lives
    long or ends by itself, so the young are looked through seldom: a tenth of deciding.
    """
    gc.set_threshold(*SELDOM)
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _cannot_open(jurisdiction: str, cause: BaseException) -> OpeningError:
    return OpeningError(
        f"the desk of {jurisdiction} can't be opened ({type(cause).__name__}: {cause}): mend that, "
        "its events wait in the inbox"
    )
