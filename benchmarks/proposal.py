"""One new incident until its proposal stands: 160 units, 40 incidents open, default policy.

    python benchmarks/proposal.py

San Francisco's streets and fleet. Each incident of the 40 has a unit on scene; then life-
threatening ones come one at a time, are timed from the report's step to the end of the plan, and
are closed again. ``p50_yardsticks`` and ``p99_yardsticks`` are the same as multiples of
``yardstick_ms``, a fixed loop measured in the same run.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from datetime import UTC, datetime, timedelta

import numpy as np
from report import Yardstick, print_result

from dispatch.desk import Desk
from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from models import events as ev
from models.city import CityPack
from models.events import Event, Payload
from models.lifecycles import UnitState
from models.rights import EVERYWHERE
from models.settings import CHECKOUT
from models.situation import Situation
from models.words import Channel, Grade, Role
from playbooks.engine import PlaybookSet
from streams.opening import opening_events

OPEN = 40


class _City:
    def __init__(self, seed: int) -> None:
        path = CHECKOUT / "cities" / "san_francisco"
        pack = CityPack.load(path)
        roads = RoadGraph.load(pack)
        plans = PlaybookSet.load(CHECKOUT / "playbooks" / "plans" / "san_francisco")
        self.nodes = roads.node_lonlat
        self.situation = Situation(jurisdiction=pack.jurisdiction, exercise=False)
        travel = TravelTimes(roads, speed_factor=pack.speed_factor)
        self.desk = Desk(self.situation, pack, plans, travel, Policy())
        self.now = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
        self.count = 0
        self.chance = np.random.default_rng(seed)
        for event in opening_events(
            self.situation,
            pack,
            plans,
            automatic_priorities=(1, 2),
            correlation_radius_m=1.0,
            correlation_window_s=1.0,
            at=self.now,
        ):
            self.desk.step(event)

    def say(self, payload: Payload) -> list[Event]:
        self.count += 1
        return self.desk.step(
            Event(
                id=f"e{self.count}",
                source="/benchmark",
                time=self.now,
                jurisdiction=self.situation.jurisdiction,
                data=payload,
            )
        )

    def report(self, priority: int) -> float:
        """Report an incident anywhere; return the seconds until nothing is due any more."""
        lon, lat = self.nodes[int(self.chance.integers(len(self.nodes)))].tolist()
        self.now += timedelta(seconds=30)
        began = time.perf_counter()
        self.say(
            ev.ReportClassified(
                channel=Channel.HOTLINE,
                received_at=self.now,
                category="health.medical",
                priority=priority,
                grade=Grade.IV,
                confidence=1.0,
                lon=lon,
                lat=lat,
            )
        )
        self.settle()
        return time.perf_counter() - began

    def settle(self) -> None:
        while (due := self.desk.next_due()) is not None and due <= self.now:
            self.say(ev.ClockTicked())


def main() -> None:
    """Run the benchmark and print its result as the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--incidents", type=int, default=200)
    options = parser.parse_args()
    yardstick = Yardstick()
    city = _City(options.seed)
    for number in range(OPEN):
        city.report(1 + number % 3)
        for unit in [u.id for u in city.situation.units.values() if u.assignment]:
            if city.situation.units[unit].state is UnitState.ASSIGNED:
                for state in (UnitState.EN_ROUTE, UnitState.ON_SCENE):
                    city.say(ev.UnitStatusReported(unit=unit, state=state))
        city.settle()
    # As the desk's shell does once its desk is open.
    gc.collect()
    gc.freeze()
    milliseconds = []
    for _ in range(options.incidents):
        before = set(city.situation.incidents)
        milliseconds.append(1000 * city.report(1))
        for incident in sorted(set(city.situation.incidents) - before):
            city.say(
                ev.CloseIncident(
                    incident=incident,
                    cancelled=True,
                    by="benchmark",
                    role=Role.DISPATCHER,
                    jurisdictions=(EVERYWHERE,),
                )
            )
        city.settle()
    milliseconds.sort()
    p50_ms = statistics.median(milliseconds)
    p99_ms = milliseconds[min(len(milliseconds) - 1, int(0.99 * len(milliseconds)))]
    print_result(
        "proposal",
        seed=options.seed,
        size={
            "units": len(city.situation.units),
            "open": sum(not one.ended for one in city.situation.incidents.values()),
            "incidents": options.incidents,
        },
        figures={
            "p50_ms": p50_ms,
            "p99_ms": p99_ms,
            **yardstick.figures(p50=p50_ms, p99=p99_ms),
        },
    )


if __name__ == "__main__":
    main()
