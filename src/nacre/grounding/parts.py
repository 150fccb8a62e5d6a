"""The parts of a long or compound question and the statements of a text, by their marks and joints alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nacre.grounding.stopwords import stopwords
from nacre.text.hygiene import searched
from nacre.text.tables import is_row
from nacre.text.vocabulary import compiled, vocabulary
from nacre.text.words import sentences, words

MOST = 8  # parts that are looked at
_LONG = 240  # characters from which several sentences are no longer one question
_LEAST = 2  # index terms of a part; a shorter one says nothing by itself
_MOST_LEADS = 4  # "Hello. Sorry, could you tell me if …"
_LEADING = vocabulary(__package__, "leads")
_LEADS = compiled(tuple(rf"\s*(?:{lead})\s*" for lead in _LEADING["leads"]), _LEADING["lists"])
# Who asks what letters stand for asks what they are.
_LETTERS = re.compile(
    r"\W*what (?:do|does|is|are)(?: the (?:abbreviation|acronym|letters))? [\"“']?([^\s\"”']{2,12})[\"”']?"
    r" (?:stand for|mean|short for|(?:an|the) (?:abbreviation|acronym) (?:of|for))\W*"
    r"|[\"“']?([^\W\d_\u4e00-\u9fff][^\s\"”'\u4e00-\u9fff]{1,11})[\"”']?\s?"
    r"(?:是?什么意思|代表什么|指(?:的是)?什么|是什么的(?:缩写|简称)|的全称是什么)\W*",
    re.IGNORECASE,
)
_HALF = re.compile(r";\s+")
# What goes on after a semicolon, or may turn round what was said before it.
_LEANS = re.compile(
    r"\s*(?:(?:but|except|unless|otherwise|after(?:wards|\s+that)|however|only|in that case|then|its?|the(?:y|ir|m|se)"
    r"|th(?:is|at|ose)|s?he|his|hers?|such|both)\b|但|除|仅|只限|不含|不包括|否则|其|此(?!外)|之后|不过|该|它|他|她|这|那|前者|后者)",
    re.IGNORECASE,
)
# What names the thing of a whole line: "Oil S-40: 3 %; changed every three months".
_LABEL = re.compile(r"(?:[-*•·]\s+|\(?\d{1,3}[.)、]\s*)?[^\s:：;；。.!?！？][^:：;；。!?！？\n]{0,23}[:：]\s*[^\s]")
_LINE = 160  # characters of a line that is not parted
_LEAST_HALF = 20  # characters of half a sentence that counts as its own
_ASKS = (
    r"(?:how|what|when|where|who|whom|whose|which|why|is|are|was|were|does|do|did|can|could|may|must|should|will|would"
    r"|name|list|tell|give|compare)\b"
)
_JOINT = re.compile(rf"(?:[,;]\s+(?:and|or|also|plus|as well as)?\s*|\s+and\s+(?:also\s+)?)(?={_ASKS})", re.IGNORECASE)
_OPENS = re.compile(
    rf"\W{{,40}}(?:(?:and|also|or|then|for [\w ]{{1,40}}|in [\w ]{{1,40}}),?\s+)?{_ASKS}", re.IGNORECASE
)
_ZH_ASKS = (
    r"(?:什么|多少|多久|多长|几|谁|哪|何时|何地|何处|怎么|怎样|如何|是否|吗|为什么|能否|可否|能不能|是不是|有没有)"
)
_ZH_JOINT = re.compile(r"[，,；;]\s*(?:以及|并且|而且|还有|另外|同时|那么|那)?|(?:以及|并且|还有|另外)")


def questions_in(text: str) -> list[str]:
    """The questions that a compound question joins.

    Returns:
        Each as it was asked, in its order; the text alone where it asks one thing.

    Examples:
        >>> questions_in("When does the shop open, and what does tea cost?")
        ['When does the shop open', 'what does tea cost?']
        >>> questions_in("班车几点出发？车票多少钱？")
        ['班车几点出发？', '车票多少钱？']
        >>> questions_in("Are tea and coffee free?")
        ['Are tea and coffee free?']
    """
    text = searched(text).strip()
    found = [part for sentence in _asking(text) or [text] for part in _joined(sentence)]
    return found[:MOST] if len(found) > 1 else [text]


def bare_question(text: str) -> str:
    """The one sentence that asks, where others lead up to it; "" where there is no such one.

    Examples:
        >>> bare_question("I love barbecue. Could I have one in the park?")
        'Could I have one in the park?'
    """
    text = searched(text).strip()
    found = _asking(text)
    return found[0] if len(found) == 1 and found[0] != text else ""


def plain_question(text: str) -> str:
    """A question without the words that lead up to it and ask nothing; as it is where they are nearly all of it.

    Of what letters stand for it asks what they are.

    Examples:
        >>> plain_question("What does MRB stand for?")
        'What is MRB?'
        >>> plain_question("Sorry, I want to know if dogs are allowed in the park.")
        'dogs are allowed in the park.'
        >>> plain_question("你好，我想问一下班车几点出发？")
        '班车几点出发？'
    """
    at = 0
    for _ in range(_MOST_LEADS):
        led = _LEADS.match(text, at)
        if not led or led.end() == at:
            break
        at = led.end()
    text = text[at:] if at and len(set(words(text[at:])) - stopwords()) >= _LEAST else text
    short = _LETTERS.fullmatch(text)
    if short and sum(map(str.isupper, short[1] or short[2])) > 1:
        return f"What is {short[1]}?" if short[1] else f"{short[2]}是什么？"
    return text


def _asking(text: str) -> list[str]:
    said = (text[a:b] for a, b in sentences(text))
    return [sentence for sentence in said if sentence[-1] in "?？" or _OPENS.match(sentence)]


def _joined(sentence: str) -> Iterator[str]:
    """What one sentence asks: it is cut at a joint only where both sides ask something."""
    start = 0
    for joint in (*_JOINT.finditer(sentence), *_ZH_JOINT.finditer(sentence)):
        before, after = sentence[start : joint.start()], sentence[joint.end() :]
        if joint.start() >= start and _asks(before) and _asks(after):
            yield before.strip()
            start = joint.end()
    yield sentence[start:].strip()


def _asks(part: str) -> bool:
    asks = _OPENS.match(part) or re.search(_ZH_ASKS, part)
    return bool(asks) and len(words(part)) > _LEAST


def searches_in(text: str) -> list[str]:
    """What a text of many sentences is searched by, besides the whole of it.

    Returns:
        Its questions or, of a long one, its sentences; empty where it is searched as it stands.
    """
    text = searched(text).strip()
    if is_long(text):
        spans = sentences(text)
        parts = [text[a:b] for a, b in spans if len(words(text[a:b])) > _LEAST]
        return _grouped(parts) if len(parts) > 1 else []
    parts = questions_in(text)
    return parts if len(parts) > 1 else []


def is_long(text: str) -> bool:
    """Whether a text is more than one question: a case, a letter."""
    return len(text.strip()) >= _LONG


def _grouped(parts: list[str]) -> list[str]:
    """As many parts as are looked at, neighbours together where there are more."""
    size = -(-len(parts) // MOST)
    return [" ".join(parts[at : at + size]) for at in range(0, len(parts), size)]


def statements(text: str) -> Iterator[tuple[int, int]]:
    """Sentences, and the halves of one that a semicolon parts, where each says something by itself."""
    start = end = 0
    for a, b in _halves(text):
        if text[end - 1 : end] in (";", "；") and (leans(text, end) or _is_labelled(text, start, b)):
            end = b
            continue
        if end:
            yield start, end
        start, end = a, b
    if end:
        yield start, end


def leans(text: str, at: int) -> bool:
    """Whether what begins here goes on from what was said before it: "Only in the north hall."."""
    return _LEANS.match(text, at) is not None


def _is_labelled(text: str, start: int, end: int) -> bool:
    """Whether a label at the beginning of a line names what all of it is about, as far as `end`."""
    begins = not text[text.rfind("\n", 0, start) + 1 : start].strip()
    return begins and end - start <= _LINE and "\n" not in text[start:end] and _LABEL.match(text, start) is not None


def _halves(text: str) -> Iterator[tuple[int, int]]:
    for start, end in sentences(text):
        if not is_row(text[start:end]):
            for half in _HALF.finditer(text, start, end):
                if min(half.start() - start, end - half.end()) > _LEAST_HALF:
                    yield start, half.start() + 1
                    start = half.end()
        yield start, end
