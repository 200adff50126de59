"""``gridcommand user``: accounts and one-time sign-in links."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from gridcommand.accounts import link_url
from gridcommand.configuration import load_settings
from models.city import CityPack
from models.errors import GridcommandError
from models.words import Role, home_jurisdiction

if TYPE_CHECKING:
    from models.settings import Settings
    from models.store import Store

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="People who may sign in. There is no default password: an account begins with a link.",
)


class UnknownAccountError(GridcommandError):
    """An account that is not there; the message lists those that are."""


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Name to sign in with.")],
    role: Annotated[Role, typer.Option(help="What the person may do.")] = Role.GRID_WORKER,
    cell: Annotated[
        list[str] | None, typer.Option(help="Cell that a grid worker looks after; repeatable.")
    ] = None,
    jurisdiction: Annotated[
        list[str] | None, typer.Option(help="Where the person may look; all by default.")
    ] = None,
    hours: Annotated[float, typer.Option(min=0.1, help="How long the link holds.")] = 24.0,
) -> None:
    """Make an account and its first sign-in link.

    Example: `gridcommand user add li_wei --role grid_worker --cell 320481100001001`
    """
    settings = load_settings()
    with open_migrated(settings) as store:
        now = datetime.now(UTC)
        account = store.add_account(
            name,
            role,
            at=now,
            jurisdictions=tuple(jurisdiction or ()),
            cells=tuple(cell or ()),
        )
        token = store.make_link(account, at=now, hours=hours)
    typer.echo(f"{name} has the role {role.value} now and signs in with (one use, {hours:g} h):")
    typer.echo(link_url(settings, token))


@app.command("link")
def link(
    name: Annotated[str, typer.Argument(help="Name of an account.")],
    hours: Annotated[float, typer.Option(min=0.1, help="How long the link holds.")] = 24.0,
    jurisdiction: Annotated[
        str,
        typer.Option(
            help="Where the person looks first; the drill that runs, else the home one, by default."
        ),
    ] = "",
) -> None:
    """Make a link that signs a person in once.

    Example: `gridcommand user link commander`
    """
    settings = load_settings()
    with open_migrated(settings) as store:
        account = store.account(name)
        if account is None:
            known = ", ".join(one.name for one in store.accounts()) or "none yet"
            raise UnknownAccountError(
                f"there is no account {name!r} (there is: {known}); "
                f"gridcommand user add {name} makes it"
            )
        leads_to = jurisdiction or _running_exercise(settings, store)
        token = store.make_link(account, at=datetime.now(UTC), hours=hours, jurisdiction=leads_to)
    if leads_to and not jurisdiction:
        typer.echo(f"A drill runs, so the link leads to the exercise {leads_to}:")
    typer.echo(link_url(settings, token))


@app.command("list")
def list_accounts() -> None:
    """List the accounts."""
    with open_migrated(load_settings()) as store:
        for one in store.accounts():
            typer.echo(f"{one.name:<24} {one.role.value:<12} {'disabled' if one.disabled else ''}")


def _running_exercise(settings: Settings, store: Store) -> str:
    """Return the exercise of our city's newest drill; empty unless that one runs."""
    home = CityPack.load(settings.city_path).jurisdiction
    newest = next((d for d in store.drills() if home_jurisdiction(d.jurisdiction) == home), None)
    return newest.jurisdiction if newest is not None and newest.state == "running" else ""


@contextlib.contextmanager
def open_migrated(settings: Settings) -> Iterator[Store]:
    """Open the database with the tables of this version, for as long as a command needs it."""
    from models.store import open_store

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    store = open_store(settings)
    try:
        store.migrate()
        yield store
    finally:
        store.close()
