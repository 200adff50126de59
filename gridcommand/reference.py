"""The generated reference: what ``make docs`` writes under ``docs/``.

Settings from the one settings object, topics and events as AsyncAPI 3.0 from their declarations,
the HTTP API as OpenAPI from the console, the playbooks' JSON Schema. A test says when a file is
not current; nothing here is written by hand twice.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterable
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML

from models.events import INPUTS, PAYLOADS, TYPE_PREFIX, ReportReceived
from models.settings import CHECKOUT, Settings
from models.topics import (
    DEAD_LETTERS,
    DESK,
    READINGS,
    REPORTS,
    SENML_CONTENT_TYPE,
    TOPICS,
    UPDATES,
    TopicSpec,
    all_topics,
)
from playbooks.schema import schema_text

Json = dict[str, Any]


def reference() -> dict[str, Callable[[], str]]:
    """Return what makes each file, by its name under ``docs/``."""
    return {
        "settings.md": settings_page,
        "asyncapi.yaml": asyncapi_document,
        "openapi.json": openapi_document,
        "playbook.schema.json": schema_text,
    }


def write_reference(folder: Path) -> list[Path]:
    """Write every file of the reference and return them."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, make in reference().items():
        path = folder / name
        path.write_text(make(), encoding="utf-8")
        written.append(path)
    return written


def stale_files(folder: Path) -> list[Path]:
    """Return the files of the reference that are not what would be written now."""
    return [
        folder / name
        for name, make in reference().items()
        if not (folder / name).is_file() or (folder / name).read_text("utf-8") != make()
    ]


def settings_page() -> str:
    """Return the page of all settings, as Markdown."""
    lines = [
        "# Settings",
        "",
        "Generated from `models/settings.py` by `make docs`.",
        "",
        "A value comes from, first found wins: a command line option; the environment, as",
        "`GRIDCOMMAND_` and the key in capitals; the file named by `GRIDCOMMAND_CONFIG` (default",
        "`gridcommand.toml` in the working directory), as `key = value`; the default here.",
        "Lists are written as JSON in the environment, for example",
        "`GRIDCOMMAND_AUTOMATIC_PRIORITIES='[1, 2]'`.",
        "",
        "| key | type | default | what |",
        "| --- | --- | --- | --- |",
    ]
    for key, info in Settings.model_fields.items():
        what = (info.description or "").replace("|", "\\|")
        lines.append(f"| `{key}` | {_type(info)} | {_default(info)} | {what} |")
    return "\n".join(lines) + "\n"


def asyncapi_document() -> str:
    """Return topics and events as an AsyncAPI 3.0 document, as YAML."""
    refs, schemas = msgspec.json.schema_components(
        list(PAYLOADS.values()), ref_template="#/components/schemas/{name}"
    )
    schemas["CloudEvent"] = _envelope()
    schemas["SenML"] = _senml()
    for (name, _), ref in zip(PAYLOADS.items(), refs, strict=True):
        schemas[name] = {
            "allOf": [
                {"$ref": "#/components/schemas/CloudEvent"},
                {"properties": {"type": {"const": name}, "data": ref}},
            ]
        }
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Gridcommand's topics",
            "version": "0.1.0",
            "description": "Generated from models/topics.py and models/events/ by `make docs`.",
            "license": {"name": "Apache-2.0"},
        },
        "channels": {_channel_id(spec): _channel(spec) for spec in all_topics()},
        "operations": _operations(),
        "components": {"schemas": {name: schemas[name] for name in sorted(schemas)}},
    }
    out = StringIO()
    yaml = YAML()
    yaml.width = 100
    yaml.dump(json.loads(json.dumps(document)), out)
    return out.getvalue()


def openapi_document() -> str:
    """Return the console's HTTP API as OpenAPI, as JSON."""
    from models.city import CityPack
    from models.store import open_store
    from web_console.app import create_app
    from web_console.console import Console

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), city="san_francisco", web_port=8740)
        store = open_store(settings)
        try:
            console = Console(settings, store, CityPack.load(settings.city_path))
            document = create_app(console).openapi()
        finally:
            store.close()
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _channel_id(spec: TopicSpec) -> str:
    return spec.name.replace(".", "-")


def _channel(spec: TopicSpec) -> Json:
    return {
        "address": spec.name,
        "description": spec.summary,
        "messages": {"record": _message(spec)},
        "bindings": {
            "kafka": {
                "topic": spec.name,
                "partitions": spec.partitions,
                "topicConfiguration": {"retention.ms": spec.retention_ms},
            }
        },
    }


def _message(spec: TopicSpec) -> Json:
    name = spec.name.removeprefix("exercise.")
    payload: Json
    if name == READINGS:
        payload = {"$ref": "#/components/schemas/SenML"}
    elif name == DEAD_LETTERS:
        payload = {"$ref": "#/components/schemas/CloudEvent"}
    else:
        payload = {"type": "array", "items": {"oneOf": list(_events_on(name))}}
    return {
        "contentType": spec.content,
        "payload": payload,
        "bindings": {"kafka": {"key": {"type": "string", "description": spec.key}}},
    }


def _events_on(topic: str) -> Iterable[Json]:
    for name, cls in PAYLOADS.items():
        if (
            (topic == REPORTS and cls is ReportReceived)
            or (topic == DESK and cls in INPUTS)
            or topic == UPDATES
        ):
            yield {"$ref": f"#/components/schemas/{name}"}


def _operations() -> Json:
    """What others do to them: send what comes in, receive what goes out."""
    return {
        f"{'receive' if spec.name in (READINGS, REPORTS, DESK) else 'send'}-{spec.name}": {
            "action": "receive" if spec.name in (READINGS, REPORTS, DESK) else "send",
            "channel": {"$ref": f"#/channels/{_channel_id(spec)}"},
            "summary": spec.summary,
        }
        for spec in TOPICS
    }


def _envelope() -> Json:
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "CloudEvents 1.0 in structured mode, with Gridcommand's extensions.",
        "required": ["specversion", "id", "source", "type", "time", "jurisdiction", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {**text, "minLength": 1, "description": "Unique with source; UUIDv7 if it can."},
            "source": {**text, "minLength": 1, "description": "URI reference of who says it."},
            "type": {**text, "pattern": f"^{TYPE_PREFIX.replace('.', '[.]')}"},
            "time": {**text, "format": "date-time", "description": "With a zone; UTC from us."},
            "jurisdiction": {**text, "minLength": 1, "description": "Who commands."},
            "exercise": {"type": "boolean", "default": False},
            "cause": {**text, "description": "Id of the event that this one follows from."},
            "subject": {**text, "description": "The incident it is about, if any."},
            "seq": {"type": "integer", "minimum": 1, "description": "Place in the journal."},
            "traceparent": {**text, "description": "W3C trace context."},
            "datacontenttype": {"const": "application/json"},
            "data": {"type": "object"},
        },
    }


def _senml() -> Json:
    return {
        "type": "array",
        "description": f"A SenML pack, RFC 8428, {SENML_CONTENT_TYPE}. A record's header "
        "`traceparent` (W3C trace context) makes an alarm part of its sender's trace.",
        "items": {
            "type": "object",
            "properties": {
                "bn": {"type": "string", "description": "Base name: the device."},
                "bt": {"type": "number", "description": "Base time, seconds."},
                "n": {"type": "string", "description": "The quantity."},
                "u": {"type": "string", "description": "Unit."},
                "v": {"type": "number"},
                "vb": {"type": "boolean"},
                "t": {"type": "number", "description": "Time, seconds."},
            },
        },
    }


def _type(info: FieldInfo) -> str:
    # Repeats what a person writes: no module names, and of a bounded number just its kind.
    text = re.sub(r"Annotated\[(\w+), [^]]*\]+\)\]", r"\1", _plain(info.annotation))
    text = re.sub(r"^Optional\[(.*)\]$", r"\1 | None", text)
    bounds = [
        f"{sign} {getattr(one, name):,}"
        for one in info.metadata
        for name, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
        if getattr(one, name, None) is not None
    ]
    return ", ".join([f"`{text}`".replace("|", "\\|"), *bounds])


def _plain(annotation: Any) -> str:
    if isinstance(annotation, type) and not getattr(annotation, "__args__", None):
        return annotation.__name__
    return re.sub(r"\b(typing|pathlib|pathlib\._local)\.", "", str(annotation))


def _default(info: FieldInfo) -> str:
    value = info.default
    if isinstance(value, Path):
        # Absolute only because it lies beside the code.
        value = value.relative_to(CHECKOUT) if value.is_relative_to(CHECKOUT) else value
        return f"`{value}`"
    if isinstance(value, frozenset):
        return f"`{json.dumps(sorted(value))}`"
    if value is None or value == "":
        return "empty"
    return f"`{json.dumps(value)}`"
