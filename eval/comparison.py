"""Two runs side by side: figures, what differs between their settings, and the questions that flipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nacre.eval.gate import ALPHA, Change, same_corpus, what_changed
from nacre.eval.pages import asked, definitions, escaped, figure, frame, one_line, table, tools
from nacre.eval.verdict import Verdict
from nacre.system.files import atomic_write, private_folder
from nacre.text.language import tr

_SHOWN = ("answer", "gold", "sources", "error")
_MARKS = {"green": "✓", "yellow": "△", "red": "✗"}


def write_comparison(before: Mapping[str, Any], after: Mapping[str, Any], verdict: Verdict, folder: Path) -> None:
    """Write compare.md and compare.html."""
    private_folder(folder)
    atomic_write(folder / "compare.md", markdown(before, after, verdict))
    atomic_write(folder / "compare.html", page(before, after, verdict))


def headline(verdict: Verdict) -> str:
    """The result in words and figures, and how small a loss it could have seen."""
    first = next((c for c in verdict.changes if verdict.state == "green"), None)
    figures = f"{first.metric} {first.before:.3f} → {first.after:.3f}." if first else ""
    return " ".join(filter(None, (_MARKS[verdict.state], verdict.told, figures, verdict.power)))


def markdown(before: Mapping[str, Any], after: Mapping[str, Any], verdict: Verdict) -> str:
    """The comparison as Markdown, short enough for a pull request."""
    lines = [f"# {tr('Comparison')}: {before['suite']}", "", headline(verdict), ""]
    lines += [f"| {' | '.join(_heads())} |", "|---|---:|---:|---|---:|---|"]
    lines += [f"| {' | '.join(_cells(change))} |" for change in verdict.changes]
    lines += ["", *(f"- {line[:300]}" for line in what_changed(before, after))]
    questions = {str(item["id"]): item.get("question", "") for item in after["items"]}
    for change in verdict.changes:
        if change.loss or change.doubt:
            lines += ["", f"## {tr('Worse by')} {change.metric}", ""]
            lines += [f"- `{id}` {one_line(questions.get(id, ''))}" for id in change.worse[:50]]
    return "\n".join(lines) + "\n"


def page(before: Mapping[str, Any], after: Mapping[str, Any], verdict: Verdict) -> str:
    """The comparison as an HTML page that needs nothing else: every flipped question with both answers."""
    rows = "".join(
        f"<tr{' class=bad' if change.loss else ''}>"
        + "".join(f"<td>{escaped(cell)}</td>" for cell in _cells(change))
        + "</tr>"
        for change in verdict.changes
    )
    corpus = "" if same_corpus(before, after) else f"<p>{escaped(tr('The documents differ between the two runs.'))}</p>"
    settings = (
        "".join(f"<li>{escaped(line)}</li>" for line in what_changed(before, after)) or f"<li>{tr('no setting')}</li>"
    )
    worse, better = (_flipped(verdict.changes, way) for way in ("worse", "better"))
    better = {id: metrics for id, metrics in better.items() if id not in worse}
    pairs = verdict.paired.pairs
    rule = tr("A loss counts when p < {alpha}, corrected for the number of figures.", alpha=ALPHA)
    body = (
        f"<p class=verdict>{escaped(headline(verdict))}</p>{corpus}"
        f"{table(_heads(), rows)}"
        f"<p class=dim>{escaped(rule)}</p><h2>{tr('What differs')}</h2><ul>{settings}</ul>{tools()}"
        f"<section><h2 id=worse>{tr('Went worse')} ({len(worse)})</h2>"
        + "".join(_pair(*pairs[id], n, metrics, True) for n, (id, metrics) in enumerate(worse.items()))
        + f"</section><section><h2 id=better>{tr('Went better')} ({len(better)})</h2>"
        + "".join(_pair(*pairs[id], n, metrics, False) for n, (id, metrics) in enumerate(better.items()))
        + "</section>"
    )
    return frame(f"{tr('Comparison')}: {before['suite']}", body)


def _flipped(changes: Sequence[Change], way: str) -> dict[str, list[str]]:
    """Questions that flipped, and by which figures."""
    found: dict[str, list[str]] = {}
    for change in changes:
        for id in getattr(change, way):
            found.setdefault(id, []).append(change.metric)
    return found


def _heads() -> tuple[str, ...]:
    return tr("figure"), tr("before"), tr("after"), tr("change, 95 %"), "p", tr("worse / better")


def _cells(change: Change) -> list[str]:
    low, high = change.interval
    mark = f" ▼ {tr('LOSS')}" if change.loss else f" △ {tr('worse?')}" if change.doubt else ""
    return [
        change.metric + mark,
        f"{change.before:.3f}",
        f"{change.after:.3f}",
        f"{change.after - change.before:+.3f} [{low:+.3f}, {high:+.3f}]",
        f"{change.p:.4f}",
        f"{len(change.worse)} / {len(change.better)}",
    ]


def _pair(old: Mapping[str, Any], new: Mapping[str, Any], number: int, metrics: Sequence[str], worse: bool) -> str:
    columns = "".join(
        f"<div><h3>{name}</h3>{definitions(_side(item, metrics))}</div>"
        for name, item in ((tr("before"), old), (tr("after"), new))
    )
    moved = ", ".join(f"{name} {figure(old.get(name))} → {figure(new.get(name))}" for name in metrics)
    mark = f"✗ {tr('worse')}" if worse else f"✓ {tr('better')}"
    return asked(new, number, worse, mark, moved, f"<div class=sides>{columns}</div>")


def _side(item: Mapping[str, Any], metrics: Sequence[str]) -> dict[str, Any]:
    """What is shown of one run: the answer and its sources, and texts of other suites."""
    texts = [name for name, value in item.items() if isinstance(value, str) and name not in ("id", "question", "group")]
    return {name: item[name] for name in dict.fromkeys((*_SHOWN, *texts)) if item.get(name)}
