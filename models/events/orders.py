"""What a person orders: each says who and why, and outranks the machine.

For: commanders' consoles, which write these, and :mod:`dispatch.orders`, which carries them out
or refuses them. Imperative, for nothing has happened yet; what comes of an order is a decision of
the desk's, under another name and in the past tense.
"""

from __future__ import annotations

from typing import ClassVar

from models.events.payload import Payload, Point, Time
from models.words import Grade, Posture, Role


class Order(Payload, frozen=True, kw_only=True):
    """Base of a person's orders. ``by`` is who, ``reason`` is why.

    Attributes
    ----------
    role, jurisdictions
        What ``by`` was and where they belonged when they gave it: :mod:`models.rights` says
        whether it counts. An order that doesn't say counts for nothing.
    saw
        Place in the journal up to which the giver's screen showed what had happened. What
        somebody else ordered there after it is asked about first; None: not said, not asked.
    """

    by: str
    role: Role = Role.GRID_WORKER
    jurisdictions: tuple[str, ...] = ()
    reason: str = ""
    saw: int | None = None


class ConfirmProposal(Order, frozen=True, kw_only=True):
    """Send what the proposal says. Refused when the proposal is no longer the one in force."""

    type_name: ClassVar[str] = "order.confirm_proposal"
    incident: str
    proposal: str


class SendUnits(Order, frozen=True, kw_only=True):
    """Override: send these units, whatever the machine proposes."""

    type_name: ClassVar[str] = "order.send_units"
    incident: str
    units: tuple[str, ...]


class RecallUnit(Order, frozen=True, kw_only=True):
    """Take a unit off its assignment."""

    type_name: ClassVar[str] = "order.recall_unit"
    unit: str


class DivertUnit(Order, frozen=True, kw_only=True):
    """Turn a unit that is under way to this incident instead, at once."""

    type_name: ClassVar[str] = "order.divert_unit"
    incident: str
    unit: str


class ConfirmMoveUp(Order, frozen=True, kw_only=True):
    """Let a unit move up, or go back, as is proposed for it."""

    type_name: ClassVar[str] = "order.confirm_move_up"
    unit: str


class RefuseMoveUp(Order, frozen=True, kw_only=True):
    """Leave a unit where it is, for a while."""

    type_name: ClassVar[str] = "order.refuse_move_up"
    unit: str


class SetHospital(Order, frozen=True, kw_only=True):
    """Say what a hospital takes from now on; ``per_hour`` None: what the city pack says."""

    type_name: ClassVar[str] = "order.set_hospital"
    hospital: str
    closed: bool = False
    per_hour: int | None = None


class SendToHospital(Order, frozen=True, kw_only=True):
    """Let a unit at work bring its patients to this hospital."""

    type_name: ClassVar[str] = "order.send_to_hospital"
    unit: str
    hospital: str


class HoldUnit(Order, frozen=True, kw_only=True):
    """Keep a unit from being proposed until lifted."""

    type_name: ClassVar[str] = "order.hold_unit"
    unit: str


class LiftHold(Order, frozen=True, kw_only=True):
    """End a hold."""

    type_name: ClassVar[str] = "order.lift_hold"
    unit: str


class PinUnit(Order, frozen=True, kw_only=True):
    """For this incident propose only plans that include this unit, until lifted."""

    type_name: ClassVar[str] = "order.pin_unit"
    incident: str
    unit: str


class BanUnit(Order, frozen=True, kw_only=True):
    """Never propose this unit for this incident, until lifted."""

    type_name: ClassVar[str] = "order.ban_unit"
    incident: str
    unit: str


class LiftOverride(Order, frozen=True, kw_only=True):
    """Give an incident back to the machine: end its pins, bans and overrides."""

    type_name: ClassVar[str] = "order.lift_override"
    incident: str


class TriageIncident(Order, frozen=True, kw_only=True):
    """Say what the incident really is; the machine won't change it again."""

    type_name: ClassVar[str] = "order.triage_incident"
    incident: str
    category: str
    priority: int
    grade: Grade


class PlaceIncident(Order, frozen=True, kw_only=True):
    """Say where an incident is.

    Attributes
    ----------
    lon, lat
        In degrees, WGS-84; None where ``cell`` says in which cell.
    place
        Address or description; empty: as it was.
    """

    type_name: ClassVar[str] = "order.place_incident"
    incident: str
    lon: float | None = None
    lat: float | None = None
    cell: str = ""
    place: str = ""


class MergeIncidents(Order, frozen=True, kw_only=True):
    """``duplicate`` is the same incident as ``incident``."""

    type_name: ClassVar[str] = "order.merge_incidents"
    incident: str
    duplicate: str


class UnmergeIncident(Order, frozen=True, kw_only=True):
    """Undo a merge: give ``incident`` back, which was merged into another one.

    It is open again with its reports; the other one loses what came from it. Units stay where
    they are.
    """

    type_name: ClassVar[str] = "order.unmerge_incident"
    incident: str


class CloseIncident(Order, frozen=True, kw_only=True):
    """End an incident; its units become free."""

    type_name: ClassVar[str] = "order.close_incident"
    incident: str
    cancelled: bool = False


class ReopenIncident(Order, frozen=True, kw_only=True):
    """Open an incident again that was closed or cancelled, and not merged into another one."""

    type_name: ClassVar[str] = "order.reopen_incident"
    incident: str


class CloseRoad(Order, frozen=True, kw_only=True):
    """Close roads, or make them slow: around a point, in an area, or some by their ids.

    Attributes
    ----------
    lon, lat, radius_m
        All roads within so many metres of the point; None where ``ring`` or ``edges`` say which.
    ring
        Shell of the area, as (lon, lat), at least three.
    edges
        Ids of the city pack's road table.
    speed
        Share of the usual speed that is left, under 1; 0: closed.
    """

    type_name: ClassVar[str] = "order.close_road"
    closure: str
    lon: float | None = None
    lat: float | None = None
    radius_m: float | None = None
    ring: tuple[Point, ...] = ()
    edges: tuple[str, ...] = ()
    speed: float = 0.0
    until: Time | None = None


class ReopenRoad(Order, frozen=True, kw_only=True):
    """End a closure."""

    type_name: ClassVar[str] = "order.reopen_road"
    closure: str


class SetAutomation(Order, frozen=True, kw_only=True):
    """Say for which priorities orders go out by themselves."""

    type_name: ClassVar[str] = "order.set_automation"
    priorities: tuple[int, ...]


class SetPosture(Order, frozen=True, kw_only=True):
    """Change between routine and emergency running."""

    type_name: ClassVar[str] = "order.set_posture"
    posture: Posture
