"""Questions made of one document: by templates from its sentences, or by a model whose answers are checked."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from langchain_core.language_models import BaseChatModel

from nacre import prompts
from nacre.eval.metrics import contains
from nacre.grounding.answer_type import Kind, candidates
from nacre.grounding.questions import RULES, template
from nacre.text.language import language_of
from nacre.text.lenient_json import last_object
from nacre.text.messages import text_of
from nacre.text.vocabulary import vocabulary
from nacre.text.words import sentences

T = TypeVar("T")
SEED = 20260101
_LONGEST = 120  # characters of an answer that a model writes
_KINDS: tuple[Kind, ...] = ("time", "number")
_REWORDED = vocabulary("nacre.eval", "paraphrases")
# Numbers, and names in Latin letters: without them it is another question.
_KEPT = re.compile(r"\d+(?:[.,]\d+)*|(?<=[\s“\"(])[A-Z][\w-]+|[A-Za-z]+-?\d[\w-]*")


@dataclass(frozen=True)
class Made:
    """A question made from documents."""

    id: str
    lang: str
    question: str
    answers: tuple[Any, ...]  # as it stands in the document, or {"all": parts}; empty when none answers it
    uri: Any  # the document (str), or those that answer it together (a tuple)
    kind: str
    start: int  # where the (last) answer stands in the (last) document
    end: int
    group: str = ""  # the question that this one is a paraphrase of


def made_of(question: str, text: str, start: int, end: int, uri: str, kind: str) -> Made:
    """A question whose answer is a part of a document."""
    return Made("", language_of(question), question, (text[start:end],), uri, kind, start, end)


def extracted(uri: str, text: str) -> Iterator[Made]:
    """Questions that templates find in a document, the most natural first."""
    for find in RULES:
        made = (made_of(question, text, start, end, uri, kind) for question, start, end, kind in find(text))
        yield from shuffled(made, uri)
    yield from shuffled(_gaps(uri, text), uri)


def written(model: BaseChatModel, uri: str, text: str) -> Iterator[Made]:
    """Questions that a model writes about passages of a document, each answer checked against its passage."""
    for start, end in passages(uri, text):
        told = told_by(model, "eval/question", passage=text[start:end])
        question = str(told.get("question") or "").strip()
        at, answer = literal(told.get("answer"), text[start:end], question)
        if question and answer:
            yield made_of(question, text, start + at, start + at + len(answer), uri, "written")


def told_by(model: BaseChatModel, prompt: str, **slots: str) -> dict[str, Any]:
    """The object that a model writes, asked in the language of the first text that it is shown."""
    language = language_of(next(iter(slots.values())))
    return last_object(text_of(model.invoke(prompts.load(prompt, language).render(**slots))))


def literal(answer: Any, passage: str, *questions: str) -> tuple[int, str]:
    """Where an answer stands in a passage, and the answer; "" where it does not, is long, or the questions say it."""
    said = str(answer or "").strip()
    at = passage.find(said)
    usable = said and at >= 0 and len(said) <= _LONGEST and not contains(" ".join(questions), [said])
    return at, said if usable else ""


def passages(uri: str, text: str) -> list[tuple[int, int]]:
    """Runs of sentences of about 600 characters, in a random order that is the same every time."""
    spans = sentences(text)
    found, start = [], None
    for first, last in spans:
        start = first if start is None else start
        if last - start >= 600 or last == spans[-1][1]:
            found.append((start, last))
            start = None
    return shuffled(found, uri)


def _gaps(uri: str, text: str) -> Iterator[Made]:
    """A sentence with a number, date or name taken out."""
    for start, end in sentences(text):
        sentence = text[start:end]
        if not 15 <= len(sentence) <= 200 or set(sentence) & set("\n\t|#>") or sentence[-1] not in ".。!！;；":
            continue
        spans = [span for kind in _KINDS for span in candidates(sentence, kind)]
        if not spans:
            continue
        first, last = max(spans, key=lambda span: (span[1] - span[0], -span[0]))
        last -= len(sentence[first:last]) - len(sentence[first:last].rstrip())
        gap = sentence[:first] + "____" + sentence[last:]
        question = template(sentence, f"What belongs in the gap: “{gap}”?", f"空格处应填什么：“{gap}”？")
        whole = not sentence[:first].endswith(("-", "−", "第", "/"))  # no part of a name, nor the number of an article
        if whole and contains(gap, [sentence[first:last]]) == 0:
            yield made_of(question, text, start + first, start + last, uri, "gap")


def in_turn(streams: Sequence[Iterator[T]]) -> Iterator[T]:
    """One of each, then the next of each."""
    waiting = list(streams)
    while waiting:
        for stream in list(waiting):
            found = next(stream, None)
            if found is None:
                waiting.remove(stream)
            else:
                yield found


def shuffled(found: Iterable[T], seed: str) -> list[T]:
    """In a random order that is the same every time, wherever the documents lie."""
    return random.Random(f"{SEED} {Path(seed).name}").sample(items := list(found), len(items))


def by_rules(found: Made) -> Iterator[str]:
    """The question as people would also write it; none of a sentence with a gap."""
    for pattern, other in _REWORDED[found.lang]:
        if match := re.fullmatch(pattern, found.question):
            said = match.expand(other)
            yield said if found.lang == "zh" or said[-1] in "?." else said.lower()


def by_model(model: BaseChatModel, found: Made, count: int) -> Iterator[str]:
    """What a model writes, as far as it keeps numbers and names, and does not say the answer."""
    told = told_by(model, "eval/paraphrase", question=found.question, count=str(count))
    for said in told.get("paraphrases") or () if isinstance(told.get("paraphrases"), list) else ():
        text = " ".join(str(said).split())
        parts = [part for gold in found.answers for part in (gold["all"] if isinstance(gold, dict) else [gold])]
        names = [rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])" for name in _KEPT.findall(found.question)]
        kept = all(re.search(name, text, re.IGNORECASE) for name in names)
        if 0 < len(text) <= 300 and kept and language_of(text) == found.lang and not contains(text, parts):
            yield text


def paraphrases(found: Made, count: int, model: BaseChatModel | None) -> list[str]:
    """Up to so many, none twice."""
    said = dict.fromkeys(by_model(model, found, count) if model else by_rules(found))
    return [text for text in said if text.casefold() != found.question.casefold()][:count]
