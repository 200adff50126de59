"""A worker process: relay, classify, sense and desk on one event loop.

Start as many as there is work for: Kafka shares the partitions among them, and a jurisdiction's
desk sits where the partition of its key is. A worker may do some of the stages only, so that a
busy desk has a core of its own. This module only puts the parts together.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from aiokafka.partitioner import murmur2

from dispatch.off_road import off_road
from dispatch.packages import load_solver
from dispatch.roads import RoadGraph
from models import tracing
from models.city import CityPack
from models.events import ReportReceived
from models.settings import Settings
from models.store import Store, open_store
from models.topics import BATCH_CONTENT_TYPE, DESK, REPORTS, topic_for
from models.words import EXERCISE_MARK, Channel, is_exercise
from playbooks.engine import PlaybookSet
from streams import metrics
from streams.agents import NO_EVENTS, Agents, Stages
from streams.app import broker_at_hand, is_embedded, kafka_servers, make_app, running
from streams.claims import Place
from streams.classify.reader import Thresholds, load_reader, thresholds_in_force
from streams.classify.reports import classify
from streams.dead_letters import DeadLetters
from streams.desk_shell import DeskShell
from streams.errors import BrokerError, NotOursError, OpeningError
from streams.groups import STAGES, begin_where_others_are, group_of
from streams.handshake import answers
from streams.housekeeping import keep_house
from streams.lag import Lag
from streams.lessons import Lessons
from streams.members import part_from_the_dead
from streams.own_records import OwnPublisher
from streams.publisher import Publisher
from streams.relay import Relay
from streams.sense_keeper import SenseKeeper
from streams.sense_rules import SenseRules, rules_in_force
from streams.sign_of_life import give_signs
from streams.updates import Updates
from streams.watchdog import LOOK_S, Watchdog

log = logging.getLogger(__name__)

RELAYS = (REPORTS, 0)
"""Whoever holds this partition publishes the inbox: one worker of a group, and another at once
when that one is gone."""

LAG_EVERY_S = 5.0
WRITES_LATE_S, WRITES_STUCK_S = 5.0, 120.0
"""A record that isn't acknowledged for so long is the broker's fault (too few copies in step, for
one), and for so much longer may be our producer's."""

LET_IN_WITHIN_S = 20.0
OPEN_AGAIN_S = 1.0
UPDATES_WITHIN_S = 0.5
"""How long the last updates may take when the process ends; screens read the journal."""


class City(NamedTuple):
    """What a worker reads from files; the same for every worker of a city."""

    pack: CityPack
    playbooks: PlaybookSet
    graph: RoadGraph
    sense_rules: SenseRules
    thresholds: Thresholds | None = None


def load_city(settings: Settings) -> City:
    """Read a city's pack, playbooks, roads and rules, and what is otherwise read at first use.

    Raises
    ------
    GridcommandError
        When one of them can't be read; the message says file and place.
    """
    pack = CityPack.load(settings.city_path)
    playbooks = PlaybookSet.load(settings.plans_dir, settings.data_dir / "cache")
    rules, limits = rules_in_force(settings), thresholds_in_force(settings)
    city = City(pack, playbooks, RoadGraph.load(pack), rules, limits)
    # The first report of a night must not wait for indexes and word lists.
    lon, lat = pack.center
    first = ReportReceived(
        channel=Channel.SYSTEM, received_at=datetime.now(UTC), text="·", lon=lon, lat=lat
    )
    classify(first, pack)
    _ = city.graph.index
    load_solver()
    for far in off_road(pack, city.graph):
        log.warning("%s: correct its place, or it is sent as on foot", far)
    return city


async def _load_reader() -> None:
    """Load the models that read texts. Without them a worker starts, and reads by words alone."""
    try:
        await asyncio.to_thread(load_reader)
    except Exception:
        log.exception("the models can't be loaded; texts are read by words alone")


async def run_worker(
    settings: Settings,
    city: City,
    stop: asyncio.Event,
    *,
    stages: Collection[str] = tuple(STAGES),
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Run a worker until ``stop`` is set.

    Parameters
    ----------
    stages
        Of :data:`STAGES`. Workers with the same stages share the work; a whole one beside one for
        some of them would do what that one does once more, to no harm and no use.
    on_ready
        Called once, when this worker has joined its group and decides.

    Raises
    ------
    GridcommandError
        When database or broker can't be had; the message says what to do.
    """
    pack = city.pack
    store = open_store(settings)
    tracing.start(settings.otlp_endpoint, "gridcommand-worker", settings.trace_share)
    publisher = OwnPublisher(kafka_servers(settings), embedded=is_embedded(settings))
    updates = Updates(publisher)
    held: set[Place] = set()
    shell = DeskShell(
        settings,
        store,
        pack,
        city.playbooks,
        city.graph,
        updates.put,
        holds=lambda place: place in held,
        knock=lambda jurisdiction: _knock(publisher, jurisdiction),
    )
    is_whole = set(stages) == set(STAGES)
    dead_letters = DeadLetters(store.add_dead_letters, publisher)
    group = group_of(stages)
    app = make_app(settings, app_id=group)
    relay = Relay(
        settings,
        store,
        publisher,
        dead_letters.write,
        is_active=lambda: RELAYS in held,
        claims=lambda: [(head.jurisdiction, head.epoch) for head in store.heads()],
    )
    sense = SenseKeeper(
        pack,
        store,
        city.sense_rules,
        # Of what this worker holds; empty as well when the broker doesn't answer.
        hears=lambda: bool(lag.places),
        alone=is_embedded(settings),
    )
    if "classify" in stages:
        await _load_reader()
    lessons = Lessons(store, pack.jurisdiction, city.thresholds)
    Agents(
        app,
        Stages(
            pack=pack,
            publisher=publisher,
            dead_letters=dead_letters,
            desk=shell,
            sense=sense,
            inbox=store,
            embedded=is_embedded(settings),
            understand=lessons.understand,
        ),
        [STAGES[stage] for stage in stages],
    )
    assigned = asyncio.Event()
    seats: set[asyncio.Task[None]] = set()
    opening: asyncio.Task[None] | None = None

    async def on_assigned(_app: Any, assigned_partitions: Iterable[Any], **_more: Any) -> None:
        nonlocal opening
        # What was in flight when partitions moved may have been lost with the old owner.
        relay.publish_again()
        sense.doubt()
        held.clear()
        held.update((tp.topic, tp.partition) for tp in assigned_partitions)
        log.info("holds %s", _in_words(held))
        seats.add(asyncio.create_task(sense.assign(set(held))))
        if opening is not None:
            opening.cancel()
        opening = asyncio.create_task(
            open_desks(shell, store, pack.jurisdiction, frozenset(held), publisher.partitions)
        )
        assigned.set()

    async def on_revoked(_app: Any, _revoked: Iterable[Any], **_more: Any) -> None:
        held.clear()
        assigned.clear()

    app.on_partitions_revoked.connect(on_revoked)
    app.on_partitions_assigned.connect(on_assigned)
    servers = kafka_servers(settings)
    lag = Lag(
        servers,
        group,
        lambda: sorted(held),
        # The watchdog looks at what this saw.
        every_s=min(LAG_EVERY_S, settings.stalled_after_s / 4),
        embedded=is_embedded(settings),
        handled=sense.handled,
    )
    watchdog = Watchdog(
        settings.stalled_after_s,
        store,
        lambda: shell.in_hand,
        lambda: _waiting(
            store, held, lag, relay, publisher, alone=is_whole and is_embedded(settings)
        ),
        lambda: asyncio.run(answers(servers)),
    )
    metrics.serve(settings.metrics_host, settings.metrics_port)
    metrics.DESK_QUEUE.set_function(lambda: shell.waiting)
    metrics.RELAY_IN_FLIGHT.set_function(lambda: relay.in_flight)
    metrics.UPDATES_WAITING.set_function(lambda: updates.waiting)
    metrics.BROKER_FAILURES.set_function(lambda: publisher.failures)
    metrics.PARTITIONS.set_function(lambda: len(held))
    tasks: list[asyncio.Task[Any]] = []
    try:
        if not await _before(stop, broker_at_hand(settings)):
            return
        await part_from_the_dead(servers, group)
        if not is_embedded(settings):
            await begin_where_others_are(servers, stages)
        tasks = [asyncio.create_task(let_in(assigned, servers), name="group")]
        async with running(app, settings, tasks[0]) as ended:
            watchdog.start()
            tasks += [
                asyncio.create_task(_turn(watchdog), name="watchdog"),
                asyncio.create_task(relay.run(stop), name="relay"),
                asyncio.create_task(updates.run(), name="updates"),
                asyncio.create_task(sense.run(), name="sense"),
                asyncio.create_task(lag.run(), name="lag"),
                asyncio.create_task(keep_house(store, settings.remember_days), name="house"),
                asyncio.create_task(give_signs(store, stages, assigned), name="sign of life"),
            ]
            if "classify" in stages:
                tasks.append(asyncio.create_task(lessons.keep_up(), name="lessons"))
            ready = asyncio.create_task(_say_ready(assigned, on_ready))
            stopping = asyncio.create_task(stop.wait())
            done, _ = await asyncio.wait(
                {ended, stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED
            )
            ready.cancel()
            stopping.cancel()
            # While the partitions are still ours: whoever takes them over claims at once.
            await shell.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(updates.flush(), UPDATES_WITHIN_S)
            for task in done:
                if task is not stopping:
                    task.result()
    finally:
        watchdog.stop()
        beside = [*tasks, *seats, *([opening] if opening is not None else [])]
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await shell.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(publisher.close(), 1.0)
        store.close()
        tracing.stop()


async def _before(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do some work unless we are told to stop meanwhile; say whether it was done."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            return False
        await working
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
    return True


def _waiting(
    store: Store,
    held: Collection[tuple[str, int]],
    lag: Lag,
    relay: Relay,
    publisher: Publisher,
    *,
    alone: bool,
) -> Mapping[str, object]:
    """What waits for this worker, with where it stands; another's faults are not ours.

    Records in a partition that we hold wait for us alone. The embedded broker does not say how
    many there are: there we have all partitions, so that what waits in the inbox waits for us.
    """
    if WRITES_LATE_S < publisher.waits_s < WRITES_STUCK_S:
        return {}  # the broker answers and can't be written
    waiting: dict[str, object] = {
        f"records in partition {partition} of {topic}": place.done
        for (topic, partition), place in lag.places.items()
        if place.behind and (topic, partition) in held
    }
    oldest = store.unfinished_ids(1)
    if oldest and RELAYS in held:
        waiting["rows in the inbox for the relay"] = relay.turns
    if oldest and alone and held:
        for head in store.heads():
            row = store.oldest_unfinished_id(head.jurisdiction)
            if row is not None:
                done = [
                    place.done
                    for (topic, _), place in sorted(lag.places.items())
                    if topic in _on_the_way(head.exercise)
                ]
                waiting[f"rows in the inbox of {head.jurisdiction}"] = (row, done)
    return waiting


def _on_the_way(exercise: bool) -> Collection[str]:
    return [topic_for(name, exercise=exercise) for name in (REPORTS, DESK)]


async def _turn(watchdog: Watchdog) -> None:
    while True:
        watchdog.turned()
        await asyncio.sleep(LOOK_S)


async def let_in(assigned: asyncio.Event, servers: str) -> None:
    """Fail when the group takes long to let this worker in, or in again, while a broker answers.

    aiokafka's own routine may have ended, and tells nobody.
    """
    while True:
        try:
            async with asyncio.timeout(LET_IN_WITHIN_S):
                await assigned.wait()
        except TimeoutError:
            if await answers(servers):
                raise BrokerError(
                    f"the group of workers didn't let this one in within {LET_IN_WITHIN_S:g} s"
                ) from None
        else:
            await asyncio.sleep(LOOK_S)


async def _say_ready(assigned: asyncio.Event, on_ready: Callable[[], None] | None) -> None:
    await assigned.wait()
    log.info("worker ready")
    if on_ready is not None:
        on_ready()


async def open_desks(
    shell: DeskShell,
    store: Store,
    home: str,
    held: Collection[Place],
    partitions: Callable[[str], Awaitable[int]],
) -> None:
    """Take the seats whose key lies in our partitions, so that their clocks run from now on.

    Leaves those that are another's now. Tries again until all is done: whoever is told other
    partitions meanwhile cancels it. A desk that can't be opened, the shell itself tries again.
    """
    await shell.reassigned()
    while True:
        try:
            for jurisdiction in await asyncio.to_thread(_played, store, home):
                topic = topic_for(DESK, exercise=is_exercise(jurisdiction))
                # Asked of the broker: a city may have added partitions.
                place = (topic, partition_of(jurisdiction, await partitions(topic)))
                if place in held:
                    with contextlib.suppress(OpeningError, NotOursError):
                        await shell.open(jurisdiction, place)
            return
        except Exception as error:
            log.error("desks wait to be opened: %s: %s", type(error).__name__, error)
        await asyncio.sleep(OPEN_AGAIN_S)


def _played(store: Store, home: str) -> list[str]:
    """The city's jurisdictions whose clocks run: its own, and those of running drills."""
    running_drills = {one.jurisdiction for one in store.drills() if one.state == "running"}
    heads = {head.jurisdiction for head in store.heads()}
    # Another city may have its journals in the same database.
    drills = {one for one in heads & running_drills if one.startswith(home + EXERCISE_MARK)}
    return [home, *sorted(drills)]


async def _knock(publisher: Publisher, jurisdiction: str) -> None:
    """Ask for a desk to be opened by whoever has its partition: that one gets the record."""
    topic = topic_for(DESK, exercise=is_exercise(jurisdiction))
    headers = [("content-type", BATCH_CONTENT_TYPE.encode())]
    await publisher.send(topic, jurisdiction.encode(), NO_EVENTS, headers)


def _in_words(places: Iterable[Place]) -> str:
    """Return topics with their partitions: ``desk 0 2, reports 1 3``."""
    by_topic: dict[str, list[str]] = {}
    for topic, partition in sorted(places):
        by_topic.setdefault(topic, [topic]).append(str(partition))
    return ", ".join(" ".join(words) for words in by_topic.values()) or "no partition"


def partition_of(key: str, partitions: int) -> int:
    """Return where Kafka's default partitioner puts a key."""
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % partitions)
