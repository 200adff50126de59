"""Every setting of Gridcommand: one frozen, validated object, read once at start.

A value comes from, first found wins: the environment (``GRIDCOMMAND_<KEY>``), the file named by
``GRIDCOMMAND_CONFIG`` (default ``gridcommand.toml`` in the working directory), the default here.
``docs/settings.md`` is generated from this module.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

CHECKOUT = Path(__file__).resolve().parent.parent
PLANS = CHECKOUT / "playbooks" / "plans"
GENERIC_PLANS = PLANS / "generic"
"""Playbooks of a city that has none of its own."""
OWN_PLANS = "playbooks"
OWN_SENSE_RULES = "sense_rules.yaml"
OWN_THRESHOLDS = "thresholds.yaml"
"""Folder of a city pack's own playbooks, within the pack."""
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """The settings in force."""

    model_config = SettingsConfigDict(env_prefix="GRIDCOMMAND_", frozen=True, extra="forbid")

    city: str = Field("san_francisco", description="City pack: a name under `cities/` or a path.")
    cities_dir: Path = Field(CHECKOUT / "cities", description="Where city packs are found by name.")
    playbooks_dir: Path | None = Field(
        None,
        description="Folder of playbooks; empty: `playbooks` in the city pack, else the "
        "city's under `playbooks/plans/`, else the generic ones there.",
    )
    data_dir: Path = Field(
        Path(".var"), description="Where database, photos, secrets, logs and caches live."
    )
    database_url: str = Field(
        "",
        description="SQLAlchemy URL (`postgresql+psycopg://…`); empty: SQLite in `data_dir`.",
    )
    archive_dir: Path | None = Field(
        None,
        description="Folder of the journal's archived months; empty: `archive` in `data_dir`.",
    )
    remember_days: float = Field(
        90.0,
        ge=7,
        description="How long a sender's id is remembered, in days: a report sent again within "
        "that time is the same report. What is older may be archived.",
    )
    kafka_servers: str = Field(
        "", description="Kafka bootstrap servers `host:port,…`; empty: the embedded broker."
    )
    broker_port: int = Field(
        0, ge=0, le=65535, description="Loopback port of the embedded broker; 0: a free one."
    )
    broker_memory_mb: int = Field(
        128,
        ge=16,
        description="Resident memory at which the embedded broker is recycled, in MB. "
        "Its fetches grow slower with all that it holds.",
    )
    web_host: str = Field("127.0.0.1", description="Address that pages and API listen on.")
    web_port: Port = Field(8740, description="Port of pages and API.")
    live_port: Port | None = Field(
        None, description="Port of the live channel (WebSocket); empty: `web_port` + 1."
    )
    live_public_url: str = Field(
        "", description="URL of the live channel as browsers see it behind a proxy; empty: derived."
    )
    secure_cookies: bool = Field(
        False, description="Mark the session cookie Secure; on wherever TLS ends at a proxy."
    )
    language: Literal["zh", "en"] = Field(
        "zh", description="Language of a screen when the browser asks for neither."
    )
    automatic_priorities: frozenset[int] = Field(
        frozenset({1}),
        description="Priorities (1 worst … 4 routine) whose orders go out by themselves.",
    )
    correlation_radius_m: float = Field(
        150.0,
        gt=0,
        description="Reports of one category nearer than this are one incident, in metres.",
    )
    correlation_window_s: float = Field(
        1800.0, gt=0, description="… and younger than this, in seconds."
    )
    policy: str = Field(
        "joint+divert+coverage",
        description="Rule by which the desk chooses: `closest-idle`, `joint`, `joint+divert`, "
        "`joint+divert+coverage`, or a city's own, as the name of an entry point in "
        "`gridcommand.policies` or as `module:Class`.",
    )
    divert_gain_s: float = Field(
        30.0,
        ge=0,
        description="A unit under way is turned to a life-threatening incident only for a gain "
        "beyond this, in seconds.",
    )
    divert_losses: int = Field(
        2, ge=0, description="Units under way that one incident may lose to more urgent ones."
    )
    swap_gain_s: float = Field(
        30.0,
        ge=0,
        description="A unit under way to a life-threatening incident is relieved by an idle one "
        "that is there sooner by more than this, in seconds.",
    )
    late_s: float = Field(
        300.0,
        gt=0,
        description="An arrival later than this after the call is late, in seconds: what "
        "coverage looks at and reports count.",
    )
    starved_after_s: float = Field(
        10_800.0,
        gt=0,
        description="A call that nobody was sent to for so long counts like one of priority 2, in "
        "seconds: who is less urgent waits, and not for ever.",
    )
    coverage_weight: float = Field(
        1.0,
        ge=0,
        description="How much a second that a future urgent call is expected to wait longer "
        "counts against one of a life-threatening incident now; 0: not at all.",
    )
    move_up_below: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Move-ups are proposed when expected coverage falls under this share of "
        "what the whole fleet would give; 0: never.",
    )
    automatic_move_ups: bool = Field(
        False, description="Move-ups are ordered without asking a person."
    )
    relay_poll_ms: int = Field(
        5, ge=1, description="Interval at which the relay looks into the inbox, in ms."
    )
    relay_retry_s: float = Field(
        10.0,
        gt=0,
        description="Age at which an unfinished inbox row is published again, in seconds.",
    )
    metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port at which a worker tells Prometheus how it is; 0: none. "
        "Workers of one machine need one each.",
    )
    metrics_host: str = Field(
        "127.0.0.1",
        description="Address that `metrics_port` listens on; whoever reaches it may read it.",
    )
    metrics_token: str = Field(
        "",
        description="What Prometheus says (`Authorization: Bearer …`) to read a console's "
        "`/metrics` from elsewhere; empty: only this machine may read it.",
    )
    otlp_endpoint: str = Field(
        "",
        description="Where traces of reports and alarms go, OTLP over HTTP, for example "
        "`http://127.0.0.1:4318/v1/traces`; empty: no traces.",
    )
    trace_share: float = Field(
        1.0, ge=0, le=1, description="Share of the reports and alarms that are traced, 0 to 1."
    )
    stalled_after_s: float = Field(
        15.0,
        gt=1,
        description="A worker that stands still for so long is ended, for another to start, "
        "in seconds.",
    )
    desk_batch: int = Field(
        500, ge=1, description="Events a desk takes in one transaction at most."
    )
    snapshot_every: int = Field(
        5000, ge=10, description="Journal events between two desk snapshots."
    )
    session_hours: float = Field(12.0, gt=0, description="How long a sign-in holds, in hours.")
    photo_max_mb: float = Field(
        8.0,
        gt=0,
        description="Largest photo accepted, in MB. It may have 40 million pixels, a JPEG that "
        "is not progressive 200 million.",
    )
    screen_queue: int = Field(
        2_000_000,
        ge=10_000,
        description="Bytes a screen may lag before it is dropped (policy `drop-and-resume`).",
    )
    screens_max: int = Field(
        2000,
        ge=1,
        description="Screens that one console takes; more are told to come back, for another "
        "console to take them.",
    )
    heartbeat_s: float = Field(
        2.0, gt=0, description="Interval of the live channel's heartbeat, in seconds."
    )
    drill_stand_in_s: float = Field(
        15.0,
        ge=0,
        description="In a live drill the stand-in confirms what nobody decided within this "
        "many seconds of wall time; 0: never.",
    )
    log_format: Literal["text", "json"] = Field(
        "text",
        description="Logs as lines for people, or as one JSON object a line with `time`, "
        "`level`, `logger`, `process`, `message` and, where it is about one, `event` and "
        "`jurisdiction`.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Log level."
    )

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @field_validator("automatic_priorities")
    @classmethod
    def _priorities(cls, value: frozenset[int]) -> frozenset[int]:
        if wrong := sorted(p for p in value if p not in (1, 2, 3, 4)):
            raise ValueError(f"priorities are 1 to 4, not {wrong}")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        path = Path(os.environ.get("GRIDCOMMAND_CONFIG", "gridcommand.toml"))
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, path))

    @property
    def database(self) -> str:
        """SQLAlchemy URL of the database in force."""
        return self.database_url or f"sqlite:///{self.data_dir / 'gridcommand.db'}"

    @property
    def archive(self) -> Path:
        """Folder of the journal's archived months."""
        return self.archive_dir or self.data_dir / "archive"

    @property
    def live(self) -> int:
        """Port of the live channel."""
        return self.live_port or self.web_port + 1

    @property
    def city_path(self) -> Path:
        """Folder of the city pack in force."""
        named = self.cities_dir / self.city
        # Not any folder: `.` is one under every other.
        return named if (named / "city.yaml").is_file() else Path(self.city)

    @property
    def plans_dir(self) -> Path:
        """Folder of the playbooks in force."""
        return self.playbooks_dir or own_plans(self.city_path) or GENERIC_PLANS

    @property
    def own_sense_rules(self) -> Path | None:
        """File of the city pack's own rules for readings; None where it has none."""
        file = self.city_path / OWN_SENSE_RULES
        return file if file.is_file() else None

    @property
    def own_thresholds(self) -> Path | None:
        """File of the city pack's own thresholds for texts that are read; None: it has none."""
        file = self.city_path / OWN_THRESHOLDS
        return file if file.is_file() else None


def own_plans(city: Path) -> Path | None:
    """Return the folder of a city pack's own playbooks; None where it has none."""
    # A path such as `packs/hd/` or `.` has its name only when it is resolved.
    folders = (city / OWN_PLANS, PLANS / city.resolve().name)
    return next((folder for folder in folders if folder.is_dir()), None)
