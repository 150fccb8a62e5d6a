"""Which texts of a few are nearest to a question: by shared words, or by their vectors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from nacre.text.words import words


def nearest_by_words(question: str, texts: Sequence[str], k: int) -> list[int]:
    """The texts that share the most telling words with a question.

    Args:
        texts: the candidates; a few hundred, since each is read.

    Returns:
        Indices into `texts`, nearest first; of equals the earlier first.
    """
    bags = [set(words(text)) for text in texts]
    spread = Counter(word for bag in bags for word in bag)
    weight = {word: math.log(1 + len(bags) / count) for word, count in spread.items()}
    asked = set(words(question))

    def score(bag: set[str]) -> float:
        shared = sum(weight[word] for word in bag & asked)
        return shared / math.sqrt(1 + sum(weight[word] for word in bag))

    return sorted(range(len(texts)), key=lambda i: (-score(bags[i]), i))[:k]


def nearest_by_vector(question: Sequence[float], texts: Sequence[Sequence[float]], k: int) -> list[int]:
    """The vectors that lie nearest to a question's by cosine.

    Returns:
        Indices into `texts`, nearest first; of equals the earlier first.
    """
    vectors, asked = np.asarray(texts, dtype=np.float32), np.asarray(question, dtype=np.float32)
    lengths = np.linalg.norm(vectors, axis=1) * float(np.linalg.norm(asked))
    scores = (vectors @ asked) / np.maximum(lengths, 1e-12)
    return [int(i) for i in np.argsort(-scores, kind="stable")[:k]]
