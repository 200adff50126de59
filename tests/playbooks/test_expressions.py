"""CEL over incidents: right answers, remembered answers, and mistakes found where they stand."""

from __future__ import annotations

import pytest

from playbooks.expressions import Expression, ExpressionError
from playbooks.facts import IncidentFacts
from playbooks.samples import TYPICAL, Samples

FIRE = IncidentFacts(
    category="accident.fire.structure", priority=1, facts={"trapped": 2, "explosion": True}
)


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("is_a(incident.category, 'accident.fire')", True),
        ("incident.category.is_a('accident.fire')", True),
        ("is_a(incident.category, 'accident.fire.vehicle')", False),
        ("incident.facts.trapped > 1 && incident.facts.explosion", True),
        ("incident.facts.injured > 0", False),
        ("1 + incident.facts.trapped / 2", 2),
        ("incident.facts.trapped > 3 ? 2 : 1", 1),
        ("['a', 'accident'].exists(p, incident.category.startsWith(p))", True),
        ("incident.grade in ['I', 'II']", False),
    ],
)
def test_answers(source: str, answer: bool | int) -> None:
    expression = Expression(source)
    assert expression.check(type(answer), TYPICAL) == []
    assert expression.evaluate(FIRE, type(answer)) == answer
    assert type(expression.evaluate(FIRE, type(answer))) is type(answer)


def test_only_fields_that_are_named_make_a_new_question() -> None:
    expression = Expression("incident.facts.trapped > 0 && incident.priority <= 2")
    assert expression.fields == ("facts.trapped", "priority")
    expression.evaluate(FIRE, bool)
    expression.evaluate(
        IncidentFacts(category="city", priority=1, hour=3, facts={"trapped": 2}), bool
    )
    assert len(expression._answers) == 1
    other = IncidentFacts(category="city", priority=3, facts={"trapped": 2})
    assert not expression.evaluate(other, bool)
    assert len(expression._answers) == 2


def test_a_fact_of_another_type_is_read_as_declared() -> None:
    odd = IncidentFacts(
        category="city", facts={"hazardous_goods": "chlorine", "trapped": "3", "injured": True}
    )
    condition = "incident.facts.hazardous_goods && incident.facts.trapped == 3"
    assert Expression(f"{condition} && incident.facts.injured == 1").evaluate(odd, bool) is True


def test_a_code_is_compared_without_what_nobody_sees() -> None:
    odd = IncidentFacts(category="city", code="１０\u200bE\ufe0f")
    assert Expression("incident.code == '10E'").evaluate(odd, bool) is True


@pytest.mark.parametrize(
    ("source", "line", "column", "message"),
    [
        ("incident.nope > 1", 1, 10, "unknown field 'nope'"),
        ("true || incident.facts.trappd > 1", 1, 24, "did you mean 'trapped'"),
        ("false && incident.code > 3", 1, 10, "different types"),
        ("true ||\n  incident.code > 3", 2, 3, "different types"),
        ("nofun(incident.code)", 1, 1, "unknown function 'nofun'"),
        ("incident.code.nofun('x')", 1, 15, "unknown function 'nofun'"),
        ("incident.category == 'accident.fir'", 1, 22, "did you mean 'accident.fire'"),
        ("is_a(incident.category, 'acident')", 1, 25, "did you mean 'accident'"),
        ("incident.grade in ['I', 'V']", 1, 25, "unknown grade 'V'"),
        ("incident.posture == 'war'", 1, 21, "unknown posture"),
        ("trapped > 1", 1, 1, "unknown name 'trapped'"),
        ("incident.facts['trapped'] > 1", 1, 10, "name one field"),
        ("incident.priority", 1, 1, "must give true or false, not 3"),
        ("incident.code == '10\u200bE'", 1, 18, "write '10E'"),
        ("incident.code == '１０E'", 1, 18, "write '10E'"),
        ("incident.priority && true", 1, 1, "&& joins conditions"),
    ],
)
def test_mistakes_have_their_place(source: str, line: int, column: int, message: str) -> None:
    (error,) = Expression(source).check(bool, TYPICAL)
    assert (error.line, error.column) == (line, column)
    assert message in str(error)


@pytest.mark.parametrize(
    ("source", "line", "column"),
    [("incident.category ==", 1, 19), ("1 +\n  * 3", 2, 3), ("", 1, 1), ("'open", 1, 1)],
)
def test_what_is_no_cel(source: str, line: int, column: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression(source)
    assert (caught.value.line, caught.value.column) == (line, column)


LONG = ", ".join(map(str, range(100)))


@pytest.mark.parametrize(
    "source",
    [
        f"[{LONG}].exists(a, [{LONG}].exists(b, a + b == incident.hour))",
        f"[[{LONG}]].exists(a, a.exists(b, a.exists(c, b + c == incident.hour)))",
        f"[{LONG}].map(a, [{LONG}].map(b, a * b)).exists(c, c.exists(d, d == 1))",
    ],
)
def test_lists_inside_lists_have_a_limit(source: str) -> None:
    with pytest.raises(ExpressionError, match="entries of lists, at most 500"):
        Expression(source)


def test_short_lists_inside_one_another_are_gone_through() -> None:
    source = "['10', '11'].exists(a, ['E', 'B'].exists(b, incident.code == a + b))"
    expression = Expression(source)
    assert expression.check(bool, TYPICAL) == []
    assert expression.evaluate(IncidentFacts(category="city", code="11E"), bool) is True
    assert expression.evaluate(IncidentFacts(category="city", code="11C"), bool) is False


def test_a_failure_on_real_facts_is_an_error_with_a_reason() -> None:
    expression = Expression("6 / incident.facts.trapped > 1")
    with pytest.raises(ExpressionError, match="divide by zero"):
        expression.evaluate(IncidentFacts(category="city"), bool)


def test_samples_meet_a_needle() -> None:
    source = "incident.hour == 3 && incident.facts.trapped == 17 && incident.code == 'Odd one'"
    expression = Expression(source)
    assert any(expression.evaluate(incident, bool) for incident in Samples(expression, ()))


def test_samples_keep_to_the_playbooks_categories() -> None:
    expression = Expression("is_a(incident.category, 'city')")
    met = {incident.category for incident in Samples(expression, ["accident.fire"])}
    assert met
    assert all(category.startswith("accident.fire") for category in met)
