"""The page of a fast replay: language, verdict, differences, the limit and the map's legend."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from dispatch.roads import RoadGraph
from streams.fast_page import page
from streams.measures import Case, Measures
from streams.verdict import DAYS_LEAST, differences

LATE_S = 300.0
START = datetime(2026, 7, 1, tzinfo=UTC)
OURS, THEIRS = "joint", "closest-idle"


def measured(*days_s: Sequence[float | None]) -> Measures:
    """Urgent calls that were reached after so many seconds, or never, day by day."""
    made = Measures()
    for day, seconds in enumerate(days_s):
        for number, after_s in enumerate(seconds):
            made.cases[f"{day}/{number}"] = Case(
                received_at=START + timedelta(days=day, hours=16 * number),
                priority=1,
                lon=8.005,
                lat=50.0,
                arrivals=[] if after_s is None else [("engine", after_s)],
            )
    return made


def report_of(ours: Measures, theirs: Measures) -> dict[str, Any]:
    """The parts of a report that the page shows."""
    policies = {
        name: {
            "urgent": one.group(urgent=True, late_s=LATE_S),
            "other": one.group(urgent=False, late_s=LATE_S),
            "late_s": LATE_S,
            "by_priority": one.by_priority(LATE_S),
            "run": one.run(),
        }
        for name, one in ((OURS, ours), (THEIRS, theirs))
    }
    return {
        "inputs": {"recording": "night.jsonl.gz"},
        "configuration": {"load": 1.0},
        "code": {"version": "1", "solvers": {}},
        "policies": policies,
        "differences": differences(ours, theirs, LATE_S),
        "certificate": {"certificate": "c"},
    }


def html_of(ours: Measures, theirs: Measures) -> str:
    """The page over a city of one street."""
    ends = {"u": (8.0, 50.0), "v": (8.01, 50.01)}
    street = {"id": "e", "u": "u", "v": "v", "length_m": 1300.0, "speed_kmh": 30.0, "oneway": 0,
              "road_class": "residential", "name": "", "layer": "",
              "geometry": list(ends.values())}  # fmt: skip
    report = report_of(ours, theirs)
    return page(report, {OURS: ours, THEIRS: theirs}, RoadGraph(ends, [street]))


WEEK = DAYS_LEAST + 1
SOON = measured(*[[100.0, 200.0]] * WEEK)
LATE = measured(*[[150.0, 400.0]] * WEEK)


def test_who_is_better_every_day_is_better_and_the_other_worse() -> None:
    found = differences(SOON, LATE, LATE_S)
    assert found["days"] == WEEK
    assert found["urgent_late"] == {"value": -1, "low": -1, "high": -1, "verdict": "better"}
    assert (found["urgent_mean_s"]["value"], found["urgent_mean_s"]["verdict"]) == (-125, "better")
    turned = differences(LATE, SOON, LATE_S)
    assert {turned[key]["verdict"] for key in ("urgent_late", "urgent_mean_s")} == {"worse"}


def test_who_is_better_on_some_days_alone_is_not_called_so() -> None:
    mixed = measured(*[[100.0, 200.0] if day % 2 else [400.0, 500.0] for day in range(WEEK)])
    even = measured(*[[400.0, 200.0]] * WEEK)
    found = differences(mixed, even, LATE_S)
    assert found["urgent_late"]["verdict"] == found["urgent_mean_s"]["verdict"] == "unclear"


def test_a_few_days_are_no_verdict_and_no_calls_no_comparison() -> None:
    few = differences(measured([100.0, None]), measured([400.0, 500.0]), LATE_S)
    assert few["urgent_late"]["verdict"] == "too_few_days"
    nobody = differences(measured([None]), measured([None]), LATE_S)
    assert nobody["urgent_late"]["value"] == 0
    assert nobody["urgent_mean_s"] is None
    assert differences(Measures(), Measures(), LATE_S)["days"] == 0


def test_differences_have_a_sign_and_a_share() -> None:
    html = html_of(SOON, LATE)
    late = re.search(r"Urgent: late</span></td>(.*?)</tr>", html)
    assert late
    assert re.findall("<td>(.*?)</td>", late[1]) == ["0", "7", "−7 (−100.0%)"]
    mean = re.search(r"Urgent: mean, s</span></td>(.*?)</tr>", html)
    assert mean
    assert re.findall("<td>(.*?)</td>", mean[1]) == ["150.0", "275.0", "−125.0 (−45.5%)"]
    calls = re.search(r"Urgent: calls</span></td>(.*?)</tr>", html)
    assert calls
    assert re.findall("<td>(.*?)</td>", calls[1]) == ["14", "14", "0"]


def test_the_verdict_the_limit_and_the_legend_are_said_in_both_languages() -> None:
    html = html_of(SOON, LATE)
    for said in (
        "紧急迟到：<b>更好</b>，−1.0 起/天", "Late urgent calls: <b>better</b>, −1.0 a day",
        "迟到界限 300 秒", "late after 300 s", "全部迟到", "all late",
    ):  # fmt: skip
        assert said in html
    assert html.count('class="limit"') == 4
    assert "http" not in html
    assert len(re.findall('lang="zh"', html)) == len(re.findall('lang="en"', html))


def test_without_calls_the_page_says_that_nothing_compares() -> None:
    assert "No urgent calls to compare" in html_of(Measures(), Measures())


@pytest.mark.browser
@pytest.mark.parametrize(
    ("locale", "shown"), [("zh-CN", "策略对比"), ("de-DE", "Policies compared")]
)
def test_the_page_opens_offline_in_the_browsers_language(
    chromium_path: Path, tmp_path: Path, locale: str, shown: str
) -> None:
    file = tmp_path / "report.html"
    file.write_text(html_of(SOON, LATE), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(chromium_path), args=["--no-sandbox"]
        )
        for width, height in ((1440, 900), (390, 844)):
            tab = browser.new_page(
                locale=locale, offline=True, viewport={"width": width, "height": height}
            )
            tab.goto(file.as_uri())
            heading = tab.locator("h1:visible")
            assert heading.all_inner_texts() == [shown]
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert tab.evaluate(wide) <= 0
            tab.get_by_label("English" if shown == "策略对比" else "中文").check()
            assert heading.all_inner_texts() != [shown]
            tab.close()
        browser.close()
