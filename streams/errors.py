"""Errors of this room, all under :class:`models.errors.GridcommandError`.

::

    StreamsError
    ├── BrokerError      the broker can't be started or reached
    ├── CallsFileError   a table of calls that can't be imported
    ├── DrillError       a drill that can't be driven now
    ├── NotOursError     a desk that this process may not claim now
    ├── OpeningError     a desk that can't be opened; its events wait in the inbox
    ├── OversizeError    a record that no broker of ours takes; given up, never sent again
    ├── PolicyFailedError a policy that fails in a replay that is to judge it
    ├── RecordingError   a recording that can't be read or replayed
    ├── ReplayStuckError a replay in which time stands still
    ├── RulesError       data of this room (lexicon, sense rules) that can't be used
    └── StumbledError    a desk that fails on an event; says on which
"""

from __future__ import annotations

from models.errors import GridcommandError
from models.events import Event


class StreamsError(GridcommandError):
    """Root of the errors of this room."""


class BrokerError(StreamsError):
    """The broker can't be started or reached."""


class OversizeError(StreamsError):
    """A record that is larger than the broker takes: sending it again can't help."""


class RulesError(StreamsError):
    """Data of this room (lexicon, sense rules) that can't be used."""


class CallsFileError(StreamsError):
    """A table of calls that can't be imported."""


class DrillError(StreamsError):
    """A drill that can't be driven now."""


class NotOursError(StreamsError):
    """A desk that this process may not claim now."""


class OpeningError(StreamsError):
    """A desk that can't be opened; its events wait in the inbox."""


class PolicyFailedError(StreamsError):
    """A replay judges a policy that fails: another one's figures would bear its name."""


class RecordingError(StreamsError):
    """A recording that can't be read or replayed."""


class ReplayStuckError(StreamsError):
    """A replay in which things follow from each other without end while no time passes."""


class StumbledError(StreamsError):
    """A desk that fails on an event, for the reason that is this error's cause.

    Attributes
    ----------
    event
        On which, of those that it was given.
    """

    def __init__(self, event: Event) -> None:
        super().__init__(f"desk of {event.jurisdiction} can't handle event {event.id}")
        self.event = event

    @property
    def why(self) -> BaseException:
        """What the desk raised."""
        return self.__cause__ or self
