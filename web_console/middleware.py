"""What holds for every request: size of bodies, origin of changes, security headers.

Plain ASGI, so that it costs a report next to nothing.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web_console.problems import Problem, answer, request_language

BODY_MAX: Final = 64 * 1024
READINGS_MAX: Final = 976 * 1024
"""A pack is one record, and Kafka takes a little more than this where nobody set another bound."""
MULTIPART_EXTRA: Final = 64 * 1024
LENGTH_DIGITS: Final = 15
"""Of a body's length, more than any limit has: Python reads no number of thousands of digits."""
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(self), camera=(self), microphone=()",
}
_POLICY_OF_DATA: Final = "default-src 'none'; frame-ancestors 'none'"


class Guard:
    """Refuses foreign changes and oversized bodies; adds security headers to every answer.

    Parameters
    ----------
    photo_bytes_max
        Largest photo.
    """

    def __init__(self, app: ASGIApp, photo_bytes_max: int) -> None:
        self._app = app
        self._photo_max = photo_bytes_max + MULTIPART_EXTRA

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    out.setdefault(name, value)
                out.setdefault("Content-Security-Policy", _POLICY_OF_DATA)
                if scope["path"].startswith("/api/"):
                    out.setdefault("Cache-Control", "no-store")
            await send(message)

        if scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send_guarded)
            return
        problem = self._refusal(scope, headers)
        if problem is not None:
            await answer(problem, request_language(Request(scope)))(scope, receive, send_guarded)
            return
        await self._within(self._limit(scope["path"]), scope, receive, send_guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> Problem | None:
        if not is_same_origin(headers):
            return Problem(403, "foreign_origin", "origin")
        path, content_type = scope["path"], headers.get("content-type", "").lower()
        length = headers.get("content-length", "0")
        limit = self._limit(path)
        if length.isdecimal() and (len(length) > LENGTH_DIGITS or int(length) > limit):
            return self._too_large(path)
        if path == "/api/photos" and not content_type.startswith("multipart/form-data"):
            return Problem(415, "unsupported_type", "multipart_only")
        has_body = length != "0" or "transfer-encoding" in headers
        if path in ("/api/photos", "/api/readings") or not has_body:
            return None
        media_type = content_type.partition(";")[0].strip()
        if media_type != "application/json" and not media_type.endswith("+json"):
            return Problem(415, "unsupported_type", "json_only")
        return None

    async def _within(self, limit: int, scope: Scope, receive: Receive, send: Send) -> None:
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                # An HTTPException, because FastAPI makes a 400 of everything else raised here.
                raise HTTPException(413)
            return message

        await self._app(scope, counted, send)

    def _limit(self, path: str) -> int:
        if path == "/api/photos":
            return self._photo_max
        return READINGS_MAX if path == "/api/readings" else BODY_MAX

    def _too_large(self, path: str) -> Problem:
        if path == "/api/photos":
            limit_mb = (self._photo_max - MULTIPART_EXTRA) / 1_000_000
            return Problem(413, "too_large", "photo_size", limit=f"{limit_mb:g}")
        return Problem(413, "too_large", "body_size", limit=self._limit(path) // 1024)


def is_same_origin(headers: Headers) -> bool:
    """Say whether a change comes from a page of ours, or from no page at all.

    A browser always sends ``Sec-Fetch-Site`` or ``Origin`` with a change, and no script can forge
    either; what sends neither is no browser and carries no cookie that it wasn't given.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        return bool(origin) and urlsplit(origin).netloc == headers.get("host", "")
    except ValueError:
        return False
