"""``gridcommand doctor``: what this machine lacks, and how to mend it.

Each check is a function that returns one :class:`Finding`, or several. Changes nothing, but for a
broker that it starts and stops. Not for watching a running city: the console's /readyz does that.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from gridcommand.configuration import unknown_variables
from gridcommand.ports import is_free
from gridcommand.run_file import read_run_file
from gridcommand.supervisor import LEAST_DISK_BYTES
from models.errors import GridcommandError
from models.settings import CHECKOUT, Settings

LOCK = CHECKOUT / "requirements.lock"
BROWSER_LIBRARIES = ("preact", "htm", "maplibre-gl")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OLDEST_NODE = 20
SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    what
        Whom it looked at.
    said
        What it saw.
    mend
        How to mend it; empty when all is well.
    optional
        Whether running does without it.
    to_judge
        Whether a person must look at it and may find it right; running does with it.
    """

    what: str
    said: str
    mend: str = field(default="")
    optional: bool = False
    to_judge: bool = False

    @property
    def is_well(self) -> bool:
        """Whether nothing must be done."""
        return not self.mend

    @property
    def mark(self) -> str:
        """The word that its line begins with."""
        if self.is_well:
            return "ok"
        return "optional" if self.optional else "LOOK" if self.to_judge else "MISSING"


Check = Callable[[Settings], Finding]


def examine(settings: Settings, out: TextIO, checks: Iterable[Check] | None = None) -> int:
    """Run the checks, print a line for each, and return 1 when something needed is missing."""
    missing = 0
    for check in checks if checks is not None else CHECKS:
        try:
            finding = check(settings)
        except Exception as error:
            # A check that breaks is a finding too: the others must still be made.
            finding = Finding(
                check.__name__.strip("_"), f"{type(error).__name__}: {error}", "see it"
            )
        print(f"{finding.mark:<9}{finding.what:<18}{finding.said}", file=out)
        if not finding.is_well:
            print(f"{'':<9}{'':<18}→ {finding.mend}", file=out)
            missing += finding.mark == "MISSING"
    print(f"\n{missing} to mend" if missing else "\nAll that running needs is here.", file=out)
    return 1 if missing else 0


def python(_: Settings) -> Finding:
    """Python itself."""
    version = sys.version.split()[0]
    mend = "" if sys.version_info >= (3, 11) else "install Python 3.11 or newer, then make set-up"
    return Finding("Python", f"{version} in {sys.prefix}", mend)


def packages(_: Settings) -> Finding:
    """Installed packages against the lock file."""
    from packaging.markers import Marker

    if not LOCK.is_file():
        return Finding("packages", "no requirements.lock beside the code: not checked")
    wrong, seen = [], 0
    for name, version, marker in locked_versions(LOCK.read_text()):
        if marker and not Marker(marker).evaluate():
            continue
        seen += 1
        try:
            here = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{name} {version} is missing")
        else:
            if here != version:
                wrong.append(f"{name} is {here}, the lock says {version}")
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        return Finding("packages", "; ".join(wrong[:SHOWN]) + more, "make set-up")
    return Finding("packages", f"{seen} as locked")


def locked_versions(text: str) -> list[tuple[str, str, str]]:
    """Return name, version and environment marker of each package in a lock file."""
    pattern = r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?: ; ([^\\]+?))? *\\?$"
    return [(m[1], m[2], m[3] or "") for m in re.finditer(pattern, text, re.MULTILINE)]


def node(_: Settings) -> Finding:
    """Node, which only the set-up of the browser libraries needs."""
    for place in (shutil.which("node"), str(Path(sys.prefix) / "bin" / "node")):
        if place and Path(place).exists():
            said = subprocess.run([place, "--version"], capture_output=True, text=True, check=False)
            version = re.match(r"v(\d+)", said.stdout)
            if version and int(version[1]) >= OLDEST_NODE:
                return Finding("Node", f"{said.stdout.strip()} at {place}")
    return Finding("Node", f"none of {OLDEST_NODE} or newer", "make set-up", optional=True)


def browser_libraries(_: Settings) -> Finding:
    """The packages that the pages load."""
    folder = CHECKOUT / "node_modules"
    lacking = [name for name in BROWSER_LIBRARIES if not (folder / name / "package.json").is_file()]
    if lacking:
        return Finding("browser libraries", f"{', '.join(lacking)} not in {folder}", "make set-up")
    return Finding("browser libraries", f"{', '.join(BROWSER_LIBRARIES)} in {folder}")


def environment(_: Settings) -> Finding:
    """Variables that look like settings."""
    unknown = unknown_variables()
    if unknown:
        return Finding(
            "settings",
            f"{', '.join(unknown)} is no setting",
            "correct the name (docs/settings.md) or unset it",
        )
    return Finding("settings", os.environ.get("GRIDCOMMAND_CONFIG", "valid"))


def city(settings: Settings) -> Finding:
    """The city pack in force."""
    from gridcommand.preparation import load_city

    try:
        pack = load_city(settings)
    except GridcommandError as error:
        return Finding("city", str(error), "name another in GRIDCOMMAND_CITY, or mend its files")
    said = f"{pack.names.en}: {len(pack.units)} units, {len(pack.cells)} cells"
    return Finding("city", said)


def roads(settings: Settings) -> Finding:
    """The streets of the city: what they don't lead to."""
    from dispatch.roads import RoadGraph
    from gridcommand.preparation import load_city
    from gridcommand.reachability import look

    try:
        pack = load_city(settings)
        graph = RoadGraph.load(pack)
        reach = look(pack, graph)
    except GridcommandError as error:
        return Finding("roads", str(error), "mend the city pack (docs/cities.md)")
    empty = f"; {len(reach.empty_cells)} cells have no street" if reach.empty_cells else ""
    if reach.is_whole:
        said = f"{len(graph.node_ids)} crossings; they lead to all facilities and units"
        return Finding("roads", said + empty)
    return Finding(
        "roads",
        "NOT REACHED from the largest part of the network: " + "; ".join(reach.lines()) + empty,
        "an island may be right; else mend streets or places and build the pack anew "
        "(docs/cities.md): units would be told to walk there",
        to_judge=True,
    )


def playbooks(settings: Settings) -> Finding:
    """The playbooks in force."""
    from gridcommand.preparation import check_playbooks

    try:
        check_playbooks(settings)
    except GridcommandError as error:
        return Finding("playbooks", str(error), "gridcommand playbook lint shows all")
    return Finding("playbooks", f"no mistakes in {settings.plans_dir}")


def sense_rules(settings: Settings) -> Finding:
    """The rules that turn readings into alarms."""
    from gridcommand.preparation import check_sense_rules

    try:
        check_sense_rules(settings)
    except GridcommandError as error:
        return Finding("sense rules", str(error), "mend the file, or remove it to use ours")
    return Finding("sense rules", str(settings.own_sense_rules or "ours"))


def thresholds(settings: Settings) -> Finding:
    """The thresholds for texts that are read."""
    from gridcommand.preparation import check_thresholds

    try:
        check_thresholds(settings)
    except GridcommandError as error:
        return Finding("thresholds", str(error), "mend the file, or remove it to use ours")
    return Finding("thresholds", str(settings.own_thresholds or "ours"))


def database(settings: Settings) -> Finding:
    """The database: there, answering, of this version."""
    from models.store import open_store

    if not settings.database_url and not (settings.data_dir / "gridcommand.db").is_file():
        return Finding("database", f"none yet in {settings.data_dir}: the first start makes it")
    store = open_store(settings)
    try:
        store.ping()
        if not store.is_current():
            return Finding("database", "of another version", "gridcommand up migrates it")
    except GridcommandError as error:
        return Finding("database", str(error), "start it, or correct GRIDCOMMAND_DATABASE_URL")
    finally:
        store.close()
    return Finding("database", "answers, tables are current")


def broker(settings: Settings) -> Finding:
    """Kafka, or that the embedded broker runs here."""
    if settings.kafka_servers:
        from streams.declare import wait_for_kafka

        try:
            asyncio.run(wait_for_kafka(settings.kafka_servers, 5.0))
        except GridcommandError as error:
            return Finding("Kafka", str(error), "start it, or correct GRIDCOMMAND_KAFKA_SERVERS")
        return Finding("Kafka", f"answers at {settings.kafka_servers}")
    try:
        asyncio.run(_try_broker())
    except (GridcommandError, OSError) as error:
        return Finding(
            "embedded broker",
            str(error),
            "make set-up, or name a Kafka in GRIDCOMMAND_KAFKA_SERVERS",
        )
    return Finding("embedded broker", "starts and answers")


async def _try_broker() -> None:
    from streams.broker import EmbeddedBroker

    with tempfile.TemporaryDirectory() as folder:
        one = EmbeddedBroker(None, 256, Path(folder) / "broker.log")
        await one.start()
        await one.stop()


def ports(settings: Settings) -> Finding:
    """The ports that pages and live channel want."""
    taken = [
        port for port in (settings.web_port, settings.live) if not is_free(settings.web_host, port)
    ]
    if not taken:
        return Finding("ports", f"{settings.web_port} and {settings.live} are free")
    said = " and ".join(map(str, taken)) + (" is" if len(taken) == 1 else " are") + " in use"
    run = read_run_file(settings.data_dir)
    if run.is_running:
        return Finding("ports", f"{said}, gridcommand up runs as process {run.supervisor_pid}")
    return Finding("ports", said, "choose another: GRIDCOMMAND_WEB_PORT, up --port")


def descriptors(settings: Settings) -> Finding:
    """File descriptors for the screens that a console may take."""
    from web_console.descriptors import allowed, needed

    screens = settings.screens_max
    said = f"{allowed()} allowed, {needed(screens)} needed for {screens} screens"
    if allowed() >= needed(screens):
        return Finding("file descriptors", said)
    return Finding(
        "file descriptors",
        said,
        f"raise the hard limit (LimitNOFILE={needed(screens)} in the console's unit, ulimit -Hn), "
        "or lower GRIDCOMMAND_SCREENS_MAX",
    )


def disk(settings: Settings) -> Finding:
    """Room for the data."""
    place = settings.data_dir
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if not os.access(place, os.W_OK):
        return Finding("disk", f"{place} can't be written", "name another in GRIDCOMMAND_DATA_DIR")
    mend = "" if free >= LEAST_DISK_BYTES else f"make room on the disk of {place}"
    return Finding("disk", f"{free / 1e9:.1f} GB free for {settings.data_dir}", mend)


def chromium(_: Settings) -> Finding:
    """A browser for the tests of the pages."""
    for name in BROWSERS:
        if found := shutil.which(name):
            return Finding("chromium", f"{found} (for tests)")
    mend = "Debian: apt-get install chromium fonts-noto-cjk"
    return Finding("chromium", "none: the pages' tests are skipped", mend, optional=True)


def clock(_: Settings) -> Finding:
    """The machine's clock, which times every report."""
    now = datetime.now(UTC)
    built = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    if (built - now).total_seconds() > 86_400:
        return Finding(
            "clock",
            f"{now:%Y-%m-%d %H:%M:%S} UTC is before this program was installed",
            "set the clock, best by NTP (timedatectl set-ntp true)",
        )
    return Finding("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC")


CHECKS: tuple[Check, ...] = (
    python,
    packages,
    node,
    browser_libraries,
    environment,
    city,
    roads,
    playbooks,
    sense_rules,
    thresholds,
    database,
    broker,
    ports,
    descriptors,
    disk,
    chromium,
    clock,
)
