"""Questions that ask what a thing is or means, and the sentences that say it."""

from __future__ import annotations

import functools
import re

from nacre.grounding.naming import IDENTIFIER
from nacre.grounding.stopwords import stopwords
from nacre.text.hygiene import LONGEST_SEARCHED
from nacre.text.language import language_of
from nacre.text.words import words

_THING = r"(?P<thing>[^\s,，。?？!！;；][^,，。?？!！;；]{0,60}?)"
_ASKS = tuple(
    re.compile(rf"\W*{asks}\W*", re.IGNORECASE)
    for asks in (
        rf"what (?:do|does|did) {_THING} (?:mean|stand for|refer to|denote|signify|indicate)",
        rf"(?:what(?:'s|’s| is| are) |explain |define )(?:the (?:meaning|definition) of )?{_THING}",
        rf"{_THING}(?:是|代表|表示|意味着|指的?是?)(?:什么|啥)(?:意思|含义|东西)?",
        rf"{_THING}的?(?:意思|含义)是(?:什么|啥)",
        rf"什么(?:是|叫做?){_THING}",
    )
)
_ARTICLE = re.compile(r"(?:the|an?)\s+", re.IGNORECASE)
_OPENING = r"[\s>*#\-+•\"'“‘「《`(（]*(?:(?:the|an?)\s+)?"
_SAYS = (
    r"[\s\"'”’」》`*)）]*(?:[(（][^()（）\n]{0,60}[)）]\s*)?(?:means?\b|stands? for\b|refers? to\b|denotes?\b"
    r"|signif(?:y|ies)\b|indicates?\b|(?:is|are|was|were) (?:an?|the|one|short for|defined)\b|[:：=–—]|-\s"
    r"|(?:原本|通常|一般|就)?是(?!否)|表示|代表|意味着|意思|指|即|[，,]?(?:又|亦|也|或|简)[称叫])"
)
_JOINTS = re.compile(r"[\s_‐-]+|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")  # E1043, E-1043
_MOST = 4  # words of a thing


@functools.lru_cache(maxsize=8)
def _phrase(question: str) -> tuple[str, str]:
    """What a question asks the meaning of, as it says it and by its identifier alone; else nothing."""
    asked = question.strip()[:LONGEST_SEARCHED]
    found = next((match["thing"] for pattern in _ASKS if (match := pattern.fullmatch(asked))), "")
    found = _ARTICLE.sub("", found, count=1) if _ARTICLE.match(found) else found
    coded = IDENTIFIER.findall(found)
    kind = found.removesuffix(coded[0]) if coded else found
    if (coded and kind == found) or len(found.split()) > _MOST or "的" in kind or stopwords() & {*words(kind)}:
        return "", ""
    return found, coded[0] if coded else found


def plainly(question: str) -> str:
    """A question for what a thing is or means, without the words that only ask it; any other as it is.

    Examples:
        >>> plainly("What does the error code E1043 mean?"), plainly("螺钿代表什么？")
        ('What is error code E1043?', '什么是螺钿？')
        >>> plainly("What is the price of oolong in May?")
        'What is the price of oolong in May?'
    """
    if not (phrase := _phrase(question)[0]):
        return question
    return f"What is {phrase}?" if language_of(question) == "en" else f"什么是{phrase}？"


def defines(sentence: str, question: str, above: frozenset[str] = frozenset()) -> bool:
    """Whether a sentence says what the thing is that a question asks the meaning of: it begins with it and a word that
    explains, or stands below it alone.

    Args:
        above: index terms of the first cell of the sentence where it is a row; else of the line above it.

    Examples:
        >>> defines("E1043 means that the door is open.", "What is E1043?"), defines("See E1043.", "What is E1043?")
        (True, False)
        >>> defines("E-1043 | Door open", "What is E1043?", above=frozenset(words("E-1043")))
        True
    """
    if not (thing := _phrase(question)[1]):
        return False
    whole, said = _bare(thing.casefold()), set(map(_bare, above))
    if all(term in whole for term in said) and (said.issuperset(map(_bare, words(thing))) or whole in said):
        return True
    written = r"[\s_‐-]*".join(map(re.escape, _JOINTS.split(thing)))
    return bool(re.match(f"{_OPENING}{written}{_SAYS}", sentence, re.IGNORECASE))


def _bare(text: str) -> str:
    return re.sub(r"[\W_]", "", text)
