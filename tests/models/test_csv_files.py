"""Tables are read as spreadsheets save them, or refused with the line."""

from __future__ import annotations

import codecs
import gzip
from pathlib import Path

import pytest

from models.csv_files import TableError, clean, rows_of

TABLE = "id,地址\n1,溧城街道南大街12号\n2,天目湖镇\n"
ROWS = [(1, ["id", "地址"]), (2, ["1", "溧城街道南大街12号"]), (3, ["2", "天目湖镇"])]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


@pytest.mark.parametrize(
    "encoded",
    [
        TABLE.encode(),
        codecs.BOM_UTF8 + TABLE.encode(),
        TABLE.encode("gb18030"),
        codecs.BOM_UTF16_LE + TABLE.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TABLE.encode("utf-16-be"),
        gzip.compress(TABLE.encode("gb18030"), mtime=0),
        TABLE.replace("\n", "\r\n").encode("gb18030"),
        TABLE.replace("\n", "\r").encode(),
        TABLE.replace(",", ";").encode(),
        codecs.BOM_UTF16_LE + TABLE.replace(",", "\t").encode("utf-16-le"),
    ],
)
def test_the_same_rows_come_of_every_way_to_save_them(file: Path, encoded: bytes) -> None:
    file.write_bytes(encoded)
    assert list(rows_of(file)) == ROWS


def test_the_encoding_is_decided_by_the_whole_file(file: Path) -> None:
    """What is not ASCII may come after any amount of what is."""
    file.write_bytes(b"id,name\n" + b"1,x\n" * 600_000 + "2,火警\n".encode("gb18030"))
    *_, last = rows_of(file)
    assert last == (600_002, ["2", "火警"])


@pytest.mark.parametrize(
    ("encoded", "line"),
    [
        ("id,name\n1,a\n2,Königstraße\n3,Zürich\n".encode("latin-1"), ":3: the bytes"),
        ("id,name\n1,Café du Nord\n".encode("cp1252"), ":2: the bytes"),
        ("id,name\n1,Größe\n".encode("latin-1"), ":2: the bytes f6 df"),
        (TABLE.encode()[:-2], ":3: the bytes"),
        (TABLE.encode("utf-16-le"), "UTF-16 without its mark"),
        (TABLE.encode("utf-32"), "UTF-32"),
    ],
)
def test_what_is_in_no_known_encoding_is_refused(file: Path, encoded: bytes, line: str) -> None:
    file.write_bytes(encoded)
    with pytest.raises(TableError, match="save it as UTF-8") as caught:
        list(rows_of(file))
    assert line in str(caught.value)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('a,b,c\n1,2,3\n4,"5,6\n7,8,9\n', ':3: a quote (") in this row is never closed'),
        ('a,b,c\n1,"x"y,3\n', ':2: a quote (") in this row ends in the middle'),
        ('a,b,c\n1,"2,3\n4,5",6\n7,8,9\n', ':2: a quote (") in this row takes in 1 more rows'),
        ('a,b,c\n1,2,"3\n4,5,6\n\n7,8,9"\n', ':2: a quote (") in this row takes in 2 more rows'),
        ('a,b,c\n"1,2,3\n4",5,6\n', ':2: a quote (") in this row takes in 1 more rows'),
        ('a,b\n1,"' + "x" * 200_000 + "\n", ":2: a value in this row is longer than"),
    ],
)
def test_a_quote_that_swallows_rows_is_named_with_its_line(
    file: Path, table: str, said: str
) -> None:
    file.write_text(table, encoding="utf-8")
    with pytest.raises(TableError) as caught:
        list(rows_of(file))
    assert f"{file}{said}" in str(caught.value)


def test_a_value_of_several_lines_is_a_value(file: Path) -> None:
    file.write_text(
        'a,b,place\n1,2,"1 Main St\nSan Francisco, CA\n(37.7, -122.4)"\n3,4,"say ""x"""\n'
    )
    assert list(rows_of(file))[1:] == [
        (2, ["1", "2", "1 Main St\nSan Francisco, CA\n(37.7, -122.4)"]),
        (5, ["3", "4", 'say "x"']),
    ]


def test_blank_rows_are_no_rows_and_count_as_lines(file: Path) -> None:
    file.write_text("\n ,,\na,b,c\n\n,\u3000,\n1,,\n")
    assert list(rows_of(file)) == [(3, ["a", "b", "c"]), (6, ["1", "", ""])]
    file.write_text("")
    assert list(rows_of(file)) == []


def test_what_is_not_there_or_breaks_off_is_said(file: Path) -> None:
    with pytest.raises(TableError, match=r"table\.csv: can't be read"):
        list(rows_of(file))
    file.write_bytes(gzip.compress(TABLE.encode())[:-6])
    with pytest.raises(TableError, match=r"table\.csv: can't be read"):
        list(rows_of(file))


def test_a_clean_value_has_nothing_that_nobody_sees() -> None:
    assert clean("\ufeff\u3000 E01\u200b \xa0") == "E01"
    assert clean("a\x00b\ufeffc") == "abc"
    assert clean(None) == ""
