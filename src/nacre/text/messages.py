"""Small helpers on messages: their text, the sources marked in them, what Nacre adds to them, and chunks."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, message_chunk_to_message

from nacre.text.framing import MARK, mark
from nacre.text.tables import Grid, continued, read


def text_of(message: BaseMessage | str | list[Any]) -> str:
    """The text of a message or of a message's content; images and other parts are left out."""
    content = message.content if isinstance(message, BaseMessage) else message
    if isinstance(content, str):
        return content
    return "".join(
        part if isinstance(part, str) else part.get("text") or ""
        for part in content
        if isinstance(part, str) or part.get("type") == "text"
    )


def last_user_text(messages: Sequence[BaseMessage]) -> str:
    """The text of the last message that the user wrote; its parts are lines of their own."""
    content = next((m.content for m in reversed(messages) if isinstance(m, HumanMessage)), "")
    return "\n".join(text_of([part]) for part in ([content] if isinstance(content, str) else content)).strip("\n")


def replace_last_user(messages: Sequence[BaseMessage], new: Sequence[BaseMessage]) -> list[BaseMessage]:
    """A copy of the conversation with its last user message replaced, whose images and other parts stay with the new.

    A system message among `new` goes to the front, joined to one that is there: many models accept it nowhere else.
    """
    at = next((i for i in range(len(messages) - 1, -1, -1) if isinstance(messages[i], HumanMessage)), len(messages))
    body = [m for m in new if m.type != "system"]
    if at < len(messages) and body and not isinstance(messages[at].content, str):
        others = [part for part in messages[at].content if isinstance(part, dict) and part.get("type") != "text"]
        if others:
            body[-1] = body[-1].model_copy(update={"content": [{"type": "text", "text": text_of(body[-1])}, *others]})
    rest = [*messages[:at], *body, *messages[at + 1 :]]
    return with_system(rest, [m for m in new if m.type == "system"])


def with_system(messages: Sequence[BaseMessage], system: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The conversation with more system text, kept in one message at the front."""
    if not system:
        return list(messages)
    texts = [text_of(m) for m in (*messages[:1], *system) if m.type == "system"]
    rest = messages[1:] if messages and messages[0].type == "system" else messages
    return [system[0].model_copy(update={"content": "\n\n".join(texts)}), *rest]


# --- sources marked in a prompt ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Source:
    """A numbered source in a prompt; its uri and tables are not shown to the model.

    Args:
        columns: the names of the columns of a table in whose middle the text begins.
        valid: when it holds, "2024-01-01/2025-12-31".
    """

    n: int
    text: str
    title: str = ""
    uri: str = ""
    columns: tuple[str, ...] = ()
    tables: tuple[Grid, ...] = ()
    valid: str = ""


def source_of(n: int, text: str, title: str = "", uri: str = "", tables: Any = None, valid: str = "") -> Source:
    """A source whose tables stand in a retriever's metadata, or do not."""
    known = read(tables, text)
    return Source(n, text, title, uri, continued(known), known, valid)


def render_sources(sources: Sequence[Source]) -> str:
    """Mark sources as data in a prompt; `parse_sources` reads them back exactly.

    Every line of the frame carries a key made from all the texts inside and a secret of this process. A document
    cannot know the key of a block that it is part of, so it can neither close the block early nor open one of its own.
    """
    key = mark(*(part for s in sources for part in (str(s.n), s.title, *s.columns, s.valid, s.text)))
    lines = [f'<sources key="{key}">']
    for source in sources:
        columns = f' columns="{"&#9;".join(map(_attribute, source.columns))}"' if any(source.columns) else ""
        valid = f' valid="{_attribute(source.valid)}"' if source.valid else ""
        about = f'n="{source.n}" title="{_attribute(source.title)}"{columns}{valid}'
        lines += [f'<source {about} key="{key}">', source.text, f'</source key="{key}">']
    return "\n".join([*lines, f'</sources key="{key}">'])


def _attribute(text: str) -> str:
    return html.escape(" ".join(text.split()), quote=True)


_OPEN = re.compile(rf'<sources key="({MARK})">\n')
_LABEL = re.compile(r"^\s*(?:question|问题|提问)\s*[:：]\s*", re.IGNORECASE)


def parse_sources(text: str) -> tuple[list[Source], str]:
    """The sources that `render_sources` marked, and the question, without a label such as "Question:"."""
    opened = _OPEN.search(text)
    if opened is None:
        return [], _unlabelled(text)
    key = opened.group(1)
    closing = f'</sources key="{key}">'
    end = text.find(closing, opened.end())
    if end < 0:
        return [], text.strip()
    found = list(_read_sources(text[opened.end() : end], key))
    return found, _unlabelled(text[end + len(closing) :]) or text[: opened.start()].strip()


def _unlabelled(text: str) -> str:
    bare = text.strip()
    label = _LABEL.match(bare[:80])
    return bare[label.end() :].strip() if label else bare


def _read_sources(block: str, key: str) -> Iterator[Source]:
    """Each mark is looked for once, so that a block of nothing but openings takes no longer than another."""
    one = re.compile(
        rf'<source n="(\d{{1,9}})" title="([^"\n]*)"(?: columns="([^"\n]+)")?(?: valid="([^"\n]*)")? key="{key}">\n'
    )
    closing, at = f'\n</source key="{key}">', 0
    while opened := one.search(block, at):
        end = block.find(closing, opened.end())
        if end < 0:
            return
        columns = tuple(html.unescape(opened[3]).split("\t")) if opened[3] else ()
        title, valid = html.unescape(opened[2]), html.unescape(opened[4] or "")
        yield Source(int(opened[1]), block[opened.end() : end], title, columns=columns, valid=valid)
        at = end + len(closing)


def with_text(message: AIMessage, text: str) -> AIMessage:
    """A copy of an answer with another text; images, reasoning and other parts of its content stay."""
    if isinstance(message.content, str):
        return message.model_copy(update={"content": text})
    parts = [p for p in message.content if not isinstance(p, str) and p.get("type") != "text"]
    at = next((i for i, p in enumerate(message.content) if isinstance(p, str) or p.get("type") == "text"), len(parts))
    old = message.content[at] if at < len(message.content) else {}
    frame = {k: v for k, v in old.items() if k in ("type", "id", "index")} if isinstance(old, dict) else {}
    new = [{"type": "text", **frame, "text": text}] if text else []
    return message.model_copy(update={"content": [*parts[:at], *new, *parts[at:]]})


# --- what Nacre adds to a message -------------------------------------------------------------------------------------


def with_nacre(message: AIMessage, **data: Any) -> AIMessage:
    """A copy of an answer with more in `response_metadata["nacre"]`."""
    metadata = {**message.response_metadata, "nacre": {**nacre_of(message), **data}}
    return message.model_copy(update={"response_metadata": metadata})


def nacre_of(message: BaseMessage) -> dict[str, Any]:
    """What Nacre added to an answer."""
    return dict(getattr(message, "response_metadata", {}).get("nacre") or {})


# --- chunks -----------------------------------------------------------------------------------------------------------


def as_chunk(message: AIMessage) -> AIMessageChunk:
    """A whole answer as one chunk of a stream; a chunk as it is."""
    if isinstance(message, AIMessageChunk):
        return message
    return AIMessageChunk(**{name: getattr(message, name) for name in AIMessage.model_fields if name != "type"})


def merge_chunks(chunks: Sequence[AIMessageChunk]) -> AIMessage:
    """The answer that a stream of chunks spells out."""
    merged = chunks[0] + list(chunks[1:]) if len(chunks) > 1 else chunks[0]
    message = message_chunk_to_message(merged)
    assert isinstance(message, AIMessage)
    return message


def was_cut(reply: AIMessage) -> bool:
    """Whether a reply ended at the limit of its length."""
    reason = reply.response_metadata.get("finish_reason") or reply.response_metadata.get("stop_reason")
    return str(reason).lower() in ("length", "max_tokens")
