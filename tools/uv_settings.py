"""The settings of pip on this machine, as uv takes them.

uv reads neither pip's configuration files nor ``PIP_…``. A machine whose pip finds its index,
certificates or proxy is a machine whose uv finds them too, without a second configuration. What
the machine says to uv itself (``UV_…``) goes first.

Not carried over: ``no-binary`` and ``only-binary`` (the locks have wheels for all that runs here)
and keyrings. Relies on the standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import ast
import math
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

# Those who ask pip later override those who ask first, as in pip.
LEVELS = ("global", "install", ":env:")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
YES = ("y", "yes", "t", "true", "on", "1")


def pip_settings(pip: list[str]) -> dict[str, str]:
    """Return the options that ``pip install`` takes from configuration files and environment.

    ``pip`` is the command that starts it. Empty when pip can't read its own configuration: pip
    then says so where it is used.
    """
    answer = subprocess.run(
        [*pip, "--disable-pip-version-check", "config", "list"],
        capture_output=True,
        text=True,
        check=False,
    )
    return parse_pip_settings(answer.stdout)


def parse_pip_settings(listing: str) -> dict[str, str]:
    """Return option and value from what ``pip config list`` prints."""
    found = re.findall(rf"^({'|'.join(LEVELS)})\.([\w-]+)=(.*)$", listing, re.MULTILINE)
    settings: dict[str, str] = {}
    for level in LEVELS:
        for _, option, value in (one for one in found if one[0] == level):
            settings[option.removeprefix("default-")] = str(ast.literal_eval(value)).strip()
    return {option: value for option, value in settings.items() if value}


def uv_environment(settings: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that tell uv what ``settings`` tell pip.

    They are to be added to ``environment``, which they don't contradict where it speaks to uv.
    """
    wanted = {
        # pip takes the best of all indexes. Hashes rule out what makes uv call that unsafe.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_DEFAULT_INDEX": settings.get("index-url", ""),
        "UV_INDEX": " ".join(settings.get("extra-index-url", "").split()),
        "UV_FIND_LINKS": ",".join(_places(settings.get("find-links", ""))),
        "UV_INSECURE_HOST": " ".join(settings.get("trusted-host", "").split()),
        "UV_HTTP_TIMEOUT": _whole(settings.get("timeout", "")),
        "UV_HTTP_RETRIES": _whole(settings.get("retries", "")),
        "UV_NO_CACHE": "true" if _is_yes(settings.get("no-cache-dir", "")) else "",
    }
    older_names = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}
    said = {name: value for name, value in environment.items() if value}
    added = {
        name: value
        for name, value in wanted.items()
        if value and name not in said and older_names.get(name) not in said
    }
    certificates = settings.get("cert") or said.get("REQUESTS_CA_BUNDLE")
    certificates = certificates or said.get("CURL_CA_BUNDLE")
    if certificates:
        place = Path(certificates).expanduser()
        added["SSL_CERT_DIR" if place.is_dir() else "SSL_CERT_FILE"] = str(place)
    elif not any(name in said for name in (*CERTIFICATES, "UV_SYSTEM_CERTS", "UV_NATIVE_TLS")):
        # A pip of today trusts what the machine trusts.
        added["UV_SYSTEM_CERTS"] = "true"
    if "client-cert" in settings:
        added["SSL_CLIENT_CERT"] = str(Path(settings["client-cert"]).expanduser())
    if "proxy" in settings:
        names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
        added |= dict.fromkeys(names, settings["proxy"])
    return added


def uv_options(settings: Mapping[str, str]) -> list[str]:
    """Return what ``settings`` ask for and uv has no variable for."""
    return ["--no-index"] if _is_yes(settings.get("no-index", "")) else []


def _places(links: str) -> list[str]:
    """Return pip's ``find-links`` less the folders that aren't there: pip passes over those."""
    places = []
    for link in links.split():
        is_local = "://" not in link
        place = str(Path(link).expanduser()) if is_local else link
        if not is_local or Path(place).exists():
            places.append(place)
    return places


def _whole(number: str) -> str:
    try:
        return str(math.ceil(float(number)))
    except ValueError:
        return ""


def _is_yes(value: str) -> bool:
    return value.lower() in YES
