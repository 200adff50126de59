"""The database behind one door: opening, migrating, and the parts by subject.

:class:`Store` joins :class:`~models.inbox.Inbox`, :class:`~models.journal.Journal`,
:class:`~models.proof.Proof` with :class:`~models.archive.Archive`,
:class:`~models.episodes.Episodes` (what sense must not forget),
:class:`~models.registers.Registers` (accounts, sessions, photos, drills),
:class:`~models.devices.Devices` (sensors, their keys and places),
:class:`~models.examples.Examples` (texts that people said the meaning of),
:class:`~models.workers.Workers` (their signs of life), dead letters and
:class:`~models.backup.Backups` on one engine. All calls are blocking; callers on an event loop use
a thread, or :class:`~models.inbox.GroupedInbox` for intake.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from models.backup import Backups
from models.database import make_engine, transaction
from models.dead_letters import DeadLetterRow, DeadLetters
from models.devices import Devices
from models.episodes import Episodes
from models.errors import StoreError
from models.examples import Examples
from models.inbox import Inbox, InboxRow
from models.journal import Entry, Journal
from models.proof import Proof
from models.registers import Registers
from models.schema import migrate_to, newest_revision, revision_of
from models.settings import Settings
from models.steps import Lease
from models.workers import Workers

__all__ = ["DeadLetterRow", "Entry", "InboxRow", "Lease", "Store", "open_store"]

MIGRATION_LOCK = 0x6772_6964
"""PostgreSQL's advisory lock while tables are made; any number that is always the same."""


class Store(
    Inbox, Journal, Proof, DeadLetters, Episodes, Registers, Devices, Examples, Workers, Backups
):
    """Everything that is remembered.

    Parameters
    ----------
    url
        SQLAlchemy URL, ``sqlite:///…`` or ``postgresql+psycopg://…``.
    archive
        Folder of the journal's archived months; made when the first is written.
    answer_within_s
        Longest that one statement may take; None: as long as it needs.
    """

    def __init__(
        self,
        url: str,
        archive: Path = Path("archive"),
        *,
        answer_within_s: float | None = None,
    ) -> None:
        self.url = url
        self.archive = archive
        self._engine = make_engine(url, answer_within_s)

    def migrate(self) -> None:
        """Bring the tables up to this version.

        Raises
        ------
        StoreError
            When the database can't be reached or was made by a newer version.
        """
        # All of it, before a transaction begins that PostgreSQL ends where it stands still.
        import alembic.command  # noqa: F401
        from alembic.util import CommandError

        try:
            with transaction(self._engine, writes=True) as connection:
                if connection.dialect.name == "postgresql":
                    # Several processes start at once; on SQLite BEGIN IMMEDIATE lines them up.
                    connection.execute(
                        text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK}
                    )
                migrate_to(connection)
        except CommandError as error:
            raise StoreError(
                f"the database can't be migrated ({error}): it was made by a newer version, "
                "run that one, or name another database"
            ) from error

    def is_current(self) -> bool:
        """Say whether the tables are those of this version."""
        with transaction(self._engine, writes=False) as connection:
            return revision_of(connection) == newest_revision()

    def ping(self) -> None:
        """Raise :class:`~models.errors.StoreError` unless the database answers."""
        with transaction(self._engine, writes=False) as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def open_store(settings: Settings, *, answer_within_s: float | None = None) -> Store:
    """Open the database that the settings name; it may not be migrated yet."""
    return Store(settings.database, settings.archive, answer_within_s=answer_within_s)
