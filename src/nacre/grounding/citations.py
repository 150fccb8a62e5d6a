"""Citations that can be checked: every one quotes its source literally, with the place where the quote stands."""

from __future__ import annotations

import bisect
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NotRequired, TypedDict

from langchain_core.messages import AIMessage
from langchain_core.messages.block_translators import register_translator

from nacre.grounding.stopwords import stopwords
from nacre.text.markers import JOINER, MARKER, numbers
from nacre.text.messages import Source, nacre_of
from nacre.text.tables import is_row, is_rule
from nacre.text.words import sentences, words

_ATTACHED = 0.6  # the least share of a statement's words in a place that is found for it afterwards
_SPACES, _EMPTY_LINES = re.compile(r"(?<=\S)[ \t]{2,}|[ \t]+(?=\n|\Z)"), re.compile(r"\n(?:[ \t]*\n)+")
_EMPTY_TABLE = re.compile(
    r"^[^\n]*\|[^\n]*\n[ \t]*\|[ \t:|-]*-{2,}[ \t:|-]*(?=\s*\Z|\n[ \t]*\n|\n[^|\n]+$)", re.MULTILINE
)
_LINE = 2000  # characters before a marker that are looked at
_BULLET = " \t-*+>•"
_SAYS = re.compile(r"[^\S\n]*(?:,?\s?[a-z]|(?:则|也|还)?(?:指出|说明|表明|规定|提到|显示|写明|认为|要求|中|里|称|说))")
_LIST_OF_SOURCES = re.compile(
    r"\W*(?:sources?|references?|citations?|来源|参考资料|参考文献|出处|资料)\W*", re.IGNORECASE
)
_LISTED = re.compile(rf"[ \t>*+•-]*{MARKER.pattern}[ \t]*(?P<colon>[:：])?[^\w\n]*\w[^\n]*")  # a source and its name


class Citation(TypedDict):
    """A checked citation of one statement in an answer.

    `quote` stands literally in the document: `text[start:end] == quote`, in characters of the document's extracted
    text. `answer_start` and `answer_end` bound the statement in the answer, its marker included. `support` is the
    share of the statement's words (0 to 1) that the quote holds. `boxes`, where OCR read the quote, are the places of
    its lines on their pages (see `Hit.boxes`).
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
    boxes: NotRequired[list[dict[str, Any]]]


class Input(TypedDict):
    """What a program computed with: `text` stands literally in source number `source`; `column` is its heading, or
    "".
    """

    source: int
    text: str
    column: str


class Derived(TypedDict):
    """What a program computed: `text` stands in the answer, and was computed from `inputs`."""

    text: str
    inputs: list[Input]


def cite(
    answer: str,
    sources: Sequence[Source],
    places: Mapping[int, Mapping[str, Any]],
    *,
    derived: Sequence[Derived] = (),
    question: str = "",
) -> list[Citation]:
    """Resolve the markers of an answer.

    A computed value stands in no source. A statement that says one quotes the inputs of the computation instead: the
    value and the words of the question count as supported then, and everything else that the statement says must be
    quoted.

    Args:
        answer: the text, in which every marker points to one of `sources`.
        question: what was asked; it matters only where something was computed.
    """
    by_number = {source.n: source for source in sources}
    found: list[Citation] = []
    for start, end, claim, cited in statements(answer):
        for n in cited:
            if n not in by_number:
                continue
            source, text = by_number[n], by_number[n].text
            begin, stop, support = _computed_quote(claim, source, derived, question) or best_quote(claim, text)
            place = places[n]
            first = int(place.get("start") or 0)
            boxes = [b for b in place.get("boxes") or () if b["start"] < first + stop and first + begin < b["end"]]
            found.append(
                Citation(
                    n=n,
                    uri=str(place.get("uri", "")),
                    title=str(place.get("title", "")),
                    heading=tuple(place.get("heading") or ()),
                    page=place.get("page"),
                    quote=text[begin:stop],
                    start=first + begin,
                    end=first + stop,
                    chunk_id=place.get("chunk_id", ""),
                    document_id=place.get("document_id", ""),
                    version=place.get("version"),
                    answer_start=start,
                    answer_end=end,
                    support=round(support, 3),
                    **({"boxes": boxes} if boxes else {}),  # type: ignore[typeddict-item]
                )
            )
    return found


def statements(answer: str) -> list[tuple[int, int, str, list[int]]]:
    """The statements of an answer, each with the sources that it cites.

    Returns:
        (start, end, text without markers, numbers) for every sentence; `numbers` may be empty.
    """
    # Markers are blanked, so that offsets stay, and given to the sentence that ends before them or holds them.
    whole, answer = answer, answer[: _listing(answer)]
    blanked = MARKER.sub(lambda m: " " * len(m[0]), answer)
    opening = [marker.start() for marker in MARKER.finditer(answer) if _opens(answer, blanked, marker)]
    opens = set(opening)
    framed = [span for span in sentences(blanked) if not _is_frame(blanked, *span)]
    spans = [part for span in framed for part in _cut(blanked, *span, opening)]
    said = [" ".join(blanked[start:end].replace(JOINER, "").split()) for start, end in spans]
    starts, ends = map(list, zip(*spans, strict=True)) if spans else ([], [])
    cited: list[dict[int, None]] = [{} for _ in spans]
    for marker in MARKER.finditer(answer):
        owner = bisect.bisect_left(spans, marker.span()) - 1
        outside = owner < 0 or spans[owner][1] <= marker.start()
        if outside and owner + 1 < len(spans) and marker.start() in opens:
            owner += 1
        if owner >= 0:
            cited[owner] |= dict.fromkeys(numbers(marker))
            starts[owner], ends[owner] = min(starts[owner], marker.start()), max(ends[owner], marker.end())
    if spans and not any(cited):
        cited[-1] = dict.fromkeys(n for marker in MARKER.finditer(whole, len(answer)) for n in numbers(marker))
    return [(start, end, text, [*n]) for start, end, text, n in zip(starts, ends, said, cited, strict=True)]


def _listing(answer: str) -> int:
    """Where a list of the sources begins that ends an answer, footnotes say: it states nothing. Else the end.

    Under a heading any line is of it that begins with a mark; without one each has a colon, and is of a source that
    was cited before.
    """
    at, listed, colons = len(answer), set[int](), True
    for line in reversed(answer.splitlines(keepends=True)):
        item = _LISTED.fullmatch(line.rstrip())
        if listed and _LIST_OF_SOURCES.fullmatch(line):
            return at - len(line) if answer[: at - len(line)].strip() else len(answer)
        if not item and line.strip():
            break
        at -= len(line)
        if item:
            listed.update(numbers(item))
            colons = colons and bool(item["colon"])
    before = {n for marker in MARKER.finditer(answer, 0, at) for n in numbers(marker)}
    return at if listed and colons and listed <= before else len(answer)


def _cut(text: str, start: int, end: int, places: Sequence[int]) -> list[tuple[int, int]]:
    """A span cut where a marker opens another sentence in small letters."""
    within = places[bisect.bisect_right(places, start) : bisect.bisect_left(places, end)]
    said = end - len(text[start:end].lstrip(_BULLET))
    edges = [start, *(place for place in within if place > said), end]
    parts = [(a + len(text[a:b]) - len(text[a:b].lstrip()), a + len(text[a:b].rstrip())) for a, b in pairwise(edges)]
    return [(a, b) for a, b in parts if a < b]


def _opens(answer: str, blanked: str, marker: re.Match[str]) -> bool:
    """Whether a marker belongs to the sentence that follows it: "[1] says that …", or at the beginning of a line."""
    near = max(0, marker.start() - _LINE)
    line = max(near, answer.rfind("\n", near, marker.start()) + 1)
    rest = answer[marker.end() : marker.end() + 40]
    if not MARKER.sub("", rest).partition("\n")[0].strip():
        return False
    before = blanked[line : marker.start()].strip(_BULLET)
    ended = not before or before[-1] in ".!?。！？；;"
    return ended and bool(not before or _SAYS.match(MARKER.sub("", rest)))


def _is_frame(text: str, start: int, end: int) -> bool:
    """Whether a line says nothing of its own: the head of a Markdown table, the rule under it, a list of sources."""
    following = text[end:].lstrip("| ").partition("\n")[2].partition("\n")[0] if is_row(text[start:end]) else ""
    listed = _LIST_OF_SOURCES.fullmatch(text, start, end)
    return bool(listed) or is_rule(text[start:end]) or is_rule(following)


def best_quote(claim: str, text: str) -> tuple[int, int, float]:
    """The part of a source that says most of a statement: the statement itself, else one sentence or two neighbours.

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


def supported_part(answer: str, citations: Sequence[Citation], min_support: float) -> str:
    """What is left of an answer when every sentence without a supporting citation is cut; lines stay lines.

    Args:
        min_support: the least support, 0 to 1.
    """
    supported = {c["answer_start"] for c in citations if c["support"] >= min_support}
    kept, at = [], 0
    answer = answer[: _listing(answer)]
    for start, end, _, _ in statements(answer):
        kept.append(answer[at : start if start not in supported else end])
        at = end
    left = _SPACES.sub(" ", "".join([*kept, answer[at:]]))
    left = _EMPTY_LINES.sub("\n", _EMPTY_TABLE.sub("", left)).strip()
    return left if supported else ""


def attached(answer: str, sources: Sequence[Source], citations: Sequence[Citation], min_support: float) -> str:
    """The answer, each statement that no citation supports given the number of a source that does, if there is one.

    Every number and identifier of the statement must stand in the place that supports it.
    """
    supported = {c["answer_start"] for c in citations if c["support"] >= min_support}
    for start, end, claim, _ in reversed(statements(answer)):
        if start in supported or (n := _supporting(claim, sources, min_support)) is None:
            continue
        said = MARKER.sub("", answer[start:end]).rstrip()
        bar = "|" if said.endswith("|") else ""
        said = f"{said.removesuffix('|').rstrip()} [{n}]{' |' if bar else ''}"
        answer = answer[:start] + said + answer[end:]
    return answer


def _supporting(claim: str, sources: Sequence[Source], min_support: float) -> int | None:
    exact = {term for term in words(claim) if any(char.isdigit() for char in term)}
    best, found = max(min_support, _ATTACHED), None
    for source in sources:
        start, end, support = best_quote(claim, source.text)
        if support >= best and exact <= set(words(source.text[start:end])):
            best, found = support + 1e-9, source.n
    return found


def _computed_quote(
    claim: str, source: Source, derived: Sequence[Derived], question: str
) -> tuple[int, int, float] | None:
    """The lines with the inputs of what a statement computes, and how much of the statement is backed.

    None where the statement computes nothing from this source, an input does not stand in it, or another number in the
    statement stands nowhere: such a statement is quoted like any other.
    """
    said = [value for value in derived if _place(value["text"], claim)]
    inputs = [given for value in said for given in value["inputs"] if given["source"] == source.n]
    text, named = source.text, {name for table in source.tables for name in table.header}.union(source.columns)
    found = [_place(given["text"], text) for given in inputs]
    spans = [span for span in found if span]
    if not spans or len(spans) < len(found):
        return None
    start = text.rfind("\n", 0, min(begin for begin, _ in spans)) + 1
    last = max(end for _, end in spans)
    end = text.find("\n", last) if "\n" in text[last:] else len(text)
    backed = {*words(text[start:end]), *words(question), *stopwords()}
    columns = (given["column"] for given in inputs)
    backed.update(word for column in columns if column in text or column in named for word in words(column))
    wanted = Counter(words(claim))
    unbacked = wanted - Counter(words(" ".join(value["text"] for value in said)))
    unbacked = Counter({word: count for word, count in unbacked.items() if word not in backed})
    if any(char.isdigit() for word in unbacked for char in word):
        return None
    return start, end, 1.0 - unbacked.total() / wanted.total()


def _place(part: str, text: str) -> tuple[int, int] | None:
    """Where a part stands in a text by itself: the number 12 does not stand in 3,120."""
    if not part.strip():
        return None
    found = re.search(
        rf"(?<![\d.,])(?<![A-Za-z]){re.escape(part)}(?![.,]?\d)" if part[0].isdigit() else re.escape(part), text
    )
    return found.span() if found else None


def _share(wanted: Counter[str], held: Counter[str]) -> float:
    total = sum(wanted.values())
    return sum((wanted & held).values()) / total if total else 0.0


_EXTRAS = ("n", "chunk_id", "document_id", "version", "heading", "page", "start", "end", "support", "boxes")


def as_annotations(citations: Sequence[Citation]) -> list[dict[str, Any]]:
    """Citations in LangChain's standard form.

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
            "extras": {name: c[name] for name in _EXTRAS if name in c},  # type: ignore[literal-required]
        }
        for c in citations
    ]


def _blocks(message: AIMessage) -> list[Any]:
    """The content blocks of a cited answer: the model's own, with the citations on the text."""
    own = nacre_of(message)
    metadata = {name: value for name, value in message.response_metadata.items() if name != "model_provider"}
    if provider := own.get("model_provider"):
        metadata["model_provider"] = provider
    blocks: list[dict[str, Any]] = [
        dict(block) for block in message.model_copy(update={"response_metadata": metadata}).content_blocks
    ]
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
