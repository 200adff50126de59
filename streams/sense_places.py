"""A partition of the readings' topics as sense keeps it: its states, its claim, what it holds back.

Readings of each jurisdiction have a :class:`~streams.sense.SenseState` of their own: two exercises
share a topic, and the second may play the night of the first with the same devices again.

For :mod:`streams.sense_keeper`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

from models.episodes import Episode, SenseMemory
from models.errors import EventError
from models.inbox import InboxRow
from models.registers import Device
from streams.sense import SenseState

_OF = "@"
"""Between a device and its jurisdiction where that isn't the topic's own; no name has it."""

_decode = msgspec.msgpack.Decoder(dict[str, bytes]).decode


class Memory(Protocol):
    """The store, as much as sense sees of it; called on threads."""

    def claim_sense(self, place: str, at: datetime) -> SenseMemory:
        """Be the one that senses a partition."""

    def sense_epoch(self, place: str) -> int:
        """Return the epoch of who claimed last."""

    def note_episodes(
        self,
        place: str,
        epoch: int,
        episodes: Mapping[tuple[str, str], Episode],
        reports: Sequence[InboxRow],
    ) -> None:
        """Write episodes and the reports they became, in one transaction."""

    def keep_windows(self, place: str, epoch: int, doc: bytes, at: datetime) -> None:
        """Keep a partition's windows."""

    def has_ended(self, jurisdiction: str, report: str) -> bool:
        """Say whether the incident that a report is of is closed or cancelled."""

    def register_mark(self) -> object:
        """Return what changes whenever the register of devices does."""

    def devices(self) -> Sequence[Device]:
        """Return the register of devices."""

    def device(self, device_id: str) -> Device | None:
        """Return a device of the register."""


class Record(Protocol):
    """What readings came in: it and those behind it come again, unless it counts as handled."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""

    def hold(self) -> None:
        """Let it, and those behind it, not count as handled when their agent is done with them."""

    def let_go(self) -> None:
        """Let them count as handled after all."""


class Held(NamedTuple):
    """The first record that windows don't have yet, and how many there are from it on."""

    record: Record
    records: int


class Place:
    """A partition's states by jurisdiction.

    Parameters
    ----------
    own
        The jurisdiction whose readings name none.
    empty
        Makes the state of a jurisdiction.

    Attributes
    ----------
    epoch
        Of our claim; None: not claimed.
    """

    def __init__(self, own: str, empty: Callable[[str], SenseState]) -> None:
        self._own = own
        self._empty = empty
        self.states: dict[str, SenseState] = {own: empty(own)}
        self.lock = asyncio.Lock()
        self.epoch: int | None = None
        self.is_sure = False
        self.is_changed = False
        self.is_deaf = False
        self.listened_at = 0.0
        self.held: dict[int, Held] = {}

    def state(self, jurisdiction: str) -> SenseState:
        """Return the state of a jurisdiction's readings."""
        state = self.states.get(jurisdiction)
        if state is None:
            state = self.states[jurisdiction] = self._empty(jurisdiction)
        return state

    def renew(self) -> None:
        """Forget all, and that the partition is ours."""
        self.states = {self._own: self._empty(self._own)}
        self.epoch = None
        self.is_sure = self.is_changed = False

    def hold(self, partition: int, record: Record) -> None:
        """Hold a partition's offset back at the first record since windows were kept."""
        held = self.held.get(partition)
        # One that isn't behind the first came again, and the first of before is nobody's now.
        if held is not None and record.offset > held.record.offset:
            self.held[partition] = held._replace(records=held.records + 1)
        else:
            record.hold()
            self.held[partition] = Held(record, 1)

    def as_kept(
        self, jurisdiction: str, episodes: Mapping[tuple[str, str], Episode]
    ) -> Mapping[tuple[str, str], Episode]:
        """Return a state's episodes as the partition's memory names their devices."""
        if jurisdiction == self._own:
            return episodes
        return {
            (name, rule): msgspec.structs.replace(one, device=name)
            for (device, rule), one in episodes.items()
            for name in (f"{device}{_OF}{jurisdiction}",)
        }

    def dump(self) -> bytes:
        """Return windows and times of all states."""
        kept = {jurisdiction: state.dump() for jurisdiction, state in self.states.items()}
        # Most partitions have one jurisdiction, and are kept as they always were.
        return kept[self._own] if len(kept) == 1 else msgspec.msgpack.encode(kept)

    def restore(self, memory: SenseMemory) -> None:
        """Go on from what was kept.

        Raises
        ------
        EventError
            Some windows were made by something else; all else is taken in nevertheless.
        """
        try:
            windows = _decode(memory.windows) if memory.windows else {}
        except msgspec.DecodeError:
            windows = {self._own: memory.windows}
        episodes: dict[str, list[Episode]] = {self._own: []}
        for one in memory.episodes:
            device, _, jurisdiction = one.device.partition(_OF)
            known = msgspec.structs.replace(one, device=device) if jurisdiction else one
            episodes.setdefault(jurisdiction or self._own, []).append(known)
        wrong: EventError | None = None
        for jurisdiction in {**windows, **episodes}:
            try:
                self.state(jurisdiction).restore(
                    windows.get(jurisdiction, b""), episodes.get(jurisdiction, ())
                )
            except EventError as error:
                wrong = error
        if wrong is not None:
            raise wrong
