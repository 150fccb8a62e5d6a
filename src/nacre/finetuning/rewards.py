"""Rewards for GRPO that need no model: a citation that holds, a refusal where one is due, a value that is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nacre.errors import FinetuningError
from nacre.eval.metrics import contains
from nacre.finetuning.encoding import Encoder
from nacre.finetuning.rows import Row
from nacre.grounding.citations import statements
from nacre.grounding.evidence import is_refusal
from nacre.text.hygiene import clean_text
from nacre.text.language import language_of, tr


def citation_holds(completions: Sequence[Any], sources: Sequence[Any], answers: Sequence[Any], **_: Any) -> list[float]:
    """1 where every statement cites a source that holds a right answer, and the share of such statements else."""
    return [_cited(_said(c), s, a) for c, s, a in zip(completions, sources, answers, strict=True)]


def refusal_right(completions: Sequence[Any], question: Sequence[str], answers: Sequence[Any], **_: Any) -> list[float]:
    """1 for a refusal where the sources hold no answer, and for anything else where they do."""
    told = zip(completions, question, answers, strict=True)
    return [float(is_refusal(_said(c), language_of(q)) != bool(a)) for c, q, a in told]


def value_right(completions: Sequence[Any], answers: Sequence[Any], **_: Any) -> list[float]:
    """1 where a right answer stands in what was said, numbers and dates compared by their value."""
    return [contains(_said(c), a) if a else 0.0 for c, a in zip(completions, answers, strict=True)]


REWARDS = (citation_holds, refusal_right, value_right)


def facts_of(row: Row) -> dict[str, Any]:
    """What the rewards look at."""
    return {"question": row.asked, "answers": list(row.answers), "sources": list(row.sources)}


def prompts_as_served(row: Row, encoder: Encoder) -> list[dict[str, str]]:
    """The turns of a prompt that TRL, which makes its own ids here, turns into the very ids that serve."""
    told = [{**turn, "content": clean_text(turn["content"])} for turn in row.prompt]
    ids = encoder.tokenizer.apply_chat_template(told, add_generation_prompt=True, tokenize=True, return_dict=False)
    if list(ids) != encoder.prompt(row):
        raise FinetuningError(
            tr(
                "A prompt holds control tokens, or its template no system role; GRPO cannot train on it: {question}",
                question=row.asked[:80],
            )
        )
    return told


def _cited(text: str, sources: Sequence[str], answers: Sequence[str]) -> float:
    if not answers or is_refusal(text, language_of(text)):
        return 0.0
    found = [numbers for _, _, _, numbers in statements(text)]
    held = [any(0 < n <= len(sources) and contains(sources[n - 1], answers) for n in ns) for ns in found]
    return sum(held) / len(held) if held else 0.0


def _said(completion: Any) -> str:
    """The text of a completion: TRL gives turns for conversations."""
    return completion if isinstance(completion, str) else str(completion[-1]["content"])
