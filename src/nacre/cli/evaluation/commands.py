"""eval compare, make, tune, export, check, history, from-feedback, from-traces, drift: what is done beside asking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from nacre.cli.evaluation.reports import (
    AllowMissing,
    Anchors,
    Asked,
    FileOption,
    Least,
    Most,
    OutOption,
    ReportFile,
    finish,
    judged,
)
from nacre.cli.knowledge import opened
from nacre.cli.output import (
    JsonFlag,
    KbOption,
    ModelOption,
    bar,
    command,
    console,
    file_to_write,
    named,
    print_json,
    say,
    table,
    tell,
)
from nacre.cli.serve import kept
from nacre.errors import UsageError
from nacre.text.language import N_, tr

if TYPE_CHECKING:
    from nacre.eval.making import Made, Talk

Config = Annotated[Path, Option("--config", help=tr("The server's nacre.yaml."))]
Count = Annotated[int | None, Option("--count", min=1, help=tr("How many at most, drawn by chance."))]


@command("eval compare", N_("Two reports side by side; exit 1 on a significant loss."))
def compare(
    before: ReportFile,
    after: ReportFile,
    as_json: JsonFlag = False,
    out: OutOption = None,
    anchor: Anchors = None,
    allow_missing: AllowMissing = False,
    least: Least = None,
    most: Most = None,
) -> int:
    from nacre.eval import gate
    from nacre.eval.report import read_report
    from nacre.eval.verdict import gated

    options = {"gate": before, "anchor": anchor, "allow_missing": allow_missing, "least": least, "most": most}
    asked = Asked.read({**options, "max_failed": 1.0})
    old, new = asked.before or {}, read_report(after)
    verdict = gated(new, old, anchors=asked.anchors, rules=asked.rules)
    status = judged(old, new, verdict, out=out, quiet=as_json)
    if as_json:
        same = gate.same_corpus(old, new)
        print_json({**verdict.data(), "same_corpus": same, "what_changed": gate.what_changed(old, new)})
    return status


@command("eval make", N_("Make a question set from a knowledge base."))
def make(
    kb: KbOption,
    out: FileOption,
    count: Annotated[int, Option("--count", min=1, help=tr("How many questions."))] = 50,
    unanswerable: Annotated[float, Option("--unanswerable", min=0, max=0.9, help=tr("Share without an answer."))] = 0.2,
    two_documents: Annotated[
        bool, Option("--two-documents", help=tr("Also questions that need two documents, up to a third."))
    ] = False,
    follow_ups: Annotated[
        bool, Option("--follow-ups", help=tr("Conversations with a follow-up question, for eval chat, instead."))
    ] = False,
    paraphrases: Annotated[
        int, Option("--paraphrases", min=0, max=20, help=tr("Each question so often in other words, too."))
    ] = 0,
    model: Annotated[str | None, Option("--model", help=tr("Writes the questions; without it, templates do."))] = None,
    as_json: JsonFlag = False,
) -> None:
    from nacre.connectors.models import load_model
    from nacre.eval.making import make_conversations, make_questions, save_questions

    if follow_ups and (two_documents or paraphrases):
        raise UsageError(tr("--follow-ups writes conversations; --two-documents and --paraphrases do not go with it."))
    common: Any = {"count": count, "model": load_model(model) if model else None}
    made: Sequence[Made | Talk]
    base = opened(kb)
    with bar(as_json, tr("Making questions")) as show:
        if follow_ups:
            made = make_conversations(base, **common, on_progress=show)
        else:
            more: Any = {"unanswerable": unanswerable, "two_documents": two_documents, "paraphrases": paraphrases}
            made = make_questions(base, **common, **more, on_progress=show)
    save_questions(made, out)
    kinds = dict(Counter(question.kind for question in made))
    if as_json:
        languages = dict(Counter(question.lang for question in made))
        return print_json({"questions": len(made), "kinds": kinds, "languages": languages, "file": str(out)})
    said = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    say(tr("{count} questions ({said}) in {out}.", count=len(made), said=said, out=out))
    hint = f"nacre eval {'chat' if follow_ups else 'answers'} --data {out} --kb {base.place}"
    return say((tr("Read them through, then: ") + hint, "dim"))


@command("eval tune", N_("Choose settings on half of a question set, judge them by the other half."))
def tune(
    kb: KbOption,
    data: Annotated[Path, Option("--data", help=tr("Questions with answers."))],
    model: ModelOption = None,
    grid: Annotated[
        str | None, Option("--grid", help=tr('What to try: {"k": [4, 8], "chunk_size": [100, "auto"]}'))
    ] = None,
    write: Annotated[
        bool, Option("--write", help=tr("Keep the choice in the knowledge base, if it is surely better."))
    ] = False,
    as_json: JsonFlag = False,
    out: OutOption = None,
) -> int:
    from nacre.connectors.models import load_model
    from nacre.eval.datasets import load_questions
    from nacre.eval.tuning import read_grid
    from nacre.eval.tuning import tune as tuned

    questions, _ = load_questions(data)
    wanted = read_grid(grid) if grid else None
    with bar(as_json, tr("Trying")) as show:
        report = tuned(opened(kb), questions, load_model(model), grid=wanted, write=write, on_progress=show)
    status = finish(report, as_json, out, Asked())
    if not as_json:
        _show_tried(report.figures)
    return status


def _show_tried(figures: Mapping[str, Any]) -> None:
    """The best settings of the first half, today's among them, and what the second half says of them."""
    names = list(figures["present"])
    tried = table(*names, tr("right"), tr("evidence"), tr("tokens"))
    ranked = sorted(figures["tried"], key=lambda row: (-row["success"], row["tokens_in"]))
    for place, row in enumerate(ranked):
        today = all(row[name] == figures["present"][name] for name in names)
        if place < 5 or today:
            reached = f"{row['success']:.3f}", f"{row['evidence']:.3f}", f"{row['tokens_in']:.0f}"
            tried.add_row(*(str(row[name]) for name in names), *reached, style="bold" if today else "")
    say(tr("\nOn the half that was tried on (today's settings in bold):"))
    console().print(tried)
    say(figures["verdict"])
    if figures["written"]:
        say(tr("Written to settings.json."))
    elif figures["chosen"] != figures["present"]:
        say((tr("Add --write to keep it."), "dim"))


@command("eval export", N_("Answers in the columns of RAGAS or DeepEval."))
def export(
    report: ReportFile,
    out: FileOption,
    to: Annotated[str, Option("--to", help="ragas, deepeval")] = "ragas",
    kb: Annotated[
        str | None, Option("--kb", parser=named, metavar="<place>", help=tr("Take whole passages from it."))
    ] = None,
) -> None:
    from nacre.eval.exports import exported
    from nacre.eval.items import write_rows
    from nacre.eval.report import read_report

    rows = exported(read_report(report), to, opened(kb) if kb else None)
    write_rows(out, rows)
    say(tr("{count} rows in {out}.", count=len(rows), out=out))


@command("eval check", N_("What is wrong with a question file; asks nothing."))
def check(
    file: Annotated[Path, Argument(help=tr("A file of questions."))],
    kb: Annotated[
        str | None, Option("--kb", parser=named, metavar="<place>", help=tr("Also look the documents up here."))
    ] = None,
    as_json: JsonFlag = False,
) -> int:
    from nacre.eval.questions import faults, load_questions, strange_uris

    questions, problems = load_questions(file)
    if kb:
        problems += [
            f"{file.name}: {told}" for told in strange_uris(questions, (d["uri"] for d in opened(kb).documents()))
        ]
    wrong = faults(problems)
    unanswerable = sum(not question.answers for question in questions)
    if as_json:
        counts = {"questions": len(questions), "unanswerable": unanswerable}
        print_json({**counts, "problems": list(wrong), "notes": [p for p in problems if p not in wrong]})
        return 2 if wrong else 0
    for problem in problems:
        say((problem, "red" if problem in wrong else "dim"), err=True)
    told = tr(
        "{count} questions, {unanswerable} without an answer; {wrong} mistakes.",
        count=len(questions),
        unanswerable=unanswerable,
        wrong=len(wrong),
    )
    say(told)
    return 2 if wrong else 0


@command("eval history", N_("What the last runs reached."))
def history(
    folders: Annotated[list[Path], Argument(help=tr("Folders of --out, in any number."))],
    last: Annotated[int, Option("--last", min=1, help=tr("How many runs."))] = 20,
    out: Annotated[
        Path | None,
        Option("--out", callback=file_to_write, help=tr("Write a page with a line for each figure (.html).")),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    from nacre.eval import history as runs

    rows = runs.history(folders, last)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(runs.page(rows), "utf-8")
    if as_json:
        return print_json({"runs": rows})
    names = list(runs.trend(rows))[:6]
    shown = table(tr("when"), tr("run"), tr("questions"), tr("errors"), *names)
    for row in rows:
        means = [f"{row['means'][name]:.3f}" if name in row["means"] else "" for name in names]
        shown.add_row(row["at"], row["run"], str(row.get("items", "")), str(row.get("errors", "")), *means)
    return console().print(shown)


@command("eval from-feedback", N_("Make questions of the verdicts that a server was given."))
def from_feedback(
    config: Config,
    out: FileOption,
    verdict: Annotated[str, Option("--verdict", help="up, down, all")] = "all",
    count: Count = None,
    as_json: JsonFlag = False,
) -> None:
    from nacre.server.settings import read_settings

    if verdict not in ("up", "down", "all"):
        raise UsageError(tr("--verdict is {verdict!r}; write up, down or all.", verdict=verdict))
    settings = read_settings(config)
    rows = kept(settings, "feedback")
    allowed = settings.server.feedback_rows
    if allowed == "none":
        raise UsageError(tr("feedback_rows is none in {config}: verdicts may not become questions.", config=config))
    given = [
        row for row in rows if verdict in ("all", row["verdict"]) and (allowed == "all" or row.get("consent") is True)
    ]
    _write(given, count, out, as_json)


@command("eval from-traces", N_("Make questions of what a server was asked."))
def from_traces(config: Config, out: FileOption, count: Count = None, as_json: JsonFlag = False) -> None:
    from nacre.server.settings import read_settings

    settings = read_settings(config)
    if not settings.server.trace_rows:
        told = tr(
            "Traces may not become questions. Where those who asked agree, set trace_rows: true in {config}.",
            config=config,
        )
        raise UsageError(told)
    _write(list(kept(settings, "traces")), count, out, as_json)


@command("eval drift", N_("What is different in what a server is asked and answers, month by month."))
def drift(config: Config, as_json: JsonFlag = False) -> None:
    from nacre.eval import production
    from nacre.server.settings import read_settings

    found = production.drift(list(kept(read_settings(config), "traces")))
    if as_json:
        return print_json(found)
    for month in found["months"]:
        figures = {**month, "refused": f"{month['refused']:.0%}"}
        say(tr("{month}: {questions} questions, {refused} refused", **figures))
    say(tr("New words: ") + ", ".join(found["new_words"][:20]))
    say(tr("No longer cited: ") + ", ".join(found["no_longer_cited"][:20]))


def _write(exchanges: list[dict[str, Any]], count: int | None, out: Path, as_json: bool) -> None:
    from nacre.eval.items import write_rows
    from nacre.eval.production import rows_of

    rows = rows_of(exchanges, count=count)
    write_rows(out, rows)
    open_rows = sum(row["answers"] is None for row in rows)
    told = tr("{rows} questions in {out}; {open} still need their answer.", rows=len(rows), out=out, open=open_rows)
    tell(as_json, {"rows": len(rows), "open": open_rows, "file": str(out)}, told)
