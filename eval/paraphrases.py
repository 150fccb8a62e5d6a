"""A question in other words: by rules that keep its meaning, or by a model whose words are checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nacre.eval.made import Made, told_by
from nacre.eval.metrics import contains
from nacre.text.language import language_of

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

# What a template asked, as others would; the last of each language is how people type into a search field.
_RULES = {
    "en": (
        (r"What is the (.+)\?", r"Could you tell me the \1?"),
        (r"(?!What)([^:?]+): what is the (.+)\?", r"What is the \2 in \1?"),
        (r"What is the (.+)\?", r"I would like to know the \1."),
        (r"(?!What belongs)(.+)\?", r"\1"),
    ),
    "zh": (
        (r"(?!空格|请问)(.+？)", r"请问\1"),
        (r"(?!空格|请问)(.+)是什么？", r"我想知道\1是什么。"),
        (r"(?!空格)(.+)？", r"\1"),
    ),
}
# Numbers, and names in Latin letters: without them it is another question.
_KEPT = re.compile(r"\d+(?:[.,]\d+)*|(?<=[\s“\"(])[A-Z][\w-]+|[A-Za-z]+-?\d[\w-]*")


def by_rules(found: Made) -> Iterator[str]:
    """The question as people would also write it; none of a sentence with a gap."""
    for pattern, other in _RULES[found.lang]:
        if match := re.fullmatch(pattern, found.question):
            said = match.expand(other)
            yield said if found.lang == "zh" or said[-1] in "?." else said.lower()


def by_model(model: BaseChatModel, found: Made, count: int) -> Iterator[str]:
    """What a model writes, as far as it keeps numbers and names, and does not say the answer."""
    told = told_by(model, "eval/paraphrase", question=found.question, count=str(count))
    for said in told.get("paraphrases") or () if isinstance(told.get("paraphrases"), list) else ():
        text = " ".join(str(said).split())
        parts = [part for gold in found.answers for part in (gold["all"] if isinstance(gold, dict) else [gold])]
        kept = all(_says(text, name) for name in _KEPT.findall(found.question))
        if 0 < len(text) <= 300 and kept and language_of(text) == found.lang and not contains(text, parts):
            yield text


def _says(text: str, name: str) -> bool:
    return re.search(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", text, re.IGNORECASE) is not None


def paraphrases(found: Made, count: int, model: BaseChatModel | None) -> list[str]:
    """Up to so many, none twice."""
    said = dict.fromkeys(by_model(model, found, count) if model else by_rules(found))
    return [text for text in said if text.casefold() != found.question.casefold()][:count]
