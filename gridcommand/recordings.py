"""Where recordings are and which one is meant by a name.

A recording lies in the city pack (``drills/``) or, imported or recorded here, in the data folder
(``drills/<city>/``); one's own go first. Not for reading them: that is :mod:`streams.recording`.
"""

from __future__ import annotations

from pathlib import Path

from models.errors import GridcommandError
from models.settings import Settings

SUFFIX = ".jsonl.gz"


class NoRecordingError(GridcommandError):
    """A recording that is not there; the message lists those that are."""


def own_folder(settings: Settings) -> Path:
    """Return the folder that imports and recordings of the city in force go to."""
    return settings.data_dir / "drills" / settings.city_path.resolve().name


def recordings(settings: Settings) -> dict[str, Path]:
    """Return the recordings of the city in force by name, sorted."""
    found: dict[str, Path] = {}
    for folder in (settings.city_path / "drills", own_folder(settings)):
        for path in folder.glob(f"*{SUFFIX}"):
            found[path.name.removesuffix(SUFFIX)] = path
    return dict(sorted(found.items()))


def find_recording(settings: Settings, name: str) -> Path:
    """Return the file of the recording ``name``: a name, or a path.

    Raises
    ------
    NoRecordingError
        When there is none.
    """
    here = recordings(settings)
    if name in here:
        return here[name]
    if Path(name).is_file():
        return Path(name).resolve()
    known = ", ".join(here) or "none yet"
    raise NoRecordingError(
        f"there is no recording {name!r} for {settings.city_path.name} (there is: {known}); "
        "gridcommand drill import makes one out of a calls file"
    )
