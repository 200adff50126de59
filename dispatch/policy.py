"""What a city may tune in how its desk decides; nothing here is tuned to a recorded night."""

from __future__ import annotations

import msgspec


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of the desk.

    Attributes
    ----------
    turnout_s
        Seconds from order to wheels rolling for a crew at its post (NFPA 1710: 60 s medical,
        80 s fire; one figure until a city has calibrated its own).
    rolling_s
        The same for a crew that is on the road already.
    person_factor
        The rules' correlation radius and window shrink by this factor where each report is
        usually another person (category ``health``): two patients on one block are two incidents.
    stickiness_s
        A proposal changes only for a gain beyond this, in seconds.
    incidents_per_plan
        Incidents that are planned together at most, most urgent first.
    proposals_per_plan
        Proposals that one plan makes at most; the rest follow in the next plan, after the reports
        that came meanwhile.
    named_exclusions
        Units named for each rule in an explanation; the count is always whole.
    """

    turnout_s: float = 60.0
    rolling_s: float = 10.0
    person_factor: float = 0.2
    stickiness_s: float = 60.0
    incidents_per_plan: int = 40
    proposals_per_plan: int = 4
    named_exclusions: int = 12
