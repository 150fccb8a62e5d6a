"""A follow-up question made whole by rules: what it leaves out is carried over from what was asked and cited before.

Either it names another thing of the kind that was asked about ("And Oslo?"), which then takes the place of the first in
the earlier question, or it asks something else of the same thing ("And when does it close?"), which is then named.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from nacre.grounding.naming import IDENTIFIER, NAME
from nacre.grounding.stopwords import stopwords
from nacre.text.han import HAN
from nacre.text.language import Language, language_of
from nacre.text.markers import MARKER
from nacre.text.tables import grids_in
from nacre.text.vocabulary import compiled, vocabulary
from nacre.text.words import located_words, words

_DATA = vocabulary(__package__, "followup")
_LISTS = _DATA["lists"]
_OPENS, _CORRECTS, _REFERS, _OWNS, _MORE, _SOCIAL, _BARE, _AUXILIARY, _TIMES, _STARTS = (
    compiled(_DATA[name], _LISTS)
    for name in ("opens", "corrects", "refers", "owns", "more", "social", "bare", "auxiliary", "times", "starts")
)
_NE = re.compile(r"呢[？?。\s]*$")
_TOLD = re.compile(r"\s?[(（](?:the )?([^()（）]{1,40})[)）](?=\W*$)")  # as whoever was asked back told it
_END = re.compile(r"[\s?？。.!！]+$")
_HAN = re.compile(rf"[{HAN}]")
_ASKED = re.compile(
    r"\b(?:how|what|when|where|who|whom|whose|which|why)\b|[什谁哪几]|多[少久长大高远重快宽深厚早]|怎么|如何|何时|是否|吗",
    re.IGNORECASE,
)
_WHO_DOES = re.compile(r"(?:who|what|which|when|where|how)\s+\w+", re.IGNORECASE)
_BE = re.compile(
    r"\s+(?:is|are|was|were|has|have|had|will|would|can|could|may|might|must|should|seems?)\b", re.IGNORECASE
)
_SPEAKER = re.compile(r"(?:\w+\s+){0,2}(?:I|you|we|it|they|there|this|that)\b", re.IGNORECASE)
_NOUN = re.compile(r"\b(?:the|an?|my|our|your|some|any|all|each|every)\s+\w|\w{3,}[^s\W]s\b", re.IGNORECASE)
_PREPOSITION = re.compile(r"\b(?:of|in|at|for|from|on|with|to|during|about|by)$", re.IGNORECASE)
_CLAUSES = re.compile(r"[,;]|\b(?:and|or|but|that|since|because|if|when|while|although|before|after)\b", re.IGNORECASE)
_SUBORDINATE = re.compile(r"\b(?:since|because|if|when|while|although)\b", re.IGNORECASE)
_DETERMINERS, _PERSONAL = ("this", "these", "those"), ("he", "she", "him", "his", "her")
_PERSON = re.compile(r"[A-Z][\w'-]+(?:\s[A-Z][\w.'-]*){1,3}")
_LONGEST = 300  # characters of a follow-up; who writes more says what is meant
_PLURAL = r"(?!(?:this|its|us|does)\b)[\w-]*(?:[^s\W]s|staff|people|children|men|women)"
_SUBJECTS = tuple(
    re.compile(rf"\b{joint}\s+(?:(?:the|our|my)\s+)?{subject}", re.IGNORECASE)
    for joint, subject in (
        ("(?:do|did|are|were|can|may|must|should|will|have)", rf"((?:[\w-]+\s+){{0,2}}?{_PLURAL})\b"),
        ("(?:do|does|did)", r"((?:[\w-]+\s+){0,2}[\w-]+)\s+\w+\W*$"),
    )
)
_NAMES = ("nr", "ns", "nt", "nz")  # tags of names
_NOMINAL = ("n", "v", "a", "j", "l", "b", "eng")
_ENDS = re.compile(r"[是有要须应能可多几]$|.*[几多]|需要|必须|应该|能够|可以")  # words before which a subject ends
_LABEL = 40  # characters of what is told when it was asked back
_FEW = 12  # characters of a Chinese question without a noun
_PHRASE = 5  # words of what is carried over
# "The one in Oslo" is what was asked about, in Oslo; which word "the small one" replaces is not known.
_ONE_OF = re.compile(r"^(?:the\s+ones?|th(?:at|ose))\s+(?=(?:of|in|at|for|from|on|with)\b)", re.IGNORECASE)
_OTHER_ONE = re.compile(r"the\s+[a-z][\w-]{0,40}\s+ones?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Turn:
    """What was asked, and what was answered."""

    question: str
    answer: str = ""


def whole(asked: str, past: Sequence[Turn]) -> str:
    """A question that is understood without the conversation.

    Args:
        past: the turns before it, the oldest first.

    Returns:
        The question itself where it leans on nothing, or nothing is known to carry over.

    Examples:
        >>> whole("And Oslo?", [Turn("When does the office in Bergen open?")])
        'When does the office in Oslo open?'
        >>> whole("Who signs the invoices?", [Turn("When does the office in Bergen open?")])
        'Who signs the invoices?'
        >>> whole("那X7呢？", [Turn("X5的保修期是多久？")])
        'X7的保修期是多久？'
    """
    question = ""
    before = ""
    for turn in [*past, Turn(asked)]:
        question = _completed(turn.question.strip(), question, before)
        before = turn.answer
    return question


def leans(asked: str) -> bool:
    """Whether a question seems to lean on what was said before it."""
    if len(asked) > _LONGEST or not asked.strip():
        return False
    if _SOCIAL.match(asked.strip()):
        return False
    if _NE.search(asked) or _MORE.match(asked) or _pronoun(asked):
        return True
    bare = _unopened(asked)
    terms = content(bare)
    named = IDENTIFIER.search(bare) or _capitalised(bare)
    asks = bool(_ASKED.search(bare) or _AUXILIARY.match(bare.split(" ")[0]))
    if bare != asked:
        return not asks or (len(terms) < 2 and not named)
    if language_of(asked) == "zh":
        if IDENTIFIER.search(asked):
            return False
        verbs = (
            _STARTS.match(asked) and len(asked) <= _FEW and not any(tag.startswith("n") for _, tag in _tagged(asked))
        )
        return bool(verbs) or (sum(len(term) > 1 for term in set(terms)) < 2 and len(asked) < 9)
    return not named and bool(_BARE.match(asked) or (not asks and len(asked.split()) <= 3))


def leans_on(asked: str, answer: str) -> bool:
    """Whether a question leans on what was said before it, or tells what an answer asked back."""
    return leans(asked) or _tells_which(asked, answer)


def _tells_which(asked: str, answer: str) -> bool:
    """Whether somebody says no more than what he was asked: of which of several things he speaks."""
    short = len(asked.split()) <= _PHRASE and len(asked) <= _LABEL and not _SOCIAL.match(asked.strip())
    asks = _ASKED.search(asked) or _AUXILIARY.match(asked.split(" ")[0])
    return answer.rstrip("*_ \n").endswith(("?", "？")) and short and not asks and bool(content(asked))


def _unopened(asked: str) -> str:
    """A question without the word by which it goes on."""
    opened = _CORRECTS.match(asked) or _OPENS.match(asked)
    return asked[opened.end() :] if opened else asked


def _capitalised(text: str) -> list[str]:
    return [match[0] for match in NAME.finditer(text) if match[0] not in ("I", "OK")]


def _pronoun(asked: str) -> re.Match[str] | None:
    """A word that stands for a thing that was named before: not "there" of "are there", nor "that" of "that which"."""
    for found in (*_OWNS.finditer(asked), *_REFERS.finditer(asked)):
        word, before, after = found[0].casefold(), asked[: found.start()].rstrip(), asked[found.end() :]
        first, *rest = before.split() or [""]
        inverted = _AUXILIARY.search(before) and not (rest and _AUXILIARY.match(first))
        expletive = (word == "there" and (inverted or _BE.match(after))) or (
            word == "it" and re.match(r"\s+(?:is|was|takes?|cost|possible|allowed)?\b.*?\b(?:to|that)\b", after)
        )
        determines = word in ("that", "this", "these", "those", "one", "ones") and not re.match(r"\W*$", after)
        verb = _WHO_DOES.fullmatch(_unopened(before))
        named_here = (
            not (inverted or verb or _is_object(word, before))
            and word.isascii()
            and word not in ("that", "this", "there")
            and _named(before)
        )
        if not (expletive or named_here or (determines and word in ("that", "one", "ones"))):
            return found
    return None


def _is_object(word: str, before: str) -> bool:
    """Whether a pronoun stands behind a preposition of the one clause there is: what that clause names is another
    thing.
    """
    return word in ("it", "them", "him") and bool(_PREPOSITION.search(before)) and not _CLAUSES.search(before)


def _named(before: str) -> bool:
    """Whether what stands before a pronoun names what it may stand for: "Can staff keep their …", not "Should I use
    them …".
    """
    if _SPEAKER.match(before):
        return bool(_capitalised(before) or _NOUN.search(before))
    return bool(content(_SUBORDINATE.sub("", before)))


def _completed(asked: str, earlier: str, answer: str) -> str:
    if not earlier or not leans_on(asked, answer):
        return asked
    language = language_of(asked) if _HAN.search(asked) or asked.isascii() else language_of(earlier)
    bare = _ONE_OF.sub("", _END.sub("", _NE.sub("", _unopened(_unopened(asked)))).strip(" ,，"))
    if _tells_which(asked, answer):
        opened, closed = ("（", "）？") if _HAN.search(earlier) else (" (", ")?")
        return f"{_END.sub('', _TOLD.sub('', earlier))}{opened}{bare.removesuffix('的')}{closed}"
    pronoun = _pronoun(bare)
    if _MORE.match(asked) or not (content(bare) or (pronoun and _ASKED.search(bare))):
        return earlier
    if not _ASKED.search(bare) and not pronoun and (replaced := _replaced(bare, earlier, answer)):
        return replaced
    if _CORRECTS.match(asked) and not pronoun:
        return f"{_END.sub('', earlier)} ({bare})?"
    if not pronoun and language == "en" and len(content(bare)) > 2:
        return f"{bare}?"
    if pronoun and pronoun[0].casefold() in _DETERMINERS and not _spoken_of(bare[pronoun.end() :], earlier, answer):
        return asked
    thing = _person(earlier, answer) if pronoun and pronoun[0].casefold() in _PERSONAL else _thing(earlier, answer)
    if not thing or set(words(thing)) <= set(words(bare)):
        return f"{bare}{_mark(language)}"
    return _about(bare, thing, language)


def _spoken_of(after: str, earlier: str, answer: str) -> bool:
    """Whether the noun of "this noun" was said before; else nothing is known that it may be. "This" alone was."""
    noun = next(iter(content(after)), "")
    return not noun or noun in content(f"{earlier} {answer}")


def _person(earlier: str, answer: str) -> str:
    """The person that was named last."""
    asked, told = _PERSON.findall(f". {earlier}"), _PERSON.findall(answer)
    return (asked[-1] if asked else told[0] if told else "").rstrip(".")


def _replaced(bare: str, earlier: str, answer: str) -> str:
    """The earlier question about another thing; "" where nothing in it is of the kind of what is named now."""
    if time := _TIMES.fullmatch(bare):
        return _at_another_time(time[0], earlier)
    joint = re.match(r"(?:of|in|at|for|from|on|with|to|during)\s+", bare, re.IGNORECASE)
    name = re.sub(r"^(?:the|a|an)\s+", "", bare[joint.end() :] if joint else bare, flags=re.IGNORECASE)
    name = name.removesuffix("的")
    for old in _alike(name, earlier, answer):
        at = earlier.casefold().find(old.casefold())
        if at >= 0:
            return f"{earlier[:at]}{name}{earlier[at + len(old) :]}"
    if _OTHER_ONE.fullmatch(bare):
        return f"{_END.sub('', earlier)} ({bare})?"
    if joint and (joint[0].strip().casefold() != "of" or earlier.count(" of ") == 1):
        found = re.search(rf"\b{joint[0].strip()}\s+(?:the\s+)?[\w-]+(?:\s+[A-Z][\w-]*)*", earlier, re.IGNORECASE)
        return (
            f"{earlier[: found.start()]}{bare}{earlier[found.end() :]}" if found else f"{_END.sub('', earlier)} {bare}?"
        )
    if bare == name and re.fullmatch(rf"(?:[\w-]+ ){{0,2}}{_PLURAL}", name):  # "and invoices?"
        told = next((found for pattern in _SUBJECTS if (found := pattern.search(earlier))), None)
        return f"{earlier[: told.start(1)]}{name}{earlier[told.end(1) :]}" if told else ""
    if _HAN.search(bare) and not IDENTIFIER.search(earlier) and not _key(answer) and (nouns := _nouns(earlier)):
        subject = _subject(earlier)
        return earlier.replace(subject if subject in earlier else min(nouns, key=earlier.find), name, 1)
    return ""


def _at_another_time(time: str, earlier: str) -> str:
    """The earlier question at another time than it named, if it named any."""
    if _HAN.search(earlier):
        return f"{time}{_TIMES.sub('', earlier, count=1)}"
    named = time if time[0].isalpha() else f"in {time}"
    return f"{_END.sub('', _TIMES.sub('', earlier, count=1)).rstrip()} {named}?"


def _alike(name: str, earlier: str, answer: str) -> list[str]:
    """What in an earlier question is of the kind of a name: an identifier, a capitalised name, the key of the row that
    was cited, a noun with the same head.
    """
    found: list[str] = [told[1] for told in _TOLD.finditer(earlier)]
    if IDENTIFIER.search(name):
        shape = _shape(IDENTIFIER.search(name)[0])  # type: ignore[index]
        known = [match[0] for match in IDENTIFIER.finditer(earlier)]
        found += sorted(known, key=lambda old: _shape(old) != shape)
    elif name[:1].isupper() and " " not in name:
        found += _capitalised(earlier)
    if _HAN.search(name):
        found += _alike_in_chinese(name, earlier)
    else:
        head = name.split()[-1]
        phrase = re.search(rf"(?:[\w-]+\s+)?\b{re.escape(head)}\b", earlier, re.IGNORECASE) if " " in name else None
        found += [phrase[0]] if phrase else []
        capital = name[:1].isupper()
        found += [*_capitalised(earlier), *(w for w, tag in _tagged(earlier) if tag in _NAMES)] if capital else []
    key = _key(answer)
    found += [key] if key and (len(name.split()) <= 2) and _kind(key) == _kind(name) else []
    return found


def _alike_in_chinese(name: str, earlier: str) -> list[str]:
    """What is alike by its kind (西安 and 昆明), by its head (家庭套餐 and 商务套餐), by its last character."""
    said, known = _tagged(name), _tagged(earlier)
    (_, kind), (head, _) = said[0], said[-1]
    if kind in _NAMES and not _HAN.search(earlier):
        return _capitalised(earlier)
    found = [word for word, tag in known if tag == kind and tag in _NAMES]
    at = next((at for at, (word, _) in enumerate(known) if word == head), 0) if len(said) > 1 else 0
    if at and known[at - 1][1].startswith(_NOMINAL):
        found.append("".join(word for word, _ in known[max(0, at - len(said) + 1) : at + 1]))
    return found + [old for old in _nouns(earlier) if old[-1] == name[-1] and old != name]


def _tagged(text: str) -> list[tuple[str, str]]:
    """The words of a Chinese text with their parts of speech; none of another."""
    import rjieba

    return rjieba.tag(text) if _HAN.search(text) else []


def _shape(identifier: str) -> str:
    return re.sub(r"\d+", "0", re.sub(r"[A-Za-z]+", "a", identifier))


def _kind(name: str) -> tuple[bool, bool, bool]:
    return bool(_HAN.search(name)), any(c.isdigit() for c in name), name[:1].isupper()


def _nouns(text: str) -> list[str]:
    """The Chinese nouns of a text, the longest first; what asks is none."""
    tagged = [word for word, tag in _tagged(text) if tag.startswith(("n", "v", "j", "l")) and len(word) > 1]
    runs = re.findall(rf"[{HAN}]{{2,4}}", re.sub(r"[的是在有和与多少几什么谁哪为吗呢怎如能可要天]", " ", text))
    return sorted(dict.fromkeys([*tagged, *runs]), key=len, reverse=True)


def _key(answer: str) -> str:
    """The first cell of the one row that an answer cites."""
    plain = MARKER.sub("", answer)
    grids = grids_in(plain)
    if len(grids) != 1 or len(grids[0].rows) != 1:
        return ""
    start, end = grids[0].rows[0][0]
    return plain[start:end].strip()


def _thing(earlier: str, answer: str) -> str:
    """What the conversation is about: the row that was cited last, else what the earlier question names."""
    if key := _key(answer):
        return key
    if told := _TOLD.search(earlier):
        return told[1]
    names = [*(match[0] for match in IDENTIFIER.finditer(earlier)), *_capitalised(earlier)]
    if not names:
        return _subject(earlier)
    if _HAN.search(earlier):
        return names[0]
    name = re.escape(names[0])
    beside = re.search(rf"\bthe\s+{name}\s+[a-z][\w-]+|(?<!\b[Ww]ho )\b[a-z][\w-]+\s+{name}", earlier)
    around = beside[0].removeprefix("the ") if beside and len(content(beside[0])) > len(content(names[0])) else names[0]
    parts = dict.fromkeys([around, *(name for name in names[1:3] if name not in around)])
    return " ".join(sorted(parts, key=earlier.find))


def _subject(earlier: str) -> str:
    """What a question without names is about: the noun behind its article, else its content words."""
    if _HAN.search(earlier):
        said = _tagged(_TIMES.sub("", earlier))
        subject = "".join(
            word
            for word, _ in itertools.takewhile(
                lambda one: one[1].startswith((*_NOMINAL, "m")) and not _ENDS.match(one[0]), said
            )
        )
        if 1 < len(subject) <= 12 and not _ASKED.search(subject):
            return subject
        return next((term for term in content(earlier) if len(term) > 1), "")
    noun = re.search(r"\b(?:the|an?|my|our|your|this)\s+((?:[\w-]+\s+){0,2}[\w-]+)", earlier, re.IGNORECASE)
    phrase = noun[1] if noun else re.sub(r"^\W*how\s+\w+", "", earlier, flags=re.IGNORECASE)
    terms = re.findall(r"[^\W_][\w'-]*", phrase)
    kept = list(itertools.takewhile(content, itertools.dropwhile(lambda term: not content(term), terms)))
    return " ".join(kept[:_PHRASE])


def _about(bare: str, thing: str, language: Language) -> str:
    """A question with the thing that it is about."""
    pronoun = _pronoun(bare)
    if pronoun and pronoun[0].casefold() in _DETERMINERS and content(bare[pronoun.end() :]):
        return f"{bare} ({thing})?"
    if pronoun:
        owned = _OWNS.fullmatch(pronoun[0]) is not None
        there = pronoun[0].casefold() == "there"
        said = (
            f"{thing}的" if owned and language == "zh" else f"{thing}'s" if owned else f"in {thing}" if there else thing
        )
        article = "the " if language == "en" and not owned and thing[:1].islower() else ""
        return f"{bare[: pronoun.start()]}{article}{said}{bare[pronoun.end() :]}{_mark(language)}"
    if language == "zh":
        return f"{thing}{'' if _ASKED.search(bare) else '的'}{bare}{'' if _ASKED.search(bare) else '是什么'}？"
    if _ASKED.match(bare) or _AUXILIARY.match(bare.split(" ")[0]):
        return f"{bare} of {thing}?" if _BARE.match(bare) and len(bare.split()) > 2 else f"{bare} ({thing})?"
    return f"What is {'' if bare.startswith(('the ', 'its ')) else 'the '}{bare} of {thing}?"


def _mark(language: Language) -> str:
    return "？" if language == "zh" else "?"


def content(text: str) -> list[str]:
    """The words of a text that are no function words, as index terms."""
    said = unicodedata.normalize("NFKC", text)
    return [term for term, _ in located_words(said) if term not in stopwords()]
