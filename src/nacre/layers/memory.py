"""Conversations that go on: what was said before, and follow-up questions made whole."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from pydantic import Field, PrivateAttr

from nacre.decorator.layer import ChatModelDecorator, Flow
from nacre.memory.followups import full_question, innermost
from nacre.memory.store import SQLiteConversations, SQLiteHistory
from nacre.text.messages import last_user_text, nacre_of, text_of, with_nacre

Store = Callable[[str], BaseChatMessageHistory]


class ConversationMemory(ChatModelDecorator):
    """Remembers conversations: the caller sends only the new message, and a session id.

    What is kept is what the user saw: the question as it was typed and the answer's text, both or neither. A session
    belongs to who asks (`principals`): the same session id under other principals is another conversation, so an
    answer made from documents that one may read never reaches another. Without a session id the layer only passes on.

    A follow-up ("And for part-timers?") is rewritten into a full question, so that retrieval finds what it means; a
    message of more than 4,000 characters is none.

    Args:
        inner: the model that answers.
        store: a file for the conversations, ":memory:", or a function from a key to a LangChain
            `BaseChatMessageHistory` (Redis, Postgres, …).
        turns: how many of the last turns (a question and its answer) the model is shown.
        characters: the most characters of them; older turns are left out first.
        rewrite: whether follow-ups are rewritten.
        rewriter: the model that rewrites; None takes the innermost model. Rules rewrite where that is `quote`.

    Call options: `session_id`, or `config={"configurable": {"session_id": …}}`; `principals` is read and passed on.

    The answer's `response_metadata["nacre"]` holds `question` when the question was rewritten.
    """

    store: str | Path | Store = ":memory:"
    turns: int = Field(default=10, ge=0)
    characters: int = Field(default=12_000, ge=0)
    rewrite: bool = True
    rewriter: BaseChatModel | None = None

    _conversations: Store = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Open the store."""
        store = self.store
        self._conversations = SQLiteConversations(store) if isinstance(store, str | Path) else store

    def history(self, session_id: str, principals: Sequence[str] | None = None) -> BaseChatMessageHistory:
        """One conversation, to read it or to forget it (`.clear()`).

        Args:
            session_id: as in the call.
            principals: as in the call.

        Returns:
            LangChain's history of it.
        """
        asker = None if principals is None else sorted(set(principals))
        return self._conversations(json.dumps([session_id, asker], ensure_ascii=False))

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Recall, rewrite, ask, remember."""
        session_id = self.option(kwargs, "session_id")
        asked = last_user_text(messages)
        if session_id is None or not asked.strip():
            return (yield from self.ask(messages, live=True, **kwargs))
        # Other layers need the principals too: they are read from a copy and stay where they are.
        history = self.history(str(session_id), self.option(dict(kwargs), "principals"))
        kept = yield from self.call(RunnableLambda(_read, afunc=_aread), (history, self.turns))
        past = self._recent(kept)
        question = asked
        if past and self.rewrite and isinstance(messages[-1], HumanMessage):
            question = yield from full_question(self.rewriter or innermost(self.inner), past, asked)
        reply = yield from self.ask(_with_past(messages, past, question), live=True, **kwargs)
        if reply.tool_calls or not text_of(reply).strip() or nacre_of(reply).get("pending"):  # the turn goes on
            return reply
        # What the user wrote since the last answer, as text.
        new = itertools.takewhile(lambda m: not isinstance(m, AIMessage) or m.tool_calls, reversed(messages))
        said = [HumanMessage(text_of(message)) for message in new if isinstance(message, HumanMessage)]
        turn = [*reversed(said), AIMessage(text_of(reply))]
        yield from self.call(RunnableLambda(_write, afunc=_awrite), (history, turn))
        return reply if question == asked else with_nacre(reply, question=question)

    def _recent(self, kept: Sequence[BaseMessage]) -> list[BaseMessage]:
        """The last turns that fit."""
        starts = [i for i, message in enumerate(kept) if isinstance(message, HumanMessage)]
        left = self.characters
        begin = len(kept)
        for start in reversed(starts[-self.turns :] if self.turns else []):
            left -= sum(len(text_of(message)) for message in kept[start:begin])
            if left < 0:
                break
            begin = start
        return list(kept[begin:])


def _with_past(messages: Sequence[BaseMessage], past: Sequence[BaseMessage], question: str) -> list[BaseMessage]:
    at = 1 if messages[0].type == "system" else 0
    new = list(messages)
    last = max(i for i, message in enumerate(new) if isinstance(message, HumanMessage))
    if text_of(new[last]) != question:
        parts = new[last].content
        others = [] if isinstance(parts, str) else [p for p in parts if isinstance(p, dict) and p.get("type") != "text"]
        content = [{"type": "text", "text": question}, *others] if others else question
        new[last] = new[last].model_copy(update={"content": content})
    return [*new[:at], *past, *new[at:]]


def _read(asked: tuple[BaseChatMessageHistory, int]) -> list[BaseMessage]:
    history, turns = asked
    return history.last(turns) if isinstance(history, SQLiteHistory) else list(history.messages)


async def _aread(asked: tuple[BaseChatMessageHistory, int]) -> list[BaseMessage]:
    history, turns = asked
    if isinstance(history, SQLiteHistory):
        return await asyncio.to_thread(history.last, turns)
    return list(await history.aget_messages())


def _write(turn: tuple[BaseChatMessageHistory, list[BaseMessage]]) -> None:
    turn[0].add_messages(turn[1])


async def _awrite(turn: tuple[BaseChatMessageHistory, list[BaseMessage]]) -> None:
    await turn[0].aadd_messages(turn[1])
