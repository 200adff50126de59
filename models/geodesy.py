"""Chinese map datums to WGS-84 and back.

GCJ-02 (the datum of Chinese public maps) shifts WGS-84 by some hundred metres within China;
BD-09 (Baidu) shifts GCJ-02 further. Neither has a closed inverse: we iterate on the published
forward functions until the step is far below a millimetre. Not for survey work: both are known
from public re-implementations only.

References
----------
The forward formulas as published in the ``eviltransform`` and ``coordtransform`` projects.
"""

from __future__ import annotations

from math import atan2, cos, pi, sin, sqrt

from models.words import Datum

SEMI_MAJOR_M = 6378245.0  # Krasovsky 1940, which GCJ-02 is computed on
ECCENTRICITY_SQUARED = 0.00669342162296594323
BD_PI = pi * 3000.0 / 180.0
CHINA_LON = (72.004, 137.8347)
CHINA_LAT = (0.8293, 55.8271)
STEP_DEG = 1e-10
MAX_STEPS = 30

Position = tuple[float, float]
"""Longitude and latitude in degrees."""


def in_china(lon: float, lat: float) -> bool:
    """Whether GCJ-02 shifts this point: the rectangle that the published formula uses."""
    return CHINA_LON[0] <= lon <= CHINA_LON[1] and CHINA_LAT[0] <= lat <= CHINA_LAT[1]


def wgs84_to_gcj02(lon: float, lat: float) -> Position:
    """Shift WGS-84 to GCJ-02; outside China the point stays."""
    if not in_china(lon, lat):
        return lon, lat
    d_lon, d_lat = _shift(lon, lat)
    return lon + d_lon, lat + d_lat


def gcj02_to_wgs84(lon: float, lat: float) -> Position:
    """Undo GCJ-02 by iteration; the error is below a millimetre."""
    if not in_china(lon, lat):
        return lon, lat
    wgs_lon, wgs_lat = lon, lat
    for _ in range(MAX_STEPS):
        d_lon, d_lat = _shift(wgs_lon, wgs_lat)
        next_lon, next_lat = lon - d_lon, lat - d_lat
        step = max(abs(next_lon - wgs_lon), abs(next_lat - wgs_lat))
        wgs_lon, wgs_lat = next_lon, next_lat
        if step < STEP_DEG:
            break
    return wgs_lon, wgs_lat


def gcj02_to_bd09(lon: float, lat: float) -> Position:
    """Shift GCJ-02 to BD-09."""
    radius = sqrt(lon * lon + lat * lat) + 0.00002 * sin(lat * BD_PI)
    angle = atan2(lat, lon) + 0.000003 * cos(lon * BD_PI)
    return radius * cos(angle) + 0.0065, radius * sin(angle) + 0.006


def bd09_to_gcj02(lon: float, lat: float) -> Position:
    """Undo BD-09 by iteration; the error is below a millimetre."""
    gcj_lon, gcj_lat = lon - 0.0065, lat - 0.006
    for _ in range(MAX_STEPS):
        bd_lon, bd_lat = gcj02_to_bd09(gcj_lon, gcj_lat)
        gcj_lon, gcj_lat = gcj_lon + lon - bd_lon, gcj_lat + lat - bd_lat
        if max(abs(lon - bd_lon), abs(lat - bd_lat)) < STEP_DEG:
            break
    return gcj_lon, gcj_lat


def to_wgs84(lon: float, lat: float, datum: Datum) -> Position:
    """Return a point of any datum in WGS-84, rounded to 1e-7 degrees (about a centimetre)."""
    if datum is Datum.BD09 and in_china(lon, lat):
        lon, lat = gcj02_to_wgs84(*bd09_to_gcj02(lon, lat))
    elif datum is Datum.GCJ02:
        lon, lat = gcj02_to_wgs84(lon, lat)
    return round(lon, 7), round(lat, 7)


def _shift(lon: float, lat: float) -> Position:
    x, y = lon - 105.0, lat - 35.0
    wave = 20.0 * sin(6.0 * x * pi) + 20.0 * sin(2.0 * x * pi)
    d_lat = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x))
    d_lat += (wave + 20.0 * sin(y * pi) + 40.0 * sin(y / 3.0 * pi)) * 2.0 / 3.0
    d_lat += (160.0 * sin(y / 12.0 * pi) + 320.0 * sin(y * pi / 30.0)) * 2.0 / 3.0
    d_lon = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x))
    d_lon += (wave + 20.0 * sin(x * pi) + 40.0 * sin(x / 3.0 * pi)) * 2.0 / 3.0
    d_lon += (150.0 * sin(x / 12.0 * pi) + 300.0 * sin(x / 30.0 * pi)) * 2.0 / 3.0
    lat_rad = lat / 180.0 * pi
    magic = 1.0 - ECCENTRICITY_SQUARED * sin(lat_rad) ** 2
    root = sqrt(magic)
    d_lat = d_lat * 180.0 / (SEMI_MAJOR_M * (1.0 - ECCENTRICITY_SQUARED) / (magic * root) * pi)
    d_lon = d_lon * 180.0 / (SEMI_MAJOR_M / root * cos(lat_rad) * pi)
    return d_lon, d_lat
