"""The FastAPI application: routes, errors as problems, pages, health.

For: putting the routes of this room together around one :class:`~web_console.console.Console`.
Starts nothing; :mod:`web_console.server` does.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Response
from pydantic import BaseModel
from starlette.middleware.gzip import GZipMiddleware

from web_console import (
    metrics,
    pages,
    problems,
    routes_desk,
    routes_devices,
    routes_intake,
    routes_read,
    routes_session,
)
from web_console.access import ConsoleOf
from web_console.console import Console
from web_console.metrics import DEGRADED, ready_parts, simpler_planning
from web_console.middleware import Guard

DESCRIPTION = """Reports, orders and what a screen must know of the city. What happens comes by the
live channel (WebSocket), whose address is in `GET /api/session`. Errors are
`application/problem+json` (RFC 9457), in the language of `?lang`, the session or
`Accept-Language`."""


class ReadyOut(BaseModel):
    """What is ready, part by part.

    ``running`` says that all processes do their work, though decisions may be late or made by a
    simpler policy. ``simpler_planning`` names the jurisdictions, live and exercise apart, whose
    policy fails, and the simpler one that plans there. ``updates_from_journal``: what is new comes
    from the journals alone, about a second later, for the broker's topics say nothing of it.
    """

    ready: bool
    running: bool
    parts: dict[str, bool]
    simpler_planning: dict[str, str] = {}
    updates_from_journal: bool = False


def create_app(console: Console) -> FastAPI:
    """Return the application of a console."""
    app = FastAPI(
        title="Gridcommand",
        version=version("gridcommand"),
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.state.console = console
    app.state.default_language = console.settings.language
    problems.install(app)
    for module in (routes_intake, routes_desk, routes_devices, routes_session, routes_read):
        app.include_router(module.router)
    _add_health(app)
    app.include_router(metrics.router)
    describe = app.openapi
    app.openapi = lambda: _with_problems(describe())  # type: ignore[method-assign]
    app.include_router(pages.router)
    pages.mount(app)
    app.add_middleware(GZipMiddleware, minimum_size=2000, compresslevel=4)
    app.add_middleware(Guard, photo_bytes_max=console.photos.bytes_max)
    return app


def _with_problems(document: dict[str, Any]) -> dict[str, Any]:
    # A response model would be announced as application/json as well, which would not be true.
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schema = problems.ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= schema.pop("$defs", {})
    schemas["ProblemBody"] = schema
    return document


def _add_health(app: FastAPI) -> None:
    @app.get("/healthz", tags=["health"], summary="Alive")
    async def healthz() -> dict[str, Any]:
        """Say that the process answers."""
        return {"alive": True}

    @app.get(
        "/readyz",
        tags=["health"],
        summary="Ready",
        responses={503: {"model": ReadyOut, "description": "Some part isn't ready."}},
    )
    async def readyz(response: Response, console: ConsoleOf) -> ReadyOut:
        """Say which part isn't ready; `classify` or `desk`: no worker for it lives; `planning`:
        the policy in force fails and a simpler one decides; `decisions_live` or
        `decisions_exercise`: what was acknowledged on that side waits for longer than it may."""
        parts = await ready_parts(console)
        ready = all(parts.values())
        if not ready:
            response.status_code = 503
        return ReadyOut(
            ready=ready,
            running=all(parts[part] for part in parts.keys() - DEGRADED),
            parts=parts,
            simpler_planning=simpler_planning(console),
            updates_from_journal=console.feed.from_journal_only,
        )
