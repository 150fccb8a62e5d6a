"""What the evaluation commands have in common: progress, the printed report, the gate."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nacre.cli.output import JsonFlag, console, print_json, progress
from nacre.errors import UsageError
from nacre.text.language import tr

if TYPE_CHECKING:
    from nacre.eval import gate as gates
    from nacre.eval.report import Report

OutOption = Annotated[Path | None, typer.Option("--out", help=tr("Folder for report.json, report.md and report.html."))]
WorkersOption = Annotated[int, typer.Option("--workers", min=1, help=tr("Questions at a time."))]


ReportFile = Annotated[Path, typer.Argument(help=tr("A report.json, or its folder."))]
FileOption = Annotated[Path, typer.Option("--out", help=tr("The file to write (.jsonl)."))]
Gate = Annotated[Path | None, typer.Option("--gate", help=tr("A baseline report.json; exit 1 on a significant loss."))]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help=tr("Only the first N questions."))]
Price = Annotated[str | None, typer.Option("--price", help=tr("Price of a million tokens read and written: 0.25,2"))]
_OPTIONS: dict[str, tuple[Any, Any]] = {
    "as_json": (JsonFlag, False),
    "out": (OutOption, None),
    "gate": (Gate, None),
    "limit": (Limit, None),
    "workers": (WorkersOption, 1),
    "price": (Price, None),
}
_ALWAYS = ("as_json", "out", "gate", "limit")


def suite(label: str, *options: str) -> Callable[[Callable[..., Report]], Callable[..., int]]:
    """Make a command of a function that gives a report: all suites have `--json`, `--out`, `--gate` and `--limit`."""
    return lambda evaluate: _command(evaluate, label, options)


def _command(evaluate: Callable[..., Report], label: str, options: Sequence[str]) -> Callable[..., int]:
    def command(as_json: bool, gate: Path | None, price: str | None = None, **given: Any) -> int:
        before = baseline(gate)
        with bar(as_json, label) as show:
            report = evaluate(price=_price(price), on_progress=show, **given)
        return finish(report, as_json, given["out"], before)

    own = [p for p in inspect.signature(evaluate).parameters.values() if p.kind is not p.VAR_KEYWORD]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in _OPTIONS.items()
        if name in _ALWAYS or name in options
    ]
    command.__name__ = evaluate.__name__
    command.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]  # what typer reads
    command.__annotations__ = {}
    return command


def _price(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        read, written = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(tr("--price is {text!r}; write two numbers: 0.25,2", text=text)) from None
    return read, written


def baseline(gate: Path | None) -> dict[str, Any] | None:
    """Read the baseline of `--gate`, before any question is asked."""
    from nacre.eval.report import read_report

    return read_report(gate) if gate else None


def finish(report: Report, as_json: bool, out: Path | None, before: dict[str, Any] | None) -> int:
    """Write and print a report, and compare it with a baseline.

    Args:
        as_json: print one JSON object.
    """
    if out:
        report.write(out)
    from nacre.eval import gate as gates

    summary = report.summary()
    after = {**summary, "metrics": list(report.metrics), "items": list(report.items)}
    changes = gates.compare(before, after) if before else []
    if as_json:
        gated = {"gate": {"passed": not any(c.loss for c in changes), "changes": changes}} if before else {}
        print_json({**summary, **gated})
    else:
        _print_figures(summary)
        if out:
            console().print(tr("Report: ") + str(out / "report.html"), style="dim", markup=False)
    return judged(before, after, changes, out=out, quiet=as_json) if before else 0


def _print_figures(summary: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in summary.items():
        if name in {"suite", "intervals", "settings", "problems", "verdict", "written"} or isinstance(
            value, dict | list
        ):
            continue
        low, high = summary["intervals"].get(name, ("", ""))
        table.add_row(
            name,
            f"[bold]{value:.3f}[/]" if isinstance(value, float) else f"[bold]{value}[/]",
            f"[dim]{low:.3f} – {high:.3f}[/]" if low != "" else "",
        )
    console().print(table)
    for problem in summary["problems"][:20]:
        console(stderr=True).print(f"! {problem}", style="yellow", markup=False)


def judged(
    before: dict[str, Any], after: dict[str, Any], changes: Sequence[gates.Change], *, out: Path | None, quiet: bool
) -> int:
    """Print a comparison and give the exit status."""
    from nacre.eval import gate as gates
    from nacre.eval.comparison import verdict, write_comparison

    if out:
        write_comparison(before, after, changes, out)
    err = console(stderr=True)
    for line in gates.what_changed(before, after):
        err.print(f"≠ {line}"[:400], style="yellow", markup=False)
    if not gates.same_corpus(before, after):
        err.print(
            tr("The documents have changed since the baseline; only questions in both runs are compared."),
            style="yellow",
        )
    if not quiet:
        _print_changes(changes)
        console().print(verdict(changes), markup=False)
    lost = [change for change in changes if change.loss]
    for change in lost:
        err.print(
            tr("{metric} got significantly worse; questions: ", metric=change.metric) + ", ".join(change.worse[:20]),
            style="red",
            markup=False,
        )
    return 1 if lost else 0


def _print_changes(changes: Sequence[gates.Change]) -> None:
    from rich.table import Table

    heads = ("", tr("before"), tr("after"), "p", tr("worse / better"))
    table = Table(*heads, box=None, pad_edge=False)
    for change in changes:
        mark = tr(" LOSS") if change.loss else ""
        flips = f"{len(change.worse)} / {len(change.better)}"
        cells = (change.metric + mark, f"{change.before:.3f}", f"{change.after:.3f}", f"{change.p:.4f}", flips)
        table.add_row(*cells, style="red" if change.loss else "")
    console().print(table)


@contextmanager
def bar(quiet: bool, label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar with the time that is left, on stderr."""
    with progress(quiet=quiet) as shown:
        task = shown.add_task(label, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
