"""Intake: reports, photos and readings.

``POST /api/reports`` answers when the report is durable, not before; everything that may fail
later is the pipeline's to mend.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, File, Form, Header, Query, Request, UploadFile
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from models.events import ReportPlaced, ReportReceived
from models.geodesy import to_wgs84
from models.registers import Photo
from models.topics import SENML_CONTENT_TYPE
from models.words import Channel, Role, is_exercise
from web_console.access import Asked, ConsoleOf, SignedIn
from web_console.accounts import Person
from web_console.bodies import Accepted, Received, ReportIn, ReportPlaceIn
from web_console.console import PRIORITY_OF_STATUS, Console
from web_console.messages import title
from web_console.problems import (
    Problem,
    field_errors,
    request_language,
    responses,
)
from web_console.readings import REFUSED_TOLD, field_error

router = APIRouter(prefix="/api", tags=["intake"])

CATEGORY_ATTRIBUTE: Final = "category"
SENML_TYPES: Final = (SENML_CONTENT_TYPE, "application/json")


class PhotoOut(BaseModel):
    """A photo that reports and tasks may name."""

    id: str
    width: int
    height: int
    type: str
    url: str


class RefusedRecord(BaseModel):
    """A record of a pack that is not taken, and why."""

    record: int = Field(description="Its number in the pack, from 0.")
    code: str = Field(description="Machine word of what is wrong.")
    message: str = Field(description="The same for a person, in the asker's language.")


class ReadingsOut(BaseModel):
    """How many readings were taken, and which records were not."""

    accepted: int
    refused_count: int = Field(0, description="Records that were not taken.")
    refused: list[RefusedRecord] = Field([], description="The first of them.")


@router.post(
    "/reports",
    status_code=202,
    responses=responses(401, 403, 404, 409, 413, 415, 503),
    summary="Report",
)
async def report(
    body: ReportIn,
    console: ConsoleOf,
    person: SignedIn,
    asked: Asked,
    traceparent: Annotated[
        str, Header(max_length=100, description="The sender's trace (W3C), if it has one.")
    ] = "",
) -> Received:
    """Take a report in. 202 means: it is durable, and will become or join an incident.

    Photos may follow: a report names them by ids that the sender chose, and each is sent to
    `POST /api/photos` with its id whenever the network allows. Words never wait for a picture.
    """
    jurisdiction = await console.jurisdiction_for(person, body.jurisdiction or asked)
    await place_photos(console, person, jurisdiction, body.photos)
    attributes = dict(body.attributes)
    if body.category:
        attributes[CATEGORY_ATTRIBUTE] = body.category
    given = ReportReceived(
        channel=Channel.WORKER if person.role is Role.GRID_WORKER else Channel.HOTLINE,
        received_at=await console.clocks.now(jurisdiction),
        text=body.text,
        # Classification takes a category id for a code; a source's own code says more.
        code=body.code or body.category,
        lon=body.lon,
        lat=body.lat,
        datum=body.datum,
        accuracy_m=body.accuracy_m,
        place=body.place,
        observed_at=await console.clocks.observed(jurisdiction, body.observed_at),
        reporter=person.name,
        language=body.language,
        photos=tuple(str(photo) for photo in body.photos),
        attributes=attributes,
    )
    report_id, received_at = await console.receive_report(body.id, jurisdiction, given, traceparent)
    return Received(
        id=report_id,
        received_at=received_at,
        jurisdiction=jurisdiction,
        exercise=is_exercise(jurisdiction),
    )


@router.post(
    "/reports/{report_id}/place",
    status_code=202,
    responses=responses(401, 403, 404, 409, 413, 503),
    summary="Say where a report is",
)
async def report_place(
    report_id: UUID, body: ReportPlaceIn, console: ConsoleOf, person: SignedIn, asked: Asked
) -> Accepted:
    """Say afterwards where a report is. 202 means: it is durable, and the desk will look at it.

    An incident without a place, or with one that can't be, gets this one. What can't be used (it
    has a place, it has ended, the place is far from the city) comes by the live channel as
    `refused`.
    """
    jurisdiction = await console.jurisdiction_for(person, body.jurisdiction or asked)
    lon, lat = to_wgs84(body.lon, body.lat, body.datum)
    payload = ReportPlaced(
        report=str(report_id),
        lon=lon,
        lat=lat,
        by=person.name,
        accuracy_m=body.accuracy_m,
        place=body.place,
    )
    return Accepted(
        id=await console.hand_over(
            body.id, jurisdiction, person.name, payload, priority=PRIORITY_OF_STATUS
        )
    )


@router.post(
    "/photos", status_code=201, responses=responses(401, 409, 413, 415, 503, 507), summary="Upload"
)
async def add_photo(
    photo: Annotated[
        UploadFile,
        File(
            description="JPEG of up to 200 megapixels (40 where it is progressive), PNG or WebP of "
            "up to 40, of `photo_max_mb` at most."
        ),
    ],
    console: ConsoleOf,
    person: SignedIn,
    photo_id: Annotated[
        UUID | None,
        Form(alias="id", description="The sender's own, best a UUIDv7; reports may name it before"),
    ] = None,
) -> PhotoOut:
    """Keep a photo; what it says besides the picture (place, device) is dropped.

    Sent again with the same `id` it is the same photo, and gets the same answer.
    """
    given = str(photo_id) if photo_id is not None else ""
    known = await console.intake(console.store.photo, given) if given else None
    if known is not None:
        if known.account != person.name:
            raise Problem(409, "conflict", "other_content", value=given)
        return _photo(known, *await asyncio.to_thread(console.photos.size_of, known))
    limit = console.photos.bytes_max
    if photo.size is not None and photo.size > limit:
        raise Problem(413, "too_large", "photo_size", limit=f"{console.photos.limit_mb:g}")
    raw = await photo.read(limit + 1)
    async with console.photo_work:
        kept, *size = await asyncio.to_thread(console.photos.keep, raw, person.name, given)
    await console.intake(console.store.add_photo, kept)
    return _photo(kept, *size)


def _photo(kept: Photo, width: int, height: int) -> PhotoOut:
    return PhotoOut(
        id=kept.id,
        width=width,
        height=height,
        type=kept.content_type,
        url=f"/api/photos/{kept.id}",
    )


@router.get(
    "/photos/{photo_id}",
    responses={
        **responses(401, 404, 503),
        200: {"description": "The picture.", "content": {"image/jpeg": {}, "image/png": {}}},
    },
    response_class=FileResponse,
    summary="Photo",
)
async def get_photo(
    photo_id: UUID,
    console: ConsoleOf,
    person: SignedIn,
    size: Annotated[str, Query(pattern="^(small)?$", description="`small`: a preview.")] = "",
) -> FileResponse:
    """Return a photo or its preview, to its sender and where a report or task names it."""
    known = await console.reads(console.store.photo, str(photo_id))
    if known is None or not await _may_see(console, person, known):
        raise Problem(404, "unknown", "not_there", value=str(photo_id))
    path, media_type, digest = await asyncio.to_thread(
        console.photos.file_of, known, small=size == "small"
    )
    headers = {"Cache-Control": "private, max-age=86400, immutable", "ETag": f'"{digest}"'}
    return FileResponse(path, media_type=media_type, headers=headers)


@router.post(
    "/readings",
    status_code=202,
    responses=responses(401, 409, 413, 415, 503),
    summary="Readings",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                SENML_CONTENT_TYPE: {
                    "schema": {"type": "array", "items": {"type": "object"}},
                    "example": [{"bn": "level-7/", "bt": 1767225600, "n": "water_m", "v": 0.4}],
                }
            },
        }
    },
)
async def readings(
    request: Request,
    console: ConsoleOf,
    key: Annotated[
        str, Header(alias="X-Device-Key", max_length=300, description="`device-id:key`.")
    ] = "",
    traceparent: Annotated[
        str, Header(max_length=100, description="The sender's trace (W3C), if it has one.")
    ] = "",
) -> ReadingsOut:
    """Take a SenML pack in. Names are ``device/quantity``, of the device that the key is of.

    A record that is wrong costs only itself: the others are taken, and the answer names it. When
    none is left, all are named in a 422. A device of an exercise without a drill is told 409.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in SENML_TYPES:
        raise Problem(415, "unsupported_type", "senml_only")
    device_id, _, secret = key.rpartition(":")
    device = None
    if device_id and secret:
        device = await console.intake(console.store.device, device_id, secret)
    if device is None:
        raise Problem(401, "not_signed_in", "device")
    pack = await request.body()
    try:
        await console.let_in(device.jurisdiction)
        checked = await console.readings.publish(device, pack, traceparent)
    except Problem as problem:
        if problem.status == 409:
            console.sightings.note(device_id, title(problem.code, "en"))
        elif problem.status == 422:
            console.sightings.note(device_id, _fault(problem.errors))
        raise
    refused = [field_error(one, device_id) for one in checked.refused[:REFUSED_TOLD]]
    console.sightings.note(device_id, _fault(refused))
    return ReadingsOut(
        accepted=checked.readings,
        refused_count=len(checked.refused),
        refused=[
            RefusedRecord(record=int(error.field), code=error.code, message=error.message)
            for error in field_errors(refused, request_language(request))
        ],
    )


def _fault(errors: Sequence[tuple[str, str, Mapping[str, Any]]]) -> str:
    """What was refused of a device, for the register: in English, as in logs."""
    return next((error.message for error in field_errors(errors, "en")), "")


async def place_photos(
    console: Console, person: Person, jurisdiction: str, photos: list[UUID]
) -> None:
    """Let photos be seen in the jurisdiction of the report or task that names them.

    Those that follow later too; not those of somebody else that this person may not see.
    """
    for photo in map(str, photos):
        known = await console.intake(console.store.photo, photo)
        if known is None or await _may_see(console, person, known):
            await console.intake(console.store.place_photo, photo, jurisdiction)


async def _may_see(console: Console, person: Person, photo: Photo) -> bool:
    if photo.account == person.name:
        return True
    places = await console.intake(console.store.photo_places, photo.id)
    return any(map(person.belongs_to, places))
