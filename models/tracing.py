"""Traces from a report or a reading to the screen, by CloudEvents' ``traceparent``; off by default.

Intake begins a report's trace, sense that of a reading which raises an alarm, and each writes its
context on the event (W3C Trace Context, version 00); every stage behind notes, when it is done, how
long it had the event, as a child of that. A reading that raises nothing leaves no span. Off,
nothing of OpenTelemetry is loaded and a stage costs one comparison. Spans go out by OTLP over HTTP
in the background; a collector that is away costs spans, never time.

Not for logs and metrics.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

SEND_EVERY_MS = 1000
SEND_WITHIN_S = 2.0
TRACEPARENT = "traceparent"
"""Name of the header in which a record of readings carries its sender's trace."""
_NANO = 1_000_000_000


class _State:
    provider: TracerProvider | None = None
    tracer: Tracer | None = None


def start(endpoint: str, service: str, share: float = 1.0) -> None:
    """Send traces from now on.

    Parameters
    ----------
    endpoint
        OTLP over HTTP, for example ``http://127.0.0.1:4318/v1/traces``; empty: traces stay off.
    service
        Name of this process in the traces.
    share
        Share of the reports that are traced, 0 to 1.
    """
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    _State.provider = TracerProvider(
        resource=Resource.create({SERVICE_NAME: service}),
        sampler=ParentBased(TraceIdRatioBased(share)),
        shutdown_on_exit=False,
    )
    _State.provider.add_span_processor(
        BatchSpanProcessor(
            OTLPSpanExporter(endpoint=endpoint, timeout=SEND_WITHIN_S),
            schedule_delay_millis=SEND_EVERY_MS,
        )
    )
    _State.tracer = _State.provider.get_tracer("gridcommand")


def stop() -> None:
    """Send what is left, for a moment at most."""
    provider, _State.provider, _State.tracer = _State.provider, None, None
    if provider is not None:
        # A collector that is away must not hold up a stop.
        ending = threading.Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(SEND_WITHIN_S)


def is_on() -> bool:
    """Whether traces are sent."""
    return _State.tracer is not None


@contextmanager
def begun(name: str, parent: str = "", since: datetime | None = None) -> Iterator[str]:
    """Begin a trace, or go on with somebody's; yield the ``traceparent`` to write on the event.

    Empty where traces are off. The span began at ``since``, which is no later than now.
    """
    tracer = _State.tracer
    if tracer is None:
        yield ""
        return
    now = time.time_ns()
    began = now if since is None else min(now, round(since.timestamp() * _NANO))
    with tracer.start_as_current_span(name, context=_context(parent), start_time=began) as span:
        yield _traceparent(span)


def note(name: str, parent: str, took_s: float, **attributes: str | int) -> None:
    """Note a stage that ended just now and took so long; nothing where there is no parent."""
    tracer = _State.tracer
    if tracer is None or not parent:
        return
    ended = time.time_ns()
    span = tracer.start_span(
        name,
        context=_context(parent),
        start_time=ended - round(max(0.0, took_s) * _NANO),
        attributes=attributes,
    )
    span.end(ended)


def _context(parent: str) -> Context | None:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None


def _traceparent(span: Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
