"""The generated reference is current and says what the code says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gridcommand.reference import asyncapi_document, reference, settings_page, stale_files
from models.events import PAYLOADS
from models.settings import CHECKOUT, Settings
from models.topics import all_topics


@pytest.mark.parametrize("name", reference())
def test_the_file_is_current(name: str) -> None:
    assert (CHECKOUT / "docs" / name).read_text("utf-8") == reference()[name](), "run make docs"


def test_a_changed_file_is_stale(tmp_path: Path) -> None:
    (tmp_path / "settings.md").write_text(settings_page() + "more")
    stale = {path.name for path in stale_files(tmp_path)}
    assert "settings.md" in stale
    (tmp_path / "settings.md").write_text(settings_page())
    assert "settings.md" not in {path.name for path in stale_files(tmp_path)}


def test_every_setting_is_on_the_page_with_a_sentence() -> None:
    page = settings_page()
    for key, info in Settings.model_fields.items():
        assert f"| `{key}` |" in page
        assert info.description, key
    assert str(CHECKOUT) not in page


def test_every_topic_and_event_is_in_the_document_and_every_reference_leads_somewhere() -> None:
    document = YAML(typ="safe").load(asyncapi_document())
    assert {one["address"] for one in document["channels"].values()} == {
        spec.name for spec in all_topics()
    }
    schemas = document["components"]["schemas"]
    assert set(PAYLOADS) <= set(schemas)
    text = json.dumps(document)
    for part in text.split('"#/components/schemas/')[1:]:
        assert part.partition('"')[0] in schemas
