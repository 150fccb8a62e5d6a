"""Make a question set from a knowledge base: by templates from its sentences, or a model whose answers are checked."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from langchain_core.language_models import BaseChatModel

from nacre.errors import EvaluationError
from nacre.eval.compositions import Talk as Talk
from nacre.eval.compositions import follow_ups, over_two, written_follow_ups, written_over_two
from nacre.eval.items import write_rows
from nacre.eval.made import SEED, in_turn, written
from nacre.eval.made import Made as Made
from nacre.eval.made import extracted as extracted
from nacre.eval.made import paraphrases as reworded
from nacre.eval.metrics import normalise, tokens
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.text.han import HAN
from nacre.text.language import tr

Told = Callable[[int, int], None]
_ALIKE = 0.8  # of the words of two questions: the second is left out
_OVER_TWO = 3  # one question of so many is over two documents, where that is wanted
_NUMBER = re.compile(rf"\d+(?!\s?[{HAN}]|\w)")  # with a unit behind it, it is an amount
_NAME = re.compile(r"(?<=\s)[A-Z][a-z]{3,}\b")
# Names that no document has; which of them are free is looked up.
_STRANGE = {"en": ("Varnholm", "Quistow", "Ellbrack", "Tornavik"), "zh": ("霁川", "洛棠", "岑屿", "雩浦")}


def make_questions(
    base: KnowledgeBase,
    *,
    count: int = 50,
    unanswerable: float = 0.2,
    two_documents: bool = False,
    paraphrases: int = 0,
    model: BaseChatModel | None = None,
    on_progress: Told | None = None,
) -> list[Made]:
    """Make questions, spread evenly over the documents that everyone may see.

    Args:
        base: the knowledge base.
        count: how many at most, paraphrases apart; a small base gives fewer.
        unanswerable: share of questions that no document answers: a name or number of a question is changed to one
            that stands nowhere.
        two_documents: whether up to a third compare what two documents say, or ask of the one about what the other
            names. Their `uri` names both documents, and neither holds the whole answer.
        paraphrases: how often each question is asked again in other words at most, as one `group` with it.
        model: writes the questions; None makes them by templates. An answer that does not stand literally in its
            passage, or stands in the question, is thrown away.
        on_progress: called with (done, all) questions.

    Returns:
        Questions in a random order that is the same every time; none is like another.

    Raises:
        EvaluationError: nothing to ask about was found.
    """
    texts = _texts(base)
    answerable = count - round(count * unanswerable)
    made: list[Made] = []
    if two_documents:
        over = written_over_two(model, base, texts) if model else over_two(texts)
        made = _unlike(over, max(1, answerable // _OVER_TWO), made, on_progress)
    streams = [(written(model, uri, text) if model else extracted(uri, text)) for uri, text in texts.items()]
    made = _unlike(in_turn(streams), answerable, made, on_progress)
    _check_any(made, model)
    everything = "\n".join(texts.values())
    wanted = round(len(made) * unanswerable / max(0.01, 1 - unanswerable))
    # A gap whose number is another one reads oddly: of those only what the others do not give.
    natural = sorted((found for found in made if isinstance(found.uri, str)), key=lambda found: found.kind == "gap")
    made += [changed for found in natural if (changed := _unanswerable(found, everything))][:wanted]
    random.Random(SEED).shuffle(made)
    numbered = [replace(found, id=f"q{n:04}") for n, found in enumerate(made, 1)]
    return [each for found in numbered for each in _with_paraphrases(found, paraphrases, model)]


def make_conversations(
    base: KnowledgeBase, *, count: int = 50, model: BaseChatModel | None = None, on_progress: Told | None = None
) -> list[Talk]:
    """Make conversations of two questions, of which the second means nothing without the first.

    Args:
        base: the knowledge base; only documents that everyone may see are asked about.
        count: how many at most.
        model: writes them; None makes them by templates, of tables and lines like "Deadline: 3 May".
        on_progress: called with (done, all) conversations.

    Returns:
        Conversations as the chat suite asks them.

    Raises:
        EvaluationError: nothing to ask about twice was found.
    """
    texts = _texts(base)
    talks = in_turn([written_follow_ups(model, *each) for each in texts.items()]) if model else follow_ups(texts)
    made: list[Talk] = []
    first = set[str]()  # questions that open a conversation
    for talk in talks:
        if len(made) < count and normalise(talk.turns[0].question) not in first:
            first.add(normalise(talk.turns[0].question))
            made.append(replace(talk, id=f"c{len(made) + 1:04}"))
            if on_progress:
                on_progress(len(made), count)
    _check_any(made, model)
    return made


def save_questions(made: Sequence[Made | Talk], path: Path) -> None:
    """Write questions as `nacre eval answers --kb` reads them, and conversations as `nacre eval chat` does.

    Args:
        made: from `make_questions` or `make_conversations`.
        path: JSON Lines.
    """
    write_rows(path, map(asdict, made))


def _texts(base: KnowledgeBase) -> dict[str, str]:
    return {d["uri"]: base.text(d["uri"]) for d in base.documents() if base.visible(d["uri"])}


def _check_any(made: Sequence[object], model: BaseChatModel | None) -> None:
    if not made and model:
        told = tr("The model wrote no question whose answer stands in its passage. Try another, or leave --model out.")
        raise EvaluationError(told)
    if not made:
        raise EvaluationError(tr("The documents hold nothing to ask about."))


def _unlike(stream: Iterator[Made], most: int, made: list[Made], told: Told | None) -> list[Made]:
    """Some questions with further ones, up to so many: none like another, none that documents answer in two ways."""
    doubtful: set[str] = set()
    for found in stream:
        if len(made) >= most:
            break
        like = [other for other in made if _alike(found.question, other.question)]
        same = [other for other in like if normalise(other.question) == normalise(found.question)]
        if any(normalise(str(other.answers[0])) != normalise(str(found.answers[0])) for other in same):
            doubtful.add(normalise(found.question))
            made = [other for other in made if other not in same]
        elif not like and normalise(found.question) not in doubtful:
            made.append(found)
            if told:
                told(len(made), most)
    return made


def _with_paraphrases(found: Made, count: int, model: BaseChatModel | None) -> list[Made]:
    others = reworded(found, count, model) if count else []
    found = replace(found, group=found.id if others else "")
    return [
        found,
        *(replace(found, id=f"{found.id}.{n}", question=text, kind="paraphrase") for n, text in enumerate(others, 1)),
    ]


def _unanswerable(found: Made, everything: str) -> Made | None:
    """The question about something else of the kind, which no document mentions; None where nothing can be changed."""
    # The last one: templates name the thing that is asked about at the end.
    number, name = (next(reversed(list(kind.finditer(found.question))), None) for kind in (_NUMBER, _NAME))
    free = [strange for strange in _STRANGE[found.lang] if strange not in everything]
    if number:
        free_numbers = (str(n) for n in itertools.count(int(number[0]), 137))
        old, new = number, next(each for each in free_numbers if each not in everything)
    elif name and free:
        old, new = name, free[len(found.question) % len(free)]
    else:
        return None
    question = found.question[: old.start()] + new + found.question[old.end() :]
    return Made("", found.lang, question, (), "", "unanswerable", 0, 0)


def _alike(one: str, other: str) -> bool:
    first, second = set(tokens(one)), set(tokens(other))
    return len(first & second) >= _ALIKE * len(first | second)
