"""What kind of answer a question expects, and where such a thing stands in a sentence.

Who → a person, when → a date, how many → a number, where → a place; 谁、何时、多少、哪里 likewise. A sentence that
holds nothing of the expected kind is a poor answer however many words it shares with the question.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from nacre.text.language import Language, language_of
from nacre.text.words import words

Kind = Literal["time", "number", "person", "place", "reason", "any"]
Span = tuple[int, int]

_SUBJECT = r"(?:\w+ ){0,2}"
_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        "time",
        re.compile(
            r"\b(?:when|how long ago|deadline|(?:what|which) (?:year|date|day|month|time|century|decade)"
            r"|(?:release|launch|premiere|start|end|birth|opening|publication|due|expiry|effective) date)\b"
            r"|何时|什么时候|什么时间|什么年代|哪年|哪一年|哪天|哪一天|几月|几号|几点|哪个(?:年代|世纪|月|朝代)|年份|截止|(?<!多长)时间[是为]?[?？]?$"
            r"|日期[是为]?[?？]?$|(?:日期|时间)[和及、与]|(?:上映|发布|发售|开幕|发射|结束|开始|成立|出生|举行|召开|生效|开播|上市)的?(?:时间|日期)",
            re.IGNORECASE,
        ),
    ),
    (
        "number",
        re.compile(
            r"\bhow (?:many|much|long|old|tall|far|large|big|high|fast|deep|often|wide|heavy|soon)\b"
            r"|\bwhat (?:percentage|percent|number|amount|proportion|fraction|ratio|rate)\b"
            rf"|\bwhat (?:is|was|are|were) the {_SUBJECT}(?:number|revenue|income|profit|budget|salary|price|cost|population|total"
            r"|percentage|score|height|length|area|rate|limit|maximum|minimum|amount|size|weight|fee|distance|temperature)\b"
            r"|多少|几(?![乎何率])|多长|多久|多大|多高|多远|多重|多宽|百分之几|比例|人数|面积|人口|数量|价格|票房|总数|总额|得分|比分|[率量][?？]?$",
            re.IGNORECASE,
        ),
    ),
    (
        "person",
        re.compile(
            r"\b(?:who|whom|whose)\b|\b(?:which|what) (?:person|man|woman|player|actor|author|artist|president|director|scientist|king|queen|leader)\b"
            r"|谁|哪位|何人|什么人|哪个人|人是[?？]?$|的(?:作者|导演|主演|总统|创始人|主席|教练|首相)",
            re.IGNORECASE,
        ),
    ),
    (
        "place",
        re.compile(
            r"\bwhere\b|\b(?:what|which) (?:city|country|state|place|location|town|region|continent|river|county|province|island|district|nation|area|stadium|site)\b"
            r"|哪里|哪儿|何处|何地|什么地方|哪个(?:国家|城市|省|地方|地区|州|县|市|区|洲)|哪(?:国|省|市|州|座城市)|位于|地点|首都",
            re.IGNORECASE,
        ),
    ),
    (
        "reason",
        re.compile(r"\bwhy\b|\bwhat (?:caused?|reason|led|made)\b|为什么|为何|原因|缘故|因何|何以", re.IGNORECASE),
    ),
)
_FOCUS = re.compile(
    r"\bhow (?:many|much) (?:of the |more |other |different |total )?(\w+)"
    r"|\b(?:what|which) (?:kinds? of |types? of |other |two |three )?"
    r"(?!is|was|are|were|do|does|did|has|have|had|can|could|would|will|the|a|an)(\w+)"
    r"|(?:多少|几|哪个|哪种|哪一|哪些|哪|什么|何种)[个种位名座家些条支]?([\u4e00-\u9fff]{1,3})",
    re.IGNORECASE,
)
_SEVERAL = re.compile(r"分别|[和与及、]|哪些|\b(?:and|both|respectively)\b", re.IGNORECASE)

_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_NUMBER = re.compile(
    r"\d+(?:[.,]\d+)*\s?[%‰]?"
    r"|\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
    r"|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|dozen|half"
    r"|quarter|third|once|twice|none|single|double|both|percent)\b"
    r"|[零〇一二两三四五六七八九十百千万亿半]{1,20}(?=[个名位人年月日天岁次种座届元米公里小时分钟秒倍只条家间本部集场支艘辆架台套项块层代周吨克级号度]|万|亿|多|余|分之)",
    re.IGNORECASE,
)
_TIME = re.compile(
    rf"\b(?:1\d{{3}}|20\d{{2}})s?\b|\b(?:{_MONTHS})[a-z]{{0,6}}\b\.?|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b"
    r"|\b(?:today|tomorrow|yesterday|spring|summer|autumn|winter|midnight|noon|centur(?:y|ies)|decade)\b"
    r"|\b\d{1,2}(?:st|nd|rd|th) century|\b\d{1,2}:\d\d\b|\b\d{1,2} ?[ap]\.?m\b"
    r"|\d{1,4}\s?年代?|\d{1,2}\s?月(?:份|\s?\d{1,2}\s?日)?|\d{1,2}\s?[日号点时]|[一二三四五六七八九十\d]{1,4}\s?世纪"
    r"|[一二三四五六七八九〇零]{4}年|[十一二三四五六七八九]{1,3}月|[周星期]{1,2}[一二三四五六日天]|公元前?|[\u4e00-\u9fff]朝|[今去明]年|[昨今明]天|[初末晚早]期",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"(?:[A-Z][\w'’.&-]*|[A-Z]\.)(?: (?:(?:of|the|de|von|van|da|del|and|&) )?[A-Z][\w'’&-]*)*"
    r"|[\u4e00-\u9fff]{1,12}(?:[·•・][\u4e00-\u9fff]{1,12})+"
)
_PLACE = re.compile(
    r"\b(?:in|at|near|from|to|into|on|outside|around|through|across|of) (?:the )?(?P<name>[A-Z][\w'’-]*)"
    r"|[\u4e00-\u9fff]{1,5}(?:省|市|县|区|国|州|镇|村|岛|山|河|湖|路|大学|城)"
)
_REASON = re.compile(
    r"\b(?:because|due to|since|so that|in order to|result of|as a result|caused? by|causes|owing to|thanks to|reason|therefore"
    r"|hence|leads? to|led to|allow|prevent|to avoid|for fear)\b"
    r"|因为|由于|因此|因而|为了|以便|以免|所以|导致|致使|使得|原因|从而|出于|鉴于|缘于|源于|故",
    re.IGNORECASE,
)
_TAGS = {"person": ("nr",), "place": ("ns", "nt")}


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a question asks for.

    Args:
        kind: the kind of thing that answers it; "any" when the question does not say.
        focus: the noun that is asked about, as index terms: `how many *days*`, `哪个*部门*`; may be empty.
    """

    kind: Kind
    focus: tuple[str, ...]
    several: bool


def expected(question: str) -> Expectation:
    """What a question expects as its answer.

    Examples:
        >>> expected("How many days of leave do I get?")
        Expectation(kind='number', focus=('day',), several=False)
    """
    kind: Kind = next((kind for kind, pattern in _KINDS if pattern.search(question)), "any")
    noun = _FOCUS.search(question)
    focus = words(next(group for group in noun.groups() if group)) if noun else []
    return Expectation(kind, tuple(focus), bool(_SEVERAL.search(question)))


def candidates(sentence: str, kind: Kind) -> list[Span]:
    """Where things of a kind stand in a sentence.

    Args:
        kind: the kind looked for; "any" finds nothing.

    Returns:
        (start, end) in characters; spans may overlap.
    """
    if kind == "number":
        return [m.span() for m in _NUMBER.finditer(sentence)]
    if kind == "time":
        return [m.span() for m in _TIME.finditer(sentence)]
    if kind == "reason":
        return [m.span() for m in _REASON.finditer(sentence)]
    if kind == "any":
        return []
    language: Language = language_of(sentence)
    found = _tagged(sentence, _TAGS[kind]) if language == "zh" else []
    if kind == "place":
        return found + [m.span("name") if m["name"] else m.span() for m in _PLACE.finditer(sentence)]
    return found + [m.span() for m in _NAME.finditer(sentence)]


def _tagged(sentence: str, tags: tuple[str, ...]) -> list[Span]:
    """Chinese names, by the part-of-speech tags of the dictionary."""
    import rjieba

    found, at = [], 0
    for word, tag in rjieba.tag(sentence):
        if tag.startswith(tags):
            found.append((at, at + len(word)))
        at += len(word)
    return found


_WEEKDAY = re.compile(
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|today|tomorrow|yesterday|[今去明]年|[昨今明]天", re.IGNORECASE
)
_COUNTED = frozenset(
    "个名位人年月日天岁次种座届元米公里小时分钟秒倍只条家间本部集场支艘辆架台套项块层代周吨克级号度%‰万亿"
)
_VAGUE = frozenset(("one", "single", "both", "once", "percent", "一", "一个", "半", "百", "千", "万", "亿"))
# The date that a search engine writes before a snippet is not part of what the snippet says.
_STAMP = re.compile(r"(?:[A-Z][a-z]{2} \d{1,2}, \d{4}|\d+ (?:days?|hours?) ago) ?(?:\.\.\.|—|-)")


def answers_in(sentence: str, expectation: Expectation, asked: frozenset[str]) -> set[str]:
    """The possible answers that a sentence names, in a form that is alike in every sentence that names the same.

    Args:
        asked: the index terms of the question; what it says itself is no answer to it.

    Returns:
        Numbers with their unit, parts of dates, names; every content word when the kind is open.
    """
    stamp = _STAMP.match(sentence)
    body = " " * stamp.end() + sentence[stamp.end() :] if stamp else sentence
    kind = expectation.kind
    if kind in ("any", "reason"):
        return {term for term in words(body) if len(term) > 1} - asked
    literals = [(body[start:end].strip().casefold(), body[end : end + 1]) for start, end in candidates(body, kind)]
    if kind == "number":
        found = {text + unit if unit in _COUNTED and text[-1] not in "%‰" else text for text, unit in literals}
        return {text for text in found if text not in _VAGUE and not re.fullmatch(r"(?:1[89]|20)\d\d年?", text)} - asked
    if kind == "time":
        return {_date_part(text) for text, _ in literals if not _WEEKDAY.search(text)} - asked
    months = tuple(_MONTHS.split("|"))
    return {
        term
        for text, _ in literals
        for term in words(text)
        if len(term) > 1 and not term.startswith(months) and not _WEEKDAY.search(term)
    } - asked


def _date_part(text: str) -> str:
    """`September`, `Sep.` and `9月` alike."""
    month = re.match(_MONTHS, text)
    if month:
        return f"{_MONTHS.split('|').index(month.group()) + 1}月"
    return text.replace(" ", "")
