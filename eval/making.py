"""Make a question set from a knowledge base: by templates from its sentences, or a model whose answers are checked."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from nacre import prompts
from nacre.errors import EvaluationError
from nacre.eval.metrics import contains, normalise, tokens
from nacre.grounding.answer_type import Kind, candidates
from nacre.grounding.questions import RULES, template
from nacre.system.files import atomic_write, private_folder
from nacre.text.language import language_of, tr
from nacre.text.lenient_json import last_object
from nacre.text.messages import text_of
from nacre.text.strict_json import to_json
from nacre.text.words import sentences

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from nacre.retrieval.knowledge_base import KnowledgeBase

T = TypeVar("T")
_SEED = 20260101
_ALIKE = 0.8  # of the words of two questions: the second is left out
_NUMBER = re.compile(r"\d+")
_NAME = re.compile(r"(?<=\s)[A-Z][a-z]{3,}\b")
# Names that no document has; which of them are free is looked up.
_KINDS: tuple[Kind, ...] = ("time", "number")
_STRANGE = {"en": ("Varnholm", "Quistow", "Ellbrack", "Tornavik"), "zh": ("霁川", "洛棠", "岑屿", "雩浦")}


@dataclass(frozen=True)
class Made:
    """A question made from a document.

    Args:
        answers: the answer, as it stands in the document; empty when no document answers it.
    """

    id: str
    lang: str
    question: str
    answers: tuple[str, ...]
    uri: str
    kind: str
    start: int
    end: int


def make_questions(
    base: KnowledgeBase,
    *,
    count: int = 50,
    unanswerable: float = 0.2,
    model: BaseChatModel | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Made]:
    """Make questions, spread evenly over the documents that everyone may see.

    Args:
        base: the knowledge base.
        count: how many at most; a small base gives fewer.
        unanswerable: share of questions that no document answers: a name or number of a question is changed to one
            that stands nowhere.
        model: writes the questions; None makes them by templates. An answer that does not stand literally in its
            passage, or stands in the question, is thrown away.
        on_progress: called with (done, all) questions.

    Returns:
        Questions in a random order that is the same every time; none is like another.

    Raises:
        EvaluationError: nothing to ask about was found.
    """
    texts = {d["uri"]: base.text(d["uri"]) for d in base.documents() if base.visible(d["uri"])}
    answerable = count - round(count * unanswerable)
    streams = [(written(model, uri, text) if model else extracted(uri, text)) for uri, text in texts.items()]
    made: list[Made] = []
    doubtful: set[str] = set()  # of which two documents say different things
    for found in _in_turn(streams):
        like = [other for other in made if _alike(found.question, other.question)]
        same = [other for other in like if normalise(other.question) == normalise(found.question)]
        if any(normalise(other.answers[0]) != normalise(found.answers[0]) for other in same):
            doubtful.add(normalise(found.question))
            made = [other for other in made if other not in same]
        elif not like and normalise(found.question) not in doubtful:
            made.append(found)
            if on_progress:
                on_progress(len(made), count)
        if len(made) >= answerable:
            break
    if not made and model:
        raise EvaluationError(
            tr("The model wrote no question whose answer stands in its passage. Try another, or leave --model out.")
        )
    if not made:
        raise EvaluationError(tr("The documents hold nothing to ask about."))
    everything = "\n".join(texts.values())
    wanted = round(len(made) * unanswerable / max(0.01, 1 - unanswerable))
    # A gap whose number is another one reads oddly: of those only what the others do not give.
    natural = sorted(made, key=lambda found: found.kind == "gap")
    made += [changed for found in natural if (changed := _unanswerable(found, everything))][:wanted]
    random.Random(_SEED).shuffle(made)
    return [Made(**{**asdict(found), "id": f"q{n:04}"}) for n, found in enumerate(made, 1)]


def save_questions(made: Sequence[Made], path: Path) -> None:
    """Write questions as `nacre eval answers --kb` reads them.

    Args:
        made: from `make_questions`.
        path: JSON Lines.
    """
    private_folder(path.parent)
    atomic_write(path, "".join(to_json(asdict(found), ensure_ascii=False) + "\n" for found in made))


def extracted(uri: str, text: str) -> Iterator[Made]:
    """Questions that templates find in a document, the most natural first."""
    for find in RULES:
        made = (_made(question, text, start, end, uri, kind) for question, start, end, kind in find(text))
        yield from _shuffled(made, uri)
    yield from _shuffled(_gaps(uri, text), uri)


def written(model: BaseChatModel, uri: str, text: str) -> Iterator[Made]:
    """Questions that a model writes about passages of a document, each answer checked against its passage."""
    for start, end in _shuffled(_passages(text), uri):
        passage = text[start:end]
        language = language_of(passage)
        told = last_object(text_of(model.invoke(prompts.load("eval/question", language).render(passage=passage))))
        question, answer = str(told.get("question") or "").strip(), str(told.get("answer") or "").strip()
        at = passage.find(answer)
        if question and answer and at >= 0 and len(answer) <= 120 and not contains(question, [answer]):
            yield _made(question, text, start + at, start + at + len(answer), uri, "written")


def _gaps(uri: str, text: str) -> Iterator[Made]:
    """A sentence with a number, date or name taken out."""
    for start, end in sentences(text):
        sentence = text[start:end]
        if not 15 <= len(sentence) <= 200 or set(sentence) & set("\n\t|#") or sentence[-1] not in ".。!！;；":
            continue
        spans = [span for kind in _KINDS for span in candidates(sentence, kind)]
        if not spans:
            continue
        first, last = max(spans, key=lambda span: (span[1] - span[0], -span[0]))
        last -= len(sentence[first:last]) - len(sentence[first:last].rstrip())
        gap = sentence[:first] + "____" + sentence[last:]
        question = template(sentence, f"What belongs in the gap: “{gap}”?", f"空格处应填什么：“{gap}”？")
        if contains(gap, [sentence[first:last]]) == 0:
            yield _made(question, text, start + first, start + last, uri, "gap")


def _made(question: str, text: str, start: int, end: int, uri: str, kind: str) -> Made:
    return Made("", language_of(question), question, (text[start:end],), uri, kind, start, end)


def _unanswerable(found: Made, everything: str) -> Made | None:
    """The question about something else of the kind, which no document mentions; None where nothing can be changed."""
    # The last one: templates name the thing that is asked about at the end.
    number, name = (next(reversed(list(kind.finditer(found.question))), None) for kind in (_NUMBER, _NAME))
    free = [strange for strange in _STRANGE[found.lang] if strange not in everything]
    if number:
        old, new = number, _free_number(number[0], everything)
    elif name and free:
        old, new = name, free[len(found.question) % len(free)]
    else:
        return None
    question = found.question[: old.start()] + new + found.question[old.end() :]
    return Made("", found.lang, question, (), "", "unanswerable", 0, 0)


def _free_number(number: str, everything: str) -> str:
    changed = int(number)
    while str(changed) in everything:
        changed += 137
    return str(changed)


def _alike(one: str, other: str) -> bool:
    first, second = set(tokens(one)), set(tokens(other))
    return len(first & second) >= _ALIKE * len(first | second)


def _passages(text: str) -> list[tuple[int, int]]:
    """Runs of sentences of about 600 characters."""
    spans = sentences(text)
    passages, start = [], None
    for first, last in spans:
        start = first if start is None else start
        if last - start >= 600 or last == spans[-1][1]:
            passages.append((start, last))
            start = None
    return passages


def _shuffled(found: Iterator[T] | Sequence[T], seed: str) -> list[T]:
    return random.Random(f"{_SEED} {Path(seed).name}").sample(items := list(found), len(items))


def _in_turn(streams: Sequence[Iterator[Made]]) -> Iterator[Made]:
    """One of each document, then the next of each."""
    waiting = list(streams)
    while waiting:
        for stream in list(waiting):
            found = next(stream, None)
            if found is None:
                waiting.remove(stream)
            else:
                yield found
