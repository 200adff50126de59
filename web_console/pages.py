"""The pages themselves: HTML with its import map, and the files they load.

For: serving ``static/`` and the browser packages that the import map names, nothing else of
``node_modules``. The import map is written into the page (browsers read none from a file) and
allowed by its hash in the Content-Security-Policy.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from models.settings import CHECKOUT
from models.words import Role
from web_console.access import ConsoleOf
from web_console.accounts import COOKIE, Person
from web_console.problems import Problem, request_language
from web_console.routes_session import live_url

STATIC: Final = Path(__file__).parent / "static"
NODE_MODULES: Final = CHECKOUT / "node_modules"
MODULES_URL: Final = "/static/node_modules/"
_FIELD_FILES: Final = (
    "field/*",
    "lib/*",
    "i18n/*",
    "css/*",
    "live.js",
    "theme-first.js",
    "icon.svg",
)
_FIELD_PACKAGE_FILES: Final = tuple(
    f"{MODULES_URL}maplibre-gl/dist/maplibre-gl{part}"
    for part in (".css", "-worker.mjs", "-shared.mjs")
)
_MARK: Final = "<!--importmap-->"

router = APIRouter(include_in_schema=False)


async def visitor(request: Request, console: ConsoleOf) -> Person | None:
    """Return who looks at a page, if they are signed in."""
    person = await console.sign_in.person(request.cookies.get(COOKIE))
    if person is not None:
        request.state.person = person
    return person


Visitor = Annotated[Person | None, Depends(visitor)]


@router.get("/")
async def start(request: Request, console: ConsoleOf, person: Visitor) -> Response:
    """Show the page that goes with the role."""
    if person is None:
        return _to_sign_in(request)
    if person.role is Role.GRID_WORKER:
        # Not served here: the page that opens without a network is the one at /field.
        return RedirectResponse("/field", 303)
    return _page("console.html", request, console)


@router.get("/console")
async def console_page(request: Request, console: ConsoleOf, person: Visitor) -> Response:
    """Show the commander's page."""
    if person is None:
        return _to_sign_in(request)
    if not person.may(Role.DISPATCHER):
        return RedirectResponse("/field", 303)
    return _page("console.html", request, console)


@router.get("/field")
async def field_page(request: Request, console: ConsoleOf, person: Visitor) -> Response:
    """Show the field page."""
    return _to_sign_in(request) if person is None else _page("field.html", request, console)


@router.get("/field-shell.js")
async def field_shell() -> Response:
    """Give the field page's service worker, with the files that it keeps filled in."""
    headers = {
        "Service-Worker-Allowed": "/field",
        "Cache-Control": "no-cache",
        "Content-Security-Policy": "default-src 'none'; connect-src 'self'",
    }
    script = await asyncio.to_thread(_field_shell)
    return Response(script, media_type="text/javascript", headers=headers)


@router.get("/admin")
async def admin_page(request: Request, console: ConsoleOf, person: Visitor) -> Response:
    """Show dead letters and accounts."""
    if person is None:
        return _to_sign_in(request)
    if not person.may(Role.ADMIN):
        return RedirectResponse("/", 303)
    return _page("admin.html", request, console)


@router.get("/signin")
async def sign_in_page(request: Request, console: ConsoleOf) -> Response:
    """Show the sign-in page."""
    return _page("signin.html", request, console)


@router.get("/s/{token}")
async def link_page(token: str, request: Request, console: ConsoleOf) -> Response:
    """Show the page that redeems a one-time link; a previewer that only gets it burns nothing."""
    return _page("signin.html", request, console)


@router.get("/favicon.ico")
async def icon() -> Response:
    """Lead browsers that ask unasked to the icon."""
    return RedirectResponse("/static/icon.svg", 308)


def mount(app: FastAPI) -> None:
    """Serve the files that pages load."""
    app.mount(
        MODULES_URL.rstrip("/"), _Packages(directory=NODE_MODULES, check_dir=False), "packages"
    )
    app.mount("/static", _Files(directory=STATIC, check_dir=False), "static")


class _Files(StaticFiles):
    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        # Asked again each time, answered 304 mostly: a new version shows at once.
        response.headers["Cache-Control"] = "no-cache"
        return response


class _Packages(_Files):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = self.get_path(scope).replace("\\", "/")
        if not path.startswith(_packages()):
            raise Problem(404, "unknown", "no_page")
        await super().__call__(scope, receive, send)


@lru_cache(maxsize=1)
def _packages() -> tuple[str, ...]:
    names = set()
    for url in json.loads((STATIC / "importmap.json").read_text("utf-8"))["imports"].values():
        parts = url.removeprefix(MODULES_URL).split("/")
        names.add("/".join(parts[: 2 if parts[0].startswith("@") else 1]) + "/")
    return tuple(sorted(names))


def _field_shell() -> str:
    own = [
        path
        for part in _FIELD_FILES
        for path in sorted(STATIC.glob(part))
        if path.is_file() and path.suffix in (".js", ".css", ".svg")
    ]
    imports = json.loads((STATIC / "importmap.json").read_text("utf-8"))["imports"]
    packages = sorted(url for url in imports.values() if not url.endswith("/"))
    digest = hashlib.sha256((STATIC / "field.html").read_bytes())
    for path in own:
        digest.update(path.read_bytes())
    files = [f"/static/{path.relative_to(STATIC).as_posix()}" for path in own]
    shell = json.dumps(["/field", *files, *packages, *_FIELD_PACKAGE_FILES])
    script = (STATIC / "field-shell.js").read_text("utf-8")
    return script.replace("{{version}}", digest.hexdigest()[:16]).replace("{{files}}", shell)


def _page(name: str, request: Request, console: ConsoleOf) -> Response:
    path = STATIC / name
    html, script_hash = _html(path, path.stat().st_mtime_ns)
    language = request_language(request)
    html = html.replace("{{lang}}", "zh-CN" if language == "zh" else "en")
    live = urlsplit(live_url(request, console))
    policy = (
        "default-src 'none'; "
        f"script-src 'self' 'sha256-{script_hash}'; "
        "style-src 'self'; font-src 'self'; img-src 'self' data: blob:; "
        "worker-src 'self' blob:; child-src 'self' blob:; manifest-src 'self'; "
        f"connect-src 'self' {live.scheme}://{live.netloc}; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store"}
    return HTMLResponse(html, headers=headers)


@lru_cache(maxsize=32)
def _html(path: Path, _changed: int) -> tuple[str, str]:
    content = json.dumps(json.loads((STATIC / "importmap.json").read_text("utf-8")))
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    html = path.read_text("utf-8")
    return html.replace(_MARK, f'<script type="importmap">{content}</script>'), digest


def _to_sign_in(request: Request) -> Response:
    return RedirectResponse("/signin?" + urlencode({"next": request.url.path}), 303)
