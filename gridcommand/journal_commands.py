"""``gridcommand journal``: proving and handing out the memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gridcommand.configuration import load_settings
from models.errors import JournalBrokenError, StoreError

if TYPE_CHECKING:
    from models.store import Store

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="The append-only memory of what came in and what was decided.",
)

JurisdictionArgument = Annotated[
    str | None, typer.Argument(help="Whose journal, for example us-ca-sf.exercise.")
]


@app.command("verify")
def verify(jurisdiction: JurisdictionArgument = None) -> None:
    """Check numbering, hash chain and columns; of every journal when none is named.

    Exit code 1 when one doesn't hold.

    Example: `gridcommand journal verify us-ca-sf.exercise`
    """
    broken = 0
    with opened_store() as store:
        names = [jurisdiction] if jurisdiction else [head.jurisdiction for head in store.heads()]
        for name in names:
            try:
                head = store.verify(name)
            except JournalBrokenError as error:
                broken += 1
                typer.echo(f"BROKEN  {error}")
            else:
                typer.echo(f"holds   {name}: {head.seq} events, head {head.head_hash.hex()}")
        if not names:
            typer.echo("there is no journal yet")
    if broken:
        raise typer.Exit(1)


@app.command("export")
def export(
    jurisdiction: Annotated[str, typer.Argument(help="Whose journal.")],
    out: Annotated[Path, typer.Argument(help="File to write, CloudEvents lines.")],
) -> None:
    """Check a journal and write it as CloudEvents lines.

    Example: `gridcommand journal export us-ca-sf.exercise night.jsonl`
    """
    if not out.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {out.parent}", param_hint="OUT")
    with opened_store() as store:
        head = store.export(jurisdiction, out)
    typer.echo(f"{out}: {head.seq} events, head {head.head_hash.hex()}")


@contextlib.contextmanager
def opened_store() -> Iterator[Store]:
    """Open the database in force, which must be there and of this version."""
    from models.store import open_store

    settings = load_settings()
    if not settings.database_url and not (settings.data_dir / "gridcommand.db").is_file():
        raise StoreError(
            f"there is no database in {settings.data_dir} yet: gridcommand up makes it, "
            "GRIDCOMMAND_DATA_DIR names another place"
        )
    store = open_store(settings)
    try:
        if not store.is_current():
            raise StoreError("the database is of another version: gridcommand up migrates it")
        yield store
    finally:
        store.close()
