"""How a city's recorded responses bend computed driving times: ``calibration.yaml`` of a pack.

For: reading and writing the figures that ``gridcommand city calibrate`` fitted. Not for: fitting
them or using them on times (``dispatch.calibration``, ``dispatch.travel_times``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from ruamel.yaml import YAML

from models.errors import CityPackError
from models.pack_files import YamlFile

CALIBRATION_FILE = "calibration.yaml"
_HEAD = "# Written by gridcommand city calibrate; docs/cities.md tells the method.\n"


class Square(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One square of the city and what starting or ending there multiplies a time by."""

    column: int
    row: int
    start: float
    end: float


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Driving seconds = scale_s * ((t + offset_s) / 100) ** power * day wave * squares.

    Attributes
    ----------
    scale_s, offset_s, power
        `t` is the time at the speeds of the road tables. Under `short_s` the result falls to 0
        in a straight line; over `long_s` it goes on as a straight line.
    day_cos, day_sin
        The day wave is exp(day_cos * cos(2 pi h / 24) + day_sin * sin(2 pi h / 24) - day_usual) at
        local hour h; 1 where no hour is asked for.
    day_usual
        The median of the other two terms over the recorded runs, so that 1 is right for the usual
        run.
    west, south, width_deg, height_deg
        Where the squares begin and how large one is; `squares` lists those with a factor of
        their own, any other has 1.
    turnout_s
        Median seconds from dispatch to response, by kind of unit.
    made
        How it was made, in figures; for people.
    """

    scale_s: float
    offset_s: float
    power: float
    short_s: float
    long_s: float
    day_cos: float
    day_sin: float
    west: float
    south: float
    width_deg: float
    height_deg: float
    squares: tuple[Square, ...]
    turnout_s: dict[str, float]
    made: dict[str, str | int | float]
    attribution: str
    day_usual: float = 0.0


def read_calibration(path: Path) -> Calibration | None:
    """The calibration in this file, or None where there is no such file.

    Raises
    ------
    CityPackError
        It says something impossible, with file and line.
    """
    if not path.is_file():
        return None
    file = YamlFile(path)
    found = file.convert(Calibration)
    limits = {
        "scale_s": (1, 10_000), "offset_s": (0, 600), "power": (0.1, 1.5), "short_s": (0.1, 600),
        "long_s": (10, 100_000), "day_cos": (-1, 1), "day_sin": (-1, 1),
        "day_usual": (-1, 1),
        "width_deg": (0.001, 10), "height_deg": (0.001, 10), "west": (-180, 180),
        "south": (-90, 90),
    }  # fmt: skip
    for name, (low, high) in limits.items():
        value = getattr(found, name)
        if not low <= value <= high:
            raise CityPackError(f"{file.where(name)}: {name} {value} must lie in {low} to {high}")
    for square in found.squares:
        if not (0 <= square.column < 1000 and 0 <= square.row < 1000):
            where = file.where("squares")
            raise CityPackError(f"{where}: square {square.column}, {square.row} is out of 0 to 999")
        if not (0.2 <= square.start <= 5 and 0.2 <= square.end <= 5):
            where = file.where("squares")
            raise CityPackError(f"{where}: factors of a square must lie in 0.2 to 5")
    return found


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write it so that `read_calibration` gives the same back; whole or not at all.

    Raises
    ------
    CityPackError
        It can't be written, or what is in it could not be used; what was there before stays.
    """
    document: dict[str, Any] = msgspec.to_builtins(calibration)
    fresh = path.with_name(f".{path.name}.new")
    try:
        with fresh.open("w", encoding="utf-8") as sink:
            sink.write(
                "# Written by gridcommand city calibrate; docs/cities.md tells the method.\n"
            )
            yaml = YAML()
            yaml.default_flow_style = None
            yaml.width = 98
            yaml.dump(document, sink)
        read_calibration(fresh)
        fresh.replace(path)
    except OSError as error:
        raise CityPackError(f"{path}: can't be written: {error.strerror or error}") from error
    finally:
        fresh.unlink(missing_ok=True)
