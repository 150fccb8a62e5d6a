"""A report as Markdown, and as one HTML page that needs nothing else: figures, plots, every question."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nacre.eval.glossary import meaning
from nacre.text.addresses import readable
from nacre.text.language import tr
from nacre.text.strict_json import to_json


def markdown_page(data: Mapping[str, Any]) -> str:
    """The figures of a report as Markdown."""
    lines = [
        f"# {tr('Evaluation')}: {data['suite']}",
        "",
        headline(data),
        "",
        f"| {tr('figure')} | {tr('value')} | 95 % | {tr('meaning')} |",
        "|---|---:|---|---|",
    ]
    lines += [
        f"| {name} | {_number(value)} | {_interval(data, name)} | {meaning(name)} |" for name, value in _figures(data)
    ]
    lines += ["", f"{tr('Settings')}:", ""]
    lines += [f"- {name}: {value}" for name, value in data["settings"].items()]
    lines += [f"- {tr('problem')}: {problem}" for problem in data["problems"]]
    lines += ["", f"## {tr('Questions that went wrong')}", ""]
    wrong = [item for item in data["items"] if _failed(item, data["metrics"])]
    lines += [
        f"- `{item['id']}` {one_line(item.get('question', ''))} → {one_line(item.get('answer', ''))}"
        for item in wrong[:200]
    ] or [tr("None.")]
    return "\n".join(lines) + "\n"


def html_page(data: Mapping[str, Any]) -> str:
    """A report as a self-contained HTML page.

    Returns:
        The page. All text of the report is escaped; nothing is loaded from anywhere.
    """
    title = f"{tr('Evaluation')}: {data['suite']}"
    rows = "".join(
        f"<tr><td>{escaped(name)}</td><td class=n>{escaped(_number(value))}</td><td>{_whisker(data, name, value)}</td>"
        f"<td class=i>{escaped(_interval(data, name))}</td><td class=dim>{escaped(meaning(name))}</td></tr>"
        for name, value in _figures(data)
    )
    plots = "".join(
        _histogram(metric, [float(i[metric]) for i in data["items"] if i.get(metric) is not None])
        for metric in data["metrics"]
    )
    settings = definitions(
        {**data["settings"], **{f"{tr('problem')} {n}": p for n, p in enumerate(data["problems"], 1)}}
    )
    ordered = sorted(data["items"], key=lambda item: not _failed(item, data["metrics"]))
    items = "".join(_details(item, data["metrics"]) for item in ordered)
    heads = "".join(f"<th>{h}" for h in (tr("figure"), tr("value"), "0 … 1", "95 %", tr("meaning")))
    return frame(
        title,
        f"<p class=verdict>{escaped(headline(data))}</p><table><tr>{heads}</tr>{rows}</table>"
        + (f"<h2>{tr('Distributions')}</h2><div class=grid>{plots}</div>" if plots else "")
        + f"<h2>{tr('Settings')}</h2>{settings}<h2>{tr('Questions, the wrong ones first')}</h2>{items}",
    )


def headline(data: Mapping[str, Any]) -> str:
    """The result in one sentence."""
    means = [name for name in data["metrics"] if data.get(name) is not None]
    told = [name for name in ("contains", "right", "refusal_recall", "false_refusals") if name in means] or means[:2]
    said = [f"{data[name]:.0%}: {meaning(name).split(';')[0].split('，')[0] or name}" for name in told]
    wrong = sum(_failed(item, data["metrics"]) for item in data["items"])
    count = len(data["items"])
    return tr(
        "{count} questions. {said}. {wrong} went wrong.",
        count=count,
        said="; ".join(said),
        wrong=wrong,
        said2="；".join(said),
    )


def frame(title: str, body: str) -> str:
    """A self-contained HTML page.

    Returns:
        The page; nothing is loaded from anywhere.
    """
    style = Path(__file__).with_suffix(".css").read_text("utf-8")
    return (
        f'<!doctype html><html lang="{tr("en")}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escaped(title)}</title><style>\n{style}</style><h1>{escaped(title)}</h1>{body}</html>\n"
    )


def _figures(data: Mapping[str, Any]) -> list[tuple[str, Any]]:
    hidden = {"suite", "metrics", "items", "intervals", "settings", "problems"}
    return [(name, value) for name, value in data.items() if name not in hidden]


def _histogram(metric: str, values: Sequence[float]) -> str:
    """Ten bars of equal width from 0 to 1 (metrics are shares)."""
    if not set(values) - {0.0, 1.0}:  # of a yes or no the table says it all
        return ""
    counts = [0] * 10
    for value in values:
        counts[min(9, max(0, int(value * 10)))] += 1
    top = max(counts)
    bars = "".join(
        f'<rect class=bar x="{10 + 24 * i}" y="{90 - 80 * n / top:.1f}" width="20" height="{80 * n / top:.1f}">'
        f"<title>{i / 10:.1f}–{(i + 1) / 10:.1f}: {n}</title></rect>"
        for i, n in enumerate(counts)
    )
    label = f"{escaped(metric)}: {sum(values) / len(values):.3f}"
    return (
        f'<svg width="260" height="125" role="img" aria-label="{label}">'
        f'<line class=axis x1="8" y1="90" x2="252" y2="90"/>{bars}'
        f'<text x="8" y="105">0</text><text x="244" y="105">1</text><text x="8" y="121">{label}</text></svg>'
    )


def _whisker(data: Mapping[str, Any], name: str, value: Any) -> str:
    """A mean on the line from 0 to 1, with its interval."""
    bounds = data["intervals"].get(name)
    if not bounds or not isinstance(value, float) or not 0 <= value <= 1:
        return ""
    low, high, at = (4 + 132 * bound for bound in (*bounds, value))
    return (
        '<svg width="140" height="14" aria-hidden="true"><line class=axis x1="4" y1="7" x2="136" y2="7"/>'
        f'<line class=range x1="{low:.1f}" y1="7" x2="{high:.1f}" y2="7"/>'
        f'<circle class=bar cx="{at:.1f}" cy="7" r="4"/></svg>'
    )


def _details(item: Mapping[str, Any], metrics: Sequence[str]) -> str:
    bad = " class=bad" if _failed(item, metrics) else ""
    scores = " ".join(f"{m} {_number(item[m])}" for m in metrics if item.get(m) is not None)
    rest = {name: value for name, value in item.items() if name not in {"id", "question", *metrics}}
    rest |= {name: list(map(readable, rest[name])) for name in ("sources", "retrieved") if name in rest}
    question = escaped(one_line(item.get("question", item["id"])))
    summary = f"<summary>{question} <span class=dim>{escaped(scores)}</span></summary>"
    return f"<details{bad}>{summary}{definitions(rest)}</details>"


def definitions(data: Mapping[str, Any]) -> str:
    """Names and values as an HTML list."""
    return (
        "<dl>"
        + "".join(f"<dt>{escaped(name)}</dt><dd>{escaped(_value(value))}</dd>" for name, value in data.items())
        + "</dl>"
    )


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "\n".join(str(part) for part in value)
    return to_json(value, ensure_ascii=False, default=str) if isinstance(value, dict) else str(value)


def _failed(item: Mapping[str, Any], metrics: Sequence[str]) -> bool:
    if "error" in item:
        return True
    first = next((item[m] for m in (*metrics, "refusal_recall") if item.get(m) is not None), None)
    # An unanswerable question went wrong when it was answered, whatever else is fine about the answer.
    deciding = item.get("refusal_recall") if "contains" not in item and "right" not in item else None
    first = first if deciding is None else deciding
    return first is not None and float(first) < 0.5


def _interval(data: Mapping[str, Any], name: str) -> str:
    bounds = data["intervals"].get(name)
    return f"{bounds[0]:.3f} – {bounds[1]:.3f}" if bounds else ""


def _number(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def one_line(text: Any) -> str:
    """A text in one line, cut after 300 characters."""
    return " ".join(str(text).split())[:300]


def escaped(text: Any) -> str:
    """A text for HTML.

    Returns:
        Its characters, with those escaped that mean something in HTML.
    """
    return html.escape(str(text), quote=True)
