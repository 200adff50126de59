"""What it means to move as something else than an engine, on the same streets.

For: ``dispatch.travel_times``. The figures: a car without priority makes 0.8 of the speeds that
the road tables say (an assumption, until a city knows better); an electric bicycle may go 25 km/h
at most (GB 17761-2018); people walk 1.4 m/s, against one-way streets too.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from dispatch.routes import WALK_M_S
from models.profiles import Profile


class Motion(msgspec.Struct, frozen=True, kw_only=True):
    """How a profile differs from an engine.

    Attributes
    ----------
    speed
        Multiplies every speed.
    most_kmh
        No street is faster than this.
    both_ways
        One-way streets are used against their direction too.
    calibrated
        What recorded responses taught about driving times holds for it.
    """

    speed: float = 1.0
    most_kmh: float = float("inf")
    both_ways: bool = False
    calibrated: bool = True


MOTIONS: Mapping[Profile, Motion] = MappingProxyType(
    {
        Profile.CAR: Motion(speed=0.8),
        Profile.MOTORCYCLE: Motion(most_kmh=25.0, calibrated=False),
        Profile.FOOT: Motion(most_kmh=WALK_M_S * 3.6, both_ways=True, calibrated=False),
    }
)
"""Of those that don't move like an engine."""

DRIVEN = frozenset({Profile.ENGINE, Profile.AMBULANCE, Profile.CAR})
"""Who is fast enough to count for coverage."""
