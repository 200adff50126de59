"""What a city may tune in how its desk decides; nothing here is tuned to a recorded night."""

from __future__ import annotations

import msgspec

from models.calibration import Calibration
from models.settings import Settings

DEFAULT_POLICY = "joint+divert+coverage"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of the desk, and the rule by which it chooses.

    Attributes
    ----------
    name
        Of the rule: see :mod:`dispatch.policies`.
    turnout_s
        Seconds from order to wheels rolling for a crew at its post (NFPA 1710: 60 s medical,
        80 s fire; one figure until a city has calibrated its own).
    turnouts_s
        By kind of unit, what a city's recorded responses taught. A desk takes them from its pack;
        a fast drill counts the one figure unless asked, so that nights and cities compare.
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
    proposals_at_most
        The same for life-threatening incidents, and where choosing took a model, which takes
        longer than to explain as many.
    named_exclusions
        Units named for each rule in an explanation at most; the count is always whole.
    divert_gain_s
        A unit under way is turned to a life-threatening incident only for a gain beyond this, in
        seconds there, against the best that could be done with idle units.
    divert_gain_others_s
        The same for a unit that would not be the first at its incident: who comes first matters.
        Where nobody is idle, one is turned only when the call has waited that long.
    divert_losses
        Times that one incident may lose a unit under way to more urgent ones: the bound that
        makes a storm of diversions impossible, and keeps the less urgent from waiting for ever.
    swap_gain_s
        A unit under way to a life-threatening incident, or to any when roads changed meanwhile, is
        relieved by an idle one that is there sooner by more than this, in seconds.
    answer_s
        A crew that hasn't said that it goes so many seconds after it should roll is told of.
    overdue_s
        The same for one that isn't there so many seconds after it should be.
    look_s
        A commander is told of what may be life-threatening and was not triaged for so many seconds.
    late_s
        An arrival later than this after the call is late: the mark that coverage looks at.
    starved_after_s
        A call that nobody was sent to for so long counts like one of priority 2: who is less
        urgent waits, and not for ever. Never like a life-threatening one.
    coverage_weight
        How much a second that a future urgent call is expected to wait longer counts, against a
        second of a life-threatening one now. 0: coverage is not looked at.
    coverage_most_s
        What leaving a place bare counts at most, in seconds of a life-threatening incident: no
        choice is worse than the best by more than this for reasons of coverage.
    busy_s
        How long a unit that goes is gone, in seconds; what coverage looks ahead.
    move_up_below
        Units are proposed to move up when expected coverage falls under this share of what the
        whole fleet at its posts would give.
    move_up_gain
        … and when one move wins at least this much expected coverage, of 1.
    move_up_least_s, move_up_most_s
        Nobody is moved up nearer or farther than this, in seconds on the road.
    move_up_stay_s
        Seconds that a unit stays where it moved up, or back, to before it is moved again.
    automatic_move_ups
        Move-ups are ordered without asking. In a fast replay they always are.
    automatic_untriaged
        A machine orders also where a person should say first what it is: in a fast replay, where
        there is none.
    refused_s
        How long a move-up that a person refused isn't proposed again for that unit, in seconds.
    alternative_s
        Seconds that a unit which fits by an alternative only must be sooner to be preferred.
    hospital_per_hour
        Patients that a hospital takes in an hour where nobody said how many.
    hospital_over_s
        Seconds that each patient beyond that makes a hospital count farther.
    fairness_most_s, fairness_full_s
        Who was out longer than is usual for its kind comes second by up to so many seconds,
        all of them from so many seconds of duty beyond the usual on. Rest makes duty fade, by half
        in eight hours.
    """

    name: str = DEFAULT_POLICY
    turnout_s: float = 60.0
    turnouts_s: dict[str, float] = {}
    rolling_s: float = 10.0
    person_factor: float = 0.2
    stickiness_s: float = 60.0
    incidents_per_plan: int = 40
    proposals_per_plan: int = 4
    proposals_at_most: int = 12
    named_exclusions: int = 50
    divert_gain_s: float = 30.0
    divert_gain_others_s: float = 240.0
    divert_losses: int = 2
    swap_gain_s: float = 30.0
    answer_s: float = 60.0
    overdue_s: float = 180.0
    look_s: float = 60.0
    late_s: float = 300.0
    starved_after_s: float = 3 * 3600.0
    coverage_weight: float = 1.0
    coverage_most_s: float = 60.0
    busy_s: float = 2400.0
    move_up_below: float = 1.0
    move_up_gain: float = 0.01
    move_up_least_s: float = 30.0
    move_up_most_s: float = 900.0
    move_up_stay_s: float = 900.0
    automatic_move_ups: bool = False
    automatic_untriaged: bool = False
    refused_s: float = 1800.0
    alternative_s: float = 60.0
    hospital_per_hour: int = 8
    hospital_over_s: float = 600.0
    fairness_most_s: float = 10.0
    fairness_full_s: float = 4 * 3600.0

    @classmethod
    def of(cls, settings: Settings, calibration: Calibration | None = None) -> Policy:
        """Return the policy that the settings ask for, with the turnouts that a city recorded."""
        return cls(
            turnouts_s=dict(calibration.turnout_s) if calibration else {},
            name=settings.policy,
            divert_gain_s=settings.divert_gain_s,
            divert_losses=settings.divert_losses,
            swap_gain_s=settings.swap_gain_s,
            late_s=settings.late_s,
            starved_after_s=settings.starved_after_s,
            coverage_weight=settings.coverage_weight,
            move_up_below=settings.move_up_below,
            automatic_move_ups=settings.automatic_move_ups,
        )
