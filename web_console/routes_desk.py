"""What people tell the desk: orders, tasks, unit status; and the drill's clock.

Everything here is written to the inbox and answered with 202: whether the desk could carry it out
comes back by the live channel, for it is the desk that decides.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
import uuid_utils
from fastapi import APIRouter, Path, Request
from pydantic import BaseModel

from models.events import ORDERS, TaskReported, UnitStatusReported
from models.registers import Drill
from models.rights import least, may_order
from models.words import Role
from web_console.access import Asked, Commander, ConsoleOf, Ordering, SignedIn
from web_console.bodies import NO_NUL, Accepted, CloseRoadIn, DrillIn, OrderIn, TaskIn, UnitStatusIn
from web_console.console import PRIORITY_OF_ORDERS, PRIORITY_OF_STATUS
from web_console.messages import role_name
from web_console.problems import Problem, request_language, responses
from web_console.routes_intake import place_photos
from web_console.views import owns_task

log = logging.getLogger("gridcommand.audit")

router = APIRouter(prefix="/api", tags=["desk"])

_ORDERS: Final = {kind.type_name.removeprefix("order."): kind for kind in ORDERS}

# Ids are taken whole from the path (``:path``): a unit may be called 1/46-1, and %2F is a slash by
# the time a route is chosen.
EntityId = Annotated[str, Path(min_length=1, max_length=200, pattern=NO_NUL)]


class DrillOut(BaseModel):
    """A live drill and its clock."""

    name: str
    jurisdiction: str
    speed: float
    paused: bool
    anchor_sim: datetime
    anchor_wall: datetime
    state: str


class DrillAnswer(BaseModel):
    """The drill of a jurisdiction, if there is one."""

    drill: DrillOut | None


@router.post(
    "/orders", status_code=202, responses=responses(401, 403, 404, 409, 413, 503), summary="Order"
)
async def order(
    body: OrderIn, request: Request, console: ConsoleOf, person: Ordering, asked: Asked
) -> Accepted:
    """Hand an order to the desk. A refusal comes by the live channel as ``refused``."""
    jurisdiction = await console.jurisdiction_for(person, body.jurisdiction or asked)
    kind = _ORDERS[body.type]
    if not may_order(kind, person.role, person.jurisdictions, jurisdiction):
        needed = least(kind) or Role.ADMIN
        name = role_name(needed, request_language(request))
        raise Problem(403, "not_allowed", "role", role=name)
    fields: dict[str, Any] = body.model_dump(exclude={"id", "type", "jurisdiction"})
    given = body.id
    if isinstance(body, CloseRoadIn) and not body.closure:
        fields["closure"] = str(given or uuid_utils.uuid7())
    giver = {"by": person.name, "role": person.role, "jurisdictions": person.jurisdictions}
    payload = msgspec.convert(fields | giver, kind, strict=False)
    order_id = await console.hand_over(
        given, jurisdiction, person.name, payload, priority=PRIORITY_OF_ORDERS
    )
    return Accepted(id=order_id)


@router.post(
    "/tasks/{task_id:path}",
    status_code=202,
    responses=responses(401, 403, 404, 409, 413, 503),
    summary="Accept or finish a task",
)
async def task(
    task_id: EntityId, body: TaskIn, console: ConsoleOf, person: SignedIn, asked: Asked
) -> Accepted:
    """Say that a task is accepted or done."""
    jurisdiction = await console.jurisdiction_for(person, body.jurisdiction or asked)
    known = (await console.room(jurisdiction)).situation.tasks.get(task_id)
    if known is None:
        raise Problem(404, "unknown", "not_there", value=task_id[:80])
    if not person.may(Role.DISPATCHER) and not owns_task(person.viewer, known):
        raise Problem(403, "not_allowed", "not_your_task")
    await place_photos(console, person, jurisdiction, body.photos)
    payload = TaskReported(
        task=task_id,
        state=body.state,
        by=person.name,
        note=body.note,
        photos=tuple(str(photo) for photo in body.photos),
    )
    return Accepted(
        id=await console.hand_over(
            body.id, jurisdiction, person.name, payload, priority=PRIORITY_OF_STATUS
        )
    )


@router.post(
    "/units/{unit_id:path}/status",
    status_code=202,
    responses=responses(401, 403, 404, 409, 413, 503),
    summary="Unit status",
)
async def unit_status(
    unit_id: EntityId, body: UnitStatusIn, console: ConsoleOf, person: SignedIn, asked: Asked
) -> Accepted:
    """Say what a unit does now; a crew's account has its unit's id as name.

    When it was said, by the crew's clock, is kept and shown, and decides nothing.
    """
    jurisdiction = await console.jurisdiction_for(person, body.jurisdiction or asked)
    if not person.may(Role.DISPATCHER) and unit_id != person.name:
        raise Problem(403, "not_allowed", "not_your_unit")
    if unit_id not in (await console.room(jurisdiction)).situation.units:
        raise Problem(404, "unknown", "not_there", value=unit_id[:80])
    payload = UnitStatusReported(
        unit=unit_id,
        state=body.state,
        assignment=body.assignment,
        lon=body.lon,
        lat=body.lat,
        reporter=person.name,
        observed_at=await console.clocks.observed(jurisdiction, body.observed_at),
    )
    return Accepted(
        id=await console.hand_over(
            body.id, jurisdiction, person.name, payload, priority=PRIORITY_OF_STATUS
        )
    )


@router.get("/drill", responses=responses(401, 403, 404, 503), summary="Drill")
async def drill(console: ConsoleOf, person: SignedIn, asked: Asked) -> DrillAnswer:
    """Return the drill of a jurisdiction."""
    jurisdiction = await console.jurisdiction_for(person, asked)
    return _answer(await console.reads(console.store.drill, jurisdiction))


@router.post("/drill", responses=responses(401, 403, 404, 409, 503), summary="Change a drill")
async def change_drill(
    body: DrillIn, console: ConsoleOf, person: Commander, asked: Asked
) -> DrillAnswer:
    """Pause, go on, change the speed or end it; the clock doesn't jump."""
    jurisdiction = await console.jurisdiction_for(person, asked)
    wall = datetime.now(UTC)
    console.clocks.forget(jurisdiction)
    now = await console.clocks.now(jurisdiction)
    known = await console.reads(console.store.drill, jurisdiction)
    if known is None or known.state != "running":
        raise Problem(409, "conflict", "drill_only")
    changed = msgspec.structs.replace(
        known,
        anchor_sim=now,
        anchor_wall=wall,
        updated_at=wall,
        paused=known.paused if body.paused is None else body.paused,
        speed=body.speed or known.speed,
        state="ended" if body.ended else known.state,
    )
    await console.reads(
        console.store.set_drill,
        jurisdiction,
        anchor_sim=changed.anchor_sim,
        anchor_wall=wall,
        updated_at=wall,
        paused=changed.paused,
        speed=changed.speed,
        state=changed.state,
    )
    if body.ended:
        log.info("%s ended drill %s of %s", person.name, known.name, jurisdiction)
    console.clocks.forget(jurisdiction)
    await console.clocks.refresh(jurisdiction)
    console.hub.beat()
    return _answer(changed)


def _answer(known: Drill | None) -> DrillAnswer:
    if known is None:
        return DrillAnswer(drill=None)
    return DrillAnswer(
        drill=DrillOut(
            name=known.name,
            jurisdiction=known.jurisdiction,
            speed=known.speed,
            paused=known.paused,
            anchor_sim=known.anchor_sim,
            anchor_wall=known.anchor_wall,
            state=known.state,
        )
    )
