"""Sign-in links as a person gets them: the address that a browser opens.

For ``up`` and ``gridcommand user``. Accounts and tokens are kept by :mod:`models.registers`;
redeeming a link is the console's.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from gridcommand.run_file import read_run_file
from models.settings import Settings


def console_url(settings: Settings) -> str:
    """Return the address of the pages as this machine's browser opens it."""
    host = settings.web_host
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.web_port}"


def link_url(settings: Settings, token: str) -> str:
    """Return the address that signs in with ``token``, once.

    The public one where there is one, else where an ``up`` that runs has its pages.
    """
    public = urlsplit(settings.live_public_url)
    if public.netloc:
        scheme = "https" if public.scheme == "wss" else "http"
        return f"{scheme}://{public.netloc}/s/{token}"
    run = read_run_file(settings.data_dir)
    origin = run.console_url if run.is_running else ""
    return f"{origin or console_url(settings)}/s/{token}"
