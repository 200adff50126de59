"""How units move: a profile for each kind of unit, which a city pack may set otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Profile(StrEnum):
    """What a unit moves as.

    ``engine`` and ``ambulance`` drive with priority, as recorded responses have it; ``car`` in
    the traffic; ``motorcycle`` is an electric bicycle or light motorcycle; ``foot`` walks.
    """

    ENGINE = "engine"
    AMBULANCE = "ambulance"
    CAR = "car"
    MOTORCYCLE = "motorcycle"
    FOOT = "foot"


PROFILE_OF_KIND: Final[Mapping[str, Profile]] = MappingProxyType(
    {
        "medic": Profile.AMBULANCE,
        "ambulance": Profile.AMBULANCE,
        "private_ambulance": Profile.AMBULANCE,
        "gas_repair_van": Profile.CAR,
        "drainage_truck": Profile.CAR,
        "municipal_team": Profile.CAR,
        "enforcement_car": Profile.CAR,
        "forest_team": Profile.CAR,
        "grid_worker": Profile.MOTORCYCLE,
        "home_care_team": Profile.MOTORCYCLE,
        "volunteer_team": Profile.FOOT,
    }
)
"""Of kinds that don't drive like an engine."""
