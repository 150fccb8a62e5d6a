"""Questions made of two facts: comparisons and bridges over two documents, and conversations with a follow-up."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel

from nacre.eval.made import Made, in_turn, literal, made_of, passages, shuffled, told_by
from nacre.eval.metrics import normalise
from nacre.grounding.questions import Fact, facts, is_clause, question_about, template
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.retrieval.relevance import content
from nacre.text.language import language_of

Texts = Mapping[str, str]  # of documents, by their addresses
_LONGEST = 81  # characters of a value that is asked for


@dataclass(frozen=True)
class Stated:
    """A fact with its document, and the value."""

    fact: Fact
    uri: str
    value: str


@dataclass(frozen=True)
class Talk:
    """A conversation: questions of which the later ones mean nothing without the first."""

    id: str
    lang: str
    kind: str
    turns: tuple[Made, ...]


def over_two(texts: Texts) -> Iterator[Made]:
    """Questions by templates that no document answers alone; comparisons and bridges in turn."""
    comparisons = _comparisons(_stated(texts, titled=True), texts)
    for pair in itertools.zip_longest(comparisons, _bridges(_stated(texts), texts)):
        yield from filter(None, pair)


def written_over_two(model: BaseChatModel, base: KnowledgeBase, texts: Texts) -> Iterator[Made]:
    """Questions that a model writes over two passages that are near each other, each part checked against its own."""
    for uri, text in texts.items():
        for start, end in passages(uri, text):
            near = (hit for hit in base.search(text[start:end][:300], k=10) if hit.uri != uri and hit.uri in texts)
            if hit := next(near, None):
                told = told_by(model, "eval/two_documents", first=text[start:end], second=hit.text)
                question, parts = str(told.get("question") or "").strip(), told.get("answers")
                if question and isinstance(parts, list) and len(parts) == 2:
                    _, first = literal(parts[0], text[start:end], question)
                    at, second = literal(parts[1], hit.text, question)
                    if first and second and first not in texts[hit.uri] and second not in text:
                        yield _both(question, (uri, hit.uri), (first, second), hit.start + at)


def follow_ups(texts: Texts) -> Iterator[Talk]:
    """Conversations by templates: another property of the same thing, or the same one of another thing."""
    groups: dict[tuple[str, ...], list[Stated]] = defaultdict(list)
    for each in _stated(texts):
        groups[each.uri, "row", each.fact.row].append(each)
        if each.fact.row:
            groups[each.uri, "name", each.fact.name].append(each)
    return in_turn([_talks(texts, key[0], key[1], group) for key, group in shuffled(groups.items(), "")])


def _talks(texts: Texts, uri: str, shared: str, group: Sequence[Stated]) -> Iterator[Talk]:
    """Conversations about facts that share their row, or the name of their column."""
    for first, second in itertools.pairwise(group):
        one, other = first.fact, second.fact
        if first.value == second.value or (one.row, one.name) == (other.row, other.name):
            continue
        asked = other.name if shared == "row" else other.row
        name = asked.lower() if is_clause(asked) else f"the {asked}"
        english = f"And of {asked}?" if shared == "name" else f"And {name}?"
        questions = question_about(one), template(one.row + one.name, english, f"那{asked}呢？")
        spans = (one.start, one.end), (other.start, other.end)
        turns = tuple(made_of(q, texts[uri], *at, uri, "turn") for q, at in zip(questions, spans, strict=True))
        yield Talk("", turns[0].lang, "follow-up", turns)


def written_follow_ups(model: BaseChatModel, uri: str, text: str) -> Iterator[Talk]:
    """Conversations that a model writes; a second question that names what the first asks about needs no first."""
    for start, end in passages(uri, text):
        told = told_by(model, "eval/follow_up", passage=text[start:end])
        given = [told.get(name) for name in ("first", "second")]
        pairs: list[dict[str, Any]] = [each if isinstance(each, dict) else {} for each in given]
        questions = [str(pair.get("question") or "").strip() for pair in pairs]
        found = [literal(pair.get("answer"), text[start:end], *questions) for pair in pairs]
        depends = all(questions) and not set(content(questions[0])) & set(content(questions[1]))
        if depends and all(answer for _, answer in found):
            spans = [(start + at, start + at + len(answer)) for at, answer in found]
            turns = tuple(made_of(q, text, *span, uri, "turn") for q, span in zip(questions, spans, strict=True))
            yield Talk("", turns[0].lang, "follow-up", turns)


def _both(question: str, uris: tuple[str, str], parts: tuple[str, str], start: int) -> Made:
    answer = {"all": list(parts)}
    return Made("", language_of(question), question, (answer,), uris, "comparison", start, start + len(parts[1]))


def _stated(texts: Texts, titled: bool = False) -> list[Stated]:
    """The facts of some documents; of what two tell differently, none: where a question names no title, of any two."""
    found: dict[tuple[str, ...], list[Stated]] = defaultdict(list)
    for uri, text in texts.items():
        for fact in shuffled(facts(text), uri):
            value = text[fact.start : fact.end]
            if 1 < len(value) <= _LONGEST:
                key = (fact.title if titled else "", normalise(fact.thing), normalise(fact.name))
                found[key].append(Stated(fact, uri, value))
    return [same[0] for same in found.values() if len({normalise(each.value) for each in same}) == 1]


def _comparisons(known: Sequence[Stated], texts: Texts) -> Iterator[Made]:
    """The same of two things, each told by another document."""
    groups: dict[tuple[str, str], list[Stated]] = defaultdict(list)
    for each in known:
        if each.fact.title:
            groups[normalise(each.fact.row), normalise(each.fact.name)].append(each)
    for first, second in (pair for group in groups.values() for pair in itertools.pairwise(group)):
        one, other = first.fact, second.fact
        if one.title == other.title or first.value in texts[second.uri] or second.value in texts[first.uri]:
            continue  # neither document holds what the other tells
        what = f"{one.name} of {one.row}" if one.row else one.name
        question = template(
            one.row + one.name,
            f"What is the {what} in “{one.title}”, and in “{other.title}”?",
            f"“{one.title}”和“{other.title}”中，{one.row and one.row + '的'}{one.name}分别是什么？",
        )
        yield _both(question, (first.uri, second.uri), (first.value, second.value), other.start)


def _bridges(known: Sequence[Stated], texts: Texts) -> Iterator[Made]:
    """What one document tells of the thing that another names: the phone of the person of payroll."""
    rows: dict[str, list[Stated]] = defaultdict(list)
    for each in known:
        rows[normalise(each.fact.row or each.fact.title)].append(each)
    for first in known:
        if not any(c.isalpha() for c in first.value):
            continue
        for second in rows.get(normalise(first.value), ()):
            one, other = first.fact, second.fact
            question = template(
                one.thing + other.name,
                f"What is the {other.name} of the {one.name} of {one.thing}?",
                f"{one.thing}的{one.name}的{other.name}是什么？",
            )
            mixed = language_of(one.thing + one.name) != language_of(other.name)
            if mixed or first.uri == second.uri or second.value in texts[first.uri] or first.value in question:
                continue
            found = made_of(question, texts[second.uri], other.start, other.end, second.uri, "bridge")
            yield Made(**{**vars(found), "uri": (first.uri, second.uri)})
