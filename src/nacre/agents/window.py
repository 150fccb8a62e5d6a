"""Fitting a growing run into the model's context: older observations shrink first, then the oldest turns go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from langchain_core.messages import AIMessage

from nacre.agents.trajectory import Step, input_text
from nacre.text.language import tr
from nacre.text.tokens import estimate

SHORT = 240
KEPT_WHOLE = 2
MOST_TURNS = 40  # what is older has long been forgotten, and the prompt of a long run stays the same size


@dataclass(frozen=True)
class Turn:
    """One reply of the model (None in a resumed trajectory) and what came of it."""

    steps: tuple[Step, ...]
    reply: AIMessage | None = None

    @cached_property
    def short(self) -> Turn:
        """The same turn with shortened observations."""
        return _shrunk(self, SHORT)

    @cached_property
    def tokens(self) -> int:
        """About how many tokens the turn takes in a prompt."""
        return sum(
            20 + estimate(step.thought + input_text(step.action_input) + (step.observation or ""))
            for step in self.steps
        )


def clip(text: str, limit: int) -> str:
    """Keep a text's beginning and end."""
    if len(text) <= limit:
        return text
    head = limit * 3 // 4
    tail = limit - head
    left_out = len(text) - head - tail
    note = tr("\n[… {left_out} characters left out …]\n", left_out=left_out)
    return text[:head] + note + text[-tail:]


def fit(turns: Sequence[Turn], tokens: int) -> tuple[list[Turn], int]:
    """Choose what of the run the model is shown."""
    kept: list[Turn] = []
    left = tokens
    for age, turn in enumerate(reversed(turns[-MOST_TURNS:])):
        candidate = turn if age < KEPT_WHOLE else turn.short
        if candidate.tokens > left and age < KEPT_WHOLE:
            candidate = _shrunk(turn, max(40, left * 2))
        if candidate.tokens > left and kept:
            break
        kept.append(candidate)
        left -= candidate.tokens
    return kept[::-1], len(turns) - len(kept)


def _shrunk(turn: Turn, limit: int) -> Turn:
    steps = tuple(
        replace(step, observation=clip(step.observation, limit)) if step.observation else step for step in turn.steps
    )
    return replace(turn, steps=steps)
