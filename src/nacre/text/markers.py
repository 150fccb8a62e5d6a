"""The marks by which an answer cites its numbered sources, in every form that models write, written as `[1]`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from langchain_core.messages import AIMessageChunk

from nacre.text.han import HAN

# Two digits at most: [2024] is a year and [0, 1] an interval; a[1] = 2 is a program.
MARKER = re.compile(
    r"(?:(?<![A-Za-z_])|(?![^\]\n]{1,60}\][ \t]{0,3}=))[\[【［]\s*([1-9]\d?(?:\s*[,，、;；]\s*[1-9]\d?)*)\s*[\]】］]"
)
"""A mark as `CitationMarkers` leaves it, and its simplest relatives."""
_ELEMENT = re.compile(r"[A-Za-z_]\[[^\]\n]{1,60}\][ \t]{0,3}=")  # of a list, to which something is assigned
_NUMBER = re.compile(r"\d+")
_DASH = "‐‑–—−〜~～－-"
_NUMBERS_AND_DASHES = re.compile(rf"\d+|[至到{_DASH}]|\bto\b")
_TICKS = re.compile(r"`+")

_O, _C = r"(?:\\?[\[【［〔〖⟦]|&\#91;)", r"(?:\\?[\]】］〕〗⟧]|&\#93;)"
_N = r"[1-9１-９]\d?(?!\d)"
_SAID = (
    r"(?:(?:see\ )?(?:sources?|refs?|references?|citations?|cite|docs?|documents?|passages?|excerpts?|snippets?"
    r"|contexts?|ids?|src|quellen?|fuentes?|fontes?)"
    r"|(?:参?见)?(?:参考)?(?:[来來]源|[资資]料|出[处典]|引用|文献|文档|片段|依据)|参?见|参考|출처|источник)"
    r"[ \t_:：\#.-]{0,3}"
)
_ITEM = rf"(?:{_SAID}|[\#@^№注註])?{_N}\^?"
_JOIN = rf"[^\S\n]{{0,3}}(?:[,，、;；&/]|\band\b|和|与|及|[至到{_DASH}]|\bto\b)[^\S\n]{{0,3}}"
_LIST = rf"{_ITEM}(?:{_JOIN}{_ITEM}){{0,19}}"
# What may stand behind the number: 【1†source】, 【1:0†L5-L9】, [1, p. 3].
_TAIL = r"(?:(?::\d{1,3})?†[^\[【\]】\n]{0,40}|[,，]\s?(?:pp?\.|pages?\b|第)[^\[【\]】\n]{0,20})"
_ABOUT = r"[:：,，][^\[【\]】)）\n]{1,60}"  # [Source 1: Travel policy]
_SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_CIRCLED = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳"
# In a sentence: "Source 1 says …", "according to sources 1 and 2, …".
_IN_WORDS = (
    rf"(?:\b(?:sources?|documents?|passages?)\s|(?:来源|资料|文档)\s?){_N}(?:{_JOIN}{_N}){{0,4}}(?![A-Za-z\d_%]|[.,]\d)"
)
_LEADS = re.compile(
    r"(?:\b(?:according to|based on|stated in|per|see|cf\.?)\s(?:the\s)?|(?:根据|依据|据|见|参照))\Z", re.IGNORECASE
)
_SAYS = re.compile(
    r"\s(?:says?|states?|mentions?|notes?|explains?|shows?|reports?|indicates?|confirms?|specif(?:y|ies)|describes?)\b"
    r"|\s?中?(?:指出|说明|表明|规定|提到|显示|写明|写道)",
    re.IGNORECASE,
)
_WRITTEN = re.compile(
    rf"""
      ({_O}\s?{_N}\s?{_C}\s?[{_DASH}]\s?{_O}\s?{_N}\s?{_C})
    | \^?{_O}{{1,2}}[ \t]{{0,3}}({_LIST})[ \t\u200b]{{0,3}},?{_TAIL}?{_C}{{1,2}}
        (?:\((?=[^()\s]{{0,300}}[/.\#:])[^()\s]{{1,300}}\))?
    | {_O}\s?({_SAID}{_N}){_ABOUT}{_C}
    | [(（]\s?({_SAID}(?:{_N}|{_O}\s?{_N}\s?{_C})(?:{_JOIN}{_ITEM}){{0,19}})(?:{_ABOUT})?\s?[)）]
    | \#\#({_N})\$\$
    | \\cite[pt]?\{{\s?({_N}(?:\s?,\s?{_N}){{0,9}})\s?\}}
    | <(?:cite|ref|source|citation|doc|document)[ ](?:id|n|index|ref|number)=["']?({_N})["']?[ ]?/?>
    | <(?:cite|ref|source|citation)s?>\s?\[?({_N}(?:\s?,\s?{_N}){{0,9}})\]?\s?</(?:cite|ref|source|citation)s?>
    # The rest means something else as often: a power, a footnote of the source, an item of a list.
    | (?P<weak>
        (?:(?<=[^\W\d_]{{3}})|(?<=[{HAN}。，；！？.,;!?)）”"'%％\]]))
            (?:[ \t]?<sup>\s?\[?({_N}(?:\s?,\s?{_N}){{0,9}})\]?\s?</sup>
            |[ \t]?([{_SUPERSCRIPT}]{{1,2}})(?![{_SUPERSCRIPT}ⁿ])|[ \t]?(?:\$\^\{{?({_N})\}}?\$|\^({_N})\^)
            |[ \t]?([{_CIRCLED}])(?=[。，；！？,;!?.]|\s*(?:\n|\Z)))
        |{_O}\s?S({_N})\s?{_C}|{_O}\s?({_N})(?:\s?[:：|]|[ ][–—-][ ])\s?(?=[^\W\d_])[^\[【\]】\n]{{1,60}}{_C}
        |(?P<in_words>{_IN_WORDS})
        |[\[【](?P<title>[^\[\]【】\n]{{2,80}})[\]】]
        |(?:(?<=[^\W\d_])[ \t]?[(（]({_N})[)）]
            |(?P<bare>(?:(?<=[a-z])[ ]|(?<=[{HAN}])[ ]?)(?:\{{{_N}\}}|<{_N}>|「{_N}」)))
            (?=[ \t]{{0,3}}(?:[.!?。！？；;](?!\w)|\n|\Z))
      )
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Before a superscript, a unit; before a number in brackets, what is numbered.
_UNIT = re.compile(r"(?:\b(?:inch|feet|foot|yard|mile|met(?:er|re)|sec(?:ond)?)s?|米)\Z", re.IGNORECASE)
_NUMBERED = re.compile(
    r"\b(?:option|step|method|case|point|paragraph|section|clause|figure|table|equation|type|stage|phase|level|class|item|"
    r"article|part|rule|form|group|sentence|number|no)s?\.?\s?\Z|[项款条步种类第图表式]\Z",
    re.IGNORECASE,
)
# Before a number in other brackets, what has it for its object: press {1}, the answer is <2>, 按「1」.
_TAKEN = re.compile(
    r"(?:\b(?:is|are|was|were|be|to|of|in|by|and|or|with|than|from|at|for|on|as|into|the|an?|press|type|enter|select|choose"
    r"|click|pick|key|button|sets?|list|array|returns?|prints?|values?|equals|called|says?|said|writes?)"
    r"|(?:^|[\n.!?:;,])\s*[A-Za-z]+|[是为等于按选择输入写答叫称填点击即字码和或与到至在成作个说键号数值、])\Z",
    re.IGNORECASE,
)
# What may still become a mark, or more of one, when more text comes.
_BEGUN = re.compile(
    rf"""(?:
      (?:\^?\\?[\[【［〔〖⟦(（<]|\^?&|\^\\)[^\]】］〕〗⟧)）>\n]{{0,90}}
    | [{{「]\d{{0,2}}|(?:\{{\d\d?\}}|<\d\d?>|「\d\d?」|[(（]\d\d?[)）])[ \t]{{0,3}}[.!?。！？；;]?
    | (?:\^?\\?[\[【［〔〖⟦(（]|&\#91;)[^\]】］〕〗⟧)）\n]{{1,90}}[\]】］〕〗⟧)）;\\&\#\d\[【［〔 \t–—~-]{{1,40}}
    | [\[【［〔][^\]】］〕\n]{{1,60}}[\]】］〕]{{1,2}}\([^)\s]{{0,300}}\)?
    | [\[【［〔]\s?\d{{1,2}}\s?[\]】］〕]\s?[-–—~]\s?\\?[\[【［〔]?\s?\d{{0,2}}\s?
    | <\w{{1,8}}>[^<\n]{{0,40}}(?:<[^>\n]{{0,10}})?
    | <\w{{1,8}}>[^<\n]{{0,40}}</\w{{1,8}}>
    | \#{{1,2}}\d{{0,2}}\${{0,2}}
    | \\(?:c(?:i(?:t(?:e(?:[pt]?(?:\{{[\s\d,]{{0,60}})?)?)?)?)?)?
    | (?:\$\^?|\^)\{{?\d{{0,2}}\}}?[\^$]?|[{_SUPERSCRIPT}]{{1,2}}
    | [{_CIRCLED}][^\S\n]{{0,40}}
    | (?:\b(?:s(?:o(?:u(?:r(?:c(?:es?)?)?)?)?)?|d(?:o(?:c(?:u(?:m(?:e(?:n(?:ts?)?)?)?)?)?)?)?
      |p(?:a(?:s(?:s(?:a(?:g(?:es?)?)?)?)?)?)?)|来源?|资料?|文档?)(?:\s?(?:\d[^\[\]【】［］〔〕()（）]{{0,90}})?)?
    )\Z""",
    re.VERBOSE | re.IGNORECASE,
)
_HELD = 420  # characters at the end of which a mark may be unfinished
_MOST = 20  # sources in a range


def numbers(marker: re.Match[str]) -> list[int]:
    """The source numbers in one marker, from 1 to 99, in the order written."""
    return [int(n) for n in _NUMBER.findall(marker[1])]


_WEAK = _WRITTEN.groupindex["weak"]
JOINER = "\u2060"
"""Shows nothing and breaks nothing; inside a mark it makes it none of ours."""


def as_quoted(text: str) -> str:
    """A source's words as they may stand in an answer: its own marks, a footnote's say, are no citations of ours.

    Example:
        >>> as_quoted("At most 600 yuan [1].").replace(JOINER, "^")
        'At most 600 yuan [^1].'
    """

    pieces, last, at = [], 0, 0
    while mark := _WRITTEN.search(text, at):
        at = mark.start() + 1  # what stands inside may be one too: (see Document 2), [1]–[2]
        if not mark["title"] and _is_citation(text, mark):
            cut = at - (mark[0][0] in _SUPERSCRIPT + _CIRCLED)
            pieces.append(text[last:cut])
            last = cut
    return JOINER.join([*pieces, text[last:]])


def _is_citation(text: str, marker: re.Match[str]) -> bool:
    """Whether a mark is a citation by what stands around it; most forms mean nothing else."""
    if _ELEMENT.match(text, marker.start() - 1):
        return False
    if marker[_WEAK] is None:
        return True
    before = text[max(0, marker.start() - 24) : marker.start()]
    if marker["in_words"]:
        return bool(_LEADS.search(before) or _SAYS.match(text, marker.end()))
    if marker["bare"]:
        return not _TAKEN.search(before)
    opened = marker[0].strip()[0]
    return opened in "[【［〔\\&" or not (_NUMBERED if opened in "(（" else _UNIT).search(before)


class CitationMarkers:
    """Writes the marks of a text in pieces as `[1]`, those by title too, but in code; those of no source go."""

    def __init__(self, valid: Sequence[int], titles: Mapping[str, int] | None = None) -> None:
        self.valid = frozenset(valid)
        self._titles = {title.casefold(): n for title, n in (titles or {}).items()}
        self._held = ""
        self._fence = ""
        self._before = ""

    def push(self, text: str) -> str:
        """Take a piece in and give out the text that is decided."""
        return self._advance(self._held + text, final=False)

    def close(self) -> str:
        """The text has ended."""
        return self._advance(self._held, final=True)

    def _advance(self, text: str, *, final: bool) -> str:
        out: list[str] = []
        at = 0
        for ticks in _TICKS.finditer(text):
            out.append(self._part(text[at : ticks.start()], ticks[0]))
            at = ticks.start()
            # A run of backticks at the very end may go on in the next piece.
            if ticks.end() == len(text) and not final:
                self._held = text[at:]
                return "".join(out)
            out.append(ticks[0])
            self._fence = "" if self._fence == ticks[0] else self._fence or ticks[0]
            self._before = ticks[0]
            at = ticks.end()
        rest = text[at:]
        keep = len(rest) if final or self._fence else self._decided(rest)
        out.append(self._part(rest[:keep], rest[keep:]))
        self._held = rest[keep:]
        return "".join(out)

    def _decided(self, text: str) -> int:
        begun = _BEGUN.search(text, max(0, len(text) - _HELD))
        at = begun.start() if begun else len(text)
        # What begins within a whole mark, as the braces of \cite{1}, waits with all of it.
        whole, cut = self._before + text, len(self._before) + at
        marks = (mark.span() for mark in _WRITTEN.finditer(whole, max(0, cut - _HELD)))
        at = next((start - len(self._before) for start, end in marks if start < cut < end), at)
        return len(text[: max(0, at)].rstrip(" \t"))

    def _part(self, text: str, following: str = "") -> str:
        """One part in which every mark is whole; what stands before and behind it decides with it."""
        if self._fence or not text:
            return text
        text, last = self._before + text, len(self._before)
        pieces, at, whole = [], last, text + following
        while (marker := _WRITTEN.search(whole, at)) and marker.end() <= len(text):
            cited, weak = self._pointed(marker), marker[_WEAK] is not None
            alive = [n for n in cited if n in self.valid]
            if (weak and not alive) or not _is_citation(text, marker):
                at = marker.start() + 1  # what stands inside may be one
                continue
            before = text[last : marker.start()]
            pieces += [before, "".join(f"[{n}]" for n in alive)] if alive else [before.rstrip(" \t")]
            last = at = marker.end()
        self._before = text[-24:]
        return "".join([*pieces, text[last:]])

    def _pointed(self, marker: re.Match[str]) -> list[int]:
        """The source numbers in one mark of any form, those of a range among them."""
        if title := marker["title"]:
            return [self._titles[title.casefold()]] if title.casefold() in self._titles else []
        said = next(group for at, group in enumerate(marker.groups(), 1) if group and at != _WEAK)
        found: list[int] = []
        ranged = False
        for token in _NUMBERS_AND_DASHES.findall(unicodedata.normalize("NFKC", said).casefold()):
            if token.isdecimal():
                n = int(token)
                first = found[-1] + 1 if ranged and found and found[-1] < n <= found[-1] + _MOST else n
                found += [number for number in range(first, n + 1) if number not in found]
            ranged = not token.isdecimal()
        # Two small digits are ¹² as often as ¹ ².
        return found if said[0] not in _SUPERSCRIPT or {*found} <= self.valid else [int(c) for c in str(found[0])]


class LiveMarkers:
    """`CitationMarkers` for the chunks of a live call (a `ChunkFilter`)."""

    def __init__(self, markers: CitationMarkers) -> None:
        self._text = markers

    def push(self, chunk: AIMessageChunk) -> Sequence[AIMessageChunk]:
        """Filter the text of a chunk; parts that are not text pass unchanged."""
        if isinstance(chunk.content, str):
            return [_as_nacre(chunk, self._text.push(chunk.content))]
        content = list(chunk.content)
        for at, part in enumerate(content):
            if isinstance(part, dict) and part.get("type") == "text":
                content[at] = {**part, "text": self._text.push(part.get("text", ""))}
        return [_as_nacre(chunk, content)]

    def close(self) -> Sequence[AIMessageChunk]:
        """The stream has ended."""
        rest = self._text.close()
        return [AIMessageChunk(content=rest)] if rest else []


def _as_nacre(chunk: AIMessageChunk, content: object) -> AIMessageChunk:
    told = as_nacre_provider(chunk.response_metadata)
    return chunk.model_copy(update={"content": content, "response_metadata": told})


def as_nacre_provider(metadata: dict[str, object]) -> dict[str, object]:
    """Metadata under which LangChain asks our translator for the content blocks, and we ask the real provider's."""
    provider = metadata.get("model_provider")
    if provider is None or provider == "nacre":
        return metadata
    inside = metadata.get("nacre")
    own = {**(inside if isinstance(inside, dict) else {}), "model_provider": provider}
    return {**metadata, "model_provider": "nacre", "nacre": own}
