"""Datums: every forward shift is undone to far below a metre, and nothing outside China moves."""

from __future__ import annotations

from math import cos, hypot, radians

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.geodesy import (
    bd09_to_gcj02,
    gcj02_to_bd09,
    gcj02_to_wgs84,
    in_china,
    to_wgs84,
    wgs84_to_gcj02,
)
from models.words import Datum

chinese_lon = st.floats(73.5, 135.0)
chinese_lat = st.floats(18.0, 53.5)


def metres(lon_a: float, lat_a: float, lon_b: float, lat_b: float) -> float:
    return hypot((lon_a - lon_b) * cos(radians(lat_a)), lat_a - lat_b) * 111_320


@settings(deadline=None)
@given(chinese_lon, chinese_lat)
def test_gcj02_is_undone(lon: float, lat: float) -> None:
    assert metres(*gcj02_to_wgs84(*wgs84_to_gcj02(lon, lat)), lon, lat) < 0.001


@settings(deadline=None)
@given(chinese_lon, chinese_lat)
def test_bd09_is_undone(lon: float, lat: float) -> None:
    assert metres(*bd09_to_gcj02(*gcj02_to_bd09(lon, lat)), lon, lat) < 0.001


@settings(deadline=None)
@given(chinese_lon, chinese_lat)
def test_gcj02_shifts_by_tens_to_hundreds_of_metres(lon: float, lat: float) -> None:
    assert 10 < metres(*wgs84_to_gcj02(lon, lat), lon, lat) < 1500


@settings(deadline=None)
@given(st.floats(-180, 180), st.floats(-90, 90), st.sampled_from(Datum))
def test_outside_china_nothing_moves(lon: float, lat: float, datum: Datum) -> None:
    assume(not in_china(lon, lat))
    assert to_wgs84(lon, lat, datum) == (round(lon, 7), round(lat, 7))


@pytest.mark.parametrize(
    ("wgs", "gcj"),
    [  # published test points of the eviltransform project: Shanghai, Shenzhen, Beijing
        ((121.5028436, 31.1774276), (121.5073776, 31.1752935)),
        ((113.9115600, 22.5438000), (113.9164500, 22.5407600)),
        ((116.3833, 39.9110), (116.38955, 39.91240)),
    ],
)
def test_known_points(wgs: tuple[float, float], gcj: tuple[float, float]) -> None:
    assert metres(*wgs84_to_gcj02(*wgs), *gcj) < 15
    assert metres(*to_wgs84(*gcj, Datum.GCJ02), *wgs) < 15


def test_a_baidu_point_goes_both_steps_back() -> None:
    lon, lat = 119.4842, 31.4167
    baidu = gcj02_to_bd09(*wgs84_to_gcj02(lon, lat))
    assert metres(*to_wgs84(*baidu, Datum.BD09), lon, lat) < 0.02
