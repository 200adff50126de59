"""What must hold before anything starts: city, playbooks, topics, database; and the way in.

``gridcommand up`` runs this in a process of its own (``gridcommand prepare``), so that the
supervisor itself stays small. Every failure is one sentence with the way out.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from gridcommand.accounts import link_url
from gridcommand.prepared import Prepared
from models.city import CityPack, available_cities
from models.errors import CityPackError, GridcommandError
from models.settings import Settings
from models.store import Store, open_store
from models.words import Role
from playbooks.lint import lint

KAFKA_WITHIN_S = 30.0
LINK_HOURS = 24.0
SHOWN_PROBLEMS = 20


class PlaybooksRefusedError(GridcommandError):
    """Playbooks with mistakes; the message lists them by file, line and column."""


def prepare(settings: Settings, *, exercise: bool) -> Prepared:
    """Check what is read from files, bring database and topics up to date, make sign-in links.

    Parameters
    ----------
    settings
        The settings in force.
    exercise
        Whether who follows a link looks at the exercise first.

    Raises
    ------
    GridcommandError
        When something doesn't hold.
    """
    pack = load_city(settings)
    check_playbooks(settings)
    check_sense_rules(settings)
    check_thresholds(settings)
    if settings.kafka_servers:
        asyncio.run(make_topics(settings.kafka_servers))
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    store = open_store(settings)
    try:
        store.migrate()
        jurisdiction = pack.jurisdiction + (".exercise" if exercise else "")
        links = {
            role.value: _link(settings, store, name, role, jurisdiction, cells, pack.jurisdiction)
            for name, role, cells in (
                ("commander", Role.COMMANDER, ()),
                ("worker", Role.GRID_WORKER, _cells_in_the_middle(pack)),
            )
        }
    finally:
        store.close()
    return Prepared(city=pack.names.en, links=links)


async def make_topics(servers: str) -> None:
    """Make the topics that a Kafka cluster lacks; those that are there stay as they are.

    Raises
    ------
    BrokerError
        When the cluster does not answer, or refuses.
    """
    from streams.declare import wait_for_kafka
    from streams.topic_plan import make_missing

    await wait_for_kafka(servers, KAFKA_WITHIN_S)
    await make_missing(servers)


def _cells_in_the_middle(pack: CityPack) -> tuple[str, ...]:
    """Return the cells of whoever has the middle of the city: the first worker stands in there."""
    middle = pack.cells.locate(*pack.center)
    if middle is None:
        return ()
    return tuple(
        c.code for c in pack.cells if c.code == middle.code or c.worker == middle.worker != ""
    )


def load_city(settings: Settings) -> CityPack:
    """Return the city pack in force.

    Raises
    ------
    CityPackError
        When there is none of that name, telling those there are, or it can't be used.
    """
    require_city(settings)
    return CityPack.load(settings.city_path)


def require_city(settings: Settings) -> None:
    """Raise `CityPackError` unless there is a city pack of the name in force."""
    if not (settings.city_path / "city.yaml").is_file():
        known = ", ".join(available_cities(settings.cities_dir)) or "none"
        raise CityPackError(
            f"there is no city {settings.city!r} under {settings.cities_dir} "
            f"(there is: {known}); name one of these, or the path of a city pack"
        )


def check_playbooks(settings: Settings) -> None:
    """Raise :class:`PlaybooksRefusedError` unless the playbooks in force are without mistakes."""
    where = settings.plans_dir
    if not where.is_dir():
        raise PlaybooksRefusedError(
            f"there are no playbooks in {where}: make the folder, or name another in "
            "GRIDCOMMAND_PLAYBOOKS_DIR"
        )
    problems = lint(where)
    if problems:
        lines = "\n  ".join(str(problem) for problem in problems[:SHOWN_PROBLEMS])
        raise PlaybooksRefusedError(
            f"{len(problems)} to mend in the playbooks before anything starts:\n  {lines}"
        )


def check_sense_rules(settings: Settings) -> None:
    """Raise :class:`RulesError` unless the city's own rules for readings, if any, make sense."""
    if settings.own_sense_rules is not None:
        from streams.sense_rules import load_sense_rules

        load_sense_rules(settings.own_sense_rules)


def check_thresholds(settings: Settings) -> None:
    """Raise :class:`RulesError` unless the city's own thresholds, if any, can be used."""
    if settings.own_thresholds is not None:
        from streams.classify.reader import thresholds

        thresholds(settings.own_thresholds)


def _link(
    settings: Settings,
    store: Store,
    name: str,
    role: Role,
    jurisdiction: str,
    cells: tuple[str, ...],
    home: str,
) -> str:
    now = datetime.now(UTC)
    account = store.account(name) or store.add_account(
        name, role, at=now, jurisdictions=(home,), cells=cells
    )
    token = store.make_link(account, at=now, hours=LINK_HOURS, jurisdiction=jurisdiction)
    return link_url(settings, token)
