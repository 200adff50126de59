"""``gridcommand device``: sensors that may send readings, their keys and places."""

from __future__ import annotations

import csv
import io
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from gridcommand.account_commands import open_migrated
from gridcommand.configuration import load_settings
from models.city import CityPack
from models.devices import DeviceError, located, stands_outside
from models.errors import GridcommandError
from models.pack_files import listed, read_table
from models.registers import Device

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Sensors that may send readings. docs/devices.md says how to connect one.",
)

Name = Annotated[str, typer.Argument(help="Id of the device, as its readings name it.")]


class UnknownDeviceError(GridcommandError):
    """A device that is not registered; the message says how to see those that are."""


@app.command("add")
def add(
    name: Name,
    lon: Annotated[
        float | None, typer.Option(min=-180, max=180, help="Longitude, WGS-84 degrees.")
    ] = None,
    lat: Annotated[
        float | None, typer.Option(min=-90, max=90, help="Latitude, WGS-84 degrees.")
    ] = None,
    cell: Annotated[str, typer.Option(help="Its cell; that of its place by default.")] = "",
    kind: Annotated[str, typer.Option(help="What it is, in your words.")] = "",
    owner: Annotated[str, typer.Option(help="Whose it is.")] = "",
    jurisdiction: Annotated[
        str, typer.Option(help="Where its alarms go; the city's own by default.")
    ] = "",
) -> None:
    """Register a device and print its key, once.

    Example: `gridcommand device add gas-7 --lon 119.48 --lat 31.42 --kind methane`
    """
    settings = load_settings()
    pack = CityPack.load(settings.city_path)
    device = located(
        Device(
            id=name, jurisdiction=jurisdiction, kind=kind, owner=owner, lon=lon, lat=lat, cell=cell
        ),
        pack,
    )
    with open_migrated(settings) as store:
        key = store.add_devices([device])[name]
    typer.echo(f"{name} is registered{_where(device)}. Its key, which is not shown again:")
    typer.echo(key)
    typer.echo(f"It sends readings with the header  X-Device-Key: {name}:{key}")
    if stands_outside(device, pack):
        typer.echo(f"Warning: {_outside(device, pack)}", err=True)


@app.command("import")
def import_devices(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV, UTF-8, with the columns id, kind, owner, lon, lat, cell and jurisdiction; "
            "all but id may be missing."
        ),
    ],
    keys: Annotated[
        Path | None, typer.Option(help="New file for the keys; standard output by default.")
    ] = None,
) -> None:
    """Register the devices of a table, all or none.

    Those that are registered keep their keys and get the table's place, kind and owner.

    Example: `gridcommand device import detectors.csv --keys detectors-keys.csv`
    """
    settings = load_settings()
    pack = CityPack.load(settings.city_path)
    outside: list[str] = []

    def look(where: str, device: Device) -> None:
        if stands_outside(device, pack):
            outside.append(f"{where}: {_outside(device, pack)}")

    devices = read_table(
        file, ("id",), lambda row: _device(row, pack), lambda one: one.id, look=look
    )
    with open_migrated(settings) as store:
        known = {one.id for one in store.devices()}
        new = [one for one in devices if one.id not in known]
        # Before anything is registered: a key that can't be written down is lost.
        out = None if keys is None else _new_file(keys)
        try:
            made = store.add_devices(new)
        except GridcommandError:
            if keys is not None:
                keys.unlink()
            raise
        store.update_devices([one for one in devices if one.id in known])
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("id", "key"), *made.items()])
    if out is None:
        typer.echo(table.getvalue(), nl=False)
    else:
        with os.fdopen(out, "w", encoding="utf-8") as written:
            written.write(table.getvalue())
    placeless = sum(one.lon is None for one in devices)
    print(
        f"{len(new)} registered, {len(devices) - len(new)} changed; {placeless} without a place, "
        f"{len(outside)} outside of every cell",
        file=sys.stderr,
    )
    if outside:
        print(f"Warning:\n{listed(outside)}", file=sys.stderr)


@app.command("list")
def list_devices() -> None:
    """List the devices, and when each was last heard."""
    with open_migrated(load_settings()) as store:
        devices = store.devices()
    if not devices:
        typer.echo("No device is registered; gridcommand device add makes one.")
    for one in devices:
        state = "disabled" if one.disabled else f"seen {_time(one.last_seen_at)}"
        fault = f"  refused: {one.fault}" if one.fault else ""
        typer.echo(f"{one.id:<32} {one.kind:<16} {state}{fault}")


@app.command("show")
def show(name: Name) -> None:
    """Show what is known of a device."""
    with open_migrated(load_settings()) as store:
        device = store.device(name)
    if device is None:
        raise _unknown(name)
    place = "none: its alarms have no place" if device.lon is None else (
        f"{device.lon}, {device.lat}"
    )  # fmt: skip
    for label, value in (
        ("id", device.id),
        ("kind", device.kind or "–"),
        ("owner", device.owner or "–"),
        ("jurisdiction", device.jurisdiction),
        ("place", place),
        ("cell", device.cell or "–"),
        ("state", "disabled" if device.disabled else "may send"),
        ("last seen", _time(device.last_seen_at)),
        ("refused last", f"{_time(device.fault_at)} {device.fault}" if device.fault else "nothing"),
    ):
        typer.echo(f"{label:<14}{value}")


@app.command("rotate")
def rotate(name: Name) -> None:
    """Give a device a new key; the old one ends at once."""
    with open_migrated(load_settings()) as store:
        key = store.rotate_device(name)
    if key is None:
        raise _unknown(name)
    typer.echo(f"The new key of {name}, which is not shown again:")
    typer.echo(key)


@app.command("disable")
def disable(
    name: Name,
    undo: Annotated[bool, typer.Option("--undo", help="Let it send again.")] = False,
) -> None:
    """Let a device send no more; its readings are refused, and its silence is told to nobody."""
    with open_migrated(load_settings()) as store:
        if not store.set_device_disabled(name, disabled=not undo):
            raise _unknown(name)
    typer.echo(f"{name} may send again." if undo else f"{name} may send no more.")


def _device(row: dict[str, str], pack: CityPack) -> Device:
    def text(column: str) -> str:
        return (row.get(column) or "").strip()

    return located(
        Device(
            id=text("id"),
            jurisdiction=text("jurisdiction"),
            kind=text("kind"),
            owner=text("owner"),
            lon=_degrees(text("lon"), "lon"),
            lat=_degrees(text("lat"), "lat"),
            cell=text("cell"),
        ),
        pack,
    )


def _degrees(text: str, column: str) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise DeviceError(f"{column} {text!r} is no number of degrees") from error


def _outside(device: Device, pack: CityPack) -> str:
    box = pack.box
    assert box is not None
    return (
        f"{device.id} at lon {device.lon}, lat {device.lat} lies outside of every cell, and is "
        f"registered so. The cells lie in lon {box.west:.2f} to {box.east:.2f}, lat "
        f"{box.south:.2f} to {box.north:.2f}: look whether the numbers are swapped or lack a sign"
    )


def _new_file(path: Path) -> int:
    try:
        # Keys are for one pair of eyes.
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise DeviceError(f"{path} can't be made for the keys: {error}; nothing changed") from error


def _unknown(name: str) -> UnknownDeviceError:
    return UnknownDeviceError(
        f"there is no device {name!r}; gridcommand device list shows those there are"
    )


def _where(device: Device) -> str:
    if device.lon is None:
        return " without a place: its alarms have none unless it sends its own"
    return f" at {device.lon}, {device.lat}" + (f" in cell {device.cell}" if device.cell else "")


def _time(at: datetime | None) -> str:
    return "never" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M")
