"""``gridcommand journal``: proving and handing out the memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gridcommand.configuration import load_settings
from models.archive import month_start
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
def verify(
    jurisdiction: JurisdictionArgument = None,
    live: Annotated[
        bool, typer.Option("--live", help="Only what isn't archived: quick, for every day.")
    ] = False,
    month: Annotated[str, typer.Option(metavar="YYYY-MM", help="Only this archived month.")] = "",
) -> None:
    """Check numbering, hash chain and columns; of every journal when none is named.

    Exit code 1 when one doesn't hold.

    Example: `gridcommand journal verify us-ca-sf.exercise`, `gridcommand journal verify --live`
    """
    broken = 0
    with opened_store() as store:
        names = [jurisdiction] if jurisdiction else [head.jurisdiction for head in store.heads()]
        for name in names:
            try:
                if month:
                    _verify_month(store, name, month)
                    continue
                head = store.verify(name, archived=not live, tell=_tell_of(name))
            except JournalBrokenError as error:
                broken += 1
                typer.echo(f"BROKEN  {error}")
            else:
                typer.echo(f"holds   {name}: {head.seq} events, head {head.head_hash.hex()}")
        if not names:
            typer.echo("there is no journal yet")
    if broken:
        raise typer.Exit(1)


@app.command("archive")
def archive(
    jurisdiction: JurisdictionArgument = None,
    before: Annotated[
        str,
        typer.Option(
            metavar="YYYY-MM", help="Months before this one; all that may go if not given."
        ),
    ] = "",
) -> None:
    """Move old months of the journal into files, while everything runs.

    One file a month, in the folder `archive_dir`: gzipped CloudEvents lines. It is written and
    read back before its rows leave the database. `verify` and `export` read files and database
    as one, so keep the files, and copies of them; they never change. Months end where a sender's
    id is still remembered (`remember_days`). Events of incidents that are open stay in the
    database too. Journals of exercises stay as they are.

    Example: `gridcommand journal archive`, once a month
    """
    settings = load_settings()
    now = datetime.now(UTC)
    limit = now - timedelta(days=settings.remember_days)
    try:
        until = month_start(before or f"{limit:%Y-%m}")
    except ValueError as error:
        raise typer.BadParameter(
            f"{before!r} is no month: YYYY-MM", param_hint="--before"
        ) from error
    if until > limit:
        raise typer.BadParameter(
            f"ids since {limit:%Y-%m-%d} are still remembered (remember_days is "
            f"{settings.remember_days:g})",
            param_hint="--before",
        )
    with opened_store() as store:
        known = [head.jurisdiction for head in store.heads() if not head.exercise]
        if jurisdiction and jurisdiction not in known:
            raise StoreError(f"there is no journal of {jurisdiction} that isn't an exercise's")
        for name in [jurisdiction] if jurisdiction else known:
            made = store.archive_before(name, until, now, _tell_of(name))
            total = sum(one.size for one in made)
            typer.echo(
                f"{name}: {len(made)} months archived, {total / 1e6:.1f} MB in {store.archive}"
            )


def _verify_month(store: Store, jurisdiction: str, month: str) -> None:
    segments = [one for one in store.segments(jurisdiction) if one.month == month]
    if not segments:
        typer.echo(f"none    {jurisdiction} has no archived {month}")
    for segment in segments:
        store.verify_segment(segment)
        typer.echo(
            f"holds   {jurisdiction}: {month}, seq {segment.first_seq} to {segment.last_seq}"
        )


def _tell_of(jurisdiction: str) -> Callable[[str], None]:
    return lambda sentence: typer.echo(f"        {jurisdiction}: {sentence}")


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
