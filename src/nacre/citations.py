"""Citations that can be checked: every one quotes its source literally, with the place where the quote stands."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from langchain_core.messages import AIMessage
from langchain_core.messages.block_translators import register_translator

from nacre.markers import MARKER, numbers
from nacre.messages import Source, nacre_of
from nacre.words import sentences, words


class Citation(TypedDict):
    """A checked citation of one statement in an answer.

    `quote` stands literally in the document: `text[start:end] == quote`, in characters of the document's extracted
    text. `answer_start` and `answer_end` bound the statement in the answer, its marker included. `support` is the
    share of the statement's words (0 to 1) that the quote holds.
    """

    n: int
    uri: str
    title: str
    heading: tuple[str, ...]
    page: int | None
    quote: str
    start: int
    end: int
    chunk_id: int | str
    document_id: int | str
    version: int | str | None
    answer_start: int
    answer_end: int
    support: float


def cite(answer: str, sources: Sequence[Source], places: Mapping[int, Mapping[str, Any]]) -> list[Citation]:
    """Resolve the markers of an answer.

    Args:
        answer: the text, in which every marker points to one of `sources`.
        sources: the numbered sources that the model saw.
        places: for each number the metadata of its chunk: `uri`, `title`, `heading`, `page`, `start` (where the
            chunk begins in its document), `chunk_id`, `document_id`, `version`.

    Returns:
        One citation for each pair of a statement and a source, in the order of the answer.
    """
    texts = {source.n: source.text for source in sources}
    found: list[Citation] = []
    for start, end, claim, cited in statements(answer):
        for n in cited:
            if n not in texts:
                continue
            begin, stop, support = best_quote(claim, texts[n])
            place = places[n]
            found.append(
                Citation(
                    n=n,
                    uri=str(place.get("uri", "")),
                    title=str(place.get("title", "")),
                    heading=tuple(place.get("heading") or ()),
                    page=place.get("page"),
                    quote=texts[n][begin:stop],
                    start=int(place.get("start") or 0) + begin,
                    end=int(place.get("start") or 0) + stop,
                    chunk_id=place.get("chunk_id", ""),
                    document_id=place.get("document_id", ""),
                    version=place.get("version"),
                    answer_start=start,
                    answer_end=end,
                    support=round(support, 3),
                )
            )
    return found


def statements(answer: str) -> list[tuple[int, int, str, list[int]]]:
    """The statements of an answer, each with the sources that it cites.

    Args:
        answer: a text with markers, before or after the full stops.

    Returns:
        (start, end, text without markers, numbers) for every sentence; `numbers` may be empty.
    """
    # Markers are blanked, so that offsets stay, and given to the sentence that ends before them or holds them.
    blanked = MARKER.sub(lambda m: " " * len(m[0]), answer)
    spans = sentences(blanked)
    cited: list[list[int]] = [[] for _ in spans]
    ends = [end for _, end in spans]
    for marker in MARKER.finditer(answer):
        owner = max((i for i, (start, _) in enumerate(spans) if start < marker.start()), default=None)
        if owner is not None:
            cited[owner] += [n for n in numbers(marker) if n not in cited[owner]]
            ends[owner] = max(ends[owner], marker.end())
    return [(start, ends[i], " ".join(blanked[start:end].split()), cited[i]) for i, (start, end) in enumerate(spans)]


def best_quote(claim: str, text: str) -> tuple[int, int, float]:
    """The part of a source that says most of a statement: the statement itself, else one sentence or two neighbours.

    Args:
        claim: a statement.
        text: a source.

    Returns:
        (start, end, support): a span of `text`, and the share of the claim's words in it, 0 to 1.
    """
    literal = re.search(r"\s+".join(re.escape(part) for part in claim.split()), text) if claim.strip() else None
    if literal:
        return literal.start(), literal.end(), 1.0
    wanted = Counter(words(claim))
    spans = sentences(text) or [(0, len(text))]
    held = [Counter(words(text[start:end])) for start, end in spans]
    best = max(range(len(spans)), key=lambda i: (_share(wanted, held[i]), -len(held[i])))
    start, end = spans[best]
    support = _share(wanted, held[best])
    for other in (best - 1, best + 1):
        if 0 <= other < len(spans):
            both = _share(wanted, held[best] + held[other])
            if both >= support + 0.2:
                start, end, support = min(start, spans[other][0]), max(end, spans[other][1]), both
                break
    return start, end, support


def _share(wanted: Counter[str], held: Counter[str]) -> float:
    total = sum(wanted.values())
    return sum((wanted & held).values()) / total if total else 0.0


def as_annotations(citations: Sequence[Citation]) -> list[dict[str, Any]]:
    """Citations in LangChain's standard form.

    Args:
        citations: as from `cite`.

    Returns:
        Annotations of type "citation"; what the standard has no field for stands in `extras`.
    """
    return [
        {
            "type": "citation",
            "url": c["uri"],
            "title": c["title"],
            "start_index": c["answer_start"],
            "end_index": c["answer_end"],
            "cited_text": c["quote"],
            "extras": {
                name: c[name]
                for name in ("n", "chunk_id", "document_id", "version", "heading", "page", "start", "end", "support")
            },
        }
        for c in citations
    ]


def _blocks(message: AIMessage) -> list[Any]:
    """The content blocks of a cited answer: the model's own, with the citations on the text."""
    own = nacre_of(message)
    metadata = {name: value for name, value in message.response_metadata.items() if name != "model_provider"}
    if provider := own.get("model_provider"):
        metadata["model_provider"] = provider
    blocks: list[dict[str, Any]] = [dict(block) for block in message.model_copy(update={"response_metadata": metadata}).content_blocks]
    pending = as_annotations(own.get("citations") or [])
    at = 0
    for block in blocks:
        if block.get("type") != "text":
            continue
        at += len(block.get("text", ""))
        mine = [a for a in pending if a["end_index"] <= at]
        pending = [a for a in pending if a["end_index"] > at]
        if mine:
            block["annotations"] = [*block.get("annotations", []), *mine]
    return blocks


# LangChain asks the translator of the `model_provider` that a message names; cited answers name "nacre".
register_translator("nacre", _blocks, _blocks)
