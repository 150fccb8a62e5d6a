"""A layer that shows the model examples before the conversation."""

from __future__ import annotations

from typing import Any, Literal, cast

from langchain_core.embeddings import Embeddings
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableLambda
from pydantic import Field, PrivateAttr

from nacre.decorator.layer import ChatModelDecorator, Flow
from nacre.prompting.examples import Examples, behind_system, example_groups, nearest_by_vector, nearest_by_words
from nacre.text.hygiene import searched
from nacre.text.language import language_of
from nacre.text.messages import last_user_text, text_of


class FewShot(ChatModelDecorator):
    """Shows the model examples before the conversation (Brown et al., 2020, arXiv:2005.14165).

    Args:
        inner: the model that answers.
        examples: id of a prompt whose messages are the examples, "few_shot/reasoning"; or pairs (question, answer); or
            messages. They are content, never templates.
        k: show only the `k` examples nearest to the question, the nearest last; None shows all, in their order.
        embeddings: finds the nearest by meaning; None finds them by shared words.
        language: of the prompt file; "auto" takes the question's.
    """

    examples: Examples
    k: int | None = Field(default=None, ge=1)
    embeddings: Embeddings | None = None
    language: Literal["auto", "en", "zh"] = "auto"

    _vectors: dict[str, list[list[float]]] = PrivateAttr(default_factory=dict)

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Put the examples behind the system message and ask."""
        question = searched(last_user_text(messages))
        language = language_of(question) if self.language == "auto" else self.language
        shown = example_groups(self.examples, language)
        if self.k is not None and self.k < len(shown):
            picked = yield from self.call(RunnableLambda(self._nearest), (question, shown))
            shown = cast("list[list[BaseMessage]]", picked)
        flat = [message for group in shown for message in group]
        return (yield from self.ask(behind_system(messages, flat), live=True, **kwargs))

    def _nearest(self, asked: tuple[str, list[list[BaseMessage]]]) -> list[list[BaseMessage]]:
        question, groups = asked
        texts = [text_of(group[0]) for group in groups]
        k = cast(int, self.k)
        if self.embeddings is None:
            order = nearest_by_words(question, texts, k)
        else:
            key = "\0".join(texts)
            if key not in self._vectors:
                self._vectors[key] = self.embeddings.embed_documents(texts)
            order = nearest_by_vector(self.embeddings.embed_query(question), self._vectors[key], k)
        return [groups[i] for i in reversed(order)]
