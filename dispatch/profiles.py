"""What it means to move as something else than an engine, on the same streets.

For: ``dispatch.travel_times``. The figures: a car without priority makes 0.8 of the speeds that
the road tables say (an assumption, until a city knows better); an electric bicycle may go 25 km/h
at most (GB 17761-2018); people walk 1.4 m/s, against one-way streets too.

Forbidden turns hold for engines as well, as one-way streets do: the laws let them pass on a call
(China's Road Traffic Safety Law, Article 53; StVO, § 35), a kerb doesn't, and no map tells a sign
from a kerb. But no sign makes a place unreachable for them.
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
    turns
        Whose forbidden turns it doesn't make; None: it makes any.
    priority
        It makes a forbidden turn all the same where no other open way leads there.
    """

    speed: float = 1.0
    most_kmh: float = float("inf")
    both_ways: bool = False
    calibrated: bool = True
    turns: Profile | None
    priority: bool = False


MOTIONS: Mapping[Profile, Motion] = MappingProxyType(
    {
        Profile.CAR: Motion(speed=0.8, turns=Profile.CAR),
        Profile.MOTORCYCLE: Motion(most_kmh=25.0, calibrated=False, turns=Profile.MOTORCYCLE),
        Profile.FOOT: Motion(most_kmh=WALK_M_S * 3.6, both_ways=True, calibrated=False, turns=None),
    }
)
"""Of those that don't move like an engine."""

OF_ENGINES = Motion(turns=Profile.ENGINE, priority=True)

DRIVEN = frozenset({Profile.ENGINE, Profile.AMBULANCE, Profile.CAR})
"""Who is fast enough to count for coverage."""
