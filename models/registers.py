"""Who and what is registered: accounts, sessions, one-time links, photos, drills.

Tokens are made here and leave once; the database keeps only their SHA-256. Passwords come in
hashed (argon2, by the console). Not for: deciding what a role may do; devices
(:mod:`models.devices`).
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from models.database import transaction
from models.errors import StoreError
from models.tables import (
    AccountRecord,
    DrillRecord,
    PhotoPlaceRecord,
    PhotoRecord,
    SessionRecord,
    SignInLinkRecord,
)
from models.words import Role

_account = AccountRecord.__table__  # type: ignore[attr-defined]
_session = SessionRecord.__table__  # type: ignore[attr-defined]
_link = SignInLinkRecord.__table__  # type: ignore[attr-defined]
_photo = PhotoRecord.__table__  # type: ignore[attr-defined]
_place = PhotoPlaceRecord.__table__  # type: ignore[attr-defined]
_drill = DrillRecord.__table__  # type: ignore[attr-defined]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A person who may sign in. For ``jurisdictions`` see :mod:`models.rights`: `*` is all."""

    id: int
    name: str
    role: Role
    password_hash: str
    jurisdictions: tuple[str, ...]
    cells: tuple[str, ...]
    language: str
    disabled: bool
    created_at: datetime


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in in force. ``jurisdiction`` is where it starts; empty: the home one."""

    account: Account
    jurisdiction: str
    expires_at: datetime


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A sensor that may send readings.

    Attributes
    ----------
    kind, owner
        What it is and whose, in the city's words.
    lon, lat
        Where it is, WGS-84 degrees; the place of its alarms unless it sends its own.
    last_seen_at
        When readings of it were last taken, to a minute; None: never.
    fault, fault_at
        What was refused of it last and when; empty: nothing.
    """

    id: str
    jurisdiction: str
    kind: str = ""
    owner: str = ""
    lon: float | None = None
    lat: float | None = None
    cell: str = ""
    disabled: bool = False
    last_seen_at: datetime | None = None
    fault: str = ""
    fault_at: datetime | None = None


class Photo(msgspec.Struct, frozen=True, kw_only=True):
    """A photo's file (a name below ``data_dir/photos``) and who sent it."""

    id: str
    sha256: str
    content_type: str
    size: int
    account: str
    at: datetime
    file: str


GAP_S = 30.0
"""How long a drill's driver may give no sign of life and is still believed to be there."""


class Drill(msgspec.Struct, frozen=True, kw_only=True):
    """A live drill. Its clock says ``anchor_sim`` at ``anchor_wall`` and runs ``speed`` times life.

    ``position`` counts the recording's lines that were handed over; ``state`` is running or ended.
    """

    jurisdiction: str
    name: str
    recording: str
    recording_sha256: str
    speed: float
    anchor_sim: datetime
    anchor_wall: datetime
    updated_at: datetime
    paused: bool = False
    position: int = 0
    state: str = "running"

    def is_driven(self, wall: datetime) -> bool:
        """Whether it runs, and its driver gave a sign of life in the last `GAP_S` seconds.

        One whose process died without a word is running by its row for good: nobody is led there.
        A driver's clock may be ahead of ours.
        """
        return self.state == "running" and wall - self.updated_at <= timedelta(seconds=GAP_S)


def token_hash(token: str) -> str:
    """Return what the database keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


class Registers:
    """The registers' part of the store."""

    _engine: Engine

    # ── accounts ──────────────────────────────────────────────────────────────────────────────

    def add_account(
        self,
        name: str,
        role: Role,
        *,
        at: datetime,
        jurisdictions: tuple[str, ...],
        password_hash: str = "",
        cells: tuple[str, ...] = (),
        language: str = "",
    ) -> Account:
        """Register a person.

        Raises
        ------
        StoreError
            The name is taken, or it isn't said where the person may look and act.
        """
        if not jurisdictions:
            raise StoreError(
                f"say where {name!r} may look and act: by jurisdictions, or '*' for all"
            )
        try:
            with transaction(self._engine, writes=True) as connection:
                connection.execute(
                    insert(_account),
                    {
                        "name": name,
                        "role": role.value,
                        "password_hash": password_hash,
                        "jurisdictions": msgspec.json.encode(jurisdictions).decode(),
                        "cells": msgspec.json.encode(cells).decode(),
                        "language": language,
                        "disabled": False,
                        "created_at": at,
                    },
                )
        except StoreError as error:
            if isinstance(error.__cause__, IntegrityError):
                raise StoreError(f"the name {name!r} is taken; choose another") from error
            raise
        account = self.account(name)
        if account is None:
            raise StoreError(f"account {name!r} was written but can't be read")
        return account

    def account(self, name: str) -> Account | None:
        """Return an account by name."""
        with transaction(self._engine, writes=False) as connection:
            row = connection.execute(select(_account).where(_account.c.name == name)).first()
        return None if row is None else _to_account(row)

    def accounts(self) -> list[Account]:
        """Return all accounts by name."""
        with transaction(self._engine, writes=False) as connection:
            rows = connection.execute(select(_account).order_by(_account.c.name)).all()
        return [_to_account(row) for row in rows]

    def change_account(
        self,
        name: str,
        *,
        password_hash: str | None = None,
        disabled: bool | None = None,
        role: Role | None = None,
        language: str | None = None,
        jurisdictions: tuple[str, ...] | None = None,
    ) -> None:
        """Change what is given; a disabled account's sessions end at once."""
        changes: dict[str, Any] = {
            key: value
            for key, value in (
                ("password_hash", password_hash),
                ("disabled", disabled),
                ("role", role.value if role else None),
                ("language", language),
                (
                    "jurisdictions",
                    None if jurisdictions is None else msgspec.json.encode(jurisdictions).decode(),
                ),
            )
            if value is not None
        }
        if not changes:
            return
        with transaction(self._engine, writes=True) as connection:
            connection.execute(update(_account).where(_account.c.name == name).values(**changes))
            if disabled:
                ids = select(_account.c.id).where(_account.c.name == name)
                connection.execute(delete(_session).where(_session.c.account.in_(ids)))

    # ── sessions and links ────────────────────────────────────────────────────────────────────

    def open_session(
        self, account: Account, *, at: datetime, hours: float, jurisdiction: str = ""
    ) -> str:
        """Return the token of a new session."""
        token = secrets.token_urlsafe(32)
        with transaction(self._engine, writes=True) as connection:
            connection.execute(delete(_session).where(_session.c.expires_at < at))
            connection.execute(
                insert(_session),
                {
                    "token_hash": token_hash(token),
                    "account": account.id,
                    "jurisdiction": jurisdiction,
                    "created_at": at,
                    "expires_at": at + timedelta(hours=hours),
                },
            )
        return token

    def session(self, token: str, *, at: datetime) -> Session | None:
        """Return the session of a token, unless it has expired or its account is disabled."""
        with transaction(self._engine, writes=False) as connection:
            row = connection.execute(
                select(
                    _account,
                    _session.c.jurisdiction.label("at_jurisdiction"),
                    _session.c.expires_at,
                )
                .join(_session, _session.c.account == _account.c.id)
                .where(
                    _session.c.token_hash == token_hash(token),
                    _session.c.expires_at > at,
                    _account.c.disabled.is_(False),
                )
            ).first()
        if row is None:
            return None
        return Session(
            account=_to_account(row), jurisdiction=row.at_jurisdiction, expires_at=row.expires_at
        )

    def set_session_jurisdiction(self, token: str, jurisdiction: str) -> None:
        """Remember where a session looks."""
        with transaction(self._engine, writes=True) as connection:
            connection.execute(
                update(_session)
                .where(_session.c.token_hash == token_hash(token))
                .values(jurisdiction=jurisdiction)
            )

    def close_session(self, token: str) -> None:
        """Sign out."""
        with transaction(self._engine, writes=True) as connection:
            connection.execute(delete(_session).where(_session.c.token_hash == token_hash(token)))

    def close_other_sessions(self, account: Account, token: str) -> None:
        """Sign an account out everywhere but where this token is."""
        with transaction(self._engine, writes=True) as connection:
            connection.execute(
                delete(_session).where(
                    _session.c.account == account.id, _session.c.token_hash != token_hash(token)
                )
            )

    def make_link(
        self, account: Account, *, at: datetime, hours: float, jurisdiction: str = ""
    ) -> str:
        """Return the token of a link that signs in once."""
        token = secrets.token_urlsafe(32)
        with transaction(self._engine, writes=True) as connection:
            connection.execute(delete(_link).where(_link.c.expires_at < at))
            connection.execute(
                insert(_link),
                {
                    "token_hash": token_hash(token),
                    "account": account.id,
                    "jurisdiction": jurisdiction,
                    "expires_at": at + timedelta(hours=hours),
                },
            )
        return token

    def use_link(self, token: str, *, at: datetime) -> tuple[Account, str] | None:
        """Use up a link; return its account and jurisdiction, or None when it is void."""
        with transaction(self._engine, writes=True) as connection:
            used = connection.execute(
                update(_link)
                .where(
                    _link.c.token_hash == token_hash(token),
                    _link.c.used_at.is_(None),
                    _link.c.expires_at > at,
                )
                .values(used_at=at)
            )
            if used.rowcount != 1:
                return None
            row = connection.execute(
                select(_account, _link.c.jurisdiction.label("at_jurisdiction"))
                .join(_link, _link.c.account == _account.c.id)
                .where(_link.c.token_hash == token_hash(token), _account.c.disabled.is_(False))
            ).first()
        return None if row is None else (_to_account(row), row.at_jurisdiction)

    # ── photos ────────────────────────────────────────────────────────────────────────────────

    def add_photo(self, photo: Photo) -> None:
        """Note a photo whose file is written."""
        with transaction(self._engine, writes=True) as connection:
            connection.execute(insert(_photo), msgspec.structs.asdict(photo))

    def photo(self, photo_id: str) -> Photo | None:
        """Return a photo by id."""
        with transaction(self._engine, writes=False) as connection:
            row = connection.execute(select(_photo).where(_photo.c.id == photo_id)).first()
        return None if row is None else Photo(**row._mapping)

    def place_photo(self, photo_id: str, jurisdiction: str) -> None:
        """Note that a report or task of this jurisdiction names a photo; again is right too."""
        try:
            with transaction(self._engine, writes=True) as connection:
                connection.execute(
                    insert(_place), {"photo": photo_id, "jurisdiction": jurisdiction}
                )
        except StoreError as error:
            if not isinstance(error.__cause__, IntegrityError):
                raise

    def photo_places(self, photo_id: str) -> list[str]:
        """Return the jurisdictions whose reports and tasks name a photo."""
        with transaction(self._engine, writes=False) as connection:
            return list(
                connection.execute(
                    select(_place.c.jurisdiction)
                    .where(_place.c.photo == photo_id)
                    .order_by(_place.c.jurisdiction)
                ).scalars()
            )

    # ── drills ────────────────────────────────────────────────────────────────────────────────

    def put_drill(self, drill: Drill) -> None:
        """Write a drill's row anew."""
        with transaction(self._engine, writes=True) as connection:
            connection.execute(delete(_drill).where(_drill.c.jurisdiction == drill.jurisdiction))
            connection.execute(insert(_drill), msgspec.structs.asdict(drill))

    def set_drill(self, jurisdiction: str, **changes: Any) -> bool:
        """Change single columns of a drill; False when there is none."""
        with transaction(self._engine, writes=True) as connection:
            changed = connection.execute(
                update(_drill).where(_drill.c.jurisdiction == jurisdiction).values(**changes)
            )
            return changed.rowcount == 1

    def drill(self, jurisdiction: str) -> Drill | None:
        """Return the drill of an exercise's jurisdiction."""
        return next((d for d in self.drills() if d.jurisdiction == jurisdiction), None)

    def drills(self) -> list[Drill]:
        """Return all drills, the one that changed last first."""
        with transaction(self._engine, writes=False) as connection:
            rows = connection.execute(select(_drill).order_by(_drill.c.updated_at.desc())).all()
        return [Drill(**{**row._mapping, "paused": bool(row.paused)}) for row in rows]


def _to_account(row: Any) -> Account:
    return Account(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        password_hash=row.password_hash,
        jurisdictions=tuple(msgspec.json.decode(row.jurisdictions)),
        cells=tuple(msgspec.json.decode(row.cells)),
        language=row.language,
        disabled=bool(row.disabled),
        created_at=row.created_at,
    )
