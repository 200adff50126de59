"""The trace of a report and of a sensor's reading, to the screen, as a collector gets it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import aiohttp
import msgspec
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gridcommand.rehearsal.clients import Phones
from gridcommand.rehearsal.system import OwnSystem, running_system
from models.registers import Device
from models.topics import SENML_CONTENT_TYPE
from tests.flow import HOME, recorded_places, until, watching
from tests.waiting import HANG_S

pytestmark = pytest.mark.broker
STAGES = {"intake", "relay", "classify", "decide", "screen"}
STAGES_OF_A_READING = {"reading", "sense"} | STAGES - {"intake"}
SENDER = bytes(range(16)), bytes(range(1, 9))
"""Trace and span of a gateway that has traces of its own."""


@contextmanager
def collector() -> Iterator[tuple[str, list[Span]]]:
    """Take traces in as OpenTelemetry's own collector does; give its address and the spans."""
    spans: list[Span] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = ExportTraceServiceRequest.FromString(
                self.rfile.read(int(self.headers["Content-Length"]))
            )
            spans.extend(
                span for one in told.resource_spans for scope in one.scope_spans
                for span in scope.spans
            )  # fmt: skip
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", spans
    finally:
        server.shutdown()
        server.server_close()


async def test_one_trace_leads_from_the_phone_and_one_from_the_sensor_to_the_screen(
    tmp_path: Path,
) -> None:
    with collector() as (endpoint, spans):
        settings = {"GRIDCOMMAND_OTLP_ENDPOINT": endpoint}
        with running_system(tmp_path / "var", environment=settings) as system:
            phones = Phones(system)
            async with watching(system) as screen:
                await measure(system)
                await phones.send_all(recorded_places(1), 10.0, 0.1)
                assert not await screen.until_seen(set(phones.acknowledged), HANG_S)
                await until(
                    lambda: (
                        names(spans, of_sender=False) >= STAGES
                        and names(spans, of_sender=True) >= STAGES_OF_A_READING
                    )
                )
            store = system.store()
            journaled = [
                entry.body for entry in store.entries(HOME) if b"traceparent" in entry.body
            ]
            store.close()
    measured = [span for span in spans if span.trace_id == SENDER[0]]
    (reading,) = [span for span in measured if span.parent_span_id == SENDER[1]]
    assert reading.name == "reading"
    behind = {span.name for span in measured if span.parent_span_id == reading.span_id}
    assert behind == STAGES_OF_A_READING - {"reading"}
    spans = [span for span in spans if span.trace_id != SENDER[0]]
    (root,) = [span for span in spans if not span.parent_span_id]
    assert root.name == "intake"
    assert {span.trace_id for span in spans} == {root.trace_id}
    assert {span.name for span in spans if span.parent_span_id == root.span_id} == STAGES - {
        "intake"
    }
    first = {span.name: span for span in reversed(spans)}
    ends = [first[name].end_time_unix_nano for name in ("intake", "classify", "decide", "screen")]
    assert ends == sorted(ends)
    for trace in (root.trace_id, SENDER[0]):
        assert any(trace.hex().encode() in body for body in journaled)


def names(spans: list[Span], *, of_sender: bool) -> set[str]:
    """Return the names of the spans of the gateway's trace, or of others."""
    return {span.name for span in spans if (span.trace_id == SENDER[0]) == of_sender}


async def measure(system: OwnSystem) -> None:
    """Let a smoke detector see smoke, as a gateway sends it on."""
    store = system.store()
    lon, lat = recorded_places(9)[-1]["lon"], recorded_places(9)[-1]["lat"]
    key = store.add_device(Device(id="smoke-7", jurisdiction=HOME, lon=lon, lat=lat))
    store.close()
    trace, span = SENDER
    headers = {
        "Content-Type": SENML_CONTENT_TYPE,
        "X-Device-Key": f"smoke-7:{key}",
        "traceparent": f"00-{trace.hex()}-{span.hex()}-01",
    }
    pack = [
        {"bn": "smoke-7/", "n": "lon", "v": lon},
        {"n": "lat", "v": lat},
        {"n": "smoke_alarm", "v": 1},
    ]
    async with (
        aiohttp.ClientSession(system.base_url, headers=headers) as client,
        client.post("/api/readings", data=msgspec.json.encode(pack)) as answer,
    ):
        assert answer.status == 202


async def test_a_collector_that_is_away_costs_no_report_and_no_time(tmp_path: Path) -> None:
    settings = {"GRIDCOMMAND_OTLP_ENDPOINT": "http://127.0.0.1:9/v1/traces"}
    with running_system(tmp_path / "var", environment=settings) as system:
        phones = Phones(system)
        async with watching(system) as screen:
            await phones.send_all(recorded_places(3), 10.0, 0.3)
            assert not await screen.until_seen(set(phones.acknowledged), HANG_S)
        system.stop()
        assert "did not end by itself" not in system.said("up")
