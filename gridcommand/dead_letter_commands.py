"""``gridcommand dead-letters``: look at what could not be handled, and give it another try."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from gridcommand.configuration import load_settings
from models.errors import EventError, GridcommandError

if TYPE_CHECKING:
    from models.dead_letters import DeadLetterRow
    from models.inbox import InboxRow
    from models.store import Store

BY = "gridcommand"
AT_ONCE = 500
SHOWN = 100
REASON_WIDTH = 100

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="What could not be handled: look at it, mend the cause, and replay it.",
)


class NoSuchLetterError(GridcommandError):
    """No dead letter has this id."""


class NotReplayableError(GridcommandError):
    """A letter holds no event that could go in again; the message says why."""


@app.command("list")
def list_letters(
    code: Annotated[str, typer.Option(help="Only letters of this code.")] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that were seen or replayed.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="Letters at most, newest first.")] = SHOWN,
) -> None:
    """List letters that nobody has seen yet, newest first.

    Example: `gridcommand dead-letters list --code hangs`
    """
    shown = 0
    with _store() as store:
        for letter in _letters(store):
            if (code and letter.code != code) or (letter.acknowledged_at and not everything):
                continue
            mark = "replayed" if letter.replayed_at else "seen" if letter.acknowledged_at else "new"
            typer.echo(
                f"{letter.id:>8}  {letter.at:%Y-%m-%d %H:%M:%SZ}  {mark:<8}  {letter.stage:<8}  "
                f"{letter.code}: {letter.reason[:REASON_WIDTH]}"
            )
            shown += 1
            if shown == limit:
                typer.echo("There are more: --limit")
                break
    if not shown:
        typer.echo("There are none." if everything else "There are none that nobody has seen.")


@app.command("show")
def show(letter_id: Annotated[int, typer.Argument(metavar="ID", help="Id of a letter.")]) -> None:
    """Show one letter whole, with the record as it came.

    Example: `gridcommand dead-letters show 12`
    """
    with _store() as store:
        letter = _one(store, letter_id)
    for name, value in msgspec.structs.asdict(letter).items():
        if name != "body":
            typer.echo(f"{name}: {value if value is not None else '-'}")
    try:
        typer.echo(json.dumps(json.loads(letter.body), ensure_ascii=False, indent=2))
    except ValueError:
        typer.echo(letter.body.decode("utf-8", "replace"))


@app.command("replay")
def replay(
    letter_ids: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]…", help="Ids of letters.")
    ] = None,
    code: Annotated[str, typer.Option(help="All letters of this code.")] = "",
    since: Annotated[
        datetime | None, typer.Option(help="All letters, or those of --code, since then (UTC).")
    ] = None,
    again: Annotated[bool, typer.Option(help="Also those that were replayed already.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Say what would be replayed, and stop.")] = False,
) -> None:
    """Give letters another try, after their cause was mended.

    Each event enters through the inbox as it did the first time and is decided once; one that is
    in the journal already changes nothing. What fails again is a new letter to see.

    Example: `gridcommand dead-letters replay --code hangs`
    """
    if not letter_ids and not code and since is None:
        raise NotReplayableError("name letters by id, all of a kind with --code, or all --since")
    done = kept = 0
    with _store() as store:
        if letter_ids:
            chosen = [_one(store, each) for each in letter_ids]
        else:
            first = since.replace(tzinfo=UTC) if since else None
            chosen = [
                letter
                for letter in _letters(store)
                if code in ("", letter.code) and (first is None or letter.at >= first)
            ]
        # Oldest first, as they came.
        for letter in sorted(chosen, key=lambda one: one.id):
            if letter.replayed_at and not again:
                typer.echo(f"{letter.id}: was replayed already (--again to do it once more)")
                kept += 1
                continue
            try:
                row = _row(letter)
            except NotReplayableError as error:
                typer.echo(f"{letter.id}: {error}")
                kept += 1
                continue
            typer.echo(f"{letter.id}: event {row.event_id} of {row.jurisdiction}")
            done += 1
            if not dry_run:
                store.replay_dead_letter(letter.id, row, by=BY, at=datetime.now(UTC))
    typer.echo(f"{done} {'would be ' if dry_run else ''}replayed, {kept} left as they are.")


def _row(letter: DeadLetterRow) -> InboxRow:
    """Return the inbox row that a letter's event enters by, if the inbox forgot its own.

    What was classified keeps its priority; of the others a report goes as one that nobody has
    read, and all that isn't a report as an order.
    """
    from models.events import ClockTicked, ReportClassified, ReportReceived, decode
    from models.inbox import InboxRow
    from models.topics import DESK, EXERCISE_PREFIX, READINGS, REPORTS, topic_for
    from web_console.console import PRIORITY_OF_ORDERS, PRIORITY_OF_TEXT

    if letter.topic.removeprefix(EXERCISE_PREFIX) == READINGS:
        raise NotReplayableError("holds readings, and the sensors have sent newer ones since")
    try:
        event = decode(letter.body)
    except EventError as error:
        raise NotReplayableError(f"holds no event that can be read: {error}") from error
    if isinstance(event.data, ClockTicked):
        raise NotReplayableError("holds the time, and the desk was told it again")
    is_report = isinstance(event.data, ReportReceived)
    if isinstance(event.data, ReportClassified):
        priority = event.data.priority
    else:
        priority = PRIORITY_OF_TEXT if is_report else PRIORITY_OF_ORDERS
    return InboxRow(
        event_id=event.id,
        jurisdiction=event.jurisdiction,
        topic=topic_for(REPORTS if is_report else DESK, exercise=event.exercise),
        key=event.jurisdiction,
        body=letter.body,
        received_at=datetime.now(UTC),
        exercise=event.exercise,
        priority=priority,
    )


def _one(store: Store, letter_id: int) -> DeadLetterRow:
    letter = store.dead_letter(letter_id)
    if letter is None:
        raise NoSuchLetterError(
            f"there is no dead letter {letter_id}; `gridcommand dead-letters list --all` has them"
        )
    return letter


def _letters(store: Store) -> Iterator[DeadLetterRow]:
    """All letters, newest first."""
    before: int | None = None
    while page := store.dead_letters(limit=AT_ONCE, before=before):
        yield from page
        before = page[-1].id


@contextmanager
def _store() -> Iterator[Store]:
    from models.store import open_store

    store = open_store(load_settings())
    try:
        store.migrate()
        yield store
    finally:
        store.close()
