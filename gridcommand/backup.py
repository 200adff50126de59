"""Making a backup of an installation while it runs, and restoring it into an empty place.

Of the data folder only the photos go along: the rest is caches, logs and what the embedded broker
makes anew. Settings, city pack and playbooks are files of whoever installed them and are not in it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from datetime import datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from models.backup_file import BackupWriter, File, Frame, Header, Piece, Rows, Table, check, frames
from models.errors import BackupError
from models.store import Store

PIECE = 1_000_000
STAGING = "photos.restoring"


class Made(NamedTuple):
    """What a backup has.

    Attributes
    ----------
    lacking
        Names of photos whose row is there and whose file is not.
    heads
        Of each journal: last number and hash, by jurisdiction.
    """

    rows: int
    photos: int
    lacking: tuple[str, ...]
    heads: dict[str, tuple[int, bytes]]


class Restored(NamedTuple):
    """What a restored place has."""

    made_at: datetime
    rows: int
    photos: int


def make_backup(store: Store, photos: Path, writer: BackupWriter, at: datetime) -> Made:
    """Write one moment of the database, and the photos that it names.

    Parameters
    ----------
    photos
        Folder of the photos; a photo's file is there before its row.
    """
    rows, heads = 0, {}
    names: set[str] = set()
    table = Table("", [])
    # Closed here, so that the transaction doesn't outlive a failure to write.
    with contextlib.closing(store.dump(at, f"gridcommand {version('gridcommand')}")) as dump:
        for frame in dump:
            writer.add(frame)
            if isinstance(frame, Table):
                table = frame
            elif isinstance(frame, Rows):
                rows += len(frame.values)
                named = [dict(zip(table.columns, row, strict=True)) for row in frame.values]
                if table.name == "photo":
                    names.update(row["file"] for row in named)
                elif table.name == "jurisdiction":
                    heads.update({row["id"]: (row["seq"], row["head_hash"]) for row in named})
    lacking = tuple(name for name in sorted(names) if not _add_file(writer, photos, name))
    return Made(rows, len(names) - len(lacking), lacking, heads)


def restore_backup(store: Store, photos: Path, backup: Path) -> Restored:
    """Restore into an empty database and an empty folder, both or neither.

    The backup is read to its end and checked before anything is written.

    Raises
    ------
    BackupError
        The place isn't empty, or the backup doesn't hold; nothing is restored then.
    """
    header = check(backup)
    if photos.is_dir() and any(photos.iterdir()):
        raise BackupError(
            f"the folder {photos} isn't empty: restore into a data folder without photos"
        )
    staging = photos.with_name(STAGING)
    shutil.rmtree(staging, ignore_errors=True)
    placed = False

    def place() -> None:
        nonlocal placed
        if staging.is_dir():
            if photos.is_dir():
                photos.rmdir()
            staging.rename(photos)
            placed = True

    count = _Count()
    try:
        rows = store.load(header.revision, _unpacked(frames(backup), staging, count), place)
    except BaseException as error:
        if placed:
            shutil.rmtree(photos, ignore_errors=True)
        if isinstance(error, OSError):
            raise BackupError(
                f"the photos can't be written to {staging}: {error.strerror}; nothing was restored"
            ) from error
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Restored(header.made_at, rows, count.files)


class _Count:
    files = 0


def _add_file(writer: BackupWriter, folder: Path, name: str) -> bool:
    """Add a file's pieces; False when it isn't there."""
    try:
        with (folder / name).open("rb") as file:
            writer.add(File(name))
            while content := file.read(PIECE):
                writer.add(Piece(content))
    except FileNotFoundError:
        return False
    return True


def _unpacked(found: Iterable[Frame], folder: Path, count: _Count) -> Iterator[Frame]:
    """Write the files among the frames below ``folder``; give on the others."""
    with contextlib.ExitStack() as opened:
        file = None
        for frame in found:
            if isinstance(frame, File):
                opened.close()
                path = folder / _safe(frame.name)
                path.parent.mkdir(parents=True, exist_ok=True)
                file = opened.enter_context(path.open("xb"))
                opened.callback(os.fsync, file.fileno())
                opened.callback(file.flush)
                count.files += 1
            elif isinstance(frame, Piece):
                if file is None:
                    raise BackupError("the backup has a piece of no file")
                file.write(frame.content)
            elif not isinstance(frame, Header):
                yield frame


def _safe(name: str) -> PurePosixPath:
    """A name that stays below its folder, whoever made the backup."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise BackupError(f"the backup has a file {name!r}, which would lie outside the folder")
    return path
