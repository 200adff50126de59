"""A report's trace, from intake to the screen, as a collector gets it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gridcommand.rehearsal.clients import Phones
from gridcommand.rehearsal.system import running_system
from tests.integration.conftest import recorded_places, watching

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]
STAGES = {"intake", "relay", "classify", "decide", "screen"}


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


async def test_one_trace_leads_from_the_phone_to_the_screen(tmp_path: Path) -> None:
    with collector() as (endpoint, spans):
        settings = {"GRIDCOMMAND_OTLP_ENDPOINT": endpoint}
        with running_system(tmp_path / "var", environment=settings) as system:
            phones = Phones(system)
            async with watching(system) as screen:
                await phones.send_all(recorded_places(1), 10.0, 0.1)
                assert not await screen.until_seen(set(phones.acknowledged), 30.0)
                async with asyncio.timeout(20):
                    # Nothing tells of a span that arrived but looking.
                    while {span.name for span in spans} < STAGES:  # noqa: ASYNC110
                        await asyncio.sleep(0.1)
            store = system.store()
            journaled = [
                entry for entry in store.entries("us-ca-sf") if b"traceparent" in entry.body
            ]
            store.close()
    (root,) = [span for span in spans if not span.parent_span_id]
    assert root.name == "intake"
    assert {span.trace_id for span in spans} == {root.trace_id}
    assert {span.name for span in spans if span.parent_span_id == root.span_id} == STAGES - {
        "intake"
    }
    first = {span.name: span for span in reversed(spans)}
    ends = [first[name].end_time_unix_nano for name in ("intake", "classify", "decide", "screen")]
    assert ends == sorted(ends)
    assert root.trace_id.hex().encode() in journaled[0].body


async def test_a_collector_that_is_away_costs_no_report_and_no_time(tmp_path: Path) -> None:
    settings = {"GRIDCOMMAND_OTLP_ENDPOINT": "http://127.0.0.1:9/v1/traces"}
    with running_system(tmp_path / "var", environment=settings) as system:
        phones = Phones(system)
        async with watching(system) as screen:
            await phones.send_all(recorded_places(3), 10.0, 0.3)
            assert not await screen.until_seen(set(phones.acknowledged), 30.0)
        assert system.stop() < 5.0
