"""Whatever the system can say has words in both languages: what is new fails here first."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatch.automation import HELD_FOR_TRIAGE, HELD_FOR_WALK
from dispatch.correlation import SOURCE_INCIDENT
from dispatch.explanation import PACKAGE, PIN_RULES, WALKS
from models import events as ev
from models.events import Order
from models.lifecycles import AssignmentState, IncidentState, TaskState, UnitState
from models.words import DEVICE, Channel, Role
from streams.classify.lexicon import load_lexicon
from streams.classify.sentences import MODALITIES
from web_console.pipeline import DATABASE, WORKER

ROOT = Path(__file__).resolve().parents[2]
OTHER_RULES = ("lacks_skill", "reserved", PACKAGE, "elsewhere", "neighbour", WALKS)
SILENT = {
    "unit.positions_reported",  # moves a mark on the map and enters no incident's log
    "order.carried_out",  # the order itself stands in the log
    "drill.described",  # a recording's first line
    "drill.service_recorded",  # what the drill's stand-in goes by; never in a journal
}


def catalogue(language: str) -> set[str]:
    text = (ROOT / f"web_console/static/i18n/{language}.js").read_text(encoding="utf-8")
    return set(re.findall(r"^  '([^']+)': ", text, re.MULTILINE))


def refusals() -> Iterator[str]:
    """Codes that the desk refuses orders with: the first text of each refusal."""
    for path in sorted((ROOT / "dispatch").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
            if name in ("RefusalError", "_refuse"):
                codes = [a.value for a in node.args if isinstance(a, ast.Constant)]
                yield from (str(code) for code in codes[:1])


def rules() -> Iterator[str]:
    text = (ROOT / "dispatch/explanation.py").read_text(encoding="utf-8")
    body = text[text.index("def _rule_against") :]
    yield from re.findall(r'return "([a-z_]+)"', body[: body.index("\n\n\n")])


def letters() -> Iterator[str]:
    """Codes of dead letters: what is given up in streams, by the names of its constants."""
    for path in sorted((ROOT / "streams").glob("*.py")):
        module = importlib.import_module(f"streams.{path.stem}")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
            given: list[ast.expr] = []
            if name == "DeadLetterRow":
                given = [one.value for one in node.keywords if one.arg == "code"]
            elif name == "_give_up":
                given = list(node.args)
            either = [one for one in given if isinstance(one, ast.IfExp)]
            given += [one for choice in either for one in (choice.body, choice.orelse)]
            for one in given:
                if isinstance(one, ast.Constant) and isinstance(one.value, str):
                    yield one.value
                elif isinstance(one, ast.Name) and one.id.isupper():
                    yield getattr(module, one.id)


def said() -> Iterator[str]:
    """Every key that a page makes out of what comes over the wire."""
    yield from (f"incident.{state.value}" for state in IncidentState)
    yield from (f"unit.{state.value}" for state in UnitState)
    yield from (f"assignment.{state.value}" for state in AssignmentState)
    yield f"assignment.{AssignmentState.CANCELLED.value}.{UnitState.OUT_OF_SERVICE.value}"
    yield f"because.{UnitState.OUT_OF_SERVICE.value}"
    yield from (f"task.{state.value}" for state in TaskState)
    yield from (f"channel.{channel.value}" for channel in Channel)
    yield from (f"role.{role.value}" for role in Role)
    yield from (
        f"fact.{name}" for name in (*load_lexicon().facts, "casualties", *DEVICE, SOURCE_INCIDENT)
    )
    yield from (f"modality.{modality}" for modality in MODALITIES)
    yield from (f"pipeline.{cause}" for cause in (DATABASE, WORKER))
    yield from (f"rule.{rule}" for rule in (*rules(), *OTHER_RULES, *PIN_RULES))
    yield from (f"because.{why}" for why in ("road_closed", "road_slow", "road_reopened"))
    yield from (f"log.assignment.rerouted.{how}" for how in ("sooner", "same", "cut_off"))
    yield "withdrawn.roads"
    yield from (f"proposal.held_{why}" for why in (HELD_FOR_TRIAGE, HELD_FOR_WALK))
    yield from (f"letter.{code}" for code in letters())
    yield from (f"refused.{code}" for code in refusals())
    for payload in ev.Payload.__subclasses__() + Order.__subclasses__():
        name = payload.type_name
        if name and name not in SILENT:
            yield f"log.{name}"
        if issubclass(payload, Order) and name:
            yield name


@pytest.mark.parametrize("language", ["zh", "en"])
def test_everything_that_can_be_said_has_words(language: str) -> None:
    missing = sorted(set(said()) - catalogue(language))
    assert not missing, f"{language}.js lacks {', '.join(missing)}"


def test_the_scan_finds_what_it_looks_for() -> None:
    assert {"busy", "held", "banned", "off_duty", "road_closed"} <= set(rules())
    assert "proposal_changed" in set(refusals())
    assert {"unreadable", "oversize", "unknown_jurisdiction", "desk_failed", "hangs"} <= set(
        letters()
    )
