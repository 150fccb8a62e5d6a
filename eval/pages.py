"""A report as Markdown, and as one HTML page that needs nothing else: figures, plots, every question."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from nacre.eval.items import failures, went_wrong
from nacre.text.addresses import readable
from nacre.text.language import tr, user_language
from nacre.text.strict_json import to_json

HTML: dict[str, str] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))


def markdown_page(data: Mapping[str, Any]) -> str:
    """The figures of a report as Markdown."""
    lines = [f"# {tr('Evaluation')}: {data['suite']}", "", headline(data), ""]
    lines += [f"| {tr('figure')} | {tr('value')} | 95 % | {tr('meaning')} |", "|---|---:|---|---|"]
    lines += [
        f"| {name} | {_number(value)} | {_interval(data, name)} | {meaning(name)} |" for name, value in _figures(data)
    ]
    lines += ["", f"{tr('Settings')}:", ""]
    lines += [f"- {name}: {value}" for name, value in data["settings"].items()]
    lines += [f"- {tr('problem')}: {problem}" for problem in data["problems"]]
    lines += ["", f"## {tr('Questions that went wrong')}", ""]
    wrong = [item for item in data["items"] if went_wrong(item)]
    lines += [
        f"- `{item['id']}` {one_line(item.get('question', ''))} → "
        f"{one_line(item.get('error') or item.get('answer', ''))}"
        for item in wrong[:200]
    ] or [tr("None.")]
    return "\n".join(lines) + "\n"


def html_page(data: Mapping[str, Any]) -> str:
    """A report as an HTML page that needs nothing else; all its text is escaped."""
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
    ordered = sorted(enumerate(data["items"]), key=lambda numbered: not went_wrong(numbered[1]))
    items = "".join(_details(item, data["metrics"], number) for number, item in ordered)
    heads = (tr("figure"), tr("value"), "0 … 1", "95 %", tr("meaning"))
    return frame(
        title,
        f"<p class=verdict>{escaped(headline(data))}</p>{table(heads, rows)}"
        + (f"<h2>{tr('Distributions')}</h2><div class=grid>{plots}</div>" if plots else "")
        + f"<h2 id=settings>{tr('Settings')}</h2>{settings}"
        + f"<h2 id=questions>{tr('Questions, the wrong ones first')}</h2>"
        + tools()
        + items,
    )


def headline(data: Mapping[str, Any]) -> str:
    """The result in one sentence."""
    means = [name for name in data["metrics"] if data.get(name) is not None]
    told = [name for name in ("contains", "right", "refusal_recall", "false_refusals") if name in means] or means[:2]
    said = [f"{data[name]:.0%}: {meaning(name).split(';')[0].split('，')[0] or name}" for name in told]
    wrong = sum(map(went_wrong, data["items"]))
    count = len(data["items"])
    failed = failures(data)
    return (f"{failed}. " if failed else "") + tr(
        "{count} questions. {said}. {wrong} went wrong.",
        count=count,
        said="; ".join(said),
        wrong=wrong,
        said2="；".join(said),
    )


def meaning(name: str) -> str:
    """What a figure means, in words that need no training."""
    if name.startswith("noise "):
        share = f"{float(name.removeprefix('noise ')):.0%}"
        return tr("right answers when {share} of the passages are noise", share=share)
    return _glossary(user_language()).get(name, "")


@cache
def _glossary(language: str) -> dict[str, str]:
    found: dict[str, str] = yaml.safe_load(Path(__file__).with_name(f"glossary.{language}.yaml").read_text("utf-8"))
    return found


def frame(title: str, body: str) -> str:
    """An HTML page that loads nothing from anywhere."""
    style = Path(__file__).with_suffix(".css").read_text("utf-8")
    return HTML["page"].format(language=tr("en"), title=escaped(title), style=style, body=body)


def table(heads: Iterable[str], rows: str) -> str:
    """A table that is moved sideways where the screen is narrow, by keys too."""
    cells = "".join(f"<th scope=col>{escaped(head)}" for head in heads)
    region = f'class=wide tabindex=0 role=region aria-label="{escaped(tr("Figures"))}"'
    return f"<div {region}><table><tr>{cells}</tr>{rows}</table></div>"


def tools() -> str:
    """A search field, a choice and an order for the questions below it, and the few lines that make them work."""
    script = Path(__file__).with_suffix(".js").read_text("utf-8")
    words = {"find": tr("Find in the questions"), "wrong": tr("only wrong ones"), "order": tr("Order")}
    orders = ((0, tr("wrong ones first")), (1, tr("as asked")), (2, tr("slowest first")))
    options = "".join(f"<option value={value}>{escaped(name)}" for value, name in orders)
    return HTML["tools"].format(options=options, script=script, **{name: escaped(word) for name, word in words.items()})


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
        HTML["bar"].format(x=10 + 24 * i, y=90 - 80 * n / top, high=80 * n / top, low=i / 10, up=(i + 1) / 10, n=n)
        for i, n in enumerate(counts)
    )
    return HTML["histogram"].format(bars=bars, label=f"{escaped(metric)}: {sum(values) / len(values):.3f}")


def _whisker(data: Mapping[str, Any], name: str, value: Any) -> str:
    """A mean on the line from 0 to 1, with its interval."""
    bounds = data["intervals"].get(name)
    if not bounds or not isinstance(value, float) or not 0 <= value <= 1:
        return ""
    low, high, at = (4 + 132 * bound for bound in (*bounds, value))
    return HTML["whisker"].format(low=low, high=high, at=at)


def _details(item: Mapping[str, Any], metrics: Sequence[str], number: int) -> str:
    bad = went_wrong(item)
    scores = " ".join(f"{m} {_number(item[m])}" for m in metrics if item.get(m) is not None)
    rest = {name: value for name, value in item.items() if name not in {"id", "question", "shown", *metrics}}
    rest |= {name: list(map(readable, rest[name])) for name in ("sources", "retrieved") if name in rest}
    mark = f"✗ {tr('wrong')}" if bad else "✓"
    return asked(item, number, bad, mark, scores, definitions(rest))


def asked(item: Mapping[str, Any], number: int, bad: bool, mark: str, scores: str, body: str) -> str:
    """A question that opens: found, filtered and ordered by what stands at it, and linked to by its id."""
    anchor = escaped(f"q-{item['id']}")
    data = f"data-n={number} data-seconds={float(item.get('seconds') or 0):.3f}{' data-wrong' if bad else ''}"
    question = escaped(one_line(item.get("question", item["id"])))
    summary = f"<summary><b>{mark}</b> {question} <span class=dim>{escaped(scores)}</span></summary>"
    link = f'<a href="#{anchor}">#{escaped(item["id"])}</a>'
    return f'<details class="item{" bad" if bad else ""}" id="{anchor}" {data}>{summary}{link}{body}</details>'


def definitions(data: Mapping[str, Any]) -> str:
    """Names and values as an HTML list."""
    rows = (f"<dt>{escaped(name)}</dt><dd>{escaped(_value(value))}</dd>" for name, value in data.items())
    return f"<dl>{''.join(rows)}</dl>"


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "\n".join(map(_value, value))
    return to_json(value, ensure_ascii=False, default=str) if isinstance(value, dict) else str(value)


def _interval(data: Mapping[str, Any], name: str) -> str:
    bounds = data["intervals"].get(name)
    return f"{bounds[0]:.3f} – {bounds[1]:.3f}" if bounds else ""


def figure(value: Any) -> str:
    """A figure in three places; "–" where there is none."""
    return "–" if value is None else f"{float(value):.3f}"


def _number(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def one_line(text: Any) -> str:
    """A text in one line, cut after 300 characters."""
    return " ".join(str(text).split())[:300]


def escaped(text: Any) -> str:
    """A text with the characters escaped that mean something in HTML."""
    return html.escape(str(text), quote=True)
