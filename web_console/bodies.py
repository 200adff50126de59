"""What the API takes in, as pydantic models: parsed once here, believed everywhere inside.

Unknown fields are refused, so that a misspelt one is noticed. Error types are pydantic's; our own
checks raise custom ones that :mod:`web_console.messages` has sentences for.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from models.categories import categories
from models.lifecycles import TaskState, UnitState
from models.named import LONGEST_ID, wrong_with_id
from models.plain_text import is_blank
from models.senml import NAME_MAX, is_device
from models.words import Datum, Grade, Posture, Role
from web_console.accounts import PASSWORD_MAX, PASSWORD_MIN
from web_console.values import Moment, Said, SenderTime, no_half

TEXT_MAX = 4000
LONG_MAX = 2**63 - 1

Lon = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False, examples=[-122.4194])]
Lat = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False, examples=[37.7749])]
Accuracy = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
# No text of a person holds a NUL, and PostgreSQL can't keep one.
NO_NUL = r"^[^\x00]*$"
Text = Annotated[str, Field(max_length=TEXT_MAX, pattern=NO_NUL), Said]
Short = Annotated[str, Field(max_length=500, pattern=NO_NUL)]
Reason = Annotated[
    str, Field(max_length=1000, pattern=NO_NUL, description="Why; stands in the log."), Said
]
NeededReason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=1000, pattern=NO_NUL),
    Field(description="Why; stands in the log and on every commander's screen."),
]
Priority = Annotated[int, Field(ge=1, le=4, description="1 life-threatening … 4 routine.")]


def _fact(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= LONG_MAX:
        return value
    if isinstance(value, str) and len(value) <= 500 and "\x00" not in value:
        return no_half(value)
    raise PydanticCustomError("fact", "a fact is true, false, a whole number or a short text")


def _category(value: Any) -> Any:
    if isinstance(value, str) and value and no_half(value) not in categories():
        raise PydanticCustomError("unknown_category", "no such category", {"value": value[:80]})
    return value


def _account_name(value: str) -> str:
    # A crew's account is named like its unit.
    if wrong_with_id(value):
        raise PydanticCustomError("account_name", "this can't be a name")
    return value


AccountName = Annotated[
    str, StringConstraints(min_length=1, max_length=LONGEST_ID), AfterValidator(_account_name)
]
Fact = Annotated[bool | int | str, BeforeValidator(_fact)]
FactName = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_NUL)]
Photos = Annotated[
    list[UUID],
    Field(
        max_length=10,
        description="Ids of photos that were uploaded, or that follow by `POST /api/photos`.",
    ),
]
CategoryId = Annotated[str, BeforeValidator(_category), Field(examples=["accident.fire"])]


class Body(BaseModel):
    """Base: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")


class ReportIn(Body):
    """A report. At least a text, a category, a code or a photo.

    Sent again with the same ``id`` it is the same report, and gets the same answer.
    """

    id: UUID | None = Field(None, description="The sender's own, best a UUIDv7.")
    text: Text = Field("", examples=["老城街道 3 号楼起火，有人被困"])
    category: CategoryId = ""
    code: Short = Field("", description="The source's own structured code.")
    lon: Lon | None = None
    lat: Lat | None = None
    datum: Datum = Datum.WGS84
    accuracy_m: Accuracy | None = None
    place: Annotated[Short, Said] = Field("", description="Address or description of the place.")
    observed_at: SenderTime | None = Field(None, description="The sender's clock; with a zone.")
    photos: Photos = []
    language: Annotated[str, Field(max_length=16, pattern=NO_NUL)] = ""
    attributes: Annotated[dict[FactName, Fact], Field(max_length=32)] = {}
    jurisdiction: Annotated[str, Field(max_length=100, pattern=NO_NUL)] = Field(
        "", description="Empty: the session's own."
    )

    @model_validator(mode="after")
    def _something(self) -> ReportIn:
        if is_blank(self.text) and is_blank(self.code) and not (self.category or self.photos):
            raise PydanticCustomError("empty_report", "nothing is reported")
        if (self.lon is None) != (self.lat is None):
            raise PydanticCustomError("half_a_place", "lon and lat belong together")
        return self


class ReportPlaceIn(Body):
    """Where it is that a report told of: a point, and words beside it if there are any.

    Sent again with the same ``id`` it is the same word, and gets the same answer.
    """

    id: UUID | None = Field(None, description="The sender's own, best a UUIDv7.")
    lon: Lon
    lat: Lat
    datum: Datum = Datum.WGS84
    accuracy_m: Accuracy | None = None
    place: Annotated[Short, Said] = Field("", description="Address or description of the place.")
    jurisdiction: Annotated[str, Field(max_length=100, pattern=NO_NUL)] = Field(
        "", description="Empty: the session's own."
    )


class OrderBody(Body):
    """Base of orders: sent again with the same id, it is the same order."""

    id: UUID | None = Field(None, description="The sender's own, best a UUIDv7.")
    reason: Reason = ""
    saw: Annotated[int, Field(ge=0, le=LONG_MAX)] | None = Field(
        None,
        description="`seq` up to which the giver saw what happened. What another person ordered "
        "there later makes the desk refuse with `changed_meanwhile`; without it nothing is asked.",
    )
    jurisdiction: Annotated[str, Field(max_length=100, pattern=NO_NUL)] = ""


class ConfirmProposalIn(OrderBody):
    """Send what the proposal says."""

    type: Literal["confirm_proposal"]
    incident: Id
    proposal: Id


class SendUnitsIn(OrderBody):
    """Send these units, whatever the machine proposes."""

    type: Literal["send_units"]
    incident: Id
    units: Annotated[tuple[Id, ...], Field(min_length=1, max_length=50)]


class RecallUnitIn(OrderBody):
    """Take a unit off its assignment."""

    type: Literal["recall_unit"]
    unit: Id


class DivertUnitIn(OrderBody):
    """Turn a unit that is under way to this incident instead, at once."""

    type: Literal["divert_unit"]
    incident: Id
    unit: Id


class ConfirmMoveUpIn(OrderBody):
    """Let a unit move up, or go back, as is proposed for it."""

    type: Literal["confirm_move_up"]
    unit: Id


class RefuseMoveUpIn(OrderBody):
    """Leave a unit where it is; its move-up isn't proposed again for a while."""

    type: Literal["refuse_move_up"]
    unit: Id


class SetHospitalIn(OrderBody):
    """Say what a hospital takes; without ``per_hour`` what the city pack says."""

    type: Literal["set_hospital"]
    hospital: Id
    closed: bool = False
    per_hour: Annotated[int, Field(ge=0, le=1000)] | None = None


class SendToHospitalIn(OrderBody):
    """Let a unit at work bring its patients to this hospital."""

    type: Literal["send_to_hospital"]
    unit: Id
    hospital: Id


class HoldUnitIn(OrderBody):
    """Keep a unit from being proposed."""

    type: Literal["hold_unit"]
    unit: Id


class LiftHoldIn(OrderBody):
    """End a hold."""

    type: Literal["lift_hold"]
    unit: Id


class PinUnitIn(OrderBody):
    """Propose only plans that include this unit."""

    type: Literal["pin_unit"]
    incident: Id
    unit: Id


class BanUnitIn(OrderBody):
    """Never propose this unit for this incident."""

    type: Literal["ban_unit"]
    incident: Id
    unit: Id


class LiftOverrideIn(OrderBody):
    """Give an incident back to the machine."""

    type: Literal["lift_override"]
    incident: Id


class TriageIncidentIn(OrderBody):
    """Say what an incident really is."""

    type: Literal["triage_incident"]
    incident: Id
    category: Annotated[str, BeforeValidator(_category), Field(min_length=1)]
    priority: Priority
    grade: Grade


class PlaceIncidentIn(OrderBody):
    """Say where an incident is: by a point, or by the cell that it is in."""

    type: Literal["place_incident"]
    incident: Id
    lon: Lon | None = None
    lat: Lat | None = None
    cell: Annotated[str, Field(max_length=200, pattern=NO_NUL)] = ""
    place: Text = ""

    @model_validator(mode="after")
    def _where(self) -> PlaceIncidentIn:
        point = [self.lon is not None, self.lat is not None]
        if any(point) != all(point) or all(point) == bool(self.cell):
            raise PydanticCustomError("bad_place", "give lon and lat, or a cell, and not both")
        return self


class MergeIncidentsIn(OrderBody):
    """``duplicate`` is the same incident as ``incident``."""

    type: Literal["merge_incidents"]
    incident: Id
    duplicate: Id


class UnmergeIncidentIn(OrderBody):
    """Undo a merge: give ``incident`` back, which was merged into another one."""

    type: Literal["unmerge_incident"]
    incident: Id
    reason: NeededReason


class CloseIncidentIn(OrderBody):
    """End an incident."""

    type: Literal["close_incident"]
    incident: Id
    cancelled: bool = False


class ReopenIncidentIn(OrderBody):
    """Open an incident again that was closed or cancelled, and not merged into another one."""

    type: Literal["reopen_incident"]
    incident: Id
    reason: NeededReason


class CloseRoadIn(OrderBody):
    """Close roads, or make them slow: around a point, in an area, or some by their ids.

    ``closure`` is the closure's id; empty: the order's. ``speed`` is the share of the usual speed
    that is left; 0: closed.
    """

    type: Literal["close_road"]
    closure: Annotated[str, Field(max_length=200, pattern=NO_NUL)] = ""
    lon: Lon | None = None
    lat: Lat | None = None
    radius_m: Annotated[float, Field(gt=0, le=20_000, allow_inf_nan=False)] | None = None
    ring: Annotated[tuple[tuple[Lon, Lat], ...], Field(max_length=500)] = ()
    edges: Annotated[tuple[Id, ...], Field(max_length=2000)] = ()
    speed: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.0
    until: Moment | None = None

    @model_validator(mode="after")
    def _where(self) -> CloseRoadIn:
        around = [self.lon is not None, self.lat is not None, self.radius_m is not None]
        if [any(around), bool(self.ring), bool(self.edges)].count(True) != 1 or any(around) != all(
            around
        ):
            raise PydanticCustomError(
                "no_area", "say where: lon, lat and radius_m, or a ring, or edges"
            )
        if self.ring and len(self.ring) < 3:
            raise PydanticCustomError("no_area", "a ring has at least three corners")
        return self


class ReopenRoadIn(OrderBody):
    """End a closure."""

    type: Literal["reopen_road"]
    closure: Id


class SetAutomationIn(OrderBody):
    """For which priorities orders go out by themselves."""

    type: Literal["set_automation"]
    priorities: Annotated[tuple[Priority, ...], Field(max_length=4)]
    reason: NeededReason


class SetPostureIn(OrderBody):
    """Routine or emergency running."""

    type: Literal["set_posture"]
    posture: Posture
    reason: NeededReason


OrderIn = Annotated[
    ConfirmProposalIn
    | SendUnitsIn
    | RecallUnitIn
    | DivertUnitIn
    | ConfirmMoveUpIn
    | RefuseMoveUpIn
    | SetHospitalIn
    | SendToHospitalIn
    | HoldUnitIn
    | LiftHoldIn
    | PinUnitIn
    | BanUnitIn
    | LiftOverrideIn
    | TriageIncidentIn
    | PlaceIncidentIn
    | MergeIncidentsIn
    | UnmergeIncidentIn
    | CloseIncidentIn
    | ReopenIncidentIn
    | CloseRoadIn
    | ReopenRoadIn
    | SetAutomationIn
    | SetPostureIn,
    Field(discriminator="type"),
]


class TaskIn(Body):
    """A worker accepts or finishes a task."""

    id: UUID | None = None
    state: Literal[TaskState.ACCEPTED, TaskState.DONE]
    note: Text = ""
    photos: Photos = []
    jurisdiction: Annotated[str, Field(max_length=100, pattern=NO_NUL)] = ""


class UnitStatusIn(Body):
    """A crew says what it does now. What counts is when it arrives, not when it was said."""

    id: UUID | None = None
    state: UnitState
    assignment: Annotated[str, Field(max_length=200, pattern=NO_NUL)] = ""
    lon: Lon | None = None
    lat: Lat | None = None
    observed_at: SenderTime | None = Field(
        None, description="The crew's clock when it said so; with a zone."
    )
    jurisdiction: Annotated[str, Field(max_length=100, pattern=NO_NUL)] = ""

    @model_validator(mode="after")
    def _place(self) -> UnitStatusIn:
        if (self.lon is None) != (self.lat is None):
            raise PydanticCustomError("half_a_place", "lon and lat belong together")
        return self


class SignInIn(Body):
    """Name and password."""

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=NO_NUL)]
    password: Annotated[str, Field(min_length=1, max_length=PASSWORD_MAX)]


class LinkIn(Body):
    """Token of a one-time link."""

    token: Annotated[str, Field(min_length=1, max_length=200)]


class PasswordIn(Body):
    """A new password; ``current`` where there is one."""

    password: Annotated[str, Field(min_length=PASSWORD_MIN, max_length=PASSWORD_MAX)]
    current: Annotated[str, Field(max_length=PASSWORD_MAX)] = ""


class SessionChangeIn(Body):
    """Language of a person's screens, or where those of this session begin."""

    language: Literal["zh", "en"] | None = None
    jurisdiction: Annotated[str, Field(max_length=100, pattern=NO_NUL)] = ""


class AccountIn(Body):
    """A new account; it signs in by the link in the answer."""

    name: AccountName
    role: Role
    jurisdictions: Annotated[list[Id], Field(min_length=1, max_length=100)] = Field(
        description="Where the person may look and act; `*`: everywhere in this installation."
    )
    cells: Annotated[list[Id], Field(max_length=2000)] = []


class DeviceIn(Body):
    """A new device; the answer has its key, once."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=NAME_MAX)] = Field(
        description="As its readings name it: A-Z a-z 0-9 -:./_", examples=["gas-7"]
    )
    kind: Annotated[str, Field(max_length=100, pattern=NO_NUL)] = ""
    owner: Annotated[str, Field(max_length=200, pattern=NO_NUL)] = ""
    lon: Lon | None = None
    lat: Lat | None = None
    cell: Annotated[str, Field(max_length=200, pattern=NO_NUL)] = Field(
        "", description="Empty: that of its place."
    )

    @model_validator(mode="after")
    def _whole(self) -> DeviceIn:
        if not is_device(self.id):
            raise PydanticCustomError("device_name", "no device's name", {"value": self.id[:80]})
        if (self.lon is None) != (self.lat is None):
            raise PydanticCustomError("half_a_place", "lon and lat belong together")
        if self.lon == 0 and self.lat == 0:
            raise PydanticCustomError("no_place", "0, 0 is no place")
        return self


class DeviceChangeIn(Body):
    """What to change of a device."""

    disabled: bool


class DrillIn(Body):
    """What to change of a running drill."""

    paused: bool | None = None
    speed: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] | None = None
    ended: bool = Field(default=False, description="End it for good: its process stops.")


class Received(BaseModel):
    """A report is written down."""

    id: str
    received_at: datetime = Field(description="Our clock, or the drill's in an exercise.")
    jurisdiction: str
    exercise: bool


class Accepted(BaseModel):
    """Something is written down and on its way to the desk."""

    id: str
