"""The tree of errors. Each message carries the value that was wrong and what to do about it.

::

    GridcommandError
    ├── BackupError         a backup that can't be made, or not be restored
    ├── CityPackError       a city pack that can't be used
    ├── EventError          an event that can't be read; goes to dead letters with this reason
    ├── IllegalMoveError    a life cycle doesn't allow this move
    └── StoreError          the database refused or can't be reached
        ├── StoreBusyError  too many wait for it already, or it takes too long; try again
        ├── NewerVersionError  a newer version wrote what this one can't read
        ├── FencedError     another desk holds this jurisdiction; drop the work and start again
        └── JournalBrokenError  the journal's chain or numbering doesn't hold
"""

from __future__ import annotations


class GridcommandError(Exception):
    """Root of all errors that a user may see."""


class BackupError(GridcommandError):
    """A backup that can't be made, or not be restored."""


class CityPackError(GridcommandError):
    """A city pack that can't be used."""


class EventError(GridcommandError):
    """An event that can't be read."""


class IllegalMoveError(GridcommandError):
    """A move that a life cycle doesn't allow."""


class StoreError(GridcommandError):
    """The database refused or can't be reached."""


class StoreBusyError(StoreError):
    """Too many callers wait for the database, or it takes too long; try again a little later."""


class NewerVersionError(StoreError):
    """A newer version wrote what this one can't read."""


class FencedError(StoreError):
    """Another desk holds this jurisdiction."""


class JournalBrokenError(StoreError):
    """The journal's chain or numbering doesn't hold."""
