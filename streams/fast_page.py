"""The page of a fast replay's report: one HTML file that opens offline, in Chinese and English.

For: people who compare policies: a table, curves of first arrival and full complement, a map of
lateness over the city's own streets, coverage over time, each priority, unit hours, what each
figure is of, and the certificate at the foot. Charts are plain SVG made here. Every text stands
twice; which one shows is a choice at the top of the page, which begins with the browser's
language. Where there are two policies, what the first has more than the second stands beside them.
Not for: figures that aren't in the JSON beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from dispatch.roads import RoadGraph
from models.skills import UNIT_KINDS
from streams.fast_map import both, late_map, map_legend
from streams.measures import CURVE_END_S, Measures
from streams.verdict import DAYS_LEAST

COLOURS = ("#c2410c", "#1d4ed8", "#047857", "#7e22ce")
DAYS_FROM_H = 48
"""A run of so many hours has days on its axis, a shorter one hours."""
WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 40, 14, 36

_STYLE = """
body{font:15px/1.5 system-ui,"Noto Sans CJK SC",sans-serif;margin:2rem auto;max-width:60rem;
padding:0 1rem;color:#1c1917;background:#fff}
table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}
th,td{border-bottom:1px solid #d6d3d1;padding:.25rem .6rem;text-align:right}
td{white-space:nowrap}th{vertical-align:bottom}
th:first-child,td:first-child{text-align:left;padding-left:0;position:sticky;left:0;background:#fff}
.wide{overflow-x:auto}svg{width:100%;height:auto;display:block}
code{overflow-wrap:anywhere;font-size:.85em}footer{margin-top:2rem;border-top:2px solid #1c1917}
#zh:checked~main [lang=en],#en:checked~main [lang=zh]{display:none}
figure{margin:1rem 0}.maps{display:flex;flex-wrap:wrap;gap:1rem}.maps figure{flex:1 1 20rem}
figcaption span{display:inline-block;margin-right:1.25rem}
figcaption i{display:inline-block;width:1.5em;border-top:3px solid;margin-right:.4em;
vertical-align:middle}figcaption i.square{border:0;height:1em}figcaption b{font-weight:400}
@media(max-width:40rem){body{margin:1rem auto}th,td{padding:.25rem .5rem}
.chart text{font-size:19px}td:first-child{white-space:normal}}
"""

_SCRIPT = """
const en=document.getElementById('en'),say=()=>{
document.documentElement.lang=en.checked?'en':'zh-CN'};
en.checked=!navigator.language.toLowerCase().startsWith('zh');
for(const one of document.getElementsByName('language'))one.onchange=say;say();
"""


def page(report: Mapping[str, Any], measured: Mapping[str, Measures], graph: RoadGraph) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    report
        As `streams.fast_report.compare` made it.
    measured
        By the policy's name; only for the places of calls on the map.
    graph
        The city's streets.
    """
    policies = report["policies"]
    inputs, configuration = report["inputs"], report["configuration"]
    parts = [
        both("h1", "策略对比", "Policies compared"),
        both(
            "p",
            f"录像 {escape(inputs['recording'])}，负荷 {configuration['load']:g} 倍。"
            "“紧急”指危及生命（优先级 1）；从接报到首支力量到场超过 "
            f"{_late_s(policies):g} 秒为迟到，"
            "始终无人到场的也算迟到。这是演练推演，不是消防部门当晚的实绩。",
            f"Recording {escape(inputs['recording'])}, {configuration['load']:g} times its calls. "
            "“Urgent” is life-threatening (priority 1); late is a first arrival more than "
            f"{_late_s(policies):g} seconds after the call, or none at all. An exercise: not what "
            "the department did that night.",
        ),
        _verdict(report),
        _table(policies),
        *(
            part
            for group, curve, zh, en in _CURVES
            for part in (
                both("h2", zh, en),
                _curves({n: one[group][curve] for n, one in policies.items()}, _late_s(policies)),
            )
        ),
        both("h2", "紧急迟到的分布", "Where urgent calls were late"),
        map_legend(),
        '<div class="maps">',
        *(late_map(name, measured[name], graph, one["late_s"]) for name, one in policies.items()),
        "</div>",
        _coverage({name: one["run"]["coverage_by_hour"] for name, one in policies.items()}),
        both("h2", "各优先级", "By priority"),
        _priorities(policies),
        both("h2", "力量工时", "Unit hours"),
        _hours(policies),
        both("h2", "各项数字的依据", "What the figures are of"),
        _counts(policies),
        _foot(report),
    ]
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Gridcommand · {escape(inputs['recording'])}</title><style>{_STYLE}</style></head>"
        '<body><input type="radio" name="language" id="zh" checked><label for="zh">中文</label> '
        '<input type="radio" name="language" id="en"><label for="en">English</label>'
        f"<script>{_SCRIPT}</script><main>" + "\n".join(parts) + "</main></body></html>\n"
    )


def _late_s(policies: Mapping[str, Any]) -> float:
    return float(next(iter(policies.values()))["late_s"])


_CURVES = (
    ("urgent", "curve", "首支力量到场（紧急）", "First arrival, urgent calls"),
    ("urgent", "curve_full", "力量到齐（紧急）", "Full complement, urgent calls"),
    ("other", "curve", "首支力量到场（其他）", "First arrival, other calls"),
    ("other", "curve_full", "力量到齐（其他）", "Full complement, other calls"),
)

_ROWS = (
    ("urgent", "calls", "紧急：起数", "Urgent: calls"),
    ("urgent", "late", "紧急：迟到", "Urgent: late"),
    ("urgent", "mean_s", "紧急：平均（秒）", "Urgent: mean, s"),
    ("urgent", "median_s", "紧急：中位（秒）", "Urgent: median, s"),
    ("urgent", "p90_s", "紧急：P90（秒）", "Urgent: P90, s"),
    ("urgent", "longest_s", "紧急：最长等待（秒）", "Urgent: longest wait, s"),
    ("other", "calls", "其他：起数", "Other: calls"),
    ("other", "late", "其他：迟到", "Other: late"),
    ("other", "mean_s", "其他：平均（秒）", "Other: mean, s"),
    ("other", "median_s", "其他：中位（秒）", "Other: median, s"),
    ("other", "p90_s", "其他：P90（秒）", "Other: P90, s"),
    ("other", "p99_s", "其他：P99（秒）", "Other: P99, s"),
    ("other", "longest_s", "其他：最长等待（秒）", "Other: longest wait, s"),
    ("run", "diversions_per_100", "每百次派遣改派", "Diversions per 100 assignments"),
    ("run", "reliefs", "就近接替", "Reliefs"),
    ("run", "move_ups", "前置调动", "Move-ups"),
)


def _table(policies: Mapping[str, Any]) -> str:
    rows = [
        [both("span", zh, en), *(_number(one[group][key]) for one in policies.values())]
        for group, key, zh, en in _ROWS
    ]
    heads = ["", *map(_name, policies)]
    if len(policies) == 2:
        ours, theirs = policies.values()
        heads.append(both("span", "差值（前者减后者）", "Difference (first − second)"))
        for row, (group, key, _, _) in zip(rows, _ROWS, strict=True):
            row.append(_more(ours[group][key], theirs[group][key]))
    return _grid(heads, rows)


def _more(ours: float | None, theirs: float | None) -> str:
    """How much more the first has than the second, with sign, and per cent of the second's."""
    if ours is None or theirs is None:
        return "–"
    more = ours - theirs
    signed = f"{more:+,}" if isinstance(more, int) else f"{more:+,.1f}"
    share = f" ({more / theirs:+.1%})" if theirs else ""
    return (signed + share).replace("-", "−") if more else "0"


_JUDGED = (
    ("urgent_late", "紧急迟到", "Late urgent calls", "起/天", "a day"),
    ("urgent_mean_s", "紧急平均到场时间", "Mean first arrival, urgent calls", "秒", "s"),
)
_VERDICTS = {
    "better": ("更好", "better"),
    "worse": ("更差", "worse"),
    "unclear": ("无明显差别", "no clear difference"),
    "too_few_days": (
        f"不下结论（不足 {DAYS_LEAST} 天）",
        f"no verdict (fewer than {DAYS_LEAST} days)",
    ),
}


def _verdict(report: Mapping[str, Any]) -> str:
    """Say in words which policy did better, as far as the recording's days can tell."""
    found = report["differences"]
    if not found:
        return ""
    ours, theirs = map(_name, report["policies"])
    lines = []
    for key, zh, en, unit_zh, unit_en in _JUDGED:
        if (one := found[key]) is None:
            continue
        word_zh, word_en = _VERDICTS[one["verdict"]]
        value, low, high = (
            f"{one[part]:+,.1f}".replace("-", "−") for part in ("value", "low", "high")
        )
        lines.append(
            both(
                "li",
                f"{zh}：<b>{word_zh}</b>，{value} {unit_zh}（95 % 区间 {low} 至 {high}）",
                f"{en}: <b>{word_en}</b>, {value} {unit_en} (95 % interval {low} to {high})",
            )
        )
    if not lines:
        return both("h2", "没有可比的紧急事件", "No urgent calls to compare")
    return (
        both("h2", f"结论：{ours} 与 {theirs} 相比", f"Verdict: {ours} against {theirs}")
        + f"<ul>{''.join(lines)}</ul>"
        + both(
            "p",
            f"按录像的 {found['days']} 天逐天比较；平均只计有力量到场的。"
            "整个区间在零的一侧才算有差别。",
            f"Compared day by day over {found['days']} of the recording; the mean is of calls that "
            "were reached. There is a difference where the whole interval lies on one side of 0.",
        )
    )


def _priorities(policies: Mapping[str, Any]) -> str:
    rows = []
    for name, one in policies.items():
        for priority, figures in one["by_priority"].items():
            first, full = figures["first_arrival"], figures["full_complement"]
            rows.append(
                [f"{_name(name)} · {priority}"]
                + [_number(figures[key]) for key in ("calls", "late", "longest_s")]
                + [_number(first[key]) for key in ("mean_s", "median_s", "p90_s")]
                + [_number(full[key]) for key in ("mean_s", "median_s", "p90_s")]
            )
    heads = [
        both("span", "策略 · 优先级", "Policy · priority"),
        both("span", "起数", "Calls"),
        both("span", "迟到", "Late"),
        both("span", "最长", "Longest"),
        *(both("span", f"首到{zh}", f"First, {en}") for zh, en in _STATISTICS),
        *(both("span", f"到齐{zh}", f"Full, {en}") for zh, en in _STATISTICS),
    ]
    return _grid(heads, rows)


def _name(policy: str) -> str:
    """A policy's name that may be broken at its parts."""
    return escape(policy).replace("+", "+<wbr>")


def _kind(kind: str) -> str:
    known = UNIT_KINDS.get(kind)
    return both("span", known.names.zh, known.names.en) if known else escape(kind)


_STATISTICS = (("平均", "mean"), ("中位", "median"), ("P90", "P90"))


def _hours(policies: Mapping[str, Any]) -> str:
    kinds = sorted({kind for one in policies.values() for kind in one["run"]["unit_hours"]})
    rows = [
        [
            _kind(kind),
            *(
                _number(one["run"]["unit_hours"].get(kind, {}).get("hours"))
                for one in policies.values()
            ),
        ]
        for kind in kinds
    ]
    return _grid(["", *map(_name, policies)], rows)


_COUNTS = (
    ("reached", "有力量到场", "reached"),
    ("in_time", "按时到场", "reached in time"),
    ("never_reached", "始终无人到场", "never reached"),
    ("diversions", "改派", "diversions"),
    ("assignments_of_the_run", "全部派遣", "assignments of the run"),
)
_EXCLUDED = (
    ("merged", "不计：并入其他事件", "left out: merged"),
    ("cancelled", "不计：到场前取消", "left out: cancelled before arrival"),
    ("no_place", "不计：没有地点", "left out: no place"),
)


def _counts(policies: Mapping[str, Any]) -> str:
    """Numerators, denominators and what is left out, for both groups of calls."""
    rows = []
    for group, group_zh, group_en in (("urgent", "紧急", "Urgent"), ("other", "其他", "Other")):
        counted = [one[group]["counts"] for one in policies.values()]
        for key, zh, en in _COUNTS:
            label = both("span", f"{group_zh}：{zh}", f"{group_en}: {en}")
            rows.append([label, *(_number(one[key]) for one in counted)])
        for key, zh, en in _EXCLUDED:
            label = both("span", f"{group_zh}：{zh}", f"{group_en}: {en}")
            rows.append([label, *(_number(one["excluded"][key]) for one in counted)])
        full = [one[group]["full_complement"] for one in policies.values()]
        label = both("span", f"{group_zh}：力量到齐", f"{group_en}: full complement")
        rows.append([label, *(_number(one["of"]) for one in full)])
    return _grid(["", *map(_name, policies)], rows)


def _grid(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{one}</th>" for one in heads)
    body = "".join(f"<tr>{''.join(f'<td>{one}</td>' for one in row)}</tr>" for row in rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide">{table}</div>'


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _curves(curves: Mapping[str, list[tuple[int, float]]], late_s: float) -> str:
    lines = {
        name: [(s / CURVE_END_S, share) for s, share in points] for name, points in curves.items()
    }
    minute = both("tspan", " 分", " min")
    minutes = [(m * 60 / CURVE_END_S, f"{m}{minute}") for m in range(0, CURVE_END_S // 60 + 1, 5)]
    limit = both("tspan", f"迟到界限 {late_s:g} 秒", f"late after {late_s:g} s")
    mark = (late_s / CURVE_END_S, limit) if late_s <= CURVE_END_S else None
    return _chart(lines, minutes, [(share / 4, f"{share * 25} %") for share in range(5)], mark)


def _coverage(hours: Mapping[str, list[dict[str, Any]]]) -> str:
    known = {name: of_all for name, of_all in hours.items() if of_all}
    if not known:
        return ""
    names = sorted({one["hour"] for of_all in known.values() for one in of_all})
    at = {name: row / max(1, len(names) - 1) for row, name in enumerate(names)}
    lines = {
        name: [(at[one["hour"]], one["mean"]) for one in of_all] for name, of_all in known.items()
    }
    days = [(at[name], name[5:10]) for name in names if name[11:13] == "00"]
    if len(names) < DAYS_FROM_H:
        days = [(at[name], name[11:16]) for name in names if int(name[11:13]) % 3 == 0]
    return both("h2", "预期覆盖率（逐小时，UTC）", "Expected coverage by hour (UTC)") + _chart(
        lines, days, [(share / 4, f"{share * 25} %") for share in range(5)]
    )


def _chart(
    lines: Mapping[str, list[tuple[float, float]]],
    across: Iterable[tuple[float, str]],
    up: Iterable[tuple[float, str]],
    mark: tuple[float, str] | None = None,
) -> str:
    def x(share: float) -> float:
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(share: float) -> float:
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    drawn = [
        f'<line x1="{x(0)}" x2="{x(1)}" y1="{y(at)}" y2="{y(at)}" stroke="#e7e5e4"/>'
        f'<text x="{LEFT - 6}" y="{y(at) + 4}" text-anchor="end">{label}</text>'
        for at, label in up
    ]
    drawn += [
        f'<text x="{x(at)}" y="{HEIGHT - BOTTOM + 22}" text-anchor="middle">{label}</text>'
        for at, label in across
    ]
    if mark is not None:
        at, label = mark
        drawn.append(
            f'<line class="limit" x1="{x(at)}" x2="{x(at)}" y1="{y(0)}" y2="{y(1)}" '
            'stroke="#1c1917" stroke-dasharray="5 4"/>'
            f'<text x="{x(at) + 6}" y="{y(0) - 8}">{label}</text>'
        )
    legend = []
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x(one)},{y(other)}" for one, other in points)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        legend.append(f'<span><i style="color:{colour}"></i>{escape(name)}</span>')
    return (
        f"<figure><figcaption>{''.join(legend)}</figcaption>"
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" font-size="12" role="img">'
        + "".join(drawn)
        + "</svg></figure>"
    )


def _foot(report: Mapping[str, Any]) -> str:
    proof = report["certificate"]
    solvers = escape(", ".join(f"{name} {of}" for name, of in report["code"]["solvers"].items()))
    listed = "".join(
        f"<li>{escape(name)}: <code>{escape(value)}</code></li>" for name, value in proof.items()
    )
    return (
        "<footer>"
        + both(
            "p",
            "证书：同样的输入、配置、代码与求解器得到同样的证书。代码版本 "
            f"{escape(report['code']['version'])}；{solvers}。",
            "Certificate: the same inputs, configuration, code and solvers give the same one. "
            f"Code version {escape(report['code']['version'])}; {solvers}.",
        )
        + f"<ul>{listed}</ul></footer>"
    )
