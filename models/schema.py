"""The revision of the tables in a database, and bringing them to another; by Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

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
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def revision_of(connection: Connection) -> str:
    """Return the revision of a database's tables; empty where there are none."""
    return MigrationContext.configure(connection).get_current_revision() or ""


def newest_revision() -> str:
    """Return the revision that this version works with."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
