"""Units of measurement as devices name them, and how one becomes another of its kind.

Holds the units of RFC 8428 (section 12.1), of RFC 8798 and of the IANA registry that both fill,
and beside them what devices and data sheets write for the same things: ``°C``, ``mbar``,
``mg/m3``. Factors are exact fractions, so a threshold of 5,000 ppm is met by 0.5 % and not by
0.4999.

Pure. Not for: what is measured. A share is a share, be it of gas in air or of a battery's charge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple


class Conversion(NamedTuple):
    """``value * factor + offset`` is the same in the other unit."""

    factor: float
    offset: float


# By kind: unit to (factor, offset) into the kind's own first unit.
_KINDS: Final[Mapping[str, Mapping[str, str]]] = {
    "length": {"m": "1", "mm": "1/1000", "cm": "1/100", "dm": "1/10", "km": "1000",
               "in": "127/5000", "ft": "381/1250"},
    "mass": {"kg": "1", "g": "1/1000", "mg": "1/1000000", "t": "1000"},
    "time": {"s": "1", "ms": "1/1000", "min": "60", "h": "3600", "d": "86400"},
    "current": {"A": "1", "mA": "1/1000", "uA": "1/1000000", "µA": "1/1000000", "kA": "1000"},
    "temperature": {"K": "1", "Cel": "1 5463/20", "degF": "5/9 45967/180",
                    "degC": "1 5463/20", "°C": "1 5463/20", "℃": "1 5463/20",
                    "°F": "5/9 45967/180", "℉": "5/9 45967/180"},
    "luminous intensity": {"cd": "1"},
    "amount": {"mol": "1"},
    "frequency": {"Hz": "1", "kHz": "1000", "MHz": "1000000", "GHz": "1000000000"},
    "rate": {"1/s": "1", "1/min": "1/60", "beat/min": "1/60", "rpm": "1/60"},
    "angle": {"rad": "1", "deg": "1/180*pi", "°": "1/180*pi"},
    "solid angle": {"sr": "1"},
    "force": {"N": "1", "kN": "1000"},
    "pressure": {"Pa": "1", "hPa": "100", "kPa": "1000", "MPa": "1000000", "mbar": "100",
                 "bar": "100000", "atm": "101325", "psi": "8896443230521/1290320000",
                 "mmHg": "26664477483/200000000", "mH2O": "980665/100"},
    "energy": {"J": "1", "kJ": "1000", "MJ": "1000000", "Wh": "3600", "kWh": "3600000"},
    "power": {"W": "1", "mW": "1/1000", "kW": "1000", "MW": "1000000"},
    "apparent power": {"VA": "1", "kVA": "1000"},
    "apparent energy": {"VAs": "1", "VAh": "3600", "kVAh": "3600000"},
    "reactive power": {"var": "1", "kvar": "1000"},
    "reactive energy": {"vars": "1", "varh": "3600", "kvarh": "3600000"},
    "charge": {"C": "1", "Ah": "3600", "mAh": "18/5"},
    "voltage": {"V": "1", "mV": "1/1000", "kV": "1000"},
    "capacitance": {"F": "1"},
    "resistance": {"Ohm": "1", "kOhm": "1000", "MOhm": "1000000", "Ω": "1"},
    "conductance": {"S": "1"},
    "conductivity": {"S/m": "1", "mS/cm": "1/10", "uS/cm": "1/10000", "µS/cm": "1/10000"},
    "magnetic flux": {"Wb": "1"},
    "magnetic flux density": {"T": "1", "mT": "1/1000", "uT": "1/1000000"},
    "inductance": {"H": "1"},
    "luminous flux": {"lm": "1"},
    "illuminance": {"lx": "1", "klx": "1000"},
    "activity": {"Bq": "1"},
    "absorbed dose": {"Gy": "1"},
    "equivalent dose": {"Sv": "1", "mSv": "1/1000", "uSv": "1/1000000", "µSv": "1/1000000"},
    "equivalent dose rate": {"Sv/s": "1", "mSv/h": "1/3600000", "uSv/h": "1/3600000000",
                             "µSv/h": "1/3600000000"},
    "catalytic activity": {"kat": "1"},
    "area": {"m2": "1", "km2": "1000000", "ha": "10000"},
    "volume": {"m3": "1", "l": "1/1000", "L": "1/1000", "ml": "1/1000000"},
    "speed": {"m/s": "1", "km/h": "5/18", "m/h": "1/3600", "mm/h": "1/3600000",
              "mm/s": "1/1000", "mph": "1397/3125", "kn": "463/900"},
    "acceleration": {"m/s2": "1"},
    "flow": {"m3/s": "1", "l/s": "1/1000", "m3/h": "1/3600", "l/min": "1/60000",
             "L/s": "1/1000", "L/min": "1/60000"},
    "irradiance": {"W/m2": "1"},
    "luminance": {"cd/m2": "1"},
    "information": {"bit": "1", "B": "8", "KiB": "8192", "MiB": "8388608", "GB": "8000000000"},
    "information rate": {"bit/s": "1", "kbit/s": "1000", "Mbit/s": "1000000", "B/s": "8",
                         "MB/s": "8000000"},
    "energy a length": {"J/m": "1", "Wh/km": "18/5"},
    "mass concentration": {"kg/m3": "1", "g/m3": "1/1000", "mg/m3": "1/1000000",
                           "ug/m3": "1/1000000000", "µg/m3": "1/1000000000",
                           "mg/l": "1/1000", "mg/L": "1/1000", "ug/l": "1/1000000",
                           "g/l": "1"},
    "share": {"/": "1", "%": "1/100", "/100": "1/100", "/1000": "1/1000", "‰": "1/1000",
              "ppm": "1/1000000", "ppb": "1/1000000000", "ppt": "1/1000000000000",
              "%RH": "1/100", "%EL": "1/100", "%vol": "1/100", "%VOL": "1/100"},
    "remaining energy": {"EL": "1"},
    "sound level": {"dB": "1", "Bspl": "10", "dB(A)": "1", "dBA": "1"},
    "power level": {"dBW": "1", "dBm": "1 -30"},
    "latitude": {"lat": "1"},
    "longitude": {"lon": "1"},
    "acidity": {"pH": "1"},
    "turbidity": {"NTU": "1"},
    "number": {"count": "1", "beats": "1"},
}  # fmt: skip

_PI = Fraction("3.14159265358979323846264338327950288")


def _scale(said: str) -> tuple[Fraction, Fraction]:
    factor, _, offset = said.partition(" ")
    number, _, of_pi = factor.partition("*")
    return Fraction(number) * (_PI if of_pi else 1), Fraction(offset or 0)


_UNITS: Final[Mapping[str, tuple[str, Fraction, Fraction]]] = {
    unit: (kind, *_scale(said)) for kind, units in _KINDS.items() for unit, said in units.items()
}


@lru_cache(maxsize=4096)
def conversion(unit: str, into: str) -> Conversion | None:
    """Return how a value in one unit becomes one in another; None: they are not of one kind."""
    if unit == into:
        return Conversion(1.0, 0.0)
    here, there = _UNITS.get(unit), _UNITS.get(into)
    if here is None or there is None or here[0] != there[0]:
        return None
    return Conversion(float(here[1] / there[1]), float((here[2] - there[2]) / there[1]))


def is_usable(unit: str, wanted: str) -> bool:
    """Whether what is told in a unit can be read in another; an empty one is any."""
    return not unit or not wanted or conversion(unit, wanted) is not None


def units_like(units: Iterable[str]) -> list[str]:
    """Return all units that can be read in one of these, in the order of their kinds."""
    wanted = list(units)
    kinds = {_UNITS[unit][0] for unit in wanted if unit in _UNITS}
    strange = [unit for unit in wanted if unit not in _UNITS]
    return [*strange, *(unit for unit, (kind, *_) in _UNITS.items() if kind in kinds)]
