"""``gridcommand user``: accounts and one-time sign-in links."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from gridcommand.accounts import link_url
from gridcommand.configuration import load_settings
from models.city import CityPack
from models.errors import GridcommandError
from models.named import unknown, wrong_with_id
from models.rights import EVERYWHERE, belongs_to, strangers
from models.words import Role, home_jurisdiction

if TYPE_CHECKING:
    from models.registers import Account
    from models.settings import Settings
    from models.store import Store

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="People who may sign in. There is no default password: an account begins with a link.",
)


class NotTheirsError(GridcommandError):
    """A link would lead where its account may not look."""


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
        list[str] | None,
        typer.Option(
            help="Where the person may look and act, exercises of it included; repeatable, "
            "`*` for all of this installation. The city's own by default."
        ),
    ] = None,
    hours: Annotated[float, typer.Option(min=0.1, help="How long the link holds.")] = 24.0,
) -> None:
    """Make an account and its first sign-in link; where a drill runs, it leads to the exercise.

    Example: `gridcommand user add li_wei --role grid_worker --cell 320481100001001`
    """
    if wrong := wrong_with_id(name):
        raise typer.BadParameter(f"{name!r} {wrong}", param_hint="NAME")
    settings = load_settings()
    home = CityPack.load(settings.city_path).jurisdiction
    belongs = tuple(jurisdiction or (home,))
    with open_migrated(settings) as store:
        _check_run_here(belongs, home, store)
        now = datetime.now(UTC)
        account = store.add_account(
            name,
            role,
            at=now,
            jurisdictions=belongs,
            cells=tuple(cell or ()),
        )
        exercise = _running_exercise(settings, store, account)
        token = store.make_link(account, at=now, hours=hours, jurisdiction=exercise)
    where = "every jurisdiction" if EVERYWHERE in belongs else ", ".join(belongs)
    typer.echo(
        f"{name} has the role {role.value} in {where} now and signs in with (one use, {hours:g} h):"
    )
    _say_exercise(exercise, name, settings)
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
        account = _known(store, name)
        if jurisdiction and not belongs_to(account.jurisdictions, jurisdiction):
            belongs = ", ".join(account.jurisdictions) or "nowhere"
            raise NotTheirsError(
                f"{name} belongs to {belongs}, and may not look into {jurisdiction}"
            )
        if jurisdiction:
            _check_run_here((jurisdiction,), CityPack.load(settings.city_path).jurisdiction, store)
        exercise = "" if jurisdiction else _running_exercise(settings, store, account)
        token = store.make_link(
            account, at=datetime.now(UTC), hours=hours, jurisdiction=jurisdiction or exercise
        )
    _say_exercise(exercise, name, settings)
    typer.echo(link_url(settings, token))


@app.command("belongs")
def belongs(
    name: Annotated[str, typer.Argument(help="Name of an account.")],
    jurisdiction: Annotated[
        list[str],
        typer.Option(
            help="Where the person may look and act from now on; repeatable, `*` for all."
        ),
    ],
) -> None:
    """Say anew where a person may look and act.

    Example: `gridcommand user belongs commander --jurisdiction us-ca-sf`
    """
    settings = load_settings()
    with open_migrated(settings) as store:
        _known(store, name)
        _check_run_here(jurisdiction, CityPack.load(settings.city_path).jurisdiction, store)
        store.change_account(name, jurisdictions=tuple(jurisdiction))
    typer.echo(f"{name} belongs to {', '.join(jurisdiction)} now.")


@app.command("list")
def list_accounts() -> None:
    """List the accounts."""
    with open_migrated(load_settings()) as store:
        for one in store.accounts():
            where = ",".join(one.jurisdictions) or "nowhere"
            state = "disabled" if one.disabled else ""
            typer.echo(f"{one.name:<24} {one.role.value:<12} {where:<24} {state}".rstrip())


def _known(store: Store, name: str) -> Account:
    account = store.account(name)
    if account is None:
        known = ", ".join(one.name for one in store.accounts()) or "none yet"
        raise UnknownAccountError(
            f"there is no account {name!r} (there is: {known}); "
            f"gridcommand user add {name} makes it"
        )
    return account


def _check_run_here(jurisdictions: Iterable[str], home: str, store: Store) -> None:
    """Refuse what neither our city is nor another one that has a journal in this database."""
    homes = {home, *(home_jurisdiction(head.jurisdiction) for head in store.heads())}
    for one in strangers(jurisdictions, homes):
        wrong = unknown("jurisdiction", one, dict.fromkeys(homes, ()))
        raise typer.BadParameter(
            f"{wrong} (or an exercise of one, or {EVERYWHERE!r})", param_hint="--jurisdiction"
        )


def _running_exercise(settings: Settings, store: Store, account: Account) -> str:
    """Return the exercise of our city's newest drill; empty unless it runs and is the account's."""
    home = CityPack.load(settings.city_path).jurisdiction
    newest = next((d for d in store.drills() if home_jurisdiction(d.jurisdiction) == home), None)
    if newest is None or not newest.is_driven(datetime.now(UTC)):
        return ""
    return newest.jurisdiction if belongs_to(account.jurisdictions, newest.jurisdiction) else ""


def _say_exercise(exercise: str, name: str, settings: Settings) -> None:
    """Say that a link leads to the exercise, and how to get one that doesn't."""
    if exercise:
        home = CityPack.load(settings.city_path).jurisdiction
        typer.echo(
            f"A drill runs, so the link leads to the exercise {exercise}; the live side: "
            f"gridcommand user link {name} --jurisdiction {home}"
        )


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
