"""demo: the sample knowledge base, and one question in each language."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from nacre.cli.knowledge import answering, show_answer
from nacre.cli.output import console, folder, progress
from nacre.text.language import tr

QUESTIONS = ("How long does the trial period last?", "员工每周可以居家办公几天？")


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(help=tr("Build the sample knowledge base and ask it."))(demo)


def demo(
    kb: Annotated[Path, typer.Option("--kb", parser=folder, metavar="<path>", help=tr("Where to build it."))] = Path(
        ".demo/kb"
    ),
    quiet: Annotated[bool, typer.Option("--quiet", help=tr("Build it and ask nothing."))] = False,
) -> None:
    """Build the sample knowledge base, ask in English and in Chinese, and say what to try next."""
    from nacre.eval.sample import sample_folder
    from nacre.retrieval.knowledge_base import KnowledgeBase

    began = time.perf_counter()
    base = KnowledgeBase.open(kb)
    with sample_folder() as folder, progress() as bar:
        task = bar.add_task(tr("Indexing"), total=None)
        report = base.sync(
            str(folder / "documents"),
            on_progress=lambda step: bar.update(task, completed=step.done, total=step.total or None),
        )
    if quiet:
        return
    out = console()
    stats = base.stats()
    out.print(
        tr(
            "[bold]{documents}[/] documents, [bold]{chunks}[/] chunks in {kb} ({embedded} embedded now, {time:.1f} s).",
            documents=stats["documents"],
            chunks=stats["chunks"],
            kb=kb,
            embedded=report.embedded,
            time=time.perf_counter() - began,
        )
    )
    model, name = answering(base, None, None, strict=False)
    for question in QUESTIONS:
        out.print(f"\n[bold]? {question}[/]")
        show_answer(model, question)
    out.print(tr("\n[dim]Answered by {name}.[/] Next:", name=name))
    nacre = _command()
    out.print(f'  {nacre} ask "{tr("Who approves travel?")}" --kb {kb}', markup=False)
    out.print(f"  {nacre} sync ~/Documents --kb my-kb && {nacre} chat --kb my-kb", markup=False)
    out.print("  OPENAI_API_KEY=…  or  --model dashscope:qwen-plus", markup=False)


def _command() -> str:
    """What to type for this command: its name where the shell finds it, else the path by which it was called."""
    found = shutil.which("nacre")
    return "nacre" if found and Path(found).resolve() == Path(sys.argv[0]).resolve() else sys.argv[0]
