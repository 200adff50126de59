"""The revision of the tables in a database, and bringing them to another; by Alembic.

Alembic is loaded where it is used: a third of a second, for which no worker that comes back waits.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "head"
VERSION_TABLE = "alembic_version"


def migrate_to(connection: Connection, revision: str = HEAD) -> None:
    """Bring the tables to a revision, in the caller's transaction; never to an older one.

    Raises
    ------
    alembic.util.CommandError
        When this version doesn't know the revision, or that of the database.
    """
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def revision_of(connection: Connection) -> str:
    """Return the revision of a database's tables; empty where there are none."""
    from alembic.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision() or ""


def newest_revision() -> str:
    """Return the revision that this version works with."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
