"""Our pages without a backend: files from the checkout, and a situation that a test makes up.

For what depends on the pages alone, such as their layout: no city is read and no desk runs.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Callable, Mapping
from typing import Any, Final

from playwright.sync_api import Page, Route, WebSocketRoute

from models.settings import CHECKOUT

SITE: Final = "http://console.test"
_STATIC: Final = CHECKOUT / "web_console" / "static"
_CITY: Final = {
    "id": "tiny",
    "names": {"zh": "溧阳市", "en": "San Francisco"},
    "timezone": "Asia/Shanghai",
    "jurisdiction": "tiny",
    "categories": {
        "accident": {"zh": "事故灾难", "en": "Accident"},
        "accident.fire": {"zh": "火灾", "en": "Structure fire"},
        "health": {"zh": "公共卫生事件", "en": "Public health"},
        "health.medical": {"zh": "医疗急救", "en": "Medical emergency"},
        "health.medical.cardiac": {"zh": "心脏骤停", "en": "Cardiac arrest"},
    },
    "skills": {},
    "unit_kinds": {},
    "facilities": [],
    "bounds": [119.0, 31.0, 120.0, 32.0],
    "centre": [119.5, 31.4],
    "jurisdictions": [
        {"id": "tiny", "exercise": False, "names": {}},
        {"id": "tiny.exercise", "exercise": True, "names": {}},
    ],
}
AT: Final = "2026-01-01T08:00:00Z"


def open_canned(
    page: Page, name: str, role: str, situation: Mapping[str, Any]
) -> Callable[[Mapping[str, Any]], None]:
    """Open a page, ``console`` or ``field``, that shows this situation of an exercise.

    Returns
    -------
    What sends the page one more frame of the live channel, once it has a situation.
    """
    me = {
        "name": "commander",
        "role": role,
        "jurisdiction": "tiny.exercise",
        "jurisdictions": ["tiny", "tiny.exercise"],
        "cells": [],
        "unit": "",
        "language": "",
        "live_url": "ws://console.test/live",
        "has_password": True,
        "expires_at": "2099-01-01T00:00:00Z",
    }
    snapshot = {
        "type": "snapshot",
        "jurisdiction": "tiny.exercise",
        "exercise": True,
        "seq": 1,
        "now": AT,
        "wall": AT,
        "clock": {"speed": 1, "paused": True, "anchor_sim": AT, "anchor_wall": AT},
        "situation": situation,
    }

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix(SITE).partition("?")[0]
        if path in (f"/{name}", "/"):
            imports = (_STATIC / "importmap.json").read_text("utf-8")
            html = (_STATIC / f"{name}.html").read_text("utf-8")
            html = html.replace("<!--importmap-->", f'<script type="importmap">{imports}</script>')
            route.fulfill(body=html, content_type="text/html")
        elif path.startswith("/static/"):
            file = _STATIC / path.removeprefix("/static/")
            if "/node_modules/" in path:
                file = CHECKOUT / path.removeprefix("/static/")
            kind = mimetypes.guess_type(file.name)[0] or "text/javascript"
            if file.suffix == ".mjs":
                kind = "text/javascript"
            route.fulfill(body=file.read_bytes(), content_type=kind)
        elif path in ("/api/city", "/api/session"):
            body = json.dumps(_CITY if path == "/api/city" else me)
            route.fulfill(body=body, content_type="application/json")
        else:
            route.fulfill(status=200, body='{"items": []}', content_type="application/json")

    sockets: list[WebSocketRoute] = []

    def live(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.on_message(lambda _: socket.send(json.dumps(snapshot)))

    page.route("**/*", answer)
    page.route_web_socket("**/live", live)
    page.goto(f"{SITE}/{name}")
    return lambda frame: sockets[-1].send(json.dumps(frame))
