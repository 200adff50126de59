"""Signing in and out, and the accounts that an administrator keeps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel

from models import rights
from models.words import Role
from web_console.access import Admin, ConsoleOf, SignedIn
from web_console.accounts import COOKIE, Person, make_sign_in_link
from web_console.bodies import NO_NUL, AccountIn, LinkIn, PasswordIn, SessionChangeIn, SignInIn
from web_console.console import Console
from web_console.problems import Problem, invalid, responses

router = APIRouter(prefix="/api", tags=["sign-in"])

AccountName = Annotated[str, Path(min_length=1, max_length=100, pattern=NO_NUL)]


class SessionOut(BaseModel):
    """Who is signed in, where their screens begin, and the exercises in which a drill runs now."""

    name: str
    role: Role
    jurisdiction: str
    jurisdictions: list[str]
    drills: list[str]
    cells: list[str]
    unit: str
    language: str
    live_url: str
    has_password: bool
    expires_at: datetime


class AccountOut(BaseModel):
    """An account."""

    name: str
    role: Role
    jurisdictions: list[str]
    cells: list[str]
    has_password: bool
    disabled: bool


class AccountsOut(BaseModel):
    """All accounts."""

    items: list[AccountOut]


class LinkOut(BaseModel):
    """A link that signs in once, within a day."""

    name: str
    link: str


@router.get("/session", responses=responses(401, 503), summary="Who am I")
async def session(request: Request, console: ConsoleOf, person: SignedIn) -> SessionOut:
    """Return who is signed in."""
    return await _session(request, console, person)


@router.post("/session", responses=responses(401, 429, 503), summary="Sign in")
async def sign_in(
    body: SignInIn, request: Request, response: Response, console: ConsoleOf
) -> SessionOut:
    """Sign in by name and password."""
    address = request.client.host if request.client else ""
    token, person = await console.sign_in.by_password(body.name, body.password, address)
    _give_cookie(response, console, token)
    return await _session(request, console, person)


@router.post("/session/link", responses=responses(401, 503), summary="Sign in by link")
async def sign_in_by_link(
    body: LinkIn, request: Request, response: Response, console: ConsoleOf
) -> SessionOut:
    """Sign in by a one-time link, which is used up by this."""
    token, person = await console.sign_in.by_link(body.token)
    _give_cookie(response, console, token)
    return await _session(request, console, person)


@router.patch(
    "/session", responses=responses(401, 403, 404, 503), summary="Change language or side"
)
async def change_session(
    body: SessionChangeIn, request: Request, console: ConsoleOf, person: SignedIn
) -> SessionOut:
    """Remember the language of the person's screens, or where those of this session begin."""
    token = request.cookies.get(COOKIE, "")
    if body.jurisdiction:
        begin = await console.jurisdiction_for(person, body.jurisdiction)
        await console.sign_in.begin_at(token, begin)
    if body.language is not None:
        await console.sign_in.set_language(person, body.language)
    changed = await console.sign_in.person(token)
    return await _session(request, console, changed or person)


@router.delete("/session", status_code=204, responses=responses(503), summary="Sign out")
async def sign_out(request: Request, response: Response, console: ConsoleOf) -> None:
    """Sign out; also right when nobody is signed in."""
    token = request.cookies.get(COOKIE)
    if token:
        await console.sign_in.end(token)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")


@router.post(
    "/session/password",
    status_code=204,
    responses=responses(401, 403, 429, 503),
    summary="Set password",
)
async def set_password(
    body: PasswordIn, request: Request, console: ConsoleOf, person: SignedIn
) -> None:
    """Set a password; who has one must say it. Ends the account's other sessions."""
    await console.sign_in.set_password(
        person,
        body.current,
        body.password,
        token=request.cookies.get(COOKIE, ""),
        address=request.client.host if request.client else "",
    )


@router.get("/accounts", responses=responses(401, 403, 503), summary="Accounts")
async def accounts(console: ConsoleOf, person: Admin) -> AccountsOut:
    """Return all accounts."""
    known = await console.reads(console.store.accounts)
    return AccountsOut(
        items=[
            AccountOut(
                name=one.name,
                role=one.role,
                jurisdictions=list(one.jurisdictions),
                cells=list(one.cells),
                has_password=bool(one.password_hash),
                disabled=one.disabled,
            )
            for one in known
        ]
    )


@router.post(
    "/accounts", status_code=201, responses=responses(401, 403, 409, 503), summary="New account"
)
async def add_account(
    body: AccountIn, request: Request, console: ConsoleOf, person: Admin
) -> LinkOut:
    """Make an account without a password, and the link by which it signs in first.

    Nobody gives away a jurisdiction that isn't their own, or that nobody runs here.
    """
    _check_within(person, body.jurisdictions)
    homes = await console.homes()
    for one in rights.strangers(body.jurisdictions, homes):
        known = ", ".join(sorted(homes))
        raise invalid("jurisdictions", "foreign_jurisdiction", value=one[:80], known=known)
    if await console.reads(console.store.account, body.name) is not None:
        raise Problem(409, "conflict", "taken", value=body.name)
    await console.reads(
        console.store.add_account,
        body.name,
        body.role,
        at=datetime.now(UTC),
        jurisdictions=tuple(body.jurisdictions),
        cells=tuple(body.cells),
    )
    return await _link(request, console, body.name)


@router.post(
    "/accounts/{name:path}/link",
    status_code=201,
    responses=responses(401, 403, 404, 503),
    summary="New sign-in link",
)
async def account_link(
    name: AccountName, request: Request, console: ConsoleOf, person: Admin
) -> LinkOut:
    """Make a one-time link for an account, of one's own jurisdictions alone."""
    known = await console.reads(console.store.account, name)
    if known is not None:
        _check_within(person, known.jurisdictions)
    return await _link(request, console, name)


def _check_within(person: Person, jurisdictions: Sequence[str]) -> None:
    """Refuse whom it would let in where the administrator may not go.

    Raises
    ------
    Problem
        403 naming the first jurisdiction that isn't the administrator's.
    """
    for one in jurisdictions:
        if not rights.covers(person.jurisdictions, [one]):
            raise Problem(403, "not_allowed", "jurisdiction", value=one[:80])


async def _link(request: Request, console: Console, name: str) -> LinkOut:
    account = await console.reads(console.store.account, name)
    if account is None:
        raise Problem(404, "unknown", "not_there", value=name)
    url = await console.reads(
        make_sign_in_link,
        console.store,
        console.settings,
        name,
        account.role,
        account.jurisdictions,
    )
    # The administrator's own address of this site, which may be a proxy's.
    return LinkOut(name=name, link=f"{request.base_url}s/{url.rpartition('/')[2]}")


async def _session(request: Request, console: Console, person: Person) -> SessionOut:
    start = await console.starts_at(person)
    units = (await console.room(start)).situation.units
    return SessionOut(
        name=person.name,
        role=person.role,
        jurisdiction=start,
        jurisdictions=await console.jurisdictions(person),
        drills=await console.running_drills(person),
        cells=list(person.cells),
        unit=person.name if person.name in units else "",
        language=person.language,
        live_url=live_url(request, console),
        has_password=person.has_password,
        expires_at=person.expires_at,
    )


def live_url(request: Request, console: Console) -> str:
    """Return where this browser finds the live channel."""
    if console.settings.live_public_url:
        return console.settings.live_public_url
    host = request.url.hostname or console.settings.web_host
    scheme = "wss" if request.url.scheme == "https" else "ws"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{console.settings.live}/live"


def _give_cookie(response: Response, console: Console, token: str) -> None:
    options: dict[str, Any] = {
        "max_age": int(console.settings.session_hours * 3600),
        "path": "/",
        "httponly": True,
        "samesite": "strict",
        "secure": console.settings.secure_cookies,
    }
    response.set_cookie(COOKIE, token, **options)
