"""The category tree holds together, and every id that other rooms write down exists."""

from __future__ import annotations

import re

import pytest

from models.categories import (
    GB_CLASSES,
    Category,
    UnknownCategoryError,
    ancestors,
    categories,
    category,
    is_a,
)
from models.skills import SKILLS, UNIT_KINDS, Skill, UnitKind

PROMISED = [
    "natural",
    "accident",
    "health",
    "security",
    "city",
    "natural.flood",
    "natural.forest_fire",
    "natural.weather",
    "natural.geological",
    "accident.fire.structure",
    "accident.fire.outside",
    "accident.fire.vehicle",
    "accident.fire.alarm",
    "accident.fire.smoke",
    "accident.hazmat",
    "accident.gas_leak",
    "accident.electrical",
    "accident.traffic",
    "accident.rescue.elevator",
    "accident.rescue.water",
    "accident.rescue.confined",
    "accident.industrial",
    "accident.fuel_spill",
    "accident.odor",
    "health.medical",
    "health.epidemic",
    "security.disturbance",
    "city.assist",
    "city.straw_burning",
    "city.manhole",
    "city.elderly_alarm",
    "city.road_damage",
    "city.waterlogging",
    "city.garbage",
    "city.other",
]


@pytest.mark.parametrize("category_id", PROMISED)
def test_promised_ids_exist(category_id: str) -> None:
    assert category(category_id).id == category_id


def test_codes_are_unique_and_layered() -> None:
    codes = [entry.code for entry in categories().values()]
    assert len(set(codes)) == len(codes)
    for entry in categories().values():
        if entry.gb_class is not None:
            assert re.fullmatch(r"[1-4]\d{4}", entry.code)
            assert entry.code[0] == entry.gb_class == GB_CLASSES[entry.id.partition(".")[0]]
        else:
            assert re.fullmatch(r"[EPS]\d{4}", entry.code)


def test_a_code_of_a_layer_begins_with_its_parents() -> None:
    for entry in categories().values():
        if entry.gb_class is not None and entry.parent is not None:
            parent = categories()[entry.parent].code
            assert entry.code.startswith(parent.rstrip("0")[: 3 if parent[3:] == "00" else 5])


def test_both_languages_everywhere() -> None:
    words: list[Category | Skill | UnitKind] = [
        *categories().values(),
        *SKILLS.values(),
        *UNIT_KINDS.values(),
    ]
    for word in words:
        assert re.search("[\u4e00-\u9fff]", word.names.zh), word.id
        assert re.search("[A-Za-z]", word.names.en), word.id
        assert not re.search("[\u4e00-\u9fff]", word.names.en), word.id


def test_ancestors_nearest_first() -> None:
    assert ancestors("accident.fire.structure") == ("accident.fire", "accident")
    assert ancestors("city") == ()


def test_is_a() -> None:
    assert is_a("accident.fire.structure", "accident.fire")
    assert is_a("accident.fire", "accident.fire")
    assert not is_a("accident.fire", "accident.fire.structure")
    assert not is_a("accident.fire", "natural")


@pytest.mark.parametrize(("one", "other"), [("nope", "city"), ("city", "nope")])
def test_a_misspelt_id_is_no_quiet_no(one: str, other: str) -> None:
    with pytest.raises(UnknownCategoryError, match="'nope' is unknown"):
        is_a(one, other)


def test_the_tree_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        categories()["city"] = category("natural")  # type: ignore[index]


def test_unit_kinds_bring_known_skills() -> None:
    for kind in UNIT_KINDS.values():
        assert kind.skills
        assert set(kind.skills) <= set(SKILLS)
