"""Settings as the command line composes them: options over environment over file over defaults.

For every command; a mistake becomes one sentence that names the key. Not for what the keys mean:
that is :mod:`models.settings`.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path

from pydantic import ValidationError

from models.errors import GridcommandError
from models.settings import Settings

PREFIX = "GRIDCOMMAND_"
# Variables of that prefix that are no settings.
OTHER_VARIABLES = frozenset({"CONFIG", "DEBUG", "GATE_FD", "READY_FD", "REQUIRE_BROWSER"})


class SettingsError(GridcommandError):
    """A setting that can't be used; the message names it and what to do."""


def load_settings(**options: str | int | float | None) -> Settings:
    """Return the settings in force, given options outranking all else.

    An option that is given is put into the environment too: child processes see the same settings.

    Raises
    ------
    SettingsError
        When a value, a key or the settings file is wrong.
    """
    for key, value in options.items():
        if value is not None:
            os.environ[PREFIX + key.upper()] = str(value)
    named = os.environ.get(PREFIX + "CONFIG")
    if named and not Path(named).is_file():
        raise SettingsError(
            f"the settings file {named} does not exist: correct {PREFIX}CONFIG or unset it"
        )
    path = Path(named or "gridcommand.toml")
    try:
        return Settings()
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} can't be read as TOML: {error}") from error
    except ValidationError as error:
        raise SettingsError(_sentence(error, path)) from error


def unknown_variables() -> list[str]:
    """Return the environment variables that look like settings and are none."""
    known = {key.upper() for key in Settings.model_fields} | OTHER_VARIABLES
    return sorted(
        name
        for name in os.environ
        if name.startswith(PREFIX) and name.removeprefix(PREFIX).upper() not in known
    )


def _sentence(error: ValidationError, path: Path) -> str:
    first = error.errors()[0]
    key = str(first["loc"][0]) if first["loc"] else "settings"
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, list(Settings.model_fields), 1)
        hint = f", did you mean {near[0]}?" if near else "; docs/settings.md lists all"
        return f"there is no setting {key}{hint} (in {path})"
    said = first["msg"].removeprefix("Value error, ")
    place = PREFIX + key.upper()
    source = place if place in os.environ else f"{key} in {path}"
    return f"the setting {source} can't be {first['input']!r}: {said}"
