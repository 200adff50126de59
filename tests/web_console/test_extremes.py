"""Every door with every extreme value: a sender may be told that it is wrong, never that we are.

What is asked is read out of the application's own OpenAPI description, so that a parameter or a
field that is new is tried as well.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI

from models import events as ev
from models.events import decode, encode
from models.store import Store
from models.words import Role
from tests.web_console.conftest import inbox
from web_console import readings
from web_console.accounts import COOKIE
from web_console.problems import Problem

HOME, DRILL = "tiny", "tiny.exercise"

MOMENTS: Final = (
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-14:00",
    "9999-12-31T23:59:59Z",
    "10000-01-01T00:00:00Z",
    "2026-01-01T00:00:00+99:99",
)
NUMBERS: Final = (
    *("-1", "0", "9223372036854775807", "9223372036854775808", "-9223372036854775809"),
    *("9" * 30, "9" * 5000, "0.5", "1e308", "1e400", "-1e400", "253402300800", "-62135596801"),
    *("1e18", "NaN", "Infinity", "-Infinity"),
)
# As they stand in an address: %ED%A0%BD is half an emoji in what isn't UTF-8.
WRITTEN: Final = (
    *("", "%20", "%00", "%ED%A0%BD", "%FF", "%F0%9F%98%80", "..", "null", "true", "%5B", "x" * 300),
    *(quote(one, safe="") for one in (*MOMENTS, *NUMBERS)),
)
HALF: Final = r'"\ud83d"'
JSON: Final = (
    *("null", "true", "[]", "{}", "[[]]", '[""]', '{"a": {}}', '""', '" "', '"\\u0000"'),
    *(HALF, f"[{HALF}]", r'{"\ud83d": 1}', '{"a": "\\ud83d"}', '"' + "x" * 5000 + '"', "[1e400]"),
    *NUMBERS,
    *(json.dumps(one) for one in (*MOMENTS, *NUMBERS[-6:])),
)
HEADER_VALUES: Final = (
    *("", " ", "-1", "0", "*", '"', "[", "::1", "\x00", "\xff", "en;q=1e400", "en;q=NaN", "bytes="),
    *("bytes=0-" + "9" * 30, "bytes=-" + "9" * 5000, "bytes=9-1", "bytes=0-0,1-1", "bytes=a-b"),
    *("9223372036854775808", "9" * 5000, "Fri, 31 Dec 10000 23:59:59 GMT", "http://[", "a:b:c"),
    *("00-" + "z" * 90, "x" * 9000),
)
HEADERS: Final = (
    *("Accept-Encoding", "Accept-Language", "Authorization", "Content-Length", "Content-Type"),
    *("Cookie", "Host", "If-Modified-Since", "If-None-Match", "If-Range", "Last-Event-ID"),
    *("Origin", "Range", "Sec-Fetch-Site", "Transfer-Encoding", "X-Forwarded-For"),
)
"""What we or what we are built on look at; those of single routes are in the description."""


class Door(NamedTuple):
    """One operation of the description."""

    method: str
    path: str
    parameters: list[dict[str, Any]]
    bodies: list[dict[str, Any]]
    """Schemas of its JSON bodies, references resolved at their first level."""


def doors(document: dict[str, Any]) -> Iterator[Door]:
    """Read the operations out of the description."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema")
            bodies = [] if schema is None else variants(document, schema)
            yield Door(method.upper(), path, operation.get("parameters", []), bodies)


def variants(document: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a body may be: each order is one."""
    found = schema.get("oneOf", [schema])
    return [resolved(document, one) for one in found]


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return what a reference stands for."""
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def sample(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """Return a value that a schema allows."""
    schema = resolved(document, schema)
    for key in ("examples", "enum"):
        if key in schema:
            return schema[key][0]
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        return sample(document, schema["anyOf"][0])
    match schema.get("type"), schema.get("format"):
        case "string", "uuid":
            return str(uuid.UUID(int=7))
        case "string", "date-time":
            return "2026-01-01T00:00:00Z"
        case "string", _:
            return "x" * max(1, schema.get("minLength", 0))
        case "boolean", _:
            return False
        case (("number" | "integer"), _):
            return schema.get("minimum", 0) + (1 if "exclusiveMinimum" in schema else 0)
        case "array", _:
            inner = schema.get("items", {})
            return [sample(document, inner)] * schema.get("minItems", 0)
        case "object", _ if "properties" in schema:
            return {
                name: sample(document, inner)
                for name, inner in schema["properties"].items()
                if name in schema.get("required", ())
            }
    return {}


# Where a field alone doesn't get past the door.
BESIDE: Final[dict[str, dict[str, Any]]] = {
    "/api/reports": {"text": "x", "lon": 119.4, "lat": 31.4},
    "/api/units/{unit_id}/status": {"lon": 119.4, "lat": 31.4},
    "close_road": {"lon": 119.4, "lat": 31.4, "radius_m": 50},
    "/api/drill": {"paused": True},
}
PATHS: Final = {
    "incident_id": "i1",
    "unit_id": "u1",
    "task_id": "t4",
    "report_id": str(uuid.UUID(int=7)),
    "name": "root",
}
EVERYWHERE: Final = ("jurisdiction", "x-jurisdiction", "traceparent")
"""Read in one place, whatever route they are sent to."""
ABOUT_READINESS: Final = "/readyz"


@pytest.fixture
def knock(app: FastAPI, store: Store, token_of: Any, begin_drill: Any, journal_writer: Any) -> Any:
    """Ask for something as an administrator, in a town that has one of each thing."""
    writer = journal_writer()
    for step in (1, 0, 5, 2, 7):
        writer.write(step, 0)
    at = datetime.now(UTC)
    lease = store.claim(HOME, exercise=False, at=at)
    store.commit_step(lease, writer.events, [encode(one) for one in writer.events], wall=at)
    begin_drill(at)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    tokens: list[str] = []

    async def ask(
        method: str,
        path: str,
        query: str = "",
        body: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        if not tokens or "/session" in path:
            # Some of these end the session that asks.
            tokens[:] = [token_of("root", Role.ADMIN)]
        given = {b"cookie": f"{COOKIE}={tokens[0]}".encode()}
        if body is not None:
            given[b"content-type"] = b"application/json"
        for name, value in (headers or {}).items():
            given[name.lower().encode()] = value.encode("latin-1")
        request = httpx.Request(
            method,
            f"http://test{path}{'?' if query else ''}{query}",
            content=None if body is None else body.encode(),
            headers=list(given.items()),
        )
        answer = await transport.handle_async_request(request)
        await answer.aread()
        answer.request = request
        return answer

    return ask


def failed(answer: httpx.Response, *told: str) -> str:
    """Return what was asked where the answer says that the fault is ours."""
    if answer.status_code < 500 or ABOUT_READINESS in str(answer.url):
        return ""
    return " ".join((str(answer.status_code), *(one[:60] for one in told)))


async def test_no_parameter_of_any_route_has_a_value_that_breaks_it(
    app: FastAPI, knock: Any
) -> None:
    faults, seen = [], set()
    document = app.openapi()
    for door in doors(document):
        body = json.dumps(sample(document, door.bodies[0])) if door.bodies else None
        for parameter in door.parameters:
            place, name = parameter["in"], parameter["name"]
            if name.lower() in EVERYWHERE and name in seen:
                continue
            seen.add(name)
            for value in HEADER_VALUES if place == "header" else WRITTEN:
                path, query, headers = door.path, "jurisdiction=tiny", {}
                if place == "path":
                    path = path.replace(f"{{{name}}}", value)
                elif place == "header":
                    headers[name] = value
                else:
                    query = f"{name}={value}"
                for other, known in (
                    PATHS | {"photo_id": str(uuid.uuid4()), "letter_id": "1"}
                ).items():
                    path = path.replace(f"{{{other}}}", known)
                answer = await knock(door.method, path, query, body, headers)
                faults.append(failed(answer, door.method, door.path, name, value))
    assert "\n".join(filter(None, faults)) == ""
    assert seen >= {"before", "limit", "letter_id", "X-Jurisdiction"}


async def test_no_field_of_any_body_has_a_value_that_breaks_it(app: FastAPI, knock: Any) -> None:
    faults, seen = [], set()
    document = app.openapi()
    for door in doors(document):
        path = door.path
        for name, known in PATHS.items():
            path = path.replace(f"{{{name}}}", known)
        query = f"jurisdiction={DRILL if path == '/api/drill' else HOME}"
        for schema in door.bodies:
            least = sample(document, schema)
            least |= BESIDE.get(door.path, {}) | BESIDE.get(least.get("type", ""), {})
            least.pop("id", None)
            for name, inner in schema.get("properties", {}).items():
                # What all orders have is tried with one of them.
                if (field := (door.path, name, json.dumps(inner))) in seen:
                    continue
                seen.add(field)
                for value in JSON:
                    body = json.dumps(least | {name: "here"}).replace('"here"', value)
                    answer = await knock(door.method, path, query, body)
                    faults.append(failed(answer, door.method, door.path, name, value))
    assert "\n".join(filter(None, faults)) == ""
    assert len(seen) > 50


async def test_no_header_breaks_a_page_a_file_or_a_route(knock: Any) -> None:
    faults = []
    # One of each kind: made here, a file of ours, a page, a public file.
    for path in ("/api/city", "/api/roads.geojson", "/field", "/static/icon.svg"):
        for name in HEADERS:
            for value in HEADER_VALUES:
                answer = await knock("GET", path, headers={name: value})
                faults.append(failed(answer, path, name, value))
    for name in HEADERS:
        for value in HEADER_VALUES:
            answer = await knock(
                "POST", "/api/reports", body='{"text": "x"}', headers={name: value}
            )
            faults.append(failed(answer, "POST", name, value))
    assert "\n".join(filter(None, faults)) == ""


@pytest.mark.parametrize("value", MOMENTS)
async def test_a_closure_ends_in_a_year_that_can_be_computed_with(value: str, knock: Any) -> None:
    body = {"type": "close_road", "until": value, **BESIDE["close_road"]}
    answer = await knock("POST", "/api/orders", body=json.dumps(body))
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"until"}


@pytest.mark.parametrize("field", ["n", "bn", "v", "bv", "t", "bt", "s", "bver", "u", "vs", "ut"])
def test_no_reading_breaks_its_door(field: str) -> None:
    for value in JSON:
        pack = json.dumps([{"bn": "level-7/", "n": "water", "v": 0.4} | {field: "here"}])
        try:
            readings.check("level-7", pack.replace('"here"', value).encode())
        except Problem as problem:
            assert problem.status == 422, (field, value)  # noqa: PT017 - both outcomes are right


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        (r'{"text": "x", "attributes": {"a": "\ud83d"}}', "attributes.a", "string_unicode"),
        (
            r'{"text": "x", "attributes": {"\ud83d": 1}}',
            "attributes.\ufffd\ufffd\ufffd.[key]",
            "string_unicode",
        ),
        (r'{"category": "\ud83d"}', "category", "string_unicode"),
        (r'{"text": "x", "code": "\ud83d"}', "code", "string_unicode"),
        (r'{"text": "x", "language": "\ud83d"}', "language", "string_unicode"),
    ],
)
async def test_half_a_character_is_told_of_where_a_machine_wrote_it(
    body: str, field: str, code: str, knock: Any, store: Store
) -> None:
    answer = await knock("POST", "/api/reports", body=body)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert (error["field"], error["code"]) == (field, code)
    assert inbox(store) == []


async def test_half_a_character_in_what_a_person_said_costs_that_character_alone(
    knock: Any, store: Store
) -> None:
    body = r'{"text": "one trapped \ud83d", "place": "\ude00 behind the \ud83d\ude00 café"}'
    assert (await knock("POST", "/api/reports", body=body)).status_code == 202
    done = r'{"state": "done", "note": "fenced off \ud83d"}'
    assert (await knock("POST", "/api/tasks/t4", body=done)).status_code == 202
    held = r'{"type": "hold_unit", "unit": "u1", "reason": "\ud83d broken"}'
    assert (await knock("POST", "/api/orders", body=held)).status_code == 202
    said, told, order = (decode(row.body).data for row in inbox(store))
    assert isinstance(said, ev.ReportReceived)
    assert (said.text, said.place) == ("one trapped \ufffd", "\ufffd behind the 😀 café")
    assert isinstance(told, ev.TaskReported)
    assert told.note == "fenced off \ufffd"
    assert isinstance(order, ev.HoldUnit)
    assert order.reason == "\ufffd broken"
