"""``gridcommand secrets`` and ``gridcommand migrate``: what an installation on servers begins with.

For compose.yaml and the like. ``gridcommand up`` does without: it has no servers to sign in to, and
migrates by itself.
"""

from __future__ import annotations

import os
import secrets as random
from pathlib import Path
from typing import Annotated

import typer

from gridcommand.configuration import load_settings
from models.errors import GridcommandError

PASSWORD_FILE, SETTINGS_FILE = "postgres_password", "gridcommand.toml"  # names, no secrets


class SecretsError(GridcommandError):
    """The files can't be made."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to ``app``."""
    for one in (secrets, migrate):
        app.command(rich_help_panel="Look after")(one)


def secrets(
    folder: Annotated[Path, typer.Argument(help="Folder to make; compose.yaml reads ./secrets.")],
    host: Annotated[str, typer.Option(help="Where PostgreSQL is, as workers see it.")] = "postgres",
) -> None:
    """Make the secrets of an installation, as files in a folder that only you can enter.

    A password for PostgreSQL, and the settings that hold it and the token for Prometheus. What is
    there already is never written over.

    Example: `gridcommand secrets secrets`
    """
    password = random.token_urlsafe(32)
    contents = {
        PASSWORD_FILE: password,
        SETTINGS_FILE: f'database_url = "postgresql+psycopg://gridcommand:{password}@{host}/'
        f'gridcommand"\nmetrics_token = "{random.token_urlsafe(32)}"\n',
    }
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        if there := [name for name in contents if (folder / name).exists()]:
            raise SecretsError(
                f"{folder} has {' and '.join(there)} already: nothing was written; a new password "
                "would lock you out of the database that has the old one"
            )
        for name, content in contents.items():
            # Readable by all inside a folder that nobody else can enter: a container, which is
            # given the file alone, reads it with a user of its own.
            handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
            with os.fdopen(handle, "w") as file:
                os.fchmod(file.fileno(), 0o444)
                file.write(content)
    except OSError as error:
        raise SecretsError(f"{folder} can't be written: {error.strerror}") from error
    typer.echo(f"{folder}: {', '.join(contents)}. Keep them out of version control and backups.")


def migrate() -> None:
    """Make the database's tables, or bring them to this version; a second time changes nothing.

    Example: `gridcommand migrate`
    """
    from models.store import open_store

    store = open_store(load_settings())
    try:
        store.migrate()
    finally:
        store.close()
    typer.echo("The tables are those of this version.")
