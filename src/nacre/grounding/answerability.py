"""Whether a question can be answered from some passages at all: the other half of quoting is refusing.

Three situations, three calibrations, all learned by `bench/quote_weights.py`, which prints what they reach held out:

* Passages whose relevance is known were found in a knowledge base, whose words and vectors have the most to say.
* Passages with a title come from a small one, where one document is the authority on a matter: its best sentence has
  to be good enough, and the passage must not lack what the question is about.
* Loose passages (search snippets) all sound right, since they were found by the words of the question. Whether they
  hold the answer shows in their agreement: the same name, number or date comes back in passage after passage. This is
  the redundancy that question answering on the web has used since AskMSR (Brill et al. 2002).
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from nacre.grounding.naming import OTHER_KIND, YEAR, compounds, told_apart
from nacre.grounding.ranking import Evidence, Passage, Question, prior
from nacre.grounding.stopwords import stopwords
from nacre.text.tables import first_cell
from nacre.text.words import words

Sure = Literal["answer", "closest", "nothing"]
TITLED = {"constant": -1.221, "best": 0.337, "missing": -4.06, "missing_number": -1.909, "missing_name": -0.482}
LOOSE = {
    "constant": -8.142,
    "agreement": 8.512,
    "everywhere": 0.343,
    "choices": -0.329,
    "near": 0.49,
    "missing": -0.646,
}
BASE = {"constant": -0.903, "lead": 0.191, "missing": -0.764, "missing_number": -2.515, "relevance": 0.579}
# Where that leaves it in doubt: how near the nearest of the first few sentences is by its meaning. Chinese ones stand
# out by more.
DOUBT = {"constant": -2.117, "words": 0.8, "nearness": 0.769, "nearness_chinese": -0.265}
IN_DOUBT = 0.03, 0.75
# Of sentences in another writing than the question (`bench/meaning_weights.py`).
MEANING = {"constant": -1.434, "nearness": 0.524, "relevance": 0.912}
# In a base too small for a relevance (`bench/meaning_weights.py --small`).
MEANING_SMALL = {"constant": -2.799, "nearness": 0.987, "relevance": 0.0}
MEANT, NEARLY_MEANT, NEARLY_MEANT_SMALL = 0.7, 0.5, 0.37
# Of questions in German, Spanish and others in Latin letters, whose sentences are compared behind their titles: in the
# same letters, in others, and in a base too small for a relevance. What answers them is never more than the closest
# passage; at one half (`bench/tongues.py`, learned on every second question).
TONGUES = {
    "same": {"constant": -3.16, "nearness": 1.02, "relevance": 0.28},
    "same, small": {"constant": -5.18, "nearness": 1.67, "relevance": 0.0},
    "other": {"constant": 3.18, "nearness": 0.49, "relevance": 1.23},
    "other, small": {"constant": -3.7, "nearness": 1.8, "relevance": 0.0},
}
# What stands out by so much is near, however little its words promise; taken with all of XQuAD in view.
MEANT_ALONE = 5.0
# Refuse below. Titled: hardly a right answer may be lost. Loose: the best balance of both mistakes. Base: chosen on one
# half of six sets, where it loses one right answer of twenty. Doubt: on that half too, where of XQuAD's questions that
# are left in doubt it loses 2 of 35 in English and 8 of 47 in Chinese (before it learned each language: 6 and 8).
REFUSE_BELOW = {"titled": 0.13, "loose": 0.4, "base": 0.18, "doubt": 0.46, "doubt_chinese": 0.35}
# Below this an answer says that it is only the closest passage (`bench/conversations.py`: of four unanswerable turns
# three are refused or say so, of ten answerable ones eight are answered without it).
CLOSEST_BELOW = {"titled": 0.38, "loose": 0.4, "base": 0.5, "doubt": 0.72, "doubt_chinese": 0.56}
_MISSING = 0.5  # the share of the question that the best passage lacks: it is about something else of the kind
_NEARLY = 4.0  # score points behind the best sentence, within which another is quoted beside it
_LEAST = 1e-3
_SOFT = 16.0  # score points over which a passage's voice falls to 1/e: nearly an equal vote
_DEFINED = 2  # content words by which a sentence may tell an attribute without naming it: "The lamp is pale green."
_ATTRIBUTE = re.compile(r"(?:是|有)(?:什么|哪种|哪一种)[^，。]{1,4}[？?]?$")
_AMOUNT = re.compile(r"(\d[\d.,]*)\s?([A-Za-z]+|[%€$£¥°\u4e00-\u9fff])")
_BOUND = re.compile(
    r"\b(?:up to|above|over|below|under|from|at (?:least|most)|(?:more|less|fewer|larger|longer) than|within|between"
    r"|exceed\w*|min(?:imum)?|max(?:imum)?)\b|以[上下内]|超过|[未不]?满|起|至少|最多|不足|[低高]于",
    re.IGNORECASE,
)
_ROWS = 2  # of a table
# What of a thing is asked for: the manager's salary, 经理的工资.
_OWNED = re.compile(
    r"['’]s? (?:[\w-]+ ){0,2}?([\w-]+)\W*$|的([\u4e00-\u9fff]{2,5}?)(?:是|有|为|[？?]|$)", re.IGNORECASE
)
_FUNCTION = "是有为的在"  # at the end of a Chinese term: where a word was cut too late
_NUMBERED = re.compile(r"[\u4e00-\u9fff]{1,6} ?\d+ ?[型号代款版]")  # 灯塔 3 型
_NAME = re.compile(r"(?<=\s)[A-Z][\w'-]*")


def sureness(
    question: Question,
    passages: Sequence[Passage],
    found: Sequence[Evidence],
    relevance: float | None = None,
    nearness: float | None = None,
) -> Sure:
    """Whether the passages hold an answer, or at least something near.

    Args:
        relevance: how likely one of them does by the words of their whole knowledge base, where that is known.
        nearness: how many standard deviations the nearest of the first few sentences stands out by its meaning, where
            that is known; it counts where the words leave it in doubt.
    """
    if not found:
        return "nothing"
    kind, features, probability = _judged(question, passages, found, relevance)
    best = _best(found)
    if kind == "base" and nearness is not None and _is_doubtful(probability):
        kind, probability = _in_doubt(question, probability, nearness)
    titled = kind != "loose"
    defined = titled and best.features["defines"]
    if (probability < REFUSE_BELOW[kind] and not defined) or (titled and _is_of_none(question, passages, found)):
        return "nothing"
    if defined:
        return "answer"
    doubts = (_lacks_identifier, _names_only, _lacks_attribute, _is_of_another_kind)
    near = probability < CLOSEST_BELOW[kind] or (
        kind != "loose"
        and (
            features["missing"] >= _MISSING
            or _names_none(question, found)
            or any(doubt(question, passages, best) for doubt in doubts)
        )
    )
    return "closest" if near else "answer"


def _in_doubt(question: Question, probability: float, nearness: float) -> tuple[str, float]:
    """The situation, and how likely an answer is by the words and by what stands out."""
    chinese = question.language == "zh"
    weight = DOUBT["nearness"] + chinese * DOUBT["nearness_chinese"]
    logit = DOUBT["constant"] + DOUBT["words"] * math.log(probability / (1 - probability)) + weight * nearness
    return "doubt_chinese" if chinese else "doubt", 1 / (1 + math.exp(-logit))


def doubtful(
    question: Question, passages: Sequence[Passage], found: Sequence[Evidence], relevance: float | None
) -> bool:
    """Whether the meaning of the first few sentences is to be looked at, to know whether they answer."""
    return bool(found) and relevance is not None and _is_doubtful(_judged(question, passages, found, relevance)[2])


def _is_doubtful(probability: float) -> bool:
    return IN_DOUBT[0] < probability < IN_DOUBT[1]


def sureness_by_meaning(nearness: float, relevance: float | None) -> Sure:
    """Whether a sentence in another writing answers, by its meaning alone.

    Args:
        nearness: how many standard deviations it stands out.
        relevance: how likely one of the sources in that writing holds an answer, where that is known.
    """
    small = relevance is None
    probability = _by_meaning(MEANING_SMALL if small else MEANING, nearness, relevance)
    near = nearness >= MEANT_ALONE or probability >= (NEARLY_MEANT_SMALL if small else NEARLY_MEANT)
    return "answer" if probability >= MEANT else "closest" if near else "nothing"


def nears_in_tongues(nearness: float, relevance: float | None, same: bool) -> bool:
    """Whether a sentence is near to a question in German, Spanish or the like.

    Args:
        same: whether the sentence is in Latin letters too.
    """
    weights = TONGUES[("same" if same else "other") + (", small" if relevance is None else "")]
    return _by_meaning(weights, nearness, relevance) >= 0.5


def _by_meaning(weights: Mapping[str, float], nearness: float, relevance: float | None) -> float:
    odds = 0.0 if relevance is None else _log_odds(relevance)
    return 1 / (1 + math.exp(-weights["constant"] - weights["nearness"] * nearness - weights["relevance"] * odds))


def _log_odds(relevance: float) -> float:
    bounded = min(max(relevance, _LEAST), 1 - _LEAST)
    return math.log(bounded / (1 - bounded))


def _best(found: Sequence[Evidence]) -> Evidence:
    return max(found, key=lambda item: item.score)


def _said(passages: Sequence[Passage]) -> set[str]:
    return {term for passage in passages for part in passage for term in words(part)}


def _is_of_none(question: Question, passages: Sequence[Passage], found: Sequence[Evidence]) -> bool:
    """Whether what is there is of others only: of other years, or rows of which none is the one that is named."""
    best = max(found, key=lambda item: (item.statement, item.score))
    if best.features["other_year"] and _said(passages).isdisjoint(YEAR.findall(question.text)):
        return True
    rows = [item for item in found if item.header == best.header and item.passage == best.passage and item.statement]
    text = passages[best.passage][0]
    if not best.row or len(rows) < _ROWS or not best.features["above"]:
        return False
    if any(row.features["coverage"] and not _in_parts_only(row, text) for row in rows):
        return False
    lacking = set(_lacking(question, passages, best)[1])
    keys = [first_cell(text[row.start : row.end]) for row in rows]
    kind = {key[-1:] for key in keys if not key.isascii()}  # 部 of 采购部 and 物流部
    alike = len(kind) == 1 and any(term[-1] in kind and len(term) > 1 for term in lacking)
    called = set(words(first_cell(text[slice(*best.header)]))) if best.header else set()  # "plan" of "the diamond plan"
    named = _names(question).union(term for term, noun in question.compounds if noun in called)
    return alike or not lacking.isdisjoint(named)


def _in_parts_only(row: Evidence, text: str) -> bool:
    """Whether a row says of the question no more than a number inside an identifier: 5 of "AlZnMgCu1.5"."""
    cells = text[row.start : row.end]
    said = row.said.intersection(words(cells)) - stopwords()
    return all(term.isdigit() and not re.search(rf"(?<![\w.-]){term}(?![\w-]|\.\d)", cells) for term in said)


def _lacks_identifier(question: Question, passages: Sequence[Passage], _: Evidence) -> bool:
    """Whether the question names a thing by a letter and a number that no passage names."""
    asked = {term for term, weight in question.names.items() if weight == 1.0 and term[0].isalpha()}
    return bool(asked) and not asked & _said(passages)


def _names_only(question: Question, passages: Sequence[Passage], best: Evidence) -> bool:
    """Whether the best sentence says which thing is asked about, and much of it, but no word of what is asked."""
    # The column of a row may be called otherwise, and what is measured is told by its unit.
    valued = best.row and question.expectation.kind != "any"
    if valued or best.features["unit"] or best.features["kin"]:  # "weighs 19 kg" of "how heavy"
        return False
    focus, terms = frozenset(question.expectation.focus), frozenset(question.terms)
    attribute = _ATTRIBUTE.search(question.text) or len(terms - focus) == 1
    numbered = {term for match in _NUMBERED.finditer(question.text) for term in terms if term in match[0]}
    thing = terms - focus if focus and attribute else numbered.union(question.names)
    more = set(words(passages[best.passage][0][best.start : best.end])) - question.asked - stopwords()
    return bool(terms - thing) and not (terms - thing) & best.said and len(more) > _DEFINED


def _lacks_attribute(question: Question, passages: Sequence[Passage], best: Evidence) -> bool:
    """Whether the passage tells nothing of that which is asked of a thing: of the manager's salary who she is."""
    found = _OWNED.search(question.text)
    if not found or (best.row and question.expectation.kind != "any") or best.features["unit"] or best.features["kin"]:
        return False
    owned = {*words(next(filter(None, found.groups())))} & {*question.terms} - {*question.expectation.focus}
    return bool(owned) and owned <= {*_lacking(question, passages, best)[1]}


def _names_none(question: Question, found: Sequence[Evidence]) -> bool:
    """Whether the best sentence names nothing of the kind that is asked for, nor one beside it that is nearly as good:
    nobody, no place, no number.
    """
    best, kind = _best(found), question.expectation.kind
    told = [item for item in found if item.statement and item.passage == best.passage]
    least = max((item.score for item in told), default=0.0) - _NEARLY
    names = (
        item for item in told if item.score >= least and item.features["coverage"] and not item.features["unnamed"]
    )
    return kind in ("person", "place", "number") and not best.row and not any(names)


def _is_of_another_kind(question: Question, passages: Sequence[Passage], best: Evidence) -> bool:
    """Whether the best sentence says the noun with another word before it, and no passage the one of the question:
    of sick leave "annual leave".
    """
    lacking = set(_lacking(question, passages, best)[1]) - set(question.expectation.focus)
    if lacking := lacking & {before for before, _ in question.compounds}:
        lacking -= _said(passages)
    wanted = {noun for before, noun in question.compounds if before in lacking}
    said = compounds(passages[best.passage][0][best.start : best.end])
    return bool(wanted) and any(noun in wanted and before not in question.asked for before, noun in said)


def _kind(passages: Sequence[Passage], relevance: float | None) -> str:
    if relevance is not None:
        return "base"
    return "titled" if any(title for _, title, *_ in passages) else "loose"


def answerable(
    question: Question, passages: Sequence[Passage], found: Sequence[Evidence], relevance: float | None = None
) -> tuple[bool, float]:
    """Whether the passages hold an answer."""
    if not found:
        return False, 0.0
    kind, _, probability = _judged(question, passages, found, relevance)
    return probability >= REFUSE_BELOW[kind], probability


def _judged(
    question: Question, passages: Sequence[Passage], found: Sequence[Evidence], relevance: float | None
) -> tuple[str, dict[str, float], float]:
    """The situation, what was looked at, and how likely an answer is."""
    kind = _kind(passages, relevance)
    weights = {"loose": LOOSE, "titled": TITLED, "base": BASE}[kind]
    features = measured(question, passages, found)
    if relevance is not None:
        features["relevance"] = _log_odds(relevance)
    logit = weights["constant"] + sum(weight * features[name] for name, weight in weights.items() if name in features)
    return kind, features, 1 / (1 + math.exp(-logit))


def measured(question: Question, passages: Sequence[Passage], found: Sequence[Evidence]) -> dict[str, float]:
    """What the decision looks at.

    Returns:
        `best`: the highest score. `missing`: the weighted share of the question's words that the best passage lacks.
        `missing_number`, `missing_name`: 1 when a number or a name of the question is among them. `agreement`: see
        there. `near`: whether a thing of the expected kind stands beside the question's words, 0 to 1.
        `everywhere`: the mean of the highest scores of the passages; `lead`: by how much the highest exceeds it.
        `choices`: how many things may be the answer; where many may, some agree by chance.
    """
    best = _best(found)
    asked, lacking, there = _lacking(question, passages, best)
    tops: dict[int, float] = {}
    for item in found:
        tops[item.passage] = max(item.score, tops.get(item.passage, item.score))
    everywhere = sum(tops.values()) / len(tops)

    def weigh(terms: Sequence[str]) -> float:
        return sum(prior(term) * question.spellings.get(term, 1.0) for term in terms)

    return {
        "best": best.score,
        "missing": weigh(lacking) / (weigh(asked) or 1.0),
        "missing_number": float(not {term for term in question.terms if any(c.isdigit() for c in term)} <= there),
        "missing_name": float(not _names(question) <= there),
        "agreement": agreement(found),
        "near": best.features["near"],
        "everywhere": everywhere,
        "lead": best.score - everywhere,
        "choices": math.log(1 + len({answer for item in found for answer in item.answers})),
    }


def _lacking(question: Question, passages: Sequence[Passage], best: Evidence) -> tuple[list[str], list[str], set[str]]:
    """What is asked for, what of it the best passage lacks, and what it holds."""
    there = {term for part in passages[best.passage] for term, _ in told_apart(part)}
    if len(question.names) > 1:  # of things that are compared, each passage may name one
        there |= _said(passages) & set(question.names)
    there |= _bounded(question, passages[best.passage][0][best.start : best.end]) | best.said
    # Of "which colour" and "what version" the answer gives the value, not the noun; of "how heavy" kilograms.
    told = {*question.expectation.focus, *(question.expectation.measure if best.features["unit"] else ())}
    asked = [term for term in question.terms if term not in told] or list(question.terms)
    # Chinese words are cut by what stands beside them: 年假 in the passage, 年 and 假 in 年假有.
    whole = "".join(passages[best.passage])
    lacking = [term for term in asked if term not in there and (term.isascii() or not _stands(term, whole))]
    lacking = [term for term in lacking if term[-1] not in _FUNCTION or not _stands(term[:-1], whole)]
    # Of the period of a warranty (保修期) an answer gives the length, and says 保修.
    lacking = [term for term in lacking if term[-1] != "期" or term[:-1] not in there]
    return asked, lacking, there


def _bounded(question: Question, said: str) -> set[str]:
    """The amounts of a question that a sentence sets a bound to: of 5,000 euros "more than 2,000 euros"."""
    if not _BOUND.search(said):
        return set()
    units = {unit.casefold() for _, unit in _AMOUNT.findall(said)}
    return {
        term for amount, unit in _AMOUNT.findall(question.text) if unit.casefold() in units for term in words(amount)
    }


def _stands(term: str, text: str) -> bool:
    """Whether a Chinese term stands in a text, and not as the end of another thing's name."""
    return re.search(f"(?<![{''.join(OTHER_KIND)}]){re.escape(term)}", text) is not None


def _names(question: Question) -> set[str]:
    """Capitalised words inside an English question: no other word can stand for them."""
    if question.language == "zh":
        return set()
    return {term for name in _NAME.findall(question.text) for term in words(name)} & set(question.terms)


def agreement(found: Sequence[Evidence]) -> float:
    """The share of the passages' voices that the most repeated possible answer has.

    Returns:
        0 to 1; 1 when every passage names the same thing, and for a single passage that names anything.
    """
    best = _best(found).score
    voices: dict[int, float] = defaultdict(float)
    votes: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for item in found:
        voice = math.exp((item.score - best) / _SOFT)
        voices[item.passage] = max(voices[item.passage], voice)
        for answer in item.answers:
            votes[answer][item.passage] = max(votes[answer][item.passage], voice)
    most = max((sum(by_passage.values()) for by_passage in votes.values()), default=0.0)
    return most / sum(voices.values())
