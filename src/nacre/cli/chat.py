"""chat: questions in turns, in a terminal or from a pipe."""

from __future__ import annotations

import sys

import typer

from nacre.cli.knowledge import StrictFlag, answering, opened, show_answer
from nacre.cli.output import AsOption, KbOption, ModelOption, console
from nacre.text.hygiene import clean_text
from nacre.text.language import tr

_HELP = ("/help", "/?", "/帮助")
_QUIT = ("/quit", "/exit", "/退出", "quit", "exit", "退出")  # a single word that ends, not a question


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(help=tr("Ask in turns; follow-up questions are understood."))(chat)


def chat(kb: KbOption, model: ModelOption = None, who: AsOption = None, strict: StrictFlag = False) -> None:
    """Talk with the knowledge base until /quit, an empty line or the end of the input."""
    from nacre.layers.memory import ConversationMemory

    rag, name = answering(opened(kb), model, who, strict)
    remembering = ConversationMemory(inner=rag)
    out = console()
    if sys.stdin.isatty():
        out.print(tr("{name}. Ask; /help says what else there is.", name=name), style="dim", markup=False)
    while (line := _line()) and line.lower() not in _QUIT:
        if line.lower() in _HELP:
            out.print(_help(), markup=False)
        elif line[0] == "/" and line[1:].isalpha():  # a path or a sentence is a question
            out.print(tr("There is no command {line}. ", line=line) + _help(), markup=False)
        else:
            show_answer(remembering, line, session_id="chat")
            out.print()


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
