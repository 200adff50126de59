"""CloudEvents 1.0 with typed payloads: the only thing that travels between the rooms.

An :class:`Event` is the envelope with its payload already parsed; :func:`decode` and
:func:`encode` turn it from and to structured-mode JSON (``application/cloudevents+json``), byte
for byte the same for the same event. The payload's class decides the event's ``type``. Inputs
(what the world says) and decisions (what a desk says) are payloads alike; :data:`INPUTS` names
the former.

Extensions: ``jurisdiction`` (partition key), ``exercise``, ``cause`` (id of the event that this
one follows from) and ``seq`` (place in the journal; only on journal events).

Other modules import from here. Inside, :mod:`~models.events.envelope` is what all events have,
:mod:`~models.events.kinds` lists what there is, and the payloads stand by subject: what the
:mod:`~models.events.world` says, a person's :mod:`~models.events.orders`, what a desk decides about
:mod:`~models.events.incidents`, :mod:`~models.events.proposals`, :mod:`~models.events.units`,
:mod:`~models.events.tasks` and its whole :mod:`~models.events.jurisdiction`, its
:mod:`~models.events.refusals`, and what only :mod:`~models.events.drills` say.
"""

from __future__ import annotations

from models.events.drills import DrillDescribed, ServiceRecorded
from models.events.envelope import Event, Label, decode, encode, encode_batch, label, split_batch
from models.events.incidents import (
    DeadlineDropped,
    DeadlineSet,
    EscalationRaised,
    IncidentMoved,
    IncidentOpened,
    IncidentPlaced,
    IncidentRevised,
    OrderCarriedOut,
    PlanAdopted,
    ReportEnded,
    ReportLinked,
    Requirement,
)
from models.events.jurisdiction import (
    AutomationSet,
    PlanningFellBack,
    PlanningRestored,
    PostureSet,
    RoadClosed,
    RoadReopened,
)
from models.events.kinds import INPUTS, ORDERS, PAYLOADS
from models.events.orders import (
    BanUnit,
    CloseIncident,
    CloseRoad,
    ConfirmMoveUp,
    ConfirmProposal,
    DivertUnit,
    HoldUnit,
    LiftHold,
    LiftOverride,
    MergeIncidents,
    Order,
    PinUnit,
    PlaceIncident,
    RecallUnit,
    RefuseMoveUp,
    ReopenRoad,
    SendToHospital,
    SendUnits,
    SetAutomation,
    SetHospital,
    SetPosture,
    TriageIncident,
)
from models.events.payload import TYPE_PREFIX, FactValue, NamedPlace, Payload, Point, Time
from models.events.proposals import Candidate, Choice, Exclusion, ProposalMade, ProposalWithdrawn
from models.events.refusals import EventRefused, OrderRefused
from models.events.tasks import TaskAssigned, TaskMoved
from models.events.units import (
    AssignmentMoved,
    AssignmentOrdered,
    AssignmentRerouted,
    HospitalChosen,
    HospitalOption,
    HospitalSet,
    MoveUpOrdered,
    MoveUpProposed,
    MoveUpWithdrawn,
    OverrideSet,
    UnitDiverted,
    UnitHeld,
    UnitMoved,
    UnitQueued,
)
from models.events.world import (
    AlarmEnded,
    ClockTicked,
    DeskOpened,
    HospitalRegistered,
    ReportClassified,
    ReportReceived,
    TaskReported,
    UnitPositionsReported,
    UnitRegistered,
    UnitStatusReported,
)

__all__ = [
    "INPUTS",
    "ORDERS",
    "PAYLOADS",
    "TYPE_PREFIX",
    "AlarmEnded",
    "AssignmentMoved",
    "AssignmentOrdered",
    "AssignmentRerouted",
    "AutomationSet",
    "BanUnit",
    "Candidate",
    "Choice",
    "ClockTicked",
    "CloseIncident",
    "CloseRoad",
    "ConfirmMoveUp",
    "ConfirmProposal",
    "DeadlineDropped",
    "DeadlineSet",
    "DeskOpened",
    "DivertUnit",
    "DrillDescribed",
    "EscalationRaised",
    "Event",
    "EventRefused",
    "Exclusion",
    "FactValue",
    "HoldUnit",
    "HospitalChosen",
    "HospitalOption",
    "HospitalRegistered",
    "HospitalSet",
    "IncidentMoved",
    "IncidentOpened",
    "IncidentPlaced",
    "IncidentRevised",
    "Label",
    "LiftHold",
    "LiftOverride",
    "MergeIncidents",
    "MoveUpOrdered",
    "MoveUpProposed",
    "MoveUpWithdrawn",
    "NamedPlace",
    "Order",
    "OrderCarriedOut",
    "OrderRefused",
    "OverrideSet",
    "Payload",
    "PinUnit",
    "PlaceIncident",
    "PlanAdopted",
    "PlanningFellBack",
    "PlanningRestored",
    "Point",
    "PostureSet",
    "ProposalMade",
    "ProposalWithdrawn",
    "RecallUnit",
    "RefuseMoveUp",
    "ReopenRoad",
    "ReportClassified",
    "ReportEnded",
    "ReportLinked",
    "ReportReceived",
    "Requirement",
    "RoadClosed",
    "RoadReopened",
    "SendToHospital",
    "SendUnits",
    "ServiceRecorded",
    "SetAutomation",
    "SetHospital",
    "SetPosture",
    "TaskAssigned",
    "TaskMoved",
    "TaskReported",
    "Time",
    "TriageIncident",
    "UnitDiverted",
    "UnitHeld",
    "UnitMoved",
    "UnitPositionsReported",
    "UnitQueued",
    "UnitRegistered",
    "UnitStatusReported",
    "decode",
    "encode",
    "encode_batch",
    "label",
    "split_batch",
]
