"""A layer that lets the model reason step by step before it answers."""

from __future__ import annotations

from typing import Any, Literal

from langchain_core.messages import BaseMessage

from nacre import prompts
from nacre.decorator.layer import ChatModelDecorator, Flow
from nacre.prompting.answers import AnswerOnly, split_answer
from nacre.prompting.examples import Examples, behind_system, example_groups
from nacre.text.language import Language, language_of
from nacre.text.messages import last_user_text, replace_last_user, text_of, with_nacre, with_text


class ChainOfThought(ChatModelDecorator):
    """Lets the model reason before it answers, and answers with the answer alone.

    Without examples this is zero-shot reasoning (Kojima et al., 2022, arXiv:2205.11916), with examples the original
    chain of thought (Wei et al., 2022, arXiv:2201.11903). The reasoning is in the answer's
    `response_metadata["nacre"]["reasoning"]`.

    Args:
        inner: the model that reasons.
        examples: as for `FewShot`, each answer with its reasoning and a last line "Answer: …"; "few_shot/reasoning" is
            such a prompt. None: zero-shot.
        extraction: "marker" asks for a last line "Answer: …" and takes what follows it, in one call; "two_stage" asks
            a second time for the answer alone, as the zero-shot paper does.
        language: of the instruction; "auto" takes the question's.
    """

    examples: Examples | None = None
    extraction: Literal["marker", "two_stage"] = "marker"
    language: Literal["auto", "en", "zh"] = "auto"

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Ask for reasoning, part the answer from it."""
        question = last_user_text(messages)
        if not question.strip():
            return (yield from self.ask(messages, live=True, **kwargs))
        language = language_of(question) if self.language == "auto" else self.language
        if self.examples is not None:
            groups = example_groups(self.examples, language)
            messages = behind_system(messages, [message for group in groups for message in group])
        if self.extraction == "two_stage":
            return (yield from self._two_stage(messages, question, language, kwargs))
        asked = replace_last_user(messages, prompts.load("cot/zero_shot", language).render(question=question))
        reply = yield from self.ask(asked, live=True, through=AnswerOnly(), **kwargs)
        reasoning, answer = split_answer(text_of(reply))
        if answer == text_of(reply):
            return reply
        return with_nacre(with_text(reply, answer), reasoning=reasoning)

    def _two_stage(
        self, messages: list[BaseMessage], question: str, language: Language, kwargs: dict[str, Any]
    ) -> Flow:
        asked = replace_last_user(messages, prompts.load("cot/reason", language).render(question=question))
        thought = yield from self.ask(asked, **kwargs)
        if thought.tool_calls:
            return thought
        reasoning = text_of(thought)
        asked += prompts.load("cot/extract", language).render(reasoning=reasoning)
        reply = yield from self.ask(asked, live=True, **kwargs)
        return with_nacre(reply, reasoning=reasoning)
