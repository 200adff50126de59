"""Who is there: signing in by password or one-time link, sessions, roles.

For: everything between a cookie and a :class:`Person`, and the link that ``gridcommand up``
prints. Not for: keeping tokens (:mod:`models.registers` does, hashed). There is no default
password: an account without one signs in by link and may set one then.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from models import rights
from models.registers import Account, token_hash
from models.settings import Settings
from models.store import Store
from models.words import Role
from web_console.asking import Asking
from web_console.problems import Problem
from web_console.views import Viewer

COOKIE: Final = "gridcommand_session"
LINK_HOURS: Final = 24.0
PASSWORD_MIN: Final = 10
PASSWORD_MAX: Final = 200

TRIES: Final = 5
"""Failed sign-ins of one name, or four times as many from one address, before a pause."""
TRIES_WINDOW_S: Final = 300.0
TRIES_KEPT: Final = 10_000

SESSION_CACHED_S: Final = 1.0
SESSIONS_KEPT: Final = 5_000

_RANK: Final = {role: place for place, role in enumerate(Role)}

# OWASP's profile for a server that does other work too: 19 MiB, two passes.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# Verified where there is no account, so that the answer takes as long.
_NOBODY: Final = _hasher.hash("nobody has this password")


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Someone signed in.

    Attributes
    ----------
    jurisdictions
        Where they may look and act; see :mod:`models.rights`.
    jurisdiction
        Where their screens begin; empty: the city's own.
    """

    name: str
    role: Role
    jurisdictions: tuple[str, ...]
    cells: tuple[str, ...]
    language: str
    has_password: bool
    jurisdiction: str
    expires_at: datetime

    def may(self, role: Role) -> bool:
        """Whether this person has the role, or one above it."""
        return _RANK[self.role] >= _RANK[role]

    def belongs_to(self, jurisdiction: str) -> bool:
        """Whether this person may look and act there."""
        return rights.belongs_to(self.jurisdictions, jurisdiction)

    @property
    def viewer(self) -> Viewer:
        """What the live channel needs to know."""
        return Viewer(name=self.name, role=self.role, cells=frozenset(self.cells))


class SignIn:
    """Signing in, and who a cookie belongs to.

    Parameters
    ----------
    store, ask
        The database, and who asks it.
    session_hours
        How long a sign-in holds.
    """

    def __init__(self, store: Store, ask: Asking, session_hours: float) -> None:
        self._store = store
        self._ask = ask
        self._hours = session_hours
        self._cache: OrderedDict[str, tuple[float, Person | None]] = OrderedDict()
        self._failures = Failures()
        self._hashing = asyncio.Semaphore(2)

    async def person(self, token: str | None) -> Person | None:
        """Return whose token this is; None when it is void.

        A session is believed for :data:`SESSION_CACHED_S` before the database is asked again.
        """
        if not token:
            return None
        key = token_hash(token)
        cached = self._cache.get(key)
        if cached is not None and time.monotonic() - cached[0] < SESSION_CACHED_S:
            return cached[1]
        session = await self._ask(self._store.session, token, at=datetime.now(UTC))
        person = (
            None
            if session is None
            else _person(session.account, session.jurisdiction, session.expires_at)
        )
        self._remember(key, person)
        return person

    async def by_password(self, name: str, password: str, address: str) -> tuple[str, Person]:
        """Return token and person.

        Raises
        ------
        Problem
            401 when name or password is wrong, 429 after too many tries.
        """
        self._try(name, address)
        account = await self._ask(self._store.account, name)
        usable = account is not None and account.password_hash and not account.disabled
        hashed = account.password_hash if account is not None and usable else _NOBODY
        async with self._hashing:
            right = await asyncio.to_thread(_verify, hashed, password)
        if account is None or not usable or not right:
            raise Problem(401, "wrong_password")
        self._failures.forget(name, address)
        return await self._open(account, "")

    def _try(self, name: str, address: str) -> None:
        """Count a try, or refuse it for a while after too many that failed."""
        wait_s = self._failures.wait_s(name, address)
        if wait_s > 0:
            seconds = int(wait_s) + 1
            headers = {"Retry-After": str(seconds)}
            raise Problem(429, "too_many_tries", "wait", seconds=seconds, headers=headers)
        # Counted before it is checked: tries at the same time must not pass together.
        self._failures.note(name, address)

    async def by_link(self, token: str) -> tuple[str, Person]:
        """Return token and person of a one-time link, which is used up by this.

        Raises
        ------
        Problem
            401 when the link was used or has expired.
        """
        found = await self._ask(self._store.use_link, token, at=datetime.now(UTC))
        if found is None:
            raise Problem(401, "link_used", "link")
        return await self._open(*found)

    async def end(self, token: str) -> None:
        """Sign out."""
        self._cache.pop(token_hash(token), None)
        await self._ask(self._store.close_session, token)

    async def set_password(
        self, person: Person, current: str, password: str, *, token: str, address: str
    ) -> None:
        """Give an account a password; who has one must know it. Ends the account's other sessions.

        Parameters
        ----------
        token
            Of the session that goes on.

        Raises
        ------
        Problem
            403 when ``current`` is wrong, 429 after too many tries.
        """
        account = await self._ask(self._store.account, person.name)
        if account is None:
            raise Problem(401, "not_signed_in", "sign_in")
        self._try(person.name, address)
        async with self._hashing:
            if account.password_hash and not await asyncio.to_thread(
                _verify, account.password_hash, current
            ):
                raise Problem(403, "wrong_present_password")
            hashed = await asyncio.to_thread(_hasher.hash, password)
        self._failures.forget(person.name, address)
        await self._ask(self._store.change_account, person.name, password_hash=hashed)
        await self._ask(self._store.close_other_sessions, account, token)
        self._cache.clear()

    async def begin_at(self, token: str, jurisdiction: str) -> None:
        """Remember where a session's screens begin."""
        await self._ask(self._store.set_session_jurisdiction, token, jurisdiction)
        self._cache.pop(token_hash(token), None)

    async def set_language(self, person: Person, language: str) -> None:
        """Remember the language of a person's screens."""
        await self._ask(self._store.change_account, person.name, language=language)
        self._cache.clear()

    async def _open(self, account: Account, jurisdiction: str) -> tuple[str, Person]:
        now = datetime.now(UTC)
        token = await self._ask(
            self._store.open_session,
            account,
            at=now,
            hours=self._hours,
            jurisdiction=jurisdiction,
        )
        person = await self.person(token)
        if person is None:
            raise Problem(401, "not_signed_in", "sign_in")
        return token, person

    def _remember(self, key: str, person: Person | None) -> None:
        self._cache[key] = (time.monotonic(), person)
        self._cache.move_to_end(key)
        if len(self._cache) > SESSIONS_KEPT:
            self._cache.popitem(last=False)


class Failures:
    """Failed sign-ins by name and by address, in a sliding window; the oldest are forgotten."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, list[float]] = OrderedDict()

    def wait_s(self, name: str, address: str) -> float:
        """Return how many seconds this name or address must wait; 0 for none."""
        return max(self._wait(f"name {name}", TRIES), self._wait(f"at {address}", TRIES * 4))

    def note(self, name: str, address: str) -> None:
        """Count a try."""
        now = time.monotonic()
        for key in (f"name {name}", f"at {address}"):
            self._times.setdefault(key, []).append(now)
            self._times.move_to_end(key)
        while len(self._times) > TRIES_KEPT:
            self._times.popitem(last=False)

    def forget(self, name: str, address: str) -> None:
        """Take a try back, because it was them: all of the name's and one of the address's."""
        self._times.pop(f"name {name}", None)
        if tries := self._times.get(f"at {address}"):
            tries.pop()

    def _wait(self, key: str, tries: int) -> float:
        now = time.monotonic()
        recent = [at for at in self._times.get(key, ()) if now - at < TRIES_WINDOW_S]
        if len(recent) < tries:
            return 0.0
        return recent[-tries] + TRIES_WINDOW_S - now


def make_sign_in_link(
    store: Store,
    settings: Settings,
    name: str,
    role: Role,
    jurisdictions: Iterable[str],
    cells: Iterable[str] = (),
) -> str:
    """Return a URL that signs ``name`` in once, within :data:`LINK_HOURS`.

    Parameters
    ----------
    role
        For a new account; an existing one of another role is changed to it.
    jurisdictions
        For a new account; its screens begin at the first that is named.
    cells
        For a new account: the grid cells it is responsible for.

    Raises
    ------
    StoreError
        When the database can't be reached.
    """
    now = datetime.now(UTC)
    belongs = tuple(jurisdictions)
    account = store.account(name)
    if account is None:
        account = store.add_account(name, role, at=now, jurisdictions=belongs, cells=tuple(cells))
    elif account.role is not role:
        store.change_account(name, role=role)
    token = store.make_link(
        account, at=now, hours=LINK_HOURS, jurisdiction=rights.begins_at(belongs)
    )
    return f"{pages_url(settings)}/s/{token}"


def pages_url(settings: Settings) -> str:
    """Return where a browser on this machine finds the pages."""
    host = settings.web_host
    if host in ("0.0.0.0", "::", ""):
        host = "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.web_port}"


def _person(account: Account, jurisdiction: str, expires_at: datetime) -> Person:
    return Person(
        name=account.name,
        role=account.role,
        jurisdictions=account.jurisdictions,
        cells=account.cells,
        language=account.language,
        has_password=bool(account.password_hash),
        jurisdiction=jurisdiction or rights.begins_at(account.jurisdictions),
        expires_at=expires_at,
    )


def _verify(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
