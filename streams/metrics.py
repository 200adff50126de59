"""What only one worker knows, for Prometheus, on a port of its own.

Names begin with ``gridcommand_`` and follow Prometheus' conventions; ``ops/alerts.yaml`` and
``ops/dashboard.json`` read them. Nothing here costs more than a counter on an event's way. What
the database knows is at the console's ``/metrics``.
"""

from __future__ import annotations

import logging

from prometheus_client import Counter, Gauge, Histogram, start_http_server

log = logging.getLogger(__name__)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_EVENTS = (1, 2, 5, 10, 20, 50, 100, 200, 500)

STEP_SECONDS = Histogram(
    "gridcommand_desk_step_seconds", "Time to decide on a batch.", buckets=_SECONDS
)
COMMIT_SECONDS = Histogram(
    "gridcommand_desk_commit_seconds", "Time to commit a batch.", buckets=_SECONDS
)
BATCH_EVENTS = Histogram(
    "gridcommand_desk_batch_events", "Events decided in one transaction.", buckets=_EVENTS
)
DESK_QUEUE = Gauge("gridcommand_desk_queue", "Submissions that wait for a desk.")
RELAY_IN_FLIGHT = Gauge(
    "gridcommand_relay_in_flight", "Inbox rows published and not known to be finished."
)
UPDATES_WAITING = Gauge("gridcommand_updates_waiting", "Journal events that wait for the broker.")
BROKER_FAILURES = Gauge(
    "gridcommand_broker_write_failures", "Tries to write to the broker that failed, since start."
)
PARTITIONS = Gauge("gridcommand_partitions_held", "Partitions that this worker holds.")
LAG = Gauge(
    "gridcommand_consumer_lag",
    "Records of a partition that this worker holds which it has not done yet.",
    ["topic", "partition"],
)
DEAD_LETTERS = Counter(
    "gridcommand_dead_letters_written", "Events given up by this worker.", ["stage", "code"]
)
READINGS_TAKEN = Counter("gridcommand_readings_taken", "Readings that sense took in.")
READINGS_IGNORED = Counter(
    "gridcommand_readings_ignored",
    "Readings that were late or came again, and rules that didn't read one for its unit.",
    ["why"],
)
SENSOR_ALARMS = Counter(
    "gridcommand_sensor_alarms", "Alarms that sense raised.", ["rule", "exercise"]
)


def serve(host: str, port: int) -> None:
    """Answer Prometheus on a port, from a thread; a port that is taken costs only the metrics."""
    if not port:
        return
    try:
        start_http_server(port, host)
    except OSError as error:
        log.warning("no metrics: %s:%d can't be had (%s)", host, port, error.strerror)
