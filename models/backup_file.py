"""The file of a backup: frames in a gzip stream, closed by a frame that proves the rest whole.

A frame is a length (four bytes, big-endian) and a msgpack array that begins with its kind. The
order is: one :class:`Header`, then for each table a :class:`Table` and its :class:`Rows`, then for
each file a :class:`File` and its :class:`Piece`, at last one :class:`End` with the SHA-256 of all
frames before it. It holds no word of any database, so what SQLite gave PostgreSQL can take.

Not for what is in a backup: that is :mod:`models.backup`.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from models.errors import BackupError

FORMAT = "gridcommand-backup"
VERSION = 1
FRAME_MAX = 256_000_000
"""Bytes; beyond this a length is no length."""

COMPRESSION = 3
_LENGTH = 4


class Header(msgspec.Struct, frozen=True, tag="header", array_like=True):
    """What this is; ``revision`` is the migration that its tables are of."""

    format: str
    version: int
    revision: str
    made_at: datetime
    product: str


class Table(msgspec.Struct, frozen=True, tag="table", array_like=True):
    """Rows of this table follow, their values in this order."""

    name: str
    columns: list[str]


class Rows(msgspec.Struct, frozen=True, tag="rows", array_like=True):
    """Some rows of the table before."""

    values: list[list[Any]]


class File(msgspec.Struct, frozen=True, tag="file", array_like=True):
    """Pieces of this file follow; ``name`` is a path below the folder of photos."""

    name: str


class Piece(msgspec.Struct, frozen=True, tag="piece", array_like=True):
    """Some bytes of the file before."""

    content: bytes


class End(msgspec.Struct, frozen=True, tag="end", array_like=True):
    """Nothing follows."""

    sha256: bytes


Frame = Header | Table | Rows | File | Piece | End
_decoder: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)
_encoder = msgspec.msgpack.Encoder()


class BackupWriter:
    """Writes a backup's frames; use it by :func:`writing`."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()

    def add(self, frame: Frame) -> None:
        """Write one frame."""
        body = _encoder.encode(frame)
        if len(body) > FRAME_MAX:
            raise BackupError(f"a row of {len(body)} bytes is too large for a backup")
        whole = len(body).to_bytes(_LENGTH, "big") + body
        self._digest.update(whole)
        self._stream.write(whole)

    def end(self) -> None:
        """Close the backup: what follows the last frame proves those before it."""
        self.add(End(self._digest.digest()))


@contextlib.contextmanager
def writing(path: Path) -> Iterator[BackupWriter]:
    """Write ``path``; it is there, whole and on the disk, when the block ends well, else not.

    Only its owner may read it: it holds the accounts.

    Raises
    ------
    BackupError
        The file is there already, or can't be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if path.exists():
            raise BackupError(f"{path} is there already: name another file")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            with gzip.GzipFile("", "wb", COMPRESSION, file) as stream:
                writer = BackupWriter(stream)
                yield writer
                writer.end()
            file.flush()
            os.fsync(file.fileno())
        # Not over a file that came meanwhile.
        os.link(part, path)
    except OSError as error:
        raise BackupError(f"{path} can't be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def check(path: Path) -> Header:
    """Read a backup from end to end and return its header.

    Raises
    ------
    BackupError
        It is no backup, of a later version, cut off or damaged.
    """
    for frame in frames(path):
        if isinstance(frame, Header):
            header = frame
    return header


def frames(path: Path) -> Iterator[Frame]:
    """Yield a backup's frames without the last; raises like :func:`check` where it breaks."""
    digest = hashlib.sha256()
    cut = BackupError(f"{path} is cut off: it ends before its end; nothing was restored from it")
    try:
        with gzip.open(path, "rb") as stream:
            first = True
            while True:
                head = stream.read(_LENGTH)
                size = int.from_bytes(head, "big")
                if first and not head:
                    raise BackupError(f"{path} is empty")
                if len(head) < _LENGTH:
                    raise cut
                if size > FRAME_MAX:
                    raise msgspec.DecodeError(f"a frame of {size} bytes")
                body = stream.read(size)
                if len(body) < size:
                    raise cut
                frame = _decoder.decode(body)
                if first:
                    _check_header(path, frame)
                    first = False
                if isinstance(frame, End):
                    if frame.sha256 != digest.digest() or stream.read(1):
                        raise msgspec.DecodeError("its checksum does not hold")
                    return
                digest.update(head + body)
                yield frame
    except EOFError as error:
        raise cut from error
    except gzip.BadGzipFile as error:
        raise BackupError(
            f"{path} is damaged, or no backup of gridcommand: {error}; nothing was restored from it"
        ) from error
    except OSError as error:
        raise BackupError(f"{path} can't be read: {error.strerror or error}") from error
    except (zlib.error, msgspec.MsgspecError, ValueError, RecursionError) as error:
        # The last two are the decoder's too: text that is none, arrays within arrays.
        raise BackupError(f"{path} is damaged: {error}; nothing was restored from it") from error


def _check_header(path: Path, frame: Frame) -> None:
    if not isinstance(frame, Header) or frame.format != FORMAT:
        raise BackupError(f"{path} is no backup of gridcommand")
    if frame.version > VERSION:
        raise BackupError(
            f"{path} was made by a newer version ({frame.product}): restore it with that one"
        )
