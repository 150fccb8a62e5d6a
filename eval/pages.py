"""A report as Markdown, and as one HTML page that needs nothing else: figures, plots, every question."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from nacre.language import tr

_STYLE = """
:root{--ink:#1c2430;--dim:#667085;--line:#e4e7ec;--bar:#2a7f8e;--bad:#b42318;--back:#fff;--card:#f8fafb}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--dim:#98a2b3;--line:#2b3442;--bar:#5cc2d1;--bad:#f97066;--back:#12161d;--card:#1a202a}}
body{font:16px/1.5 system-ui,"Noto Sans CJK SC","PingFang SC",sans-serif;color:var(--ink);background:var(--back);margin:2rem auto;max-width:62rem;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}td,th{padding:.35rem .6rem;text-align:left;border-bottom:1px solid var(--line)}
td.n{text-align:right;font-variant-numeric:tabular-nums}.dim{color:var(--dim)}.bar{fill:var(--bar)}.axis{stroke:var(--line)}svg text{fill:var(--dim);font-size:11px}
details{background:var(--card);border:1px solid var(--line);border-radius:.5rem;margin:.4rem 0;padding:.4rem .8rem}summary{cursor:pointer}.bad summary{color:var(--bad)}
.grid{display:flex;flex-wrap:wrap;gap:1.5rem}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:.5rem 0}dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere;white-space:pre-wrap}
"""


def markdown_page(data: Mapping[str, Any]) -> str:
    """The figures of a report as Markdown.

    Args:
        data: a report, as in report.json.

    Returns:
        A page.
    """
    lines = [
        f"# {tr('Evaluation', '评测')}: {data['suite']}",
        "",
        f"| {tr('figure', '指标')} | {tr('value', '数值')} | 95 % |",
        "|---|---:|---|",
    ]
    lines += [f"| {name} | {_number(value)} | {_interval(data, name)} |" for name, value in _figures(data)]
    lines += ["", f"{tr('Settings', '设置')}:", ""]
    lines += [f"- {name}: {value}" for name, value in data["settings"].items()]
    lines += [f"- {tr('problem', '问题')}: {problem}" for problem in data["problems"]]
    lines += ["", f"## {tr('Questions that went wrong', '答错的问题')}", ""]
    wrong = [item for item in data["items"] if _failed(item, data["metrics"])]
    lines += [
        f"- `{item['id']}` {_line(item.get('question', ''))} → {_line(item.get('answer', ''))}" for item in wrong[:200]
    ] or [tr("None.", "无。")]
    return "\n".join(lines) + "\n"


def html_page(data: Mapping[str, Any]) -> str:
    """A report as a self-contained HTML page.

    Args:
        data: a report, as in report.json.

    Returns:
        The page. All text of the report is escaped; nothing is loaded from anywhere.
    """
    title = f"{tr('Evaluation', '评测')}: {data['suite']}"
    rows = "".join(
        f"<tr><td>{_esc(name)}</td><td class=n>{_esc(_number(value))}</td><td class=dim>{_esc(_interval(data, name))}</td></tr>"
        for name, value in _figures(data)
    )
    plots = "".join(
        _histogram(metric, [float(i[metric]) for i in data["items"] if i.get(metric) is not None])
        for metric in data["metrics"]
    )
    settings = _definitions(
        {**data["settings"], **{f"{tr('problem', '问题')} {n}": p for n, p in enumerate(data["problems"], 1)}}
    )
    ordered = sorted(data["items"], key=lambda item: not _failed(item, data["metrics"]))
    items = "".join(_details(item, data["metrics"]) for item in ordered)
    return (
        f'<!doctype html><html lang="{tr("en", "zh")}"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{_esc(title)}</title><style>{_STYLE}</style><h1>{_esc(title)}</h1>"
        f"<table><tr><th>{tr('figure', '指标')}<th>{tr('value', '数值')}<th>95 %</tr>{rows}</table>"
        f"<h2>{tr('Distributions', '分布')}</h2><div class=grid>{plots}</div>"
        f"<h2>{tr('Settings', '设置')}</h2>{settings}<h2>{tr('Questions', '问题')}</h2>{items}</html>\n"
    )


def _figures(data: Mapping[str, Any]) -> list[tuple[str, Any]]:
    hidden = {"suite", "metrics", "items", "intervals", "settings", "problems"}
    return [(name, value) for name, value in data.items() if name not in hidden]


def _histogram(metric: str, values: Sequence[float]) -> str:
    """Ten bars of equal width from 0 to 1 (metrics are shares)."""
    if not values:
        return ""
    counts = [0] * 10
    for value in values:
        counts[min(9, max(0, int(value * 10)))] += 1
    top = max(counts)
    bars = "".join(
        f'<rect class=bar x="{10 + 24 * i}" y="{90 - 80 * n / top:.1f}" width="20" height="{80 * n / top:.1f}"><title>{i / 10:.1f}–{(i + 1) / 10:.1f}: {n}</title></rect>'
        for i, n in enumerate(counts)
    )
    label = f"{_esc(metric)}: {sum(values) / len(values):.3f}"
    return f'<svg width="260" height="125" role="img" aria-label="{label}"><line class=axis x1="8" y1="90" x2="252" y2="90"/>{bars}<text x="8" y="105">0</text><text x="244" y="105">1</text><text x="8" y="121">{label}</text></svg>'


def _details(item: Mapping[str, Any], metrics: Sequence[str]) -> str:
    bad = " class=bad" if _failed(item, metrics) else ""
    scores = " ".join(f"{m} {_number(item[m])}" for m in metrics if item.get(m) is not None)
    rest = {name: value for name, value in item.items() if name not in {"id", "question", *metrics}}
    return f"<details{bad}><summary>{_esc(_line(item.get('question', item['id'])))} <span class=dim>{_esc(scores)}</span></summary>{_definitions(rest)}</details>"


def _definitions(data: Mapping[str, Any]) -> str:
    return (
        "<dl>"
        + "".join(f"<dt>{_esc(name)}</dt><dd>{_esc(_value(value))}</dd>" for name, value in data.items())
        + "</dl>"
    )


def _value(value: Any) -> str:
    return "\n".join(str(part) for part in value) if isinstance(value, (list, tuple)) else str(value)


def _failed(item: Mapping[str, Any], metrics: Sequence[str]) -> bool:
    first = next((item[m] for m in metrics if item.get(m) is not None), None)
    return first is not None and float(first) < 0.5


def _interval(data: Mapping[str, Any], name: str) -> str:
    bounds = data["intervals"].get(name)
    return f"{bounds[0]:.3f} – {bounds[1]:.3f}" if bounds else ""


def _number(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _line(text: Any) -> str:
    return " ".join(str(text).split())[:300]


def _esc(text: Any) -> str:
    return html.escape(str(text), quote=True)
