"""How likely a hit holds an answer, comparable from search to search and from base to base, unlike a hit's score.

A logistic regression over three things that mean the same everywhere: how much of the BM25 score that the question
could reach the hit has reached, how much of the question's content it says, and how far its vector stands out; of a hit
in another writing than the question's, the last alone. Rarity
is that of the whole knowledge base, so a question about what no document mentions comes out low although something is
always found. `bench/relevance_weights.py` learned the weights and shows what they reach on sets that they were not
learned on.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from nacre.grounding.stopwords import stopwords
from nacre.store.bm25 import alone
from nacre.text.han import HAN
from nacre.text.words import words

WEIGHTS = {
    "reached": 3.82,
    "said": 7.52,
    "nearness": 0.50,
    "coverage": -1.75,
    "chinese": 0.52,
    "foreign": 0.47,
    "foreign_nearness": 1.96,
}
CONSTANT = -6.79
# With fewer chunks rarity means nothing, and a model that is given six of them has seen much of the base itself.
LEAST_CHUNKS = 20
_HAN = re.compile(rf"[{HAN}]{{2,}}")
_MOST = 256  # words of a query, of which each is compared with each


@dataclass(frozen=True)
class Signs:
    """What speaks for a hit.

    Args:
        said: the share of the query's content words that it holds, weighted by idf, 0 to 1.
        coverage: how far the embedder understands the query, 0 to 1; 0 without vectors.
        chinese: 1 for a Chinese query, whose words are cut finer and match less often; 0 for an English one.
        foreign: 1 for a hit in another writing than the query's, which only its vector can judge; its words say 0.
    """

    reached: float
    said: float
    nearness: float
    coverage: float
    chinese: float
    foreign: float = 0.0
    foreign_nearness: float = 0.0


def relevance(signs: Signs) -> float:
    """Estimate whether a hit holds an answer.

    Returns:
        0 to 1.

    Example:
        >>> relevance(Signs(0.9, 1.0, 4.0, 1.0, 0.0)) > 0.9 > 0.1 > relevance(Signs(0.2, 0.1, 1.0, 1.0, 0.0))
        True
    """
    logit = CONSTANT + sum(weight * getattr(signs, name) for name, weight in WEIGHTS.items())
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))


def content(query: str) -> list[str]:
    """The words of a query that an answer's source should say.

    Returns:
        Index terms without stop words, each once; of a Chinese compound only the words that it is made of, lest a rare
        compound count twice.

    Example:
        >>> content("What is the dress code?")
        ['dress', 'code']
    """
    terms = [term for term in dict.fromkeys(words(query)) if term not in stopwords()][:_MOST]
    parts = [term for term in terms if _HAN.fullmatch(term)]
    return [alone(term) for term in terms if not any(part != term and part in term for part in parts)]
