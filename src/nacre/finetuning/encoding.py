"""Rows as token ids, by the very function that serves: a template of training cannot differ from that of use."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from nacre.connectors.models.templates import answer_ids, prompt_ids, stops_of
from nacre.errors import FinetuningError
from nacre.finetuning.rows import Row
from nacre.text.language import tr

_KINDS = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
_NOT_TRAINED = -100  # what torch's cross entropy ignores


def messages_of(prompt: Sequence[Mapping[str, str]]) -> list[BaseMessage]:
    """Turns as LangChain's messages."""
    return [_KINDS[turn["role"]](turn["content"]) for turn in prompt]


@dataclass(frozen=True)
class Encoder:
    """Turns rows into ids for one model.

    Args:
        stops: the ids at which generation ends, as the model's own settings say.
        window: the most tokens of a row; None where the model does not say.
    """

    tokenizer: Any
    stops: tuple[int, ...]
    window: int | None

    @classmethod
    def of(cls, model: Any, tokenizer: Any, virtual: int = 0) -> Encoder:
        """The encoder for a loaded model.

        Args:
            virtual: tokens that an adapter puts before every prompt.
        """
        stops = stops_of(model, tokenizer)
        if not stops:
            raise FinetuningError(
                tr("The model names no token at which an answer ends (eos_token_id in its generation_config.json).")
            )
        window = getattr(model.config, "max_position_embeddings", None)
        return cls(tokenizer, stops, window - virtual if isinstance(window, int) else None)

    def prompt(self, row: Row) -> list[int]:
        """The ids that ask for the answer, as `TransformersChatModel` puts them to the model."""
        return prompt_ids(self.tokenizer, messages_of(row.prompt), None, {})[0]

    def pair(self, row: Row, answer: str) -> tuple[list[int], list[int]]:
        """The ids of a prompt, and those of an answer, sure to end where generation stops, and only there."""
        prompt, said = answer_ids(self.tokenizer, messages_of(row.prompt), answer, self.stops)
        inner = [id for id in said[:-1] if id in self.stops]
        if not prompt or len(said) < 2 or said[-1] not in self.stops or inner:
            raise FinetuningError(
                tr("An answer does not end at a token at which generation stops; is its template the model's own?")
            )
        return prompt, said

    def trained(self, row: Row) -> dict[str, list[int]]:
        """A row as `input_ids` and `labels`: the answer is learnt, and nothing before it."""
        prompt, said = self.pair(row, row.answer)
        return {"input_ids": [*prompt, *said], "labels": [_NOT_TRAINED] * len(prompt) + said}

    def compared(self, row: Row) -> dict[str, list[int]]:
        """A pair as ids of its prompt and of both answers."""
        prompt, chosen = self.pair(row, row.answer)
        return {"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": self.pair(row, row.rejected or "")[1]}

    def length(self, row: Row) -> int:
        """How many tokens a row has, the longer answer of a pair counted."""
        return max(sum(map(len, self.pair(row, answer))) for answer in (row.answer, row.rejected) if answer)

    def fits(self, row: Row) -> bool:
        """Whether a row fits into the window whole; nothing is ever cut."""
        return self.window is None or self.length(row) <= self.window

    def marked(self, row: Row) -> str:
        """A row as the model sees it, with what it learns between ⟦ and ⟧."""
        found = self.trained(row)
        start = found["labels"].count(_NOT_TRAINED)
        ids, decode = found["input_ids"], self.tokenizer.decode
        return f"{decode(ids[:start])}⟦{decode(ids[start:])}⟧"

    def fingerprint(self) -> str:
        """A short name for the template."""
        return hashlib.sha256(str(self.tokenizer.chat_template or "").encode()).hexdigest()[:16]


def fitting(rows: Sequence[Row], encoder: Encoder) -> tuple[list[Row], list[str]]:
    """The rows that fit whole, and a line for each that does not."""
    kept, problems = [], []
    for row in rows:
        if encoder.fits(row):
            kept.append(row)
        else:
            problems.append(
                tr(
                    "The row {asked!r} does not fit: {length} tokens, window {window}; it is left out. Show fewer "
                    "sources (--k) or take a base with a longer window.",
                    asked=row.asked[:80],
                    length=encoder.length(row),
                    window=encoder.window,
                )
            )
    if not kept:
        raise FinetuningError(tr("No row fits into the model. {first}", first=problems[0] if problems else ""))
    return kept, problems
