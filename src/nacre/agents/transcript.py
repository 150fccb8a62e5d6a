"""Written transcripts of whole runs, cut into the turns that the model wrote and what was observed between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from nacre.agents.output_parser import parse_react
from nacre.agents.scanner import line_labels
from nacre.agents.trajectory import Step, Trajectory
from nacre.agents.vocabulary import Kind


def split_transcript(text: str) -> list[tuple[str, str | None]]:
    """Cut a transcript into turns."""
    turns: list[tuple[str, str | None]] = []
    begin: int | None = None
    observed: int | None = None
    acted = False
    for label in (label for label in line_labels(text) if label.strong and label.kind is not Kind.INPUT):
        if label.kind is Kind.OBSERVATION:
            if begin is not None:
                turns.append((text[begin : label.start], None))
                begin, observed, acted = None, label.body, False
            continue
        if begin is None and observed is not None:
            turns[-1] = (turns[-1][0], text[observed : label.start].strip())
            observed = None
        if begin is not None and acted:
            turns.append((text[begin : label.start], None))
            begin, acted = None, False
        begin = label.start if begin is None else begin
        acted = acted or label.kind in (Kind.ACTION, Kind.ANSWER)
    if begin is not None:
        turns.append((text[begin:], None))
    elif observed is not None and turns:
        turns[-1] = (turns[-1][0], text[observed:].strip())
    return turns


def read_transcript(text: str, tools: Iterable[Any] | None = None) -> Trajectory:
    """Read a transcript's steps with `parse_react`, turn by turn."""
    steps: list[Step] = []
    for said, observation in split_transcript(text):
        step = parse_react(said, tools)
        status = "final" if step.answer is not None else "ok" if step.readable else "repair"
        steps.append(replace(step, observation=observation, status=status))
    return tuple(steps)
