"""finetune train, check, merge, list, remove: an adapter from rows, and what is done with it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from nacre.cli.evaluation.reports import Limit, OutOption, bar
from nacre.cli.finetuning.data import ExcludeOption, asked_in
from nacre.cli.knowledge import opened
from nacre.cli.output import (
    JsonFlag,
    command,
    console,
    folder_to_write,
    named,
    print_json,
    progress,
    say,
    table,
    tell,
    warn,
)
from nacre.errors import UsageError
from nacre.text.language import N_, listed, tr

if TYPE_CHECKING:
    from nacre.finetuning.plan import Plan


_Method = Annotated[
    str,
    Option(
        "--method",
        help=tr(
            "lora, prefix, prompt, ptuning (P-tuning v2: prefix tuning with its projection), full, dpo, kto, "
            "reward, grpo"
        ),
    ),
]
_Patience = Annotated[
    int, Option("--patience", min=0, help=tr("Looks at the held-out loss without a gain; 0 never looks."))
]
_Resume = Annotated[bool, Option("--resume", help=tr("Go on from the last checkpoint, or with the job."))]
_DryRun = Annotated[bool, Option("--dry-run", help=tr("Show tokens, misfits and one row; train nothing."))]
_Launch = Annotated[Path | None, Option("--launch", help=tr("Several GPUs: a configuration file of accelerate."))]
_Adapter = Annotated[Path, Argument(help=tr("A folder that was trained."))]


@command("finetune train", N_("Train an adapter, all weights or a reward model; here, or by a service."))
def train(
    base: Annotated[str, Option("--base", help=tr("transformers:FOLDER, a .gguf file, or dashscope:qwen3-8b."))],
    data: Annotated[Path, Option("--data", help=tr("Rows, from `nacre finetune data`."))],
    out: Annotated[Path, Option("--out", callback=folder_to_write, help=tr("Folder of the adapter."))],
    method: _Method = "lora",
    rows: Annotated[int | None, Option("--rows", min=1, help=tr("Train on so many of them, evenly drawn."))] = None,
    steps: Annotated[int | None, Option("--steps", min=1, help=tr("Without it, three passes."))] = None,
    minutes: Annotated[float | None, Option("--minutes", min=0, help=tr("Stop after so many."))] = None,
    batch: Annotated[int, Option("--batch", min=1, help=tr("Rows a step."))] = 4,
    rate: Annotated[float | None, Option("--rate", min=0, help=tr("Learning rate."))] = None,
    rank: Annotated[int, Option("--rank", min=1, help=tr("Rank of LoRA."))] = 16,
    patience: _Patience = 3,
    seed: Annotated[int, Option("--seed")] = 7,
    exclude: ExcludeOption = None,
    resume: _Resume = False,
    dry_run: _DryRun = False,
    launch: _Launch = None,
    yes: Annotated[bool, Option("--yes", help=tr("Agree to what leaves the house, and to its cost."))] = False,
    price: Annotated[float | None, Option("--price", min=0, help=tr("Of a million tokens trained on."))] = None,
    as_json: JsonFlag = False,
) -> int:
    from nacre.finetuning.hosted import is_hosted
    from nacre.finetuning.plan import Plan

    plan = Plan(
        base=base, data=str(data), out=str(out), method=method, rows=rows, steps=steps, minutes=minutes, batch=batch,
        rate=rate, rank=rank, patience=patience, seed=seed,
    )  # fmt: skip
    measured = asked_in(exclude)
    if is_hosted(base):
        return _hosted(plan, measured, dry_run=dry_run, resume=resume, yes=yes, price=price, as_json=as_json)
    if dry_run:
        return _dry(plan, measured, as_json)
    if launch:
        from nacre.finetuning.launching import launch as launched

        done = launched(plan, launch, resume=resume, exclude=measured, on_problem=warn)
    else:
        from nacre.finetuning.training import train as trained

        with _shown(as_json) as show:
            done = trained(plan, resume=resume, exclude=measured, on_progress=show, on_problem=warn)
    if as_json:
        print_json({**vars(done), "base": plan.base, "method": method})
        return 0
    told = tr(
        "{steps} steps, loss {first} → {last}, {seconds} s: {out}. Tuning teaches manner, not facts: keep the "
        "knowledge base.",
        steps=done.steps,
        first=f"{done.loss_first:.3f}",
        last=f"{done.loss_last:.3f}",
        seconds=f"{done.seconds:.0f}",
        out=out,
    )
    say(told)
    say((tr("Did it help? ") + f"nacre finetune check {out} --data {data}", "dim"))
    return 0


@contextmanager
def _shown(quiet: bool) -> Iterator[Callable[[int, int, float, float], None]]:
    """A bar with the loss and the time that is left; a line every tenth step where stderr is no terminal."""
    with progress(quiet=quiet) as bar:
        task = bar.add_task(tr("Training"), total=None)

        def show(step: int, steps: int, loss: float, left: float) -> None:
            bar.update(task, completed=step, total=steps, description=f"loss {loss:.3f}")
            if not quiet and not sys.stderr.isatty() and step % max(1, steps // 10) == 0:
                print(f"{step}/{steps} loss {loss:.3f} ETA {left:.0f} s", file=sys.stderr, flush=True)

        yield show


def _dry(plan: Plan, measured: list[str], as_json: bool) -> int:
    from nacre.finetuning.preview import preview
    from nacre.finetuning.training import prepare

    prepared = prepare(plan, measured)
    for problem in prepared.problems:
        warn(problem)
    found = preview(prepared.train, plan.base)
    if as_json:
        print_json(found)
    else:
        for name, value in found.items():
            say(f"{name:12} {value}")
    return 0


def _hosted(
    plan: Plan, measured: list[str], *, dry_run: bool, resume: bool, yes: bool, price: float | None, as_json: bool
) -> int:
    from nacre.finetuning.hosted import Service

    service = Service(plan, exclude=measured, price=price)
    for problem in service.problems:
        warn(problem)
    leaving = service.leaving
    if dry_run:
        tell(as_json, vars(leaving), leaving.told())
        return 0
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(tr("{leaving} Agree by --yes.", leaving=leaving.told()))
        typer.confirm(f"{leaving.told()} {tr('Go on?')}", abort=True)
    said: list[str] = []

    def show(status: str) -> None:
        if said[-1:] != [status]:
            said.append(status)
            warn(status)

    spec = service.run(resume=resume, on_progress=show)
    note = tr(service.dialect.note) if service.dialect.note else ""
    told = tr("Ask it by: --model {spec}", spec=spec) + f" {note}".rstrip()
    tell(as_json, {"model": spec, "out": plan.out, **vars(leaving)}, told)
    return 0


@command("finetune check", N_("Base, tuned model and quote side by side; exit 1 on a significant loss."))
def check(
    adapter: _Adapter,
    data: Annotated[Path, Option("--data", help=tr("The rows; those held out are asked."))],
    kb: Annotated[str | None, Option("--kb", parser=named, metavar="<place>", help=tr("Ask over it too."))] = None,
    suites: Annotated[str, Option("--suites", help="answers,refusal,sample")] = "answers,refusal,sample",
    limit: Limit = 40,
    out: OutOption = None,
    as_json: JsonFlag = False,
) -> int:
    from nacre.finetuning.checking import check as checked

    with bar(as_json, tr("Asking")) as show:
        found = checked(
            adapter, data, suites=[name.strip() for name in suites.split(",") if name.strip()],
            kb=opened(kb) if kb else None, limit=limit, out=out, on_progress=show,
        )  # fmt: skip
    told = {suite: {who: report.summary() for who, report in each.items()} for suite, each in found.reports.items()}
    if as_json:
        gate = {"passed": found.passed, "losses": found.losses}
        print_json({"suites": told, "gate": gate, "against_quote": found.against_quote})
    else:
        _show(told)
        if found.losses:
            say((tr("Surely worse than the base: ") + listed(found.losses), "red"), err=True)
        if found.against_quote:
            say(tr("Surely worse than quote, which costs nothing: ") + listed(found.against_quote))
    return 0 if found.passed else 1


def _show(told: dict[str, dict[str, dict[str, Any]]]) -> None:
    shown = table("", *next(iter(told.values())))
    for suite, each in told.items():
        for metric in next(iter(each.values()))["intervals"]:
            cells = [_cell(summary, metric) for summary in each.values()]
            shown.add_row(f"{suite} {metric}", *cells)
    console().print(shown)


def _cell(summary: dict[str, Any], metric: str) -> str:
    value, interval = summary.get(metric), summary["intervals"].get(metric)
    return "–" if value is None or not interval else f"{value:.2f} [{interval[0]:.2f}, {interval[1]:.2f}]"


@command("finetune merge", N_("Merge a LoRA adapter into its base, and compare both before it is kept."))
def merge(
    adapter: _Adapter,
    out: Annotated[Path, Option("--out", callback=folder_to_write, help=tr("Folder of the merged model."))],
    as_json: JsonFlag = False,
) -> None:
    from nacre.finetuning.merging import merge as merged

    done = merged(adapter, out)
    if as_json:
        return print_json(vars(done))
    told = tr("{out}: the same answers as the adapter's on {count} rows.", out=done.out, count=done.compared)
    say(told)
    return say((tr("As GGUF, by llama.cpp: ") + done.gguf, "dim"))


@command("finetune list", N_("What has been trained in a folder."))
def listing(
    place: Annotated[Path, Argument(help=tr("Where to look, two folders deep."))] = Path(), as_json: JsonFlag = False
) -> None:
    from nacre.finetuning.card import found_in

    names = ("kind", "method", "base_model", "created")
    rows: list[dict[str, Any]] = []
    for path, card in found_in(place):
        gate = card.get("gate") or {}
        count = (card.get("data") or {}).get("rows")
        rows.append(
            {"path": str(path), **{name: card.get(name) for name in names}, "rows": count, "passed": gate.get("passed")}
        )
    if as_json:
        return print_json({"adapters": rows})
    for row in rows:
        say("  ".join(str(value) for value in row.values() if value is not None))
    if not rows:
        say(tr("Nothing has been trained in {place}.", place=place))


@command("finetune remove", N_("Remove what has been trained."))
def remove(
    adapter: _Adapter, yes: Annotated[bool, Option("--yes", help=tr("Do not ask."))] = False, as_json: JsonFlag = False
) -> None:
    from nacre.finetuning.card import removable

    path = removable(adapter)
    if not yes and sys.stdin.isatty():
        typer.confirm(tr("Remove {adapter} and all in it?", adapter=adapter), abort=True)
    shutil.rmtree(path)
    tell(as_json, {"removed": str(adapter)}, tr("Removed: {adapter}", adapter=adapter))
