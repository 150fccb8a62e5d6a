"""How much of a claim a sentence says: by its words, weighted as they are for ranking."""

from __future__ import annotations

from nacre.grounding.ranking import analyse, prior
from nacre.text.words import words


def support(claim: str, sentence: str, context: str = "") -> float:
    """How much of a claim or a question stands in a sentence.

    Args:
        context: heading, title or the sentence before; its words count half.

    Returns:
        The weighted share of the claim's content words, from 0 to 1; 0 for a claim without words.

    Examples:
        >>> support("Hotels cost at most 600 yuan", "The hotel limit is 600 yuan.") > 0.5
        True
        >>> support("年假有几天？", "本手册介绍公司的茶具。")
        0.0
    """
    terms = analyse(claim).terms
    here, near = set(words(sentence)), set(words(context))
    total = sum(prior(term) for term in terms)
    reached = sum(prior(term) * (1.0 if term in here else 0.5) for term in terms if term in here or term in near)
    return reached / total if total else 0.0
