"""A question in other words: by rules that keep its meaning, or by a model whose words are checked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from langchain_core.language_models import BaseChatModel

from nacre.eval.made import Made, told_by
from nacre.eval.metrics import contains
from nacre.text.language import language_of
from nacre.text.vocabulary import vocabulary

_RULES = vocabulary("nacre.eval", "paraphrases")
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
