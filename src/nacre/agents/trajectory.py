"""What an agent did: frozen steps, in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nacre.text.strict_json import to_json

ActionInput = str | dict[str, Any] | list[Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One turn of the loop: a thought, then either an action (with what came back) or the answer.

    Args:
        observation: what the tool gave back, as the model was shown it; None before the tool has run.

    A step with neither action nor answer is a reply that could not be read.
    """

    thought: str = ""
    action: str | None = None
    action_input: ActionInput | None = None
    answer: str | None = None
    observation: str | None = None
    status: str = "ok"
    seconds: float = 0.0

    @property
    def readable(self) -> bool:
        """Whether the step says what to do next."""
        return self.action is not None or self.answer is not None


Trajectory = tuple[Step, ...]


def to_data(trajectory: Iterable[Step]) -> list[dict[str, Any]]:
    """The trajectory as JSON data: one object for every turn that is not merely the final answer."""
    return [
        {
            "thought": step.thought,
            "action": step.action if step.answer is None else "finish",
            "input": step.action_input if step.answer is None else step.answer,
            "observation": step.observation,
            "status": step.status,
            "seconds": round(step.seconds, 4),
        }
        for step in trajectory
    ]


def from_data(rows: Iterable[Mapping[str, Any]]) -> Trajectory:
    """The steps back from `to_data`, to resume a run."""
    return tuple(_step(row) for row in rows)


def _step(row: Mapping[str, Any]) -> Step:
    finished = row.get("action") == "finish" and row.get("observation") is None
    return Step(
        thought=str(row.get("thought") or ""),
        action=None if finished else row.get("action"),
        action_input=None if finished else row.get("input"),
        answer=str(row.get("input") or "") if finished else None,
        observation=row.get("observation"),
        status=str(row.get("status") or "ok"),
        seconds=float(row.get("seconds") or 0.0),
    )


def input_text(action_input: ActionInput | None) -> str:
    """An action's input as one text: a plain text as it is, anything else as JSON."""
    if action_input is None:
        return ""
    return action_input if isinstance(action_input, str) else to_json(action_input, ensure_ascii=False, default=str)
