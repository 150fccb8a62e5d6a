"""The token ids of an answer, as a model's template would go on: what is trained, and what a reward is given for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from nacre.connectors.models.templates import defused, prompt_ids


def answer_ids(
    tokenizer: Any, messages: Sequence[BaseMessage], answer: str, stops: Sequence[int]
) -> tuple[list[int], list[int]]:
    """The ids that ask for an answer, and those of the answer itself, with the one at which generation stops at its
    end.

    As the template goes on where the conversation does: some put a line break before an answer, and some end it with
    the mark of the next speaker.

    Args:
        stops: the ids at which generation stops.
    """
    prompt = prompt_ids(tokenizer, messages, None, {})[0]
    whole = prompt_ids(tokenizer, [*messages, AIMessage(answer), HumanMessage(".")], None, {})[0]
    if whole[: len(prompt)] == prompt:
        rest = whole[len(prompt) :]
        end = next((at for at, id in enumerate(rest) if id in stops), None)
        if end is not None and tokenizer.decode(rest[:end], skip_special_tokens=True).split() == answer.split():
            return prompt, rest[: end + 1]
    own = tokenizer.eos_token_id
    plain = tokenizer(defused(answer, tokenizer), add_special_tokens=False)["input_ids"]
    return prompt, [*plain, own if own in stops else stops[0]]


def stops_of(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """The ids at which a model stops to generate; none where it names none."""
    settings = getattr(model, "generation_config", None)
    ends = settings.eos_token_id if settings is not None else None
    ends = tokenizer.eos_token_id if ends is None else ends
    return tuple(ends) if isinstance(ends, list) else () if ends is None else (int(ends),)
