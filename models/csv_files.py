"""Tables as people save them, read one way: encoding, separator, quotes and line numbers.

For: every table of comma separated values that the project takes from elsewhere, plain or gzip'd:
a pack's units and streets, calls, recorded responses. Not for: what is in the columns.

What it decides
- The encoding: by its mark (UTF-8, UTF-16), else UTF-8 if the whole file is that, else GB18030,
  in which Chinese programs save. What is none of these is refused with its first line that isn't.
- The separator is the one of comma, semicolon and tab that gives the header the most columns.
- A quote that nobody closed swallows the rows behind it. One that is still open at the end, one
  with something behind it, and a quoted value that holds what would be whole rows are refused
  with the line where they begin.
- Rows whose every value is blank are left out: spreadsheets write them below a table.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeAlias

from models.errors import GridcommandError

_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_SEPARATORS = (",", ";", "\t")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TWO_BYTES = re.compile(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]")
_COMMON = re.compile(rb"[\xa1-\xd7][\xa1-\xfe]")
"""Punctuation and the hanzi of GB 2312's first level, of which nearly all Chinese text is made."""

_EXPECTED = "save it as UTF-8 (in Excel: CSV UTF-8)"
_UNSEEN = "\ufeff\u200b\u200c\u200d\u2060"

_Source: TypeAlias = IO[bytes] | gzip.GzipFile


class TableError(GridcommandError):
    """A table that can't be read; the message names file and, where there is one, line."""


def rows_of(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Lines on which rows begin, with the rows' values; the header first.

    Parameters
    ----------
    path
        Plain or gzip'd, whatever its name says.

    Raises
    ------
    TableError
        The file can't be read to its end as a table; while it is gone through, not before.

    Notes
    -----
    Reads the file twice, in pieces: first to tell the encoding. A blank file has no rows.
    """
    try:
        encoding = _encoding(path)
        with _opened(path) as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as text:
            yield from _rows(path, text)
    except (OSError, EOFError, zlib.error, UnicodeError) as error:
        raise TableError(f"{path}: can't be read: {error}") from error


def read_text(path: Path) -> str:
    """The whole of a text file, in the encoding that `rows_of` would take.

    Raises
    ------
    TableError
        It can't be read.
    """
    try:
        encoding = _encoding(path)
        with _opened(path) as raw, io.TextIOWrapper(raw, encoding=encoding) as text:
            return text.read()
    except (OSError, EOFError, zlib.error, UnicodeError) as error:
        raise TableError(f"{path}: can't be read: {error}") from error


def clean(value: str | None) -> str:
    """A value without what nobody sees around it, and without NULs and byte order marks inside."""
    text = (value or "").replace("\x00", "").replace("\ufeff", "").strip()
    return text if text.isascii() else text.strip(_UNSEEN).strip()


def _rows(path: Path, text: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    lines = iter(text)
    head: list[str] = []
    for line in lines:
        head.append(line)
        if line.strip(f"{_UNSEEN}\r\n \t,;"):
            break
    separator = _separator(head[-1]) if head else ","
    reader = csv.reader(_joined(head, lines), delimiter=separator, strict=True)
    columns = 0
    begins = 1
    try:
        for row in reader:
            if reader.line_num > begins:
                _refuse_swallowed(path, begins, row, columns, separator)
            if any(map(clean, row)):
                columns = columns or len(row)
                yield begins, row
            begins = reader.line_num + 1
    except csv.Error as error:
        where = f"{path}:{begins}"
        if "unexpected end of data" in str(error):
            raise TableError(
                f'{where}: a quote (") in this row is never closed, and all rows behind it belong '
                "to its value: close it or take it out"
            ) from error
        if "expected after" in str(error):
            raise TableError(
                f'{where}: a quote (") in this row ends in the middle of a value: write a quote '
                "inside a quoted value twice, or take it out"
            ) from error
        if "field larger than" in str(error):
            raise TableError(
                f"{where}: a value in this row is longer than {csv.field_size_limit()} characters: "
                'most likely a quote (") in it is never closed'
            ) from error
        raise TableError(f"{where}: not a row of a table: {error}") from error


def _joined(head: list[str], rest: Iterator[str]) -> Iterator[str]:
    yield from head
    yield from rest


def _separator(header: str) -> str:
    return max(_SEPARATORS, key=lambda one: (header.count(one), one == ","))


def _refuse_swallowed(path: Path, line: int, row: list[str], columns: int, separator: str) -> None:
    """Refuse a row that goes over several lines because a quote took in the rows below.

    An address of several lines is as it should be. What a quote took in has the rest of its own
    row, whole rows, and the begin of the row whose quote closed it.
    """
    for at, value in enumerate(row):
        parts = [part for part in re.split(r"\r\n|\r|\n", value) if part.strip()]
        if len(parts) < 2 or columns < 2:
            continue
        found = [part.count(separator) for part in parts]
        if (
            found[0] >= columns - 1 - at
            and found[-1] >= at
            and all(count >= columns - 1 for count in found[1:-1])
        ):
            raise TableError(
                f'{path}:{line}: a quote (") in this row takes in {len(parts) - 1} more rows: '
                f"{value[:60]!r}; close it where its value ends"
            )


@contextmanager
def _opened(path: Path) -> Iterator[_Source]:
    with path.open("rb") as raw:
        zipped = raw.read(2) == _GZIP
        raw.seek(0)
        if not zipped:
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as inner:
            yield inner


def _encoding(path: Path) -> str:
    with _opened(path) as raw:
        first = raw.read(4)
    if first.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise TableError(f"{path}: is UTF-32; {_EXPECTED}")
    for mark, name in _MARKS:
        if first.startswith(mark):
            _check(path, name)
            return name
    if b"\x00" in first:
        raise TableError(f"{path}: holds zero bytes as UTF-16 without its mark does; {_EXPECTED}")
    try:
        _check(path, "utf-8")
    except TableError as not_utf8:
        try:
            _check(path, "gb18030")
        except TableError:
            raise not_utf8 from None
        if not _looks_chinese(path):
            raise not_utf8 from None
        return "gb18030"
    return "utf-8"


def _check(path: Path, encoding: str) -> None:
    """Go through the file; raise with the line of the first byte that isn't of the encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = 1
    with _opened(path) as raw:
        while chunk := raw.read(_CHUNK):
            try:
                lines += decoder.decode(chunk).count("\n")
            except UnicodeDecodeError as error:
                lines += error.object[: error.start].decode(encoding, "replace").count("\n")
                raise TableError(_not_text(path, lines, error)) from error
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise TableError(_not_text(path, lines, error)) from error


def _not_text(path: Path, line: int, error: UnicodeDecodeError) -> str:
    odd = error.object[error.start : error.start + 4].hex(" ")
    return f"{path}:{line}: the bytes {odd} are neither UTF-8 nor Chinese (GB18030): {_EXPECTED}"


def _looks_chinese(path: Path) -> bool:
    """Whether two-byte characters are mostly common ones.

    Nearly every accented letter of Western text is, with the letter behind it, some rare hanzi.
    """
    all_of_them = common = 0
    with _opened(path) as raw:
        for line in raw:
            pairs = _TWO_BYTES.findall(line)
            all_of_them += len(pairs)
            common += sum(1 for pair in pairs if _COMMON.fullmatch(pair))
    return common * 2 > all_of_them
