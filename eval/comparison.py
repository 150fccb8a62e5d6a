"""Two runs side by side: figures, what differs between their settings, and the questions that flipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nacre.eval.gate import ALPHA, Change, same_corpus, what_changed
from nacre.eval.pages import definitions, escaped, frame, one_line
from nacre.system.files import atomic_write, private_folder
from nacre.text.language import listed, tr

_HIDDEN = {"id", "question"}


def write_comparison(
    before: Mapping[str, Any], after: Mapping[str, Any], changes: Sequence[Change], folder: Path
) -> None:
    """Write compare.md and compare.html."""
    private_folder(folder)
    atomic_write(folder / "compare.md", markdown(before, after, changes))
    atomic_write(folder / "compare.html", page(before, after, changes))


def verdict(changes: Sequence[Change]) -> str:
    """The result in one sentence, for people."""
    lost = [change.metric for change in changes if change.loss]
    if lost:
        return tr("Worse: {lost}.", lost=listed(lost))
    better = [change.metric for change in changes if change.interval[0] > 0]
    most = max((change.items for change in changes), default=0)
    if better:
        return tr("No significant loss over {most} questions; higher: {better}.", most=most, better=listed(better))
    return tr("No significant loss over {most} questions.", most=most)


def markdown(before: Mapping[str, Any], after: Mapping[str, Any], changes: Sequence[Change]) -> str:
    """The comparison as Markdown, short enough for a pull request."""
    head = (tr("figure"), tr("before"), tr("after"), tr("change, 95 %"), "p", tr("worse / better"))
    lines = [
        f"# {tr('Comparison')}: {before['suite']}",
        "",
        verdict(changes),
        "",
        f"| {' | '.join(head)} |",
        "|---|---:|---:|---|---:|---|",
    ]
    lines += [f"| {' | '.join(_cells(change))} |" for change in changes]
    lines += ["", *(f"- {line}" for line in what_changed(before, after))]
    questions = {str(item["id"]): item.get("question", "") for item in after["items"]}
    for change in changes:
        if change.loss:
            lines += ["", f"## {tr('Worse by')} {change.metric}", ""]
            lines += [f"- `{id}` {one_line(questions.get(id, ''))}" for id in change.worse[:50]]
    return "\n".join(lines) + "\n"


def page(before: Mapping[str, Any], after: Mapping[str, Any], changes: Sequence[Change]) -> str:
    """The comparison as a self-contained HTML page with every flipped question, both answers beside each other.

    Returns:
        The page; all text of the reports is escaped.
    """
    title = f"{tr('Comparison')}: {before['suite']}"
    head = "".join(
        f"<th>{escaped(name)}"
        for name in (tr("figure"), tr("before"), tr("after"), tr("change, 95 %"), "p", tr("worse / better"))
    )
    rows = "".join(
        f"<tr{' class=bad' if change.loss else ''}>"
        + "".join(f"<td>{escaped(cell)}</td>" for cell in _cells(change))
        + "</tr>"
        for change in changes
    )
    corpus = (
        ""
        if same_corpus(before, after)
        else f"<p class=bad>{escaped(tr('The documents differ between the two runs.'))}</p>"
    )
    settings = (
        "".join(f"<li>{escaped(line)}</li>" for line in what_changed(before, after)) or f"<li>{tr('no setting')}</li>"
    )
    old = {str(item["id"]): item for item in before["items"]}
    new = {str(item["id"]): item for item in after["items"]}
    worse = dict.fromkeys(id for change in changes for id in change.worse)
    better = dict.fromkeys(id for change in changes for id in change.better if id not in worse)
    rule = tr("A loss counts when p < {alpha}, corrected for the number of figures.", alpha=ALPHA)
    body = (
        f"<p class=verdict>{escaped(verdict(changes))}</p>{corpus}<table><tr>{head}</tr>{rows}</table>"
        f"<p class=dim>{escaped(rule)}</p>"
        f"<h2>{tr('What differs')}</h2><ul>{settings}</ul>"
        f"<h2>{tr('Went worse')} ({len(worse)})</h2>{''.join(_pair(old[id], new[id], ' class=bad') for id in worse)}"
        f"<h2>{tr('Went better')} ({len(better)})</h2>{''.join(_pair(old[id], new[id], '') for id in better)}"
    )
    return frame(title, body)


def _cells(change: Change) -> list[str]:
    low, high = change.interval
    mark = f" ▼ {tr('LOSS')}" if change.loss else ""
    return [
        change.metric + mark,
        f"{change.before:.3f}",
        f"{change.after:.3f}",
        f"{change.after - change.before:+.3f} [{low:+.3f}, {high:+.3f}]",
        f"{change.p:.4f}",
        f"{len(change.worse)} / {len(change.better)}",
    ]


def _pair(old: Mapping[str, Any], new: Mapping[str, Any], style: str) -> str:
    sides = [{k: v for k, v in item.items() if k not in _HIDDEN} for item in (old, new)]
    columns = "".join(
        f"<div><h3>{name}</h3>{definitions(side)}</div>"
        for name, side in zip((tr("before"), tr("after")), sides, strict=True)
    )
    summary = escaped(one_line(new.get("question", new["id"])))
    return f"<details{style}><summary>{summary}</summary><div class=sides>{columns}</div></details>"
