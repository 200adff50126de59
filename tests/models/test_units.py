"""Units: each becomes every other of its kind, exactly, and none of another kind."""

from __future__ import annotations

import itertools

import pytest

from models.units import conversion, is_usable, units_like

RFC_8428 = (
    "m kg g s A K cd mol Hz rad sr N Pa J W C V F Ohm S Wb T H Cel lm lx Bq Gy Sv kat m2 m3 l m/s"
    " m/s2 m3/s l/s W/m2 cd/m2 bit bit/s lat lon pH dB dBW Bspl count / % %RH %EL EL 1/s 1/min"
    " beat/min beats S/m"
)
RFC_8798 = (
    "B VA VAs var vars J/m kg/m3 deg ms min h MHz kW kVA kvar Ah Wh kWh varh kvarh kVAh Wh/km KiB"
    " GB Mbit/s B/s MB/s mV mA dBm ug/m3 mm/h m/h ppm /100 /1000 hPa mm cm km km/h"
)


@pytest.mark.parametrize("unit", [*RFC_8428.split(), *RFC_8798.split()])
def test_every_unit_of_both_standards_is_of_a_kind(unit: str) -> None:
    kind = units_like([unit])
    assert unit in kind
    for one, other in itertools.product(kind, kind):
        there, back = conversion(one, other), conversion(other, one)
        assert there is not None
        assert back is not None
        value = (7 * there.factor + there.offset) * back.factor + back.offset
        assert value == pytest.approx(7, rel=1e-6)


@pytest.mark.parametrize(
    ("value", "unit", "into", "expected"),
    [
        (212, "degF", "Cel", 100),
        (0, "Cel", "K", 273.15),
        (2, "%", "ppm", 20_000),
        (1, "bar", "kPa", 100),
        (1, "psi", "Pa", 6894.757293168361),
        (760, "mmHg", "atm", 1),
        (36, "km/h", "m/s", 10),
        (1, "dBW", "dBm", 31),
        (180, "deg", "rad", 3.141592653589793),
        (1, "ft", "in", 12),
        (1, "mg/m3", "ug/m3", 1000),
        (1, "g/l", "mg/L", 1000),
        (1, "Bspl", "dB", 10),
    ],
)
def test_conversions_that_anybody_can_look_up(
    value: float, unit: str, into: str, expected: float
) -> None:
    scale = conversion(unit, into)
    assert scale is not None
    assert value * scale.factor + scale.offset == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("unit", "into"), [("C", "Cel"), ("ppm", "mg/m3"), ("Pa", "m"), ("", "m"), ("furlong", "m")]
)
def test_what_is_of_another_kind_becomes_nothing(unit: str, into: str) -> None:
    assert conversion(unit, into) is None


def test_a_reading_or_a_rule_without_a_unit_is_usable() -> None:
    assert is_usable("", "ppm")
    assert is_usable("ppm", "")
    assert not is_usable("mg/m3", "ppm")
