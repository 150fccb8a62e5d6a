"""A layer that answers from what was answered before."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import sqlite3
import time
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, message_to_dict, messages_from_dict
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables.config import ensure_config
from pydantic import Field, PrivateAttr

from nacre.decorator.flow import Ready
from nacre.decorator.identity import NEVER, describe, identity
from nacre.decorator.layer import Call, ChatModelDecorator, Flow
from nacre.errors import NacreError
from nacre.system.sqlite import Database
from nacre.text.framing import settled
from nacre.text.han import HAN
from nacre.text.messages import nacre_of, text_of, with_nacre
from nacre.text.strict_json import to_json

_log = logging.getLogger(__name__)
_SCHEMA = "create table if not exists replies (key text primary key, at real not null, message text not null)"
# A part of the key: counted up when keys or stored messages change their form.
_FORM = 1
# Settings of LangGraph that name a run and say nothing about its answer.
_RUN_ONLY = ("__", "checkpoint", "thread_id")
_CUT_SHORT = frozenset({"length", "max_tokens", "content_filter", "error", "insufficient_system_resource"})
_PIECE = re.compile(rf"[{HAN}]|[^\s{HAN}]+\s*|\s+")


@runtime_checkable
class ReplyStore(Protocol):
    """Keeps texts by key. It may do I/O: `ResponseCache` calls it off the event loop."""

    def get(self, key: str) -> str | None:
        """Look up a key of 64 hexadecimal digits."""

    def put(self, key: str, text: str) -> None:
        """Keep a text under such a key."""


class SQLiteReplies:
    """Replies in a SQLite file (":memory:" for none); after `ttl_s` each is forgotten, beyond `most` the oldest."""

    def __init__(self, path: str | Path = ":memory:", ttl_s: float | None = None, most: int = 100_000) -> None:
        self._database = Database(path, _SCHEMA)
        self.ttl_s = ttl_s
        self.most = most

    def get(self, key: str) -> str | None:
        """Look up."""
        since = 0.0 if self.ttl_s is None else time.time() - self.ttl_s
        found = self._database.read("select message from replies where key = ? and at >= ?", (key, since))
        return found[0][0] if found else None

    def put(self, key: str, text: str) -> None:
        """Keep a reply."""
        oldest = "delete from replies where key in (select key from replies order by at desc limit -1 offset ?)"
        with self._database.write() as connection:
            kept = "insert or replace into replies (key, at, message) values (?, ?, ?)"
            connection.execute(kept, (key, time.time(), text))
            connection.execute(oldest, (self.most,))

    def clear(self) -> None:
        """Forget all replies."""
        self._database.execute("delete from replies")

    def close(self) -> None:
        """Close the file."""
        self._database.close()


class ResponseCache(ChatModelDecorator):
    """Answers a request that was answered before from a store.

    Two requests are the same when everything that shapes the answer is: the inner model wholly (each layer, its
    settings, the knowledge base and its generation), the conversation, the call's arguments, and as whom it is asked.
    So a changed or deleted document invalidates every answer of that knowledge base.

    Refusals, replies that were cut short or filtered, empty and failed ones are never kept. A hit is streamed, keeps
    the usage of the call that made it, and is marked by `response_metadata["nacre"]["cached"]`.

    Args:
        inner: the model that answers what is new.
        store: a file for the replies, ":memory:", or a `ReplyStore`.
        ttl_s: for a file: seconds after which a reply is forgotten; None keeps it.
    """

    store: str | Path | ReplyStore = ":memory:"
    ttl_s: float | None = Field(default=None, gt=0)

    _replies: ReplyStore = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Open the store."""
        store = self.store
        self._replies = SQLiteReplies(store, self.ttl_s) if isinstance(store, str | Path) else store

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Look up, else ask and keep."""
        key, kept = yield from self.call(RunnableLambda(self._get), (messages, kwargs))
        if kept is not None:
            text = kept.content if isinstance(kept.content, str) else ""
            pieces = [AIMessageChunk(content=piece, id=kept.id) for piece in _PIECE.findall(text) or [""]]
            yield Call(Ready(*pieces), None, live=True)
            return with_nacre(kept, cached=True)
        reply = yield from self.ask(messages, live=True, **kwargs)
        if key is not None and is_keepable(reply):
            yield from self.call(RunnableLambda(self._put), (key, reply))
        return reply

    def key(self, messages: list[BaseMessage], **kwargs: Any) -> str | None:
        """The key of a request, with what the current configuration adds to it.

        Args:
            messages: the conversation.
            **kwargs: the call's arguments.

        Returns:
            64 hexadecimal digits; None when the answer depends on something that cannot be described (see
            `nacre.decorator.identity`), and so must not be kept.
        """
        configured = ensure_config().get("configurable") or {}
        options = {name: value for name, value in configured.items() if not name.startswith(_RUN_ONLY)}
        request = [_FORM, identity(self.inner), [_said(m) for m in messages], describe(kwargs), describe(options)]
        text = json.dumps(request, sort_keys=True, ensure_ascii=True, default=repr)
        return None if NEVER in text else hashlib.sha256(settled(text).encode()).hexdigest()

    def _get(self, asked: tuple[list[BaseMessage], dict[str, Any]]) -> tuple[str | None, AIMessage | None]:
        """The key, for which the knowledge base is asked where it stands, and what is kept under it."""
        messages, options = asked
        key = self.key(messages, **options)
        if key is None:
            return None, None
        try:
            text = self._replies.get(key)
            message = None if text is None else messages_from_dict([json.loads(text)])[0]
        except (NacreError, sqlite3.Error, ValueError, KeyError) as error:
            # A store that fails must not cost the answer.
            _log.warning("The response cache cannot be read: %s", error)
            return key, None
        return key, message if isinstance(message, AIMessage) else None

    def _put(self, kept: tuple[str, AIMessage]) -> None:
        key, message = kept
        try:
            self._replies.put(key, to_json(message_to_dict(message), ensure_ascii=True))
        except (NacreError, sqlite3.Error, TypeError) as error:
            _log.warning("The response cache cannot keep a reply: %s", error)


def is_keepable(reply: AIMessage) -> bool:
    """Whether a reply may answer the same request again."""
    metadata = reply.response_metadata
    ends = {str(metadata.get(name, "")).lower() for name in ("finish_reason", "stop_reason", "done_reason")}
    nothing = not text_of(reply).strip() and not reply.tool_calls
    own = nacre_of(reply)
    refused = bool(own.get("abstained") or own.get("pending")) or bool(reply.additional_kwargs.get("refusal"))
    return not (nothing or refused or reply.invalid_tool_calls or ends & _CUT_SHORT)


def _said(message: BaseMessage) -> list[Any]:
    """What a model sees of a message: not its id, its tokens or how it came about."""
    data = message_to_dict(message)["data"]
    unseen = ("id", "response_metadata", "usage_metadata", "type", "example")
    return [message.type, describe({name: value for name, value in data.items() if name not in unseen})]
