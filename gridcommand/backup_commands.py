"""``gridcommand backup`` and ``gridcommand restore``."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gridcommand.configuration import load_settings
from models.errors import BackupError, JournalBrokenError

if TYPE_CHECKING:
    from models.store import Store

MB = 1e6


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to ``app``."""
    for one in (backup, restore):
        app.command(rich_help_panel="Look after")(one)


def backup(
    file: Annotated[Path, typer.Argument(help="File to write; it must not be there yet.")],
) -> None:
    """Write database and photos to one file, while everything runs.

    The file holds one moment, can be restored into SQLite and PostgreSQL alike, and is readable
    by its owner only: accounts and reports are in it, not encrypted. Archived months are not in
    it: their files never change, copy them once.

    Example: `gridcommand backup /backup/gridcommand-2026-01-01.gcb`
    """
    from gridcommand.backup import make_backup
    from gridcommand.journal_commands import opened_store
    from models.backup_file import writing

    began = time.monotonic()
    if not file.parent.is_dir():
        raise BackupError(f"there is no folder {file.parent}")
    with opened_store() as store, writing(file) as writer:
        made = make_backup(store, _photos(), writer, datetime.now(UTC))
    for jurisdiction, (seq, head) in sorted(made.heads.items()):
        typer.echo(f"{jurisdiction}: {seq} events, head {head.hex()}")
    for name in made.lacking:
        typer.echo(f"photo {name} is named in the database and its file is not there", err=True)
    typer.echo(
        f"{file}: {made.rows} rows, {made.photos} photos, {file.stat().st_size / MB:.1f} MB "
        f"in {time.monotonic() - began:.1f} s"
    )


def restore(
    file: Annotated[Path, typer.Argument(help="File that gridcommand backup wrote.")],
) -> None:
    """Restore a backup into an empty database and data folder, and prove its journals.

    All of it or nothing. Refused where there is anything already. Exit code 1 when a journal
    doesn't hold.

    Example: `GRIDCOMMAND_DATA_DIR=/srv/new gridcommand restore /backup/gridcommand-2026-01-01.gcb`
    """
    from gridcommand.backup import restore_backup
    from gridcommand.supervisor import only_one
    from models.store import open_store

    settings = load_settings()
    began = time.monotonic()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with only_one(settings.data_dir):
        store = open_store(settings)
        try:
            done = restore_backup(store, _photos(), file)
            restored_s = time.monotonic() - began
            typer.echo(
                f"{file}, made {done.made_at:%Y-%m-%d %H:%M:%SZ}: {done.rows} rows, "
                f"{done.photos} photos in {restored_s:.1f} s"
            )
            holds = _prove(store)
        finally:
            store.close()
    typer.echo(f"proven in {time.monotonic() - began - restored_s:.1f} s")
    if not holds:
        raise typer.Exit(1)


def _photos() -> Path:
    return load_settings().data_dir / "photos"


def _prove(store: Store) -> bool:
    holds = True
    for head in store.heads():
        try:
            proven = store.verify(head.jurisdiction, archived=False)
            if segments := store.segments(head.jurisdiction):
                typer.echo(
                    f"        {head.jurisdiction}: {len(segments)} archived months belong into "
                    f"{store.archive}; then gridcommand journal verify"
                )
        except JournalBrokenError as error:
            holds = False
            typer.echo(f"BROKEN  {error}")
        else:
            typer.echo(
                f"holds   {head.jurisdiction}: {proven.seq} events, head {proven.head_hash.hex()}"
            )
    return holds
