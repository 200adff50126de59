"""Errors as ``application/problem+json`` (RFC 9457), in the asker's language.

For: the one exception that a route raises (:class:`Problem`), its schema for the OpenAPI
document, and the handlers that turn everything else into one too. Not for: logging requests.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import uuid_utils
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from models.errors import StoreError
from models.events import ORDERS
from web_console.messages import Language, detail, field_sentence, language_of, title

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 2
ORDER_TYPES: Final = frozenset(cls.type_name.removeprefix("order.") for cls in ORDERS)


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str = Field(description="Dotted path of the field; empty for the whole body.")
    code: str = Field(description="Machine word of what is wrong.")
    message: str = Field(description="The same for a person, in the asker's language.")


class ProblemBody(BaseModel):
    """RFC 9457 problem, with a machine word and the errors field by field."""

    type: str = Field(examples=["/problems/validation"])
    code: str = Field(examples=["validation"])
    title: str
    status: int
    detail: str = ""
    errors: list[FieldError] = []


class Problem(Exception):  # noqa: N818 - it is called a problem in its RFC
    """An answer other than success.

    Parameters
    ----------
    status
        HTTP status.
    code
        Key of :data:`web_console.messages.TITLES`.
    hint
        Key of :data:`web_console.messages.DETAILS`.
    errors
        ``(field, kind, context)``: kind is a key of the catalogue's field sentences.
    context
        Values that the sentences name.
    """

    def __init__(
        self,
        status: int,
        code: str,
        hint: str = "",
        *,
        errors: Sequence[tuple[str, str, Mapping[str, Any]]] = (),
        headers: Mapping[str, str] | None = None,
        **context: Any,
    ) -> None:
        super().__init__(f"{status} {code} {hint} {context or ''}".strip())
        self.status = status
        self.code = code
        self.hint = hint
        self.errors = errors
        self.headers = dict(headers or {})
        self.context = context


def invalid(field: str, kind: str, **context: Any) -> Problem:
    """Return the problem of one wrong field."""
    return Problem(422, "validation", "fields", errors=[(field, kind, context)], count=1)


def database_away() -> Problem:
    """Return the problem of a database that can't be reached; nothing was saved."""
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return Problem(503, "database_away", "retry", headers=headers)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of the problems that a route can answer with."""
    schema = {"schema": {"$ref": "#/components/schemas/ProblemBody"}}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: schema},
        }
        for status in (*statuses, 422)
    }


def request_language(request: Request) -> Language:
    """Return the language in which to answer this request."""
    person = getattr(request.state, "person", None)
    return language_of(
        request.query_params.get("lang"),
        person.language if person is not None else None,
        request.headers.get("accept-language", ""),
        request.app.state.default_language,
    )


def answer(problem: Problem, language: Language) -> JSONResponse:
    """Return the problem as a response."""
    body = ProblemBody(
        type=f"/problems/{problem.code}",
        code=problem.code,
        title=title(problem.code, language),
        status=problem.status,
        detail=clean(detail(problem.hint, language, problem.context)) if problem.hint else "",
        errors=field_errors(problem.errors, language),
    )
    headers = {"Content-Language": language, **problem.headers}
    return JSONResponse(body.model_dump(), problem.status, headers, media_type=MEDIA_TYPE)


def field_errors(
    errors: Sequence[tuple[str, str, Mapping[str, Any]]], language: Language
) -> list[FieldError]:
    """Return what is wrong field by field; ``errors`` are a :class:`Problem`'s."""
    return [
        FieldError(field=field, code=kind, message=clean(field_sentence(kind, language, context)))
        for field, kind, context in errors
    ]


def install(app: FastAPI) -> None:
    """Make every error of ``app`` a problem."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> JSONResponse:
        return answer(error, request_language(request))

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        return answer(from_validation(error.errors()), request_language(request))

    @app.exception_handler(StoreError)
    async def _store(request: Request, error: StoreError) -> JSONResponse:
        log.error("%s %s: %s", request.method, request.url.path, error)
        return answer(database_away(), request_language(request))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        return answer(_from_http(request, error), request_language(request))

    @app.exception_handler(ClientDisconnect)
    async def _gone(request: Request, _error: ClientDisconnect) -> JSONResponse:
        log.info(
            "%s %s: the sender left before all of it was here", request.method, request.url.path
        )
        return answer(Problem(400, "bad_request", "body_unreadable"), request_language(request))

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> JSONResponse:
        number = str(uuid_utils.uuid7())
        log.error("%s %s failed, number %s", request.method, request.url.path, number)
        problem = Problem(500, "internal", "log", value=number)
        return answer(problem, request_language(request))


def from_validation(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """Return the problem of what pydantic found wrong."""
    found = [_field_error(error) for error in errors]
    return Problem(422, "validation", "fields", errors=found, count=len(found))


def _field_error(error: Mapping[str, Any]) -> tuple[str, str, Mapping[str, Any]]:
    kind = str(error["type"])
    context: dict[str, Any] = dict(error.get("ctx") or {})
    path = list(error["loc"])
    if path and path[0] in ("body", "query", "path", "header", "cookie"):
        path = path[1:]
    if kind == "json_invalid":
        # The place is a character's number, not a field.
        path = []
    # A tagged union puts its tag in front of the field.
    if len(path) > 1 and path[0] in ORDER_TYPES:
        path = path[1:]
    return clean(".".join(str(part) for part in path))[:200], kind, context


def clean(text: str) -> str:
    """Return text that can be sent: JSON may bring half a character, UTF-8 can't."""
    return text.encode("utf-8", "replace").decode()


def _from_http(request: Request, error: HTTPException) -> Problem:
    headers = error.headers
    match error.status_code:
        case 404:
            return Problem(404, "unknown", "no_page", headers=headers)
        case 405:
            return Problem(405, "method", "method", value=request.method, headers=headers)
        case 413:
            return Problem(413, "too_large", headers=headers)
        case 400:
            return Problem(400, "bad_request", "body_unreadable", headers=headers)
        case status:
            log.warning("%s %s: %s", request.method, request.url.path, error.detail)
            return Problem(status, "bad_request", headers=headers)
