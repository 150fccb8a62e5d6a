"""finetune train: an adapter from rows, trained here or by a service."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nacre.cli.finetuning.data import ExcludeOption, asked_in
from nacre.cli.output import JsonFlag, console, folder_to_write, print_json, progress
from nacre.errors import UsageError
from nacre.text.language import tr

if TYPE_CHECKING:
    from nacre.finetuning.plan import Plan

_Method = Annotated[
    str,
    typer.Option(
        "--method",
        help=tr(
            "lora, prefix, prompt, ptuning (P-tuning v2: prefix tuning with its projection), full, dpo, kto, "
            "reward, grpo"
        ),
    ),
]
_Patience = Annotated[
    int, typer.Option("--patience", min=0, help=tr("Looks at the held-out loss without a gain; 0 never looks."))
]
_Resume = Annotated[bool, typer.Option("--resume", help=tr("Go on from the last checkpoint, or with the job."))]
_DryRun = Annotated[bool, typer.Option("--dry-run", help=tr("Show tokens, misfits and one row; train nothing."))]
_Launch = Annotated[Path | None, typer.Option("--launch", help=tr("Several GPUs: a configuration file of accelerate."))]


def train(
    base: Annotated[str, typer.Option("--base", help=tr("transformers:FOLDER, a .gguf file, or dashscope:qwen3-8b."))],
    data: Annotated[Path, typer.Option("--data", help=tr("Rows, from `nacre finetune data`."))],
    out: Annotated[Path, typer.Option("--out", callback=folder_to_write, help=tr("Folder of the adapter."))],
    method: _Method = "lora",
    steps: Annotated[int | None, typer.Option("--steps", min=1, help=tr("Without it, three passes."))] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", min=0, help=tr("Stop after so many."))] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help=tr("Rows a step."))] = 4,
    rate: Annotated[float | None, typer.Option("--rate", min=0, help=tr("Learning rate."))] = None,
    rank: Annotated[int, typer.Option("--rank", min=1, help=tr("Rank of LoRA."))] = 16,
    patience: _Patience = 3,
    seed: Annotated[int, typer.Option("--seed")] = 7,
    exclude: ExcludeOption = None,
    resume: _Resume = False,
    dry_run: _DryRun = False,
    launch: _Launch = None,
    yes: Annotated[bool, typer.Option("--yes", help=tr("Agree to what leaves the house, and to its cost."))] = False,
    price: Annotated[float | None, typer.Option("--price", min=0, help=tr("Of a million tokens trained on."))] = None,
    as_json: JsonFlag = False,
) -> int:
    """Train."""
    from nacre.finetuning.hosted import is_hosted
    from nacre.finetuning.plan import Plan

    plan = Plan(
        base=base, data=str(data), out=str(out), method=method, steps=steps, minutes=minutes, batch=batch, rate=rate,
        rank=rank, patience=patience, seed=seed,
    )  # fmt: skip
    measured = asked_in(exclude)
    if is_hosted(base):
        return _hosted(plan, measured, dry_run=dry_run, resume=resume, yes=yes, price=price, as_json=as_json)
    if dry_run:
        return _dry(plan, measured, as_json)
    if launch:
        from nacre.finetuning.launching import launch as launched

        done = launched(plan, launch, resume=resume, exclude=measured, on_problem=_warn)
    else:
        from nacre.finetuning.training import train as trained

        with _shown(as_json) as show:
            done = trained(plan, resume=resume, exclude=measured, on_progress=show, on_problem=_warn)
    if as_json:
        print_json({**vars(done), "base": plan.base, "method": method})
        return 0
    console().print(
        tr(
            "{steps} steps, loss {first} → {last}, {seconds} s: {out}. Tuning teaches manner, not facts: keep the "
            "knowledge base.",
            steps=done.steps,
            first=f"{done.loss_first:.3f}",
            last=f"{done.loss_last:.3f}",
            seconds=f"{done.seconds:.0f}",
            out=out,
        ),
        markup=False,
    )
    console().print(tr("Did it help? ") + f"nacre finetune check {out} --data {data}", style="dim", markup=False)
    return 0


def _warn(line: str) -> None:
    console(stderr=True).print(f"! {line}", style="yellow", markup=False)


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
        _warn(problem)
    found = preview(prepared.train, plan.base)
    if as_json:
        print_json(found)
    else:
        for name, value in found.items():
            console().print(f"{name:12} {value}", markup=False)
    return 0


def _hosted(
    plan: Plan, measured: list[str], *, dry_run: bool, resume: bool, yes: bool, price: float | None, as_json: bool
) -> int:
    from nacre.finetuning.hosted import Service

    service = Service(plan, exclude=measured, price=price)
    for problem in service.problems:
        _warn(problem)
    leaving = service.leaving
    if dry_run:
        print_json(vars(leaving)) if as_json else console().print(leaving.told(), markup=False)
        return 0
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(tr("{leaving} Agree by --yes.", leaving=leaving.told()))
        typer.confirm(f"{leaving.told()} {tr('Go on?')}", abort=True)
    said: list[str] = []

    def show(status: str) -> None:
        if said[-1:] != [status]:
            said.append(status)
            _warn(status)

    spec = service.run(resume=resume, on_progress=show)
    if as_json:
        print_json({"model": spec, "out": plan.out, **vars(leaving)})
    else:
        note = tr(service.dialect.note) if service.dialect.note else ""
        console().print(tr("Ask it by: --model {spec}", spec=spec) + f" {note}".rstrip(), markup=False)
    return 0
