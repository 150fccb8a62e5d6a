"""Whether a question can be answered from some passages at all: the other half of quoting is refusing.

Two situations, two calibrations, both learned by `bench/quote_weights.py`, which prints what they reach held out:

* Passages with a title come from a knowledge base, where one document is the authority on a matter: its best
  sentence has to be good enough.
* Loose passages (search snippets) all sound right, since they were found by the words of the question. Whether they
  hold the answer shows in their agreement: the same name, number or date comes back in passage after passage. This is
  the redundancy that question answering on the web has used since AskMSR (Brill et al. 2002).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from nacre.grounding import Evidence, Question

TITLED = {"constant": -6.876, "best": 0.826}
LOOSE = {"constant": -9.83, "best": 0.268, "agreement": 9.0, "near": 1.186, "several": 0.293}
# Refuse below. Titled: hardly a right answer may be lost. Loose: the best balance of both mistakes.
REFUSE_BELOW = {"titled": 0.07, "loose": 0.37}
_SOFT = 16.0  # score points over which a passage's voice falls to 1/e: nearly an equal vote


def answerable(question: Question, found: Sequence[Evidence], *, loose: bool) -> tuple[bool, float]:
    """Whether the passages hold an answer.

    Args:
        question: from `nacre.grounding.analyse`.
        found: from `nacre.grounding.evidence`; empty means no.
        loose: whether the passages come without titles, as search snippets do.

    Returns:
        The decision, and the estimated probability behind it.
    """
    if not found:
        return False, 0.0
    features = measured(question, found)
    weights = LOOSE if loose else TITLED
    logit = weights["constant"] + sum(weight * features[name] for name, weight in weights.items() if name in features)
    probability = 1 / (1 + math.exp(-logit))
    return probability >= REFUSE_BELOW["loose" if loose else "titled"], probability


def measured(question: Question, found: Sequence[Evidence]) -> dict[str, float]:
    """What the decision looks at.

    Args:
        question: from `nacre.grounding.analyse`.
        found: from `nacre.grounding.evidence`, not empty.

    Returns:
        `best` score, `agreement` (0 to 1), `near` (0 to 1), `several` (0 or 1).
    """
    best = max(found, key=lambda item: item.score)
    return {
        "best": best.score,
        "agreement": agreement(found),
        "near": best.features["near"],
        "several": float(question.expectation.several),
    }


def agreement(found: Sequence[Evidence]) -> float:
    """The share of the passages' voices that the most repeated possible answer has.

    Args:
        found: sentences of one or more passages, not empty.

    Returns:
        0 to 1; 1 when every passage names the same thing, and for a single passage that names anything.
    """
    best = max(item.score for item in found)
    voices: dict[int, float] = defaultdict(float)
    votes: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for item in found:
        voice = math.exp((item.score - best) / _SOFT)
        voices[item.passage] = max(voices[item.passage], voice)
        for answer in item.answers:
            votes[answer][item.passage] = max(votes[answer][item.passage], voice)
    most = max((sum(by_passage.values()) for by_passage in votes.values()), default=0.0)
    return most / sum(voices.values())
