"""chat: questions in turns, in a terminal or from a pipe; demo: the sample knowledge base, and one in each language."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Annotated

from typer import Option

from nacre.cli.knowledge import StrictFlag, answering, opened, show_answer, summarising
from nacre.cli.output import AsOption, KbOption, ModelOption, command, console, named, progress, say
from nacre.text.hygiene import clean_text
from nacre.text.language import N_, tr

QUESTIONS = ("How long does the trial period last?", "员工每周可以居家办公几天？")
_HELP = ("/help", "/?", "/帮助")
_QUIT = ("/quit", "/exit", "/退出", "quit", "exit", "退出")  # a single word that ends, not a question


@command("chat", N_("Ask in turns; follow-up questions are understood."))
def chat(kb: KbOption, model: ModelOption = None, who: AsOption = None, strict: StrictFlag = False) -> None:
    from nacre.layers.memory import ConversationMemory

    base = opened(kb)
    rag, name = answering(base, model, who, strict)
    remembering = ConversationMemory(inner=summarising(rag, base, who))
    if sys.stdin.isatty():
        say((tr("{name}. Ask; /help says what else there is.", name=name), "dim"))
    while (line := _line()) and line.lower() not in _QUIT:
        if line.lower() in _HELP:
            say(_help())
        elif line[0] == "/" and line[1:].isalpha():  # a path or a sentence is a question
            say(tr("There is no command {line}. ", line=line), _help())
        else:
            show_answer(remembering, line, session_id="chat")
            say()


def _line() -> str:
    """What was typed; empty at the end of the input (Ctrl-D)."""
    at_terminal = sys.stdin.isatty()
    try:
        return clean_text(input("› " if at_terminal else "")).strip()
    except EOFError:
        if at_terminal:
            print()
        return ""


def _help() -> str:
    return tr(
        "Write a question; later ones may refer to earlier ones. A number in brackets names the source below. "
        "/help (/帮助): this; /quit (/退出), an empty line or Ctrl-D: end; Ctrl-C: stop at once."
    )


@command("demo", N_("Build the sample knowledge base and ask it."))
def demo(
    kb: Annotated[str, Option("--kb", parser=named, metavar="<place>", help=tr("Where to build it."))] = (".demo/kb"),
    quiet: Annotated[bool, Option("--quiet", help=tr("Build it and ask nothing."))] = False,
) -> None:
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
    told = tr(
        "[bold]{documents}[/] documents, [bold]{chunks}[/] chunks in {kb} ({embedded} embedded now, {time:.1f} s).",
        **base.stats(),
        kb=base.place,
        embedded=report.embedded,
        time=time.perf_counter() - began,
    )
    out.print(told)
    model, name = answering(base, None, None, strict=False)
    for question in QUESTIONS:
        say((f"\n? {question}", "bold"))
        show_answer(model, question)
    out.print(tr("\n[dim]Answered by {name}.[/] Next:", name=name))
    found = shutil.which("nacre")  # by its name where the shell finds it, else as it was called
    nacre = "nacre" if found and Path(found).resolve() == Path(sys.argv[0]).resolve() else sys.argv[0]
    say(f'  {nacre} ask "{tr("Who approves travel?")}" --kb {base.place}')
    say(f"  {nacre} sync ~/Documents --kb my-kb && {nacre} chat --kb my-kb")
    say("  OPENAI_API_KEY=…  or  --model dashscope:qwen-plus")
