"""What the evaluation commands have in common: progress, the printed report, the gate."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from nacre.cli.output import JsonFlag, command, console, file_to_write, folder_to_write, print_json, say, table, warn
from nacre.cli.output import bar as bar
from nacre.errors import UsageError
from nacre.text.language import tr

MAX_FAILED = 0.05  # as nacre.eval.running has it, which loads too much for a help page

if TYPE_CHECKING:
    from nacre.eval import verdict as gates
    from nacre.eval.gate import Change
    from nacre.eval.report import Report

OutOption = Annotated[
    Path | None,
    Option("--out", callback=folder_to_write, help=tr("Folder for report.json, report.md and report.html.")),
]
WorkersOption = Annotated[int, Option("--workers", min=1, help=tr("Questions at a time."))]
ReportFile = Annotated[Path, Argument(help=tr("A report.json, or its folder."))]
FileOption = Annotated[Path, Option("--out", callback=file_to_write, help=tr("The file to write (.jsonl)."))]
Limit = Annotated[int | None, Option("--limit", min=1, help=tr("Only the first N questions."))]
AllowMissing = Annotated[bool, Option("--allow-missing", help=tr("Let questions stand in one of the two runs only."))]
Anchors = Annotated[
    list[Path] | None,
    Option("--anchor", help=tr("A further report not to fall behind, such as the last release's; repeatable.")),
]
Least = Annotated[list[str] | None, Option("--min", help=tr("The least value of a figure: contains=.9; repeatable."))]
Most = Annotated[
    list[str] | None, Option("--max", help=tr("The largest value of a figure: seconds_p95=2; repeatable."))
]
_SOME = ("workers", "price", "repeat", "prompts")  # of the options below those that only some suites take


def _options(
    *,
    as_json: JsonFlag = False,
    out: OutOption = None,
    gate: Annotated[
        Path | None, Option("--gate", help=tr("A baseline report.json; exit 1 on a significant loss."))
    ] = None,
    limit: Limit = None,
    anchor: Anchors = None,
    allow_missing: AllowMissing = False,
    least: Least = None,
    most: Most = None,
    max_failed: Annotated[
        float, Option("--max-failed", min=0, max=1, help=tr("Share of questions that may fail before exit 2."))
    ] = MAX_FAILED,
    junit: Annotated[
        Path | None, Option("--junit", callback=file_to_write, help=tr("Write JUnit XML, one test a question."))
    ] = None,
    csv: Annotated[
        Path | None, Option("--csv", callback=file_to_write, help=tr("Write a table, one row a question."))
    ] = None,
    workers: WorkersOption = 1,
    price: Annotated[
        str | None, Option("--price", help=tr("Price of a million tokens read and written: 0.25,2"))
    ] = None,
    repeat: Annotated[int, Option("--repeat", min=1, help=tr("Ask each question so often."))] = 1,
    prompts: Annotated[
        Path | None, Option("--prompts", help=tr("Folder of prompts of your own: rag/answer.en.yaml and the like."))
    ] = None,
) -> None:
    """The options that suites share; only their names, kinds and defaults are read."""


def suite(name: str, told: str, label: str, *options: str) -> Callable[[Callable[..., Report]], Callable[..., int]]:
    """Make a command of a function that gives a report: all suites write one, and judge it by the same rules."""
    return lambda evaluate: command(f"eval {name}", told)(_asking(evaluate, label, options))


def _asking(evaluate: Callable[..., Report], label: str, options: Sequence[str]) -> Callable[..., int]:
    def asks(as_json: bool, price: str | None = None, prompts: Path | None = None, **given: Any) -> int:
        own_prompts(prompts)
        asked = Asked.read(given)
        with bar(as_json, label) as show:
            report = evaluate(price=price_of(price), on_progress=show, **given)
        return finish(report, as_json, given["out"], asked)

    own = [p for p in inspect.signature(evaluate).parameters.values() if p.kind is not p.VAR_KEYWORD]
    shared = inspect.signature(_options, eval_str=True).parameters
    added = [each for name, each in shared.items() if name not in _SOME or name in options]
    asks.__name__, asks.__module__ = evaluate.__name__, evaluate.__module__
    asks.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]  # what typer reads
    asks.__annotations__ = {}
    return asks


def price_of(text: str | None) -> tuple[float, float] | None:
    """Read `--price`."""
    if text is None:
        return None
    try:
        read, written = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(tr("--price is {text!r}; write two numbers: 0.25,2", text=text)) from None
    return read, written


@dataclass(frozen=True)
class Asked:
    """What is asked of a run beside its figures: read before any question is asked."""

    before: dict[str, Any] | None = None
    anchors: Sequence[dict[str, Any]] = ()
    rules: gates.Rules | None = None
    max_failed: float = MAX_FAILED
    junit: Path | None = None
    csv: Path | None = None

    @classmethod
    def read(cls, given: dict[str, Any]) -> Asked:
        """Take the options of a gate out of those of a command; the share that may fail stays for the suite."""
        from nacre.eval.gate import check_baseline
        from nacre.eval.report import read_report
        from nacre.eval.verdict import Rules

        gate, anchors = given.pop("gate", None), given.pop("anchor", None) or ()
        limits = (_limits(given.pop("least", None), "--min"), _limits(given.pop("most", None), "--max"))
        rules = Rules(given.pop("allow_missing", False), *limits)
        read = [read_report(path) for path in (*((gate,) if gate else ()), *anchors)]
        for report in read:
            check_baseline(report)
        before, others = (read[0], read[1:]) if gate else (None, read)
        return cls(before, others, rules, given["max_failed"], given.pop("junit", None), given.pop("csv", None))


def _limits(texts: list[str] | None, option: str) -> dict[str, float]:
    found = {}
    for text in texts or ():
        name, _, value = text.rpartition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            told = tr("{option} is {text!r}; write a figure and a number: contains=.9", option=option, text=text)
            raise UsageError(told) from None
    return found


def own_prompts(folder: Path | None) -> None:
    """Use a folder of prompts, where one is named."""
    if folder:
        from nacre import prompts

        prompts.use(folder)


def finish(report: Report, as_json: bool, out: Path | None, asked: Asked) -> int:
    """Write and print a report, and judge it."""
    from nacre.eval import exports
    from nacre.eval.items import failures
    from nacre.eval.verdict import gated

    after = report.data()
    verdict = gated(after, asked.before, anchors=asked.anchors, rules=asked.rules)
    failed = failures(after)
    if out:
        report.write(out)
    for path, write in ((asked.junit, exports.junit), (asked.csv, exports.table)):
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(write(after), "utf-8")
    summary = report.summary()
    gate = {"gate": verdict.data()} if asked.before or verdict.reasons or asked.anchors else {}
    if failed:
        say((failed, "red"), err=True)
    if as_json:
        print_json({**summary, **gate})
    else:
        _print_figures(summary)
        if out:
            say((tr("Report: ") + str(out / "report.html"), "dim"))
    status = judged(asked.before, after, verdict, out=out, quiet=as_json)
    lost = max(after.get("errors", 0), after.get("unjudged", 0) / max(1, len(report.metrics)))
    return 2 if lost > asked.max_failed * len(report.items) else status


def _print_figures(summary: dict[str, Any]) -> None:
    figures = table(show_header=False)
    for name, value in summary.items():
        if name in {"suite", "intervals", "settings", "problems", "verdict", "written"} or isinstance(
            value, dict | list
        ):
            continue
        low, high = summary["intervals"].get(name, ("", ""))
        figures.add_row(
            name,
            f"[bold]{value:.3f}[/]" if isinstance(value, float) else f"[bold]{value}[/]",
            f"[dim]{low:.3f} – {high:.3f}[/]" if low != "" else "",
        )
    console().print(figures)
    for problem in summary["problems"][:20]:
        warn(problem)


def judged(
    before: dict[str, Any] | None, after: dict[str, Any], verdict: gates.Verdict, *, out: Path | None, quiet: bool
) -> int:
    """Print a verdict and give the exit status."""
    from nacre.eval import gate
    from nacre.eval.comparison import headline, write_comparison

    if before:
        if out:
            write_comparison(before, after, verdict, out)
        for line in gate.what_changed(before, after):
            say((f"≠ {line}"[:400], "yellow"), err=True)
        if not gate.same_corpus(before, after):
            told = tr("The documents have changed since the baseline; only questions in both runs are compared.")
            say((told, "yellow"), err=True)
    if verdict.told and not quiet:
        if before:
            _print_changes(verdict.changes)
        say(headline(verdict))
    for change in verdict.changes:
        if change.loss:
            told = tr("{metric} got significantly worse; questions: ", metric=change.metric)
            say((told + ", ".join(change.worse[:20]), "red"), err=True)
    if quiet:
        for reason in (*verdict.reasons, *verdict.doubts):
            say((reason, "red"), err=True)
    return 0 if verdict.passed else 1


def _print_changes(changes: Sequence[Change]) -> None:
    shown = table("", tr("before"), tr("after"), "p", tr("worse / better"))
    for change in changes:
        mark = tr(" LOSS") if change.loss else tr(" worse?") if change.doubt else ""
        flips = f"{len(change.worse)} / {len(change.better)}"
        cells = (change.metric + mark, f"{change.before:.3f}", f"{change.after:.3f}", f"{change.p:.4f}", flips)
        shown.add_row(*cells, style="red" if change.loss else "")
    console().print(shown)
