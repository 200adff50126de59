"""The register of devices: sensors that may send readings, where they are, when they were heard.

A key is made here and leaves once; the database keeps only its SHA-256. Not for: what a device
measures, nor when that is an alarm.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Engine, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from models.city import CityPack
from models.database import transaction
from models.errors import GridcommandError, StoreError
from models.named import unknown
from models.registers import Device, token_hash
from models.rights import runs_here
from models.senml import NAME_MAX, is_device
from models.tables import DeviceRecord

_device = DeviceRecord.__table__  # type: ignore[attr-defined]

_SEEN = (
    update(_device)
    .where(_device.c.id == bindparam("device"))
    .values(last_seen_at=bindparam("seen_at"))
)
_FAULT = (
    update(_device)
    .where(_device.c.id == bindparam("device"))
    .values(fault=bindparam("said"), fault_at=bindparam("said_at"))
)


class DeviceTakenError(StoreError):
    """A device of this name is registered; the message says what to do."""


class DeviceError(GridcommandError, ValueError):
    """A device that can't be registered so; the message says what is wrong with it."""


class Sighting(msgspec.Struct, frozen=True):
    """That something came from a device, and what of it was refused; empty: nothing."""

    at: datetime
    fault: str = ""


def located(device: Device, pack: CityPack) -> Device:
    """Return a device as it is registered: of the city unless it says otherwise, in its cell.

    Raises
    ------
    DeviceError
        Its name can't be a device's in SenML, half a place, none on earth or 0, 0, or an unknown
        cell or jurisdiction.
    """
    if not is_device(device.id):
        raise DeviceError(
            f"{device.id[:80]!r} can't be a device's id: at most {NAME_MAX} of A-Z a-z 0-9 -:./_,"
            " beginning with a letter or a figure, for readings are named id/quantity"
        )
    if (device.lon is None) != (device.lat is None):
        raise DeviceError(f"{device.id}: lon and lat belong together; give both or neither")
    cell = device.cell
    if device.lon is not None and device.lat is not None:
        if not (abs(device.lon) <= 180 and abs(device.lat) <= 90):
            raise DeviceError(
                f"{device.id}: lon {device.lon}, lat {device.lat} is no place on earth (degrees)"
            )
        if device.lon == 0 and device.lat == 0:
            raise DeviceError(
                f"{device.id}: lon 0, lat 0 is no place, but what a program writes where it knows "
                "none: leave both out then"
            )
        found = pack.cells.locate(device.lon, device.lat) if not cell else None
        cell = found.code if found is not None else cell
    if device.cell and pack.cells.get(device.cell) is None:
        raise DeviceError(f"{device.id}: the city has no cell {device.cell!r}")
    whose = device.jurisdiction or pack.jurisdiction
    if not runs_here(whose, {pack.jurisdiction}):
        raise DeviceError(f"{device.id}: {unknown('jurisdiction', whose, {pack.jurisdiction: ()})}")
    return msgspec.structs.replace(device, cell=cell, jurisdiction=whose)


def stands_outside(device: Device, pack: CityPack) -> bool:
    """Say whether a device has a place that lies in none of the city's cells.

    Not an error: a gauge may stand upstream of the city. Most often two numbers are swapped or a
    sign is lost, so whoever registers it must be told.
    """
    if device.lon is None or device.lat is None or not len(pack.cells):
        return False
    return pack.cells.locate(device.lon, device.lat) is None


class Devices:
    """The register's part of the store."""

    _engine: Engine

    def add_device(self, device: Device) -> str:
        """Register a device (again: anew, with a new key) and return its key."""
        key = secrets.token_urlsafe(24)
        with transaction(self._engine, writes=True) as connection:
            connection.execute(delete(_device).where(_device.c.id == device.id))
            connection.execute(insert(_device), _row(device, key))
        return key

    def add_devices(self, devices: Sequence[Device]) -> dict[str, str]:
        """Register devices that are new, all or none, and return their keys by id.

        Raises
        ------
        DeviceTakenError
            One of them is there.
        """
        keys = {device.id: secrets.token_urlsafe(24) for device in devices}
        rows = [_row(device, keys[device.id]) for device in devices]
        try:
            with transaction(self._engine, writes=True) as connection:
                if rows:
                    connection.execute(insert(_device), rows)
        except StoreError as error:
            if isinstance(error.__cause__, IntegrityError):
                known = [name for name in keys if self.device(name) is not None]
                raise DeviceTakenError(
                    f"registered already: {', '.join(known[:5])}; rotate gives a device a new key"
                ) from error
            raise
        return keys

    def update_devices(self, devices: Sequence[Device]) -> None:
        """Change what is known of devices that are registered; their keys stay."""
        names = ("jurisdiction", "kind", "owner", "lon", "lat", "cell")
        now = datetime.now(UTC)
        with transaction(self._engine, writes=True) as connection:
            for device in devices:
                values = {name: getattr(device, name) for name in names}
                connection.execute(
                    update(_device)
                    .where(_device.c.id == device.id)
                    .values(**values, changed_at=now)
                )

    def rotate_device(self, device_id: str) -> str | None:
        """Give a device a new key and return it; None: there is no such device."""
        key = secrets.token_urlsafe(24)
        changed = self._change(device_id, key_hash=token_hash(key))
        return key if changed else None

    def set_device_disabled(self, device_id: str, *, disabled: bool) -> bool:
        """Let a device send no more, or again; False: there is no such device."""
        return self._change(device_id, disabled=disabled)

    def _change(self, device_id: str, **values: Any) -> bool:
        values["changed_at"] = datetime.now(UTC)
        with transaction(self._engine, writes=True) as connection:
            changed = connection.execute(
                update(_device).where(_device.c.id == device_id).values(**values)
            )
            return changed.rowcount == 1

    def note_sightings(self, sightings: Mapping[str, Sighting]) -> None:
        """Note when devices were heard, and what was refused of them."""
        seen = [{"device": name, "seen_at": one.at} for name, one in sightings.items()]
        faults = [
            {"device": name, "said": one.fault, "said_at": one.at}
            for name, one in sightings.items()
            if one.fault
        ]
        with transaction(self._engine, writes=True) as connection:
            if seen:
                connection.execute(_SEEN, seen)
            if faults:
                connection.execute(_FAULT, faults)

    def device(self, device_id: str, key: str | None = None) -> Device | None:
        """Return a device; with a key only when the key is its own and it is not disabled."""
        query = select(_device).where(_device.c.id == device_id)
        if key is not None:
            query = query.where(
                _device.c.key_hash == token_hash(key), _device.c.disabled.is_(False)
            )
        with transaction(self._engine, writes=False) as connection:
            row = connection.execute(query).first()
        return None if row is None else _to_device(row)

    def devices(
        self,
        *,
        jurisdictions: Collection[str] | None = None,
        after: str = "",
        limit: int | None = None,
    ) -> list[Device]:
        """Return devices by id: all, or those of some jurisdictions; ``after`` is to go on from."""
        query = select(_device).order_by(_device.c.id).limit(limit)
        if jurisdictions is not None:
            query = query.where(_device.c.jurisdiction.in_(jurisdictions))
        if after:
            query = query.where(_device.c.id > after)
        with transaction(self._engine, writes=False) as connection:
            return [_to_device(row) for row in connection.execute(query)]

    def device_jurisdictions(self) -> list[str]:
        """Return the jurisdictions that have devices."""
        query = select(_device.c.jurisdiction).distinct().order_by(_device.c.jurisdiction)
        with transaction(self._engine, writes=False) as connection:
            return list(connection.execute(query).scalars())

    def register_mark(self) -> tuple[int, datetime | None]:
        """Return what changes whenever the register does, sightings apart."""
        query = select(func.count(), func.max(_device.c.changed_at)).select_from(_device)
        with transaction(self._engine, writes=False) as connection:
            count, changed_at = connection.execute(query).one()
        return count, changed_at


def _row(device: Device, key: str) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(device),
        "key_hash": token_hash(key),
        "changed_at": datetime.now(UTC),
    }


def _to_device(row: Any) -> Device:
    fields = {name: getattr(row, name) for name in Device.__struct_fields__}
    return Device(**{**fields, "disabled": bool(row.disabled)})
