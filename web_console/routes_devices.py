"""The register of devices, for administrators."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field

from models.city import CityPack
from models.devices import DeviceTakenError, located, stands_outside
from models.registers import Device
from web_console.access import Admin, ConsoleOf
from web_console.accounts import Person
from web_console.bodies import NO_NUL, DeviceChangeIn, DeviceIn
from web_console.console import Console
from web_console.problems import (
    FieldError,
    Problem,
    field_errors,
    invalid,
    request_language,
    responses,
)

log = logging.getLogger("gridcommand.audit")

router = APIRouter(prefix="/api", tags=["devices"])

# A device's id may have slashes, so it is the rest of the path.
DeviceId = Annotated[str, Path(min_length=1, max_length=200, pattern=NO_NUL)]


class DeviceOut(BaseModel):
    """A device."""

    id: str
    jurisdiction: str
    kind: str
    owner: str
    lon: float | None
    lat: float | None
    cell: str
    outside: bool = Field(description="Its place lies in no cell of the city.")
    disabled: bool
    last_seen_at: datetime | None
    fault: str
    fault_at: datetime | None


class DevicesOut(BaseModel):
    """A page of the devices that the asker may see."""

    items: list[DeviceOut]
    next: str | None = Field(description="`after` of the next page; null: there is none.")


class DeviceKeyOut(BaseModel):
    """A device's key; it is not shown again."""

    id: str
    key: str


class NewDeviceOut(DeviceKeyOut):
    """A device that is registered, and what of it is most likely wrong."""

    warnings: list[FieldError] = Field(
        [], description="`outside_cells`: its place lies in no cell of the city."
    )


@router.get("/devices", responses=responses(401, 403, 503), summary="Devices")
async def devices(
    console: ConsoleOf,
    person: Admin,
    after: Annotated[
        str, Query(max_length=200, pattern=NO_NUL, description="`next` of the last page.")
    ] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> DevicesOut:
    """Return the devices of the asker's jurisdictions, by id."""
    known = await console.reads(console.store.device_jurisdictions)
    found = await console.reads(
        console.store.devices,
        jurisdictions=[one for one in known if person.belongs_to(one)],
        after=after,
        limit=limit + 1,
    )
    page = found[:limit]
    return DevicesOut(
        items=await asyncio.to_thread(lambda: [_out(one, console.pack) for one in page]),
        next=page[-1].id if len(found) > limit else None,
    )


@router.post(
    "/devices", status_code=201, responses=responses(401, 403, 409, 503), summary="New device"
)
async def add_device(
    body: DeviceIn, request: Request, console: ConsoleOf, person: Admin
) -> NewDeviceOut:
    """Register a device where the asker's screens begin; the answer has its key, once.

    A place outside of every cell is taken: the answer's `warnings` say so.
    """
    if body.cell and console.pack.cells.get(body.cell) is None:
        raise invalid("cell", "unknown_cell", value=body.cell[:80])
    whose = await console.jurisdiction_for(person, "")
    device = Device(jurisdiction=whose, **body.model_dump())
    # Which cell it lies in takes an index that the console has no other use for.
    device = await asyncio.to_thread(located, device, console.pack)
    try:
        keys = await console.reads(console.store.add_devices, [device])
    except DeviceTakenError as error:
        raise Problem(409, "conflict", "taken", value=body.id) from error
    log.info("%s registered device %s", person.name, body.id)
    outside = await asyncio.to_thread(_outside, device, console.pack)
    return NewDeviceOut(
        id=body.id,
        key=keys[body.id],
        warnings=field_errors(outside, request_language(request)),
    )


@router.post(
    "/devices/{device_id:path}/key",
    status_code=201,
    responses=responses(401, 403, 404, 503),
    summary="New key",
)
async def rotate_device(device_id: DeviceId, console: ConsoleOf, person: Admin) -> DeviceKeyOut:
    """Give a device a new key; the old one ends at once."""
    await _own(device_id, console, person)
    key = await console.reads(console.store.rotate_device, device_id)
    if key is None:
        raise Problem(404, "unknown", "not_there", value=device_id[:80])
    log.info("%s gave device %s a new key", person.name, device_id)
    return DeviceKeyOut(id=device_id, key=key)


@router.patch(
    "/devices/{device_id:path}", responses=responses(401, 403, 404, 503), summary="Disable"
)
async def change_device(
    device_id: DeviceId, body: DeviceChangeIn, console: ConsoleOf, person: Admin
) -> DeviceOut:
    """Let a device send no more, or again."""
    await _own(device_id, console, person)
    await console.reads(console.store.set_device_disabled, device_id, disabled=body.disabled)
    what = "disabled" if body.disabled else "enabled"
    log.info("%s %s device %s", person.name, what, device_id)
    changed = await _own(device_id, console, person)
    return await asyncio.to_thread(_out, changed, console.pack)


async def _own(device_id: str, console: Console, person: Person) -> Device:
    device = await console.reads(console.store.device, device_id)
    if device is None or not person.belongs_to(device.jurisdiction):
        raise Problem(404, "unknown", "not_there", value=device_id[:80])
    return device


def _outside(device: Device, pack: CityPack) -> list[tuple[str, str, Mapping[str, Any]]]:
    box = pack.box
    if box is None or not stands_outside(device, pack):
        return []
    edges = {side: f"{getattr(box, side):.2f}" for side in ("west", "south", "east", "north")}
    return [("lon", "outside_cells", {"lon": device.lon, "lat": device.lat, **edges})]


def _out(device: Device, pack: CityPack) -> DeviceOut:
    """Return a device as it is shown; builds the index of cells when it is the first."""
    known = {name: getattr(device, name) for name in DeviceOut.model_fields if name != "outside"}
    return DeviceOut(outside=stands_outside(device, pack), **known)
