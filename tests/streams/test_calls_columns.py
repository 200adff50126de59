"""Other systems' names of columns and forms of places are known."""

from __future__ import annotations

import pytest

from streams.calls_columns import known_names, place_of


def test_a_portals_names_are_ours() -> None:
    page = ["Call Number", "Unit ID", "Received DtTm", "On Scene DtTm", "Number of Alarms"]
    assert known_names(page) == [
        "call_number", "unit_id", "received", "on_scene", "number_of_alarms",
    ]  # fmt: skip
    api = ["received_dttm", "case_location", "longitude", "Latitude", None]
    assert known_names(api) == ["received", "location", "lon", "lat", ""]


def test_of_two_that_mean_the_same_the_first_counts() -> None:
    assert known_names(["received", "Received DtTm", "lon", "x"]) == [
        "received", "received_2", "lon", "x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("POINT (-122.41 37.77)", ("-122.41", "37.77")),
        ("point(-122 37)", ("-122", "37")),
        ("(37.77, -122.41)", ("-122.41", "37.77")),
        ("1 Main St\n(37.77, -122.41)", ("-122.41", "37.77")),
        ("nowhere", ("", "")),
    ],
)
def test_places_of_one_column_are_read(said: str, place: tuple[str, str]) -> None:
    assert place_of(said) == place


def test_chinese_names_are_ours() -> None:
    assert known_names(["警情编号", "接警时间", "地址", "经度", "纬度", "备注"]) == [
        "call_number", "received", "address", "lon", "lat", "备注",
    ]  # fmt: skip
