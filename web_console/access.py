"""Who may call what: the dependencies of the routes.

A browser carries the session in a cookie that scripts can't read and other sites can't send
(``HttpOnly``, ``SameSite=Strict``); :class:`web_console.middleware.Guard` checks the origin of
everything that changes something besides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, cast

from fastapi import Depends, Header, Query, Request
from fastapi.security import APIKeyCookie

from models.rights import ORDERING
from models.words import Role
from web_console.accounts import COOKIE, Person
from web_console.console import Console
from web_console.messages import role_name
from web_console.problems import Problem, request_language

_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="Session, made by signing in.")


def console_of(request: Request) -> Console:
    """Return the console that this app belongs to."""
    return cast(Console, request.app.state.console)


# Coroutines all, though none of these waits: FastAPI sends a plain function to a thread.
async def _console_asked(request: Request) -> Console:
    return console_of(request)


async def signed_in(
    request: Request, token: Annotated[str | None, Depends(_cookie)] = None
) -> Person:
    """Return who asks.

    Raises
    ------
    Problem
        401 when nobody is signed in.
    """
    person = await console_of(request).sign_in.person(token)
    if person is None:
        raise Problem(401, "not_signed_in", "sign_in")
    request.state.person = person
    return person


def at_least(role: Role) -> Callable[[Request, Person], Awaitable[Person]]:
    """Return a dependency that lets a role and those above it pass."""

    async def check(request: Request, person: Annotated[Person, Depends(signed_in)]) -> Person:
        if not person.may(role):
            language = request_language(request)
            raise Problem(403, "not_allowed", "role", role=role_name(role, language))
        return person

    return check


async def ordering(request: Request, person: Annotated[Person, Depends(signed_in)]) -> Person:
    """Let pass who may give some order; which and where is the table's to say."""
    if person.role not in ORDERING:
        least = next(role for role in Role if role in ORDERING)
        raise Problem(403, "not_allowed", "role", role=role_name(least, request_language(request)))
    return person


async def jurisdiction_asked(
    header: Annotated[
        str, Header(alias="X-Jurisdiction", max_length=100, description="Empty: the session's own.")
    ] = "",
    query: Annotated[
        str, Query(alias="jurisdiction", max_length=100, description="The same, as a query.")
    ] = "",
) -> str:
    """Return the jurisdiction that a request names, if any."""
    return header or query


ConsoleOf = Annotated[Console, Depends(_console_asked)]
SignedIn = Annotated[Person, Depends(signed_in)]
Dispatcher = Annotated[Person, Depends(at_least(Role.DISPATCHER))]
Ordering = Annotated[Person, Depends(ordering)]
Commander = Annotated[Person, Depends(at_least(Role.COMMANDER))]
Admin = Annotated[Person, Depends(at_least(Role.ADMIN))]
Asked = Annotated[str, Depends(jurisdiction_asked)]
