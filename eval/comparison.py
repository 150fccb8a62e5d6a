"""Two runs side by side: figures, what differs between their settings, and the questions that flipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nacre.eval.gate import ALPHA, Change, same_corpus, what_changed
from nacre.eval.pages import definitions, escaped, frame, one_line
from nacre.language import tr

_HIDDEN = {"id", "question"}


def write_comparison(
    before: Mapping[str, Any], after: Mapping[str, Any], changes: Sequence[Change], folder: Path
) -> None:
    """Write compare.md and compare.html."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "compare.md").write_text(markdown(before, after, changes), "utf-8")
    (folder / "compare.html").write_text(page(before, after, changes), "utf-8")


def verdict(changes: Sequence[Change]) -> str:
    """The result in one sentence, for people."""
    lost = [change.metric for change in changes if change.loss]
    if lost:
        return tr(f"Worse: {', '.join(lost)}.", f"变差：{'、'.join(lost)}。")
    better = [change.metric for change in changes if change.interval[0] > 0]
    most = max((change.items for change in changes), default=0)
    return tr(
        f"No significant loss over {most} questions" + (f"; higher: {', '.join(better)}." if better else "."),
        f"{most} 个问题上没有显著变差" + (f"；提高：{'、'.join(better)}。" if better else "。"),
    )


def markdown(before: Mapping[str, Any], after: Mapping[str, Any], changes: Sequence[Change]) -> str:
    """The comparison as Markdown, short enough for a pull request."""
    head = (
        tr("figure", "指标"),
        tr("before", "之前"),
        tr("after", "之后"),
        tr("change, 95 %", "变化，95 %"),
        "p",
        tr("worse / better", "变差 / 变好"),
    )
    lines = [
        f"# {tr('Comparison', '比较')}: {before['suite']}",
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
            lines += ["", f"## {tr('Worse by', '变差指标：')} {change.metric}", ""]
            lines += [f"- `{id}` {one_line(questions.get(id, ''))}" for id in change.worse[:50]]
    return "\n".join(lines) + "\n"


def page(before: Mapping[str, Any], after: Mapping[str, Any], changes: Sequence[Change]) -> str:
    """The comparison as a self-contained HTML page with every flipped question, both answers beside each other."""
    title = f"{tr('Comparison', '比较')}: {before['suite']}"
    head = "".join(
        f"<th>{escaped(name)}"
        for name in (
            tr("figure", "指标"),
            tr("before", "之前"),
            tr("after", "之后"),
            tr("change, 95 %", "变化，95 %"),
            "p",
            tr("worse / better", "变差 / 变好"),
        )
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
        else f"<p class=bad>{escaped(tr('The documents differ between the two runs.', '两次运行的文档不同。'))}</p>"
    )
    settings = (
        "".join(f"<li>{escaped(line)}</li>" for line in what_changed(before, after))
        or f"<li>{tr('no setting', '设置相同')}</li>"
    )
    old = {str(item["id"]): item for item in before["items"]}
    new = {str(item["id"]): item for item in after["items"]}
    worse = dict.fromkeys(id for change in changes for id in change.worse)
    better = dict.fromkeys(id for change in changes for id in change.better if id not in worse)
    body = (
        f"<p class=verdict>{escaped(verdict(changes))}</p>{corpus}<table><tr>{head}</tr>{rows}</table>"
        f"<p class=dim>{escaped(tr(f'A loss counts when p < {ALPHA}, corrected for the number of figures.', f'当 p < {ALPHA}（已按指标数校正）时视为变差。'))}</p>"
        f"<h2>{tr('What differs', '设置差异')}</h2><ul>{settings}</ul>"
        f"<h2>{tr('Went worse', '变差的问题')} ({len(worse)})</h2>{''.join(_pair(old[id], new[id], ' class=bad') for id in worse)}"
        f"<h2>{tr('Went better', '变好的问题')} ({len(better)})</h2>{''.join(_pair(old[id], new[id], '') for id in better)}"
    )
    return frame(title, body)


def _cells(change: Change) -> list[str]:
    low, high = change.interval
    mark = f" ▼ {tr('LOSS', '变差')}" if change.loss else ""
    return [
        change.metric + mark, f"{change.before:.3f}", f"{change.after:.3f}",
        f"{change.after - change.before:+.3f} [{low:+.3f}, {high:+.3f}]", f"{change.p:.4f}",
        f"{len(change.worse)} / {len(change.better)}",
    ]  # fmt: skip


def _pair(old: Mapping[str, Any], new: Mapping[str, Any], style: str) -> str:
    sides = [{k: v for k, v in item.items() if k not in _HIDDEN} for item in (old, new)]
    columns = "".join(
        f"<div><h3>{name}</h3>{definitions(side)}</div>"
        for name, side in zip((tr("before", "之前"), tr("after", "之后")), sides, strict=True)
    )
    summary = escaped(one_line(new.get("question", new["id"])))
    return f"<details{style}><summary>{summary}</summary><div class=sides>{columns}</div></details>"
