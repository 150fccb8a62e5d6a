"""An agent at work in a terminal: each step as soon as it is done, readable in 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, BaseMessage

from nacre.agents.trajectory import Step, input_text
from nacre.layers.react import ReAct
from nacre.text.addresses import readable
from nacre.text.hygiene import clean_text
from nacre.text.language import tr
from nacre.text.messages import nacre_of, text_of

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

OBSERVATION_LINES = 6
_COLOURS = {"ok": "green", "error": "red", "denied": "yellow", "repeated": "yellow"}


def show_agent(react: ReAct, question: str, console: Console) -> AIMessage:
    """Run an agent and print its steps as they happen, then the answer and its sources."""
    count = 0

    def show(step: Step) -> None:
        nonlocal count
        if step.answer is None and step.status != "repair":
            count += 1
            console.print(render_step(step, count, console.width))

    with console.status(tr("thinking …")):
        reply = react.model_copy(update={"on_step": show}).invoke(question)
    console.print(render_answer(reply))
    return reply


def trajectory_data(message: BaseMessage) -> list[dict[str, Any]]:
    """The steps behind an answer, for `--json`."""
    return list(nacre_of(message).get("trajectory", []))


def render_step(step: Step, number: int, width: int = 80) -> RenderableType:
    """One step as a block of text."""
    from rich.table import Table
    from rich.text import Text

    colour = _COLOURS.get(step.status, "green")
    block = Text()
    if step.thought:
        block.append(_short(step.thought, 4, width) + "\n", style="italic")
    block.append("→ ", style="bold cyan").append(step.action or "?", style="bold cyan")
    block.append(f" {_short(input_text(step.action_input), 4, width)}\n")
    block.append("← ", style=f"bold {colour}").append(
        _short(step.observation or "", OBSERVATION_LINES, width), style="dim" if step.status == "ok" else colour
    )
    if step.seconds >= 0.1:
        block.append(f"  {step.seconds:.1f} s", style="dim")
    block.append("\n")
    row = Table.grid(padding=(0, 1))
    row.add_column(justify="right", style="bold", width=2)
    row.add_column(overflow="fold")
    row.add_row(str(number), block)
    return row


def render_answer(message: BaseMessage) -> RenderableType:
    """The answer, the sources that it cites, and what the run cost."""
    from rich.text import Text

    own = nacre_of(message)
    block = Text(clean_text(text_of(message)) + "\n", style="bold")
    for citation in own.get("citations", ()):
        quote = _short(citation["quote"], 1, 60)
        block.append(
            f"[{citation['n']}] {citation['title'] or readable(citation['uri'])}: {quote}\n", style="not bold dim"
        )
    if used := own.get("usage"):
        cost = tr("{steps} steps, {tool_calls} tool calls, {total_tokens} tokens, {seconds:.1f} s", **used)
        block.append(cost, style="not bold dim")
    return block


def _short(text: str, lines: int, width: int) -> str:
    """The beginning of a text: so many lines of the terminal, and a note of how much more there is."""
    text = clean_text(text).strip()
    room = lines * max(20, width - 8)
    kept = "\n".join(text[:room].split("\n")[:lines])
    left = len(text) - len(kept)
    return kept + (tr(" … (+{left} characters)", left=left) if left > 0 else "")
