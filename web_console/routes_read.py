"""What can be asked: the city, its streets and cells, incidents and their log, dead letters."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from models.brief import NEWEST, brief
from models.categories import categories
from models.city import CityPack
from models.errors import EventError
from models.events import TYPE_PREFIX, decode, label
from models.lifecycles import ENDED_INCIDENT, IncidentState
from models.situation import Incident
from models.skills import SKILLS, UNIT_KINDS
from models.words import is_exercise
from web_console import frames
from web_console.access import Admin, Asked, ConsoleOf, Dispatcher, SignedIn
from web_console.bodies import NO_NUL
from web_console.problems import Problem, responses
from web_console.roads import roads_file
from web_console.values import Moment, RowId

router = APIRouter(prefix="/api", tags=["reading"])

IncidentId = Annotated[str, Path(min_length=1, max_length=200, pattern=NO_NUL)]
_GEOJSON: Final = "application/geo+json"
_BRIEF: Final = (
    f"Of more than {NEWEST} reports the newest {NEWEST}; `report_count` says how many there are."
)
_PAGE: Final = f"`items`, newest first, and `next`. {_BRIEF}"
_INCIDENT: Final = f"Incident and what belongs to it. {_BRIEF}"
_encode = msgspec.json.Encoder().encode


def _document(description: str) -> dict[int | str, dict[str, Any]]:
    schema: dict[str, Any] = {"schema": {"type": "object"}}
    return {200: {"description": description, "content": {"application/json": schema}}}


def _json(content: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(_encode(content), media_type="application/json", headers=headers)


@router.get(
    "/city",
    responses={**responses(401, 503), **_document("Names, places and vocabularies.")},
    response_class=Response,
    summary="City",
)
async def city(console: ConsoleOf, person: SignedIn) -> Response:
    """Return what a screen must know of the city before anything happens."""
    pack = console.pack
    jurisdictions = [
        {"id": one, "exercise": is_exercise(one), "names": pack.names}
        for one in await console.jurisdictions(person)
    ]
    return _json({**_city(pack), "jurisdictions": jurisdictions})


@router.get(
    "/roads.geojson",
    responses={
        **responses(401, 503),
        200: {"description": "Streets.", "content": {_GEOJSON: {"schema": {"type": "object"}}}},
    },
    response_class=Response,
    summary="Streets",
)
async def roads(request: Request, console: ConsoleOf, person: SignedIn) -> Response:
    """Return the streets as GeoJSON: properties ``class`` and ``name``; always gzip'd."""
    headers = _cached(f'"{console.pack.pack_hash[:32]}"')
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    path = await asyncio.to_thread(roads_file, console.pack, console.settings.data_dir)
    return FileResponse(path, media_type=_GEOJSON, headers={**headers, "Content-Encoding": "gzip"})


@router.get(
    "/cells.geojson",
    responses={
        **responses(401, 503),
        200: {"description": "Cells.", "content": {_GEOJSON: {"schema": {"type": "object"}}}},
    },
    response_class=Response,
    summary="Grid cells",
)
async def cells(request: Request, console: ConsoleOf, person: SignedIn) -> Response:
    """Return the grid cells as GeoJSON."""
    headers = _cached(f'"{console.pack.pack_hash[:32]}"')
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return FileResponse(console.pack.cells_path, media_type=_GEOJSON, headers=headers)


class PlaceOut(BaseModel):
    """A place of the city that has a name."""

    kind: str = Field(description="`street` (its middle), `crossing`, `facility` or `cell`.")
    names: dict[str, str]
    lon: float
    lat: float


class PlacesOut(BaseModel):
    """Places that the words name, the likeliest first."""

    items: list[PlaceOut]


@router.get("/places", responses=responses(401, 503), summary="Places by name")
async def places(
    console: ConsoleOf,
    person: SignedIn,
    q: Annotated[str, Query(min_length=1, max_length=200, description="Streets, a crossing, …")],
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> PlacesOut:
    """Return streets, crossings (`Valencia St & 24th St`), facilities and cells by their names."""
    known = await console.places()
    found = await asyncio.to_thread(known.find, q, limit)
    return PlacesOut(
        items=[
            PlaceOut(kind=one.kind, names={"zh": one.zh, "en": one.en}, lon=one.lon, lat=one.lat)
            for one in found
        ]
    )


@router.get(
    "/incidents",
    responses={**responses(401, 403, 404, 503), **_document(_PAGE)},
    response_class=Response,
    summary="Incidents",
)
async def incidents(
    console: ConsoleOf,
    person: Dispatcher,
    asked: Asked,
    state: Annotated[list[IncidentState], Query(description="Any of these.")] = [],  # noqa: B006
    is_open: Annotated[bool | None, Query(alias="open")] = None,
    category: Annotated[
        str, Query(max_length=200, pattern=NO_NUL, description="It and its branches.")
    ] = "",
    q: Annotated[
        str, Query(max_length=100, pattern=NO_NUL, description="Part of the number.")
    ] = "",
    before: Annotated[Moment | None, Query(description="`next.before` of the last page.")] = None,
    before_id: Annotated[
        str, Query(max_length=200, pattern=NO_NUL, description="`next.before_id` of it.")
    ] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    """Return incidents out of the tables, those that ended long ago included."""
    jurisdiction = await console.jurisdiction_for(person, asked)
    states = [one.value for one in state]
    if is_open is not None and not states:
        states = [one.value for one in IncidentState if (one not in ENDED_INCIDENT) is is_open]
    found = await console.reads(
        console.store.find_incidents,
        jurisdiction,
        states=states,
        category=category,
        words=q,
        opened_before=before,
        before_id=before_id,
        limit=limit,
    )
    following = None
    if len(found) == limit:
        last = msgspec.json.decode(found[-1], type=Incident)
        following = {"before": last.opened_at, "before_id": last.id}
    return _json({"items": [msgspec.Raw(doc) for doc in found], "next": following})


# Before the incident itself, whose id may hold slashes.
@router.get(
    "/incidents/{incident_id:path}/log",
    responses={**responses(401, 403, 404, 503), **_document("`items`, oldest first.")},
    response_class=Response,
    summary="Log of an incident",
)
async def incident_log(
    incident_id: IncidentId,
    console: ConsoleOf,
    person: Dispatcher,
    asked: Asked,
    limit: Annotated[int, Query(ge=1, le=2000)] = 500,
) -> Response:
    """Return the journal events of one incident, each with its cause.

    Of an incident whose month was archived there are none here: `archived` says so.
    """
    jurisdiction = await console.jurisdiction_for(person, asked)
    bodies = await console.reads(console.store.incident_log, jurisdiction, incident_id, limit)
    items = []
    for body in bodies:
        try:
            event = decode(body)
        except EventError:
            # A newer desk's: that it is there must not be hidden.
            said = label(body)
            kind = said.type.removeprefix(TYPE_PREFIX)
            items.append({"seq": said.seq, "time": said.time, "type": kind, "id": said.id})
            continue
        entry = frames.log_entry(event)
        if entry is not None:
            items.append({**msgspec.to_builtins(entry), "data": event.data})
    if not items:
        doc = await console.reads(console.store.incident_doc, jurisdiction, incident_id)
        if doc is None:
            raise Problem(404, "unknown", "not_there", value=incident_id[:80])
    return _json({"items": items, "archived": not items})


@router.get(
    "/incidents/{incident_id:path}",
    responses={**responses(401, 403, 404, 503), **_document(_INCIDENT)},
    response_class=Response,
    summary="Incident",
)
async def incident(
    incident_id: IncidentId, console: ConsoleOf, person: Dispatcher, asked: Asked
) -> Response:
    """Return an incident with its assignments, proposal, tasks and units as they stand now."""
    jurisdiction = await console.jurisdiction_for(person, asked)
    situation = (await console.room(jurisdiction)).situation
    known = situation.incidents.get(incident_id)
    if known is None:
        doc = await console.reads(console.store.incident_doc, jurisdiction, incident_id)
        if doc is None:
            raise Problem(404, "unknown", "not_there", value=incident_id[:80])
        known = msgspec.json.decode(doc, type=Incident)
    sent = [situation.assignments[one] for one in known.assignments if one in situation.assignments]
    return _json(
        {
            "incident": brief(known),
            "assignments": sent,
            "proposal": situation.proposals.get(known.proposal),
            "tasks": [situation.tasks[one] for one in known.tasks if one in situation.tasks],
            "units": [situation.units[one.unit] for one in sent if one.unit in situation.units],
        }
    )


@router.get(
    "/dead-letters",
    responses={**responses(401, 403, 503), **_document("`items`, newest first, and `unseen`.")},
    response_class=Response,
    summary="Dead letters",
)
async def dead_letters(
    console: ConsoleOf,
    person: Admin,
    before: Annotated[RowId | None, Query(description="Id to go on from.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    """Return what could not be handled, with the reason."""
    letters = await console.reads(console.store.dead_letters, limit=limit, before=before)
    unseen = await console.reads(console.store.count_dead_letters, unseen=True)
    items = [
        {
            "id": letter.id,
            "at": letter.at,
            "jurisdiction": letter.jurisdiction,
            "exercise": letter.exercise,
            "source": f"{letter.stage} ← {letter.topic}" if letter.topic else letter.stage,
            "reason": letter.reason,
            "code": letter.code,
            "raw": letter.body[:20_000].decode("utf-8", "replace"),
            "acknowledged_by": letter.acknowledged_by,
            "acknowledged_at": letter.acknowledged_at,
        }
        for letter in letters
    ]
    return _json({"items": items, "unseen": unseen})


@router.post(
    "/dead-letters/{letter_id}/acknowledge",
    status_code=204,
    responses=responses(401, 403, 404, 409, 503),
    summary="Acknowledge a dead letter",
)
async def acknowledge(letter_id: RowId, console: ConsoleOf, person: Admin) -> None:
    """Note that a person has seen it. Again is right too."""
    await console.reads(
        console.store.acknowledge_dead_letter, letter_id, by=person.name, at=datetime.now(UTC)
    )


def _city(pack: CityPack) -> dict[str, Any]:
    return {
        "id": pack.id,
        "names": pack.names,
        "timezone": pack.timezone,
        "center": pack.center,
        "zoom": pack.zoom,
        "bounds": _bounds(pack),
        "roads_notice": pack.roads_notice,
        "attribution": pack.attribution,
        "jurisdiction": pack.jurisdiction,
        "categories": {
            one.id: {"zh": one.names.zh, "en": one.names.en, "code": one.code}
            for one in categories().values()
        },
        "skills": {one.id: {"zh": one.names.zh, "en": one.names.en} for one in SKILLS.values()},
        "unit_kinds": {
            **{one.id: {"zh": one.names.zh, "en": one.names.en} for one in UNIT_KINDS.values()},
            **{kind: {"zh": text.zh, "en": text.en} for kind, text in pack.unit_kinds.items()},
        },
        "facilities": [
            {
                "id": place.id,
                "kind": place.kind,
                "names": place.name,
                "lon": place.lon,
                "lat": place.lat,
            }
            for place in pack.facilities
        ],
    }


def _bounds(pack: CityPack) -> tuple[float, float, float, float]:
    places = [point for cell in pack.cells for rings in cell.polygons for point in rings[0]] or [
        (unit.lon, unit.lat) for unit in pack.units
    ]
    places.append(pack.center)
    lons, lats = [lon for lon, _ in places], [lat for _, lat in places]
    return min(lons), min(lats), max(lons), max(lats)


def _cached(etag: str) -> dict[str, str]:
    return {"ETag": etag, "Cache-Control": "private, no-cache"}
