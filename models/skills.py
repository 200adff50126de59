"""What units can do, and what kinds of units there are: ids with names in both languages.

A requirement asks for skills, a unit offers skills; the kind is what the unit looks like on the
map and in the queue. Which unit really has which skill is written in a city pack's ``units.csv``;
:data:`UNIT_KINDS` says what a unit of a kind usually brings, for packs and derived playbooks.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from models.categories import Names


class Skill(msgspec.Struct, frozen=True):
    """Something that a requirement can ask for."""

    id: str
    names: Names


class UnitKind(msgspec.Struct, frozen=True):
    """A kind of unit, with the skills that one of it usually has."""

    id: str
    names: Names
    skills: tuple[str, ...]


def _skill(skill_id: str, zh: str, en: str) -> tuple[str, Skill]:
    return skill_id, Skill(skill_id, Names(zh, en))


def _kind(kind_id: str, zh: str, en: str, *skills: str) -> tuple[str, UnitKind]:
    return kind_id, UnitKind(kind_id, Names(zh, en), skills)


SKILLS: Final[Mapping[str, Skill]] = MappingProxyType(
    dict(
        (
            _skill("fire_suppression", "灭火", "Fire suppression"),
            _skill("aerial_ladder", "登高举高", "Aerial ladder"),
            _skill("medical_first_response", "现场急救", "Medical first response"),
            _skill("medical_advanced", "高级生命支持", "Advanced life support"),
            _skill("medical_transport", "伤病员转运", "Patient transport"),
            _skill("incident_command", "现场指挥", "Incident command"),
            _skill("medical_command", "医疗指挥", "Medical command"),
            _skill("technical_rescue", "技术救援", "Technical rescue"),
            _skill("support_services", "保障支援", "Support services"),
            _skill("fire_investigation", "火灾调查", "Fire investigation"),
            _skill("aircraft_rescue", "航空器救援", "Aircraft rescue"),
            _skill("hazmat_response", "危化品处置", "Hazardous materials response"),
            _skill("gas_repair", "燃气抢修", "Gas repair"),
            _skill("traffic_police", "交通管制", "Traffic police"),
            _skill("public_security", "治安处置", "Public security"),
            _skill("forest_fire", "森林灭火", "Forest firefighting"),
            _skill("drainage", "排水抢险", "Drainage"),
            _skill("grid_inspection", "网格巡查", "Grid inspection"),
            _skill("municipal_repair", "市政维修", "Municipal repair"),
            _skill("home_care", "居家照护", "Home care"),
            _skill("urban_enforcement", "城管执法", "Urban enforcement"),
            _skill("volunteer_help", "志愿服务", "Volunteer help"),
        )
    )
)

UNIT_KINDS: Final[Mapping[str, UnitKind]] = MappingProxyType(
    dict(
        (
            _kind("engine", "消防泵车", "Engine", "fire_suppression", "medical_first_response"),
            _kind(
                "medic",
                "高级急救车",
                "Medic unit",
                "medical_first_response",
                "medical_advanced",
                "medical_transport",
            ),
            _kind("private_ambulance", "民营救护车", "Private ambulance", "medical_transport"),
            _kind("truck", "消防云梯车", "Truck", "aerial_ladder", "technical_rescue"),
            _kind("chief", "消防指挥长", "Battalion chief", "incident_command"),
            _kind(
                "rescue_captain",
                "急救队长",
                "Rescue captain",
                "medical_command",
                "medical_first_response",
            ),
            _kind(
                "rescue_squad",
                "救援分队",
                "Rescue squad",
                "technical_rescue",
                "medical_first_response",
            ),
            _kind("support", "保障车", "Support unit", "support_services"),
            _kind("airport", "机场消防车", "Airport unit", "aircraft_rescue", "fire_suppression"),
            _kind("investigation", "火灾调查车", "Fire investigator", "fire_investigation"),
            _kind(
                "fire_engine", "消防车", "Fire engine", "fire_suppression", "medical_first_response"
            ),
            _kind("ladder_truck", "云梯车", "Ladder truck", "aerial_ladder", "technical_rescue"),
            _kind("hazmat_vehicle", "危化品处置车", "Hazmat vehicle", "hazmat_response"),
            _kind(
                "ambulance",
                "救护车",
                "Ambulance",
                "medical_first_response",
                "medical_advanced",
                "medical_transport",
            ),
            _kind("police_car", "警车", "Police car", "public_security"),
            _kind("traffic_police_car", "交警巡逻车", "Traffic police car", "traffic_police"),
            _kind("gas_repair_van", "燃气抢修车", "Gas repair van", "gas_repair"),
            _kind("drainage_truck", "排水抢险车", "Drainage truck", "drainage"),
            _kind("forest_team", "森林消防队", "Forest fire team", "forest_fire"),
            _kind("grid_worker", "网格员", "Grid worker", "grid_inspection"),
            _kind("municipal_team", "市政维修队", "Municipal repair team", "municipal_repair"),
            _kind("home_care_team", "居家照护队", "Home care team", "home_care"),
            _kind("enforcement_car", "城管执法车", "Enforcement car", "urban_enforcement"),
            _kind("volunteer_team", "志愿服务队", "Volunteer team", "volunteer_help"),
        )
    )
)
