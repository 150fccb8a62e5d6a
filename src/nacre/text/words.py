"""Words and sentences of English and Chinese text: what lexical search, quotes and metrics count.

`words` makes index terms: NFKC, case folded, accents dropped, Chinese in simplified characters cut into dictionary
words and the shorter words inside them, kana, Hangul and Thai in pairs, identifiers (GB/T 22239-2019, v3.9.1, ERR_404,
a@b.cn) kept whole, in parts *and* without their hyphens, English inflections stemmed lightly. Query and document must
go through the same function.

`sentences` gives spans, so that a quoted sentence is `text[start:end]` and never a copy that drifted.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterator

from nacre.text.han import EMOJI, HAN, HANGUL, KANA, SPACELESS
from nacre.text.tables import ROW, bare
from nacre.text.variants import simplified
from nacre.text.vocabulary import compiled, vocabulary

# A standard's number is one name though written with a space: GB/T 22239-2019, ISO 9001:2015, RFC 2616.
_STANDARD = re.compile(r"\b[A-Z]{2,6}(?:/[A-Z]{1,5}){0,3} ?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{2,})(?:\.\d+)*(?:[-:]\d+)*\b")
_DASHES = dict.fromkeys([0x2010, 0x2011, 0x2012, 0x2013, 0x2212], "-")  # what offices make of the hyphen of E-1042
_TIMES = re.compile(r"(?<=\d)[×*](?=\d)")  # M8×40, m8*40 for M8x40
_LETTER = rf"[^\W_{HAN}{KANA}{HANGUL}{SPACELESS}]"
_PIECE = re.compile(
    rf"(?P<han>[{HAN}]+)|(?P<kana>[{KANA}]+|[{SPACELESS}]+)|(?P<hangul>[{HANGUL}]+)|(?P<emoji>[{EMOJI}])"
    rf"|(?P<latin>{_LETTER}+(?:[._/@+#:&'’\-,]+{_LETTER}+)*(?:\+\+|#)?)"
)
_AFTER_DAYS = re.compile("(?<=天)(?=年假|年休|陪产|调休)")
# What Korean writes behind a noun of two syllables or more: topic, subject, object, place, direction, "is". Many nouns
# end like a particle (유급휴가, 정기회의), so from a longer run only what is nothing else is taken.
_PARTICLE = re.compile(
    "(?<=..)(?:에서는|에서|에게|부터|까지|으로|이라고|라고|입니다|이다|이란|는|을|를)$"
    "|(?<=^..)(?:은|이|가|의|에|로|와|과|도|만)$"
)
_OBJECT = re.compile("(?<=^.)[을를는]$")  # behind a noun of one syllable, which stands as a word too (책을, 책)
_JOINT = re.compile(r"[._/@+#:&'’\-,]+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_THOUSANDS = re.compile(r"(?<![\d.,'’])\d{1,3}(?:[,'’]\d{3})+(?![\d,'’])")
_SIDES = re.compile(r"(?<=\d)(?<!^0)x(?=\d)")  # no 0x40
_ZEROS = re.compile(r"(\d+(?:\.\d*[1-9])?)\.?0+")  # behind a decimal point
_HYPHEN, _NO_HYPHEN = re.compile(r"[-_]+"), re.compile(r"[./@+#:&'’,]+")
_JOINED_AT_MOST = 3  # parts: Wi-Fi-6, but no sentence of hyphens
_VERSION = re.compile(r"v(\d+(?:\.\d+)+)")
_IDENTIFIER = re.compile(r"[^\W\d_][\W_]*\d|\d[\W_]*[^\W\d_]|^\d+(?:[./-]\d+){2,}$|^\d{5,}(?<!00)$")
_YEAR, _DAY = r"(?:19|20)\d\d", r"\d\d?[./-]\d\d?"
_NO_IDENTIFIER = re.compile(
    rf"\d+(?:[.,]\d+)*[\W_]*[^\W\d_]+(?:[-_][^\W\d_]+)*|(?:[a-z]+[ -])?{_YEAR}s?"
    r"|[fc]y[ -]?(?:19|20)?\d\d(?:[ -]?[qh]\d)?|(?:ad|b?ce|bc)[ -]?\d+"
    rf"|[qh]\d(?:[ -]?{_YEAR})?|{_YEAR}[./-]{_DAY}|{_DAY}[./-]{_YEAR}"
)
_LETTERS_DIGITS = re.compile(r"[^\W\d_]+|\d+")
# The number of an order or a telephone, no date and no years from to.
_CALLED = re.compile(rf"(?=(?:-?\d){{7,16}}$)(?!{_YEAR}-{_DAY}$|{_DAY}-{_YEAR}$|\d{{4}}-\d{{4}}$)\d+(?:-\d+){{1,4}}")


def words(text: str) -> list[str]:
    """The index terms of a text, in order; a whole identifier is followed by its parts.

    Examples:
        >>> words("Returns are accepted, see GB/T 22239-2019")
        ['return', 'are', 'accept', 'see', 'gb/t22239-2019', 'gb', 't', '22239', '2019']
        >>> words("信息安全")
        ['信息', '安全', '信息安全']
    """
    return [term for term, _ in located_words(unicodedata.normalize("NFKC", text))]


def located_words(text: str) -> list[tuple[str, int]]:
    """The index terms of a text in the order of `words`, each with the offset where it, or its identifier, begins."""
    found: list[tuple[str, int]] = []
    at, text = 0, _with_plain_signs(text)
    for standard in _STANDARD.finditer(text):
        found.extend(_terms(text, at, standard.start()))
        whole = standard.group().replace(" ", "").replace(",", "").casefold()
        found.extend((part, standard.start()) for part in dict.fromkeys([whole, *_LETTERS_DIGITS.findall(whole)]))
        at = standard.end()
    found.extend(_terms(text, at, len(text)))
    return found


def only_names(text: str) -> bool:
    """Whether a text is made of numbers, identifiers and pictures alone, which every writing has.

    Example:
        >>> only_names("E-1042, 5000"), only_names("error E-1042")
        (True, False)
    """
    pieces = list(_PIECE.finditer(unicodedata.normalize("NFKC", text)))
    return bool(pieces) and all(one.lastgroup == "emoji" or any(map(str.isdigit, one.group())) for one in pieces)


def identifiers(text: str) -> Iterator[list[str]]:
    """The part numbers, codes, clauses and versions in a text by their index terms, the whole of each first. Years,
    dates, ordinals, round numbers and those with a unit are none.

    Example:
        >>> list(identifiers("Is E1042 (v2.14) shown since FY2022 for 10kg, and 3rd, by 4.3.2?"))
        [['e1042'], ['v2.14', '2.14'], ['4.3.2']]
    """
    text, at = _with_plain_signs(unicodedata.normalize("NFKC", text)), 0
    for standard in (*_STANDARD.finditer(text), None):
        begin, end = standard.span() if standard else (len(text), len(text))
        runs = (piece["latin"] or "" for piece in _PIECE.finditer(text, at, begin))
        for run in itertools.chain(runs, [text[begin:end]]):
            if _IDENTIFIER.search(run) and not _NO_IDENTIFIER.fullmatch(run.casefold()):
                yield words(run)
        at = end


def _with_plain_signs(text: str) -> str:
    """With one hyphen, and one sign for "times", each where it stood."""
    return _TIMES.sub("x", text.translate(_DASHES))


def _terms(text: str, start: int, end: int) -> Iterator[tuple[str, int]]:
    for piece in _PIECE.finditer(text, start, end):
        run, at = piece.group(), piece.start()
        if piece.lastgroup == "han":
            yield from ((word, at + begin) for word, begin, _ in _cut(run))
        elif piece.lastgroup == "emoji":
            yield run, at
        elif piece.lastgroup in ("kana", "hangul"):
            if piece.lastgroup == "hangul":
                if _OBJECT.search(run):
                    yield run[0], at
                run = _PARTICLE.sub("", run)
            yield from ((run[i : i + 2], at + i) for i in range(max(1, len(run) - 1)))
        elif run.isascii() and run.isalpha():  # most of English, the short way
            yield stem(run.casefold()), at
        else:
            yield from ((term, at) for term in _latin(run.casefold()))


def _cut(run: str) -> list[tuple[str, int, int]]:
    import rjieba

    run = simplified(run)
    # The dictionary lacks some kinds of leave and cuts 多少天年假 (how many days of annual leave) into 天年 and 假.
    parts = _AFTER_DAYS.split(run)
    found: list[tuple[str, int, int]] = []
    at = 0
    for part in parts:
        found.extend((word, at + begin, at + end) for word, begin, end in rjieba.tokenize(part, "search", True))
        at += len(part)
    return found


def _latin(run: str) -> Iterator[str]:
    """One run of letters and digits with joints inside: a word, a number, or an identifier and its parts."""
    run = _THOUSANDS.sub(lambda number: re.sub("[,'’]", "", number[0]), _plain(run))
    parts = [part for part in _JOINT.split(run) if part]
    if len(parts) == 1 or _NUMBER.fullmatch(run):
        yield from _number(run)
        yield from _SIDES.split(run) if _SIDES.search(run) else ()
        return
    if any(joint in run for joint in "'’") and not any(joint in run for joint in "._/@+#:&-,"):
        yield stem(parts[0]) if parts[-1] in ("s", "") else "".join(parts)
        return
    if "," not in run:
        yield run
    version = _VERSION.fullmatch(run)
    if version:
        yield version.group(1)
        return
    yield from (stem(part) for part in parts)
    yield from _joined(run)


def _number(run: str) -> Iterator[str]:
    """A number as it stands and, behind a point, without the zeros at its end; a single word stemmed."""
    yield stem(run)
    if run.count(".") == 1 and (short := _ZEROS.fullmatch(run)):
        yield short[1]


def _joined(run: str) -> Iterator[str]:
    """The identifiers in a run as those write them who leave the hyphen out: zx9000 for ZX-9000/B."""
    for name in _NO_HYPHEN.split(run):
        parts = [part for part in _HYPHEN.split(name) if part]
        digits = all(part.isdigit() for part in parts)
        if _CALLED.fullmatch(name) if digits else 1 < len(parts) <= _JOINED_AT_MOST:
            yield "".join(parts)


@functools.lru_cache(maxsize=65536)
def _plain(run: str) -> str:
    """Without accents, so that `Beyonce` finds `Beyoncé`."""
    if run.isascii():
        return run
    bare = "".join(c for c in unicodedata.normalize("NFD", run) if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", bare)


_VOWEL = re.compile(r"[aeiouy]")


@functools.lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """The word without its English inflection: plural, third person, past, -ing, adverbial -ly.

    The first steps of Porter's algorithm (1980); derivations (-ation, -ness) are left, they change the meaning.

    Example:
        >>> [stem(w) for w in ("policies", "running", "used", "class", "3g")]
        ['polici', 'run', 'use', 'class', '3g']
    """
    if len(word) < 4 or not (word.isascii() and word.isalpha()):
        return word
    if word.endswith("sses") or word.endswith("ies"):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ingly", "edly", "ing", "ed"):
        root = word[: -len(ending)]
        if word.endswith(ending) and len(root) >= 2 and _VOWEL.search(root):
            word = _mended(root)
            break
    if word.endswith(("ly", "li")) and len(word) > 5:  # what is left of "families" and "supplied", as of "family"
        word = word[:-2]
    if word.endswith("y") and len(word) > 3 and word[-2] not in "aeiou":
        word = word[:-1] + "i"
    if word.endswith("e") and len(word) > 4:
        word = word[:-1]
    return word


def _mended(root: str) -> str:
    """hopp(ing) → hop, us(ed) → use."""
    if len(root) > 3 and root[-1] == root[-2] and root[-1] not in "lszaeiou":
        return root[:-1]
    if root.endswith(("at", "bl", "iz")) or (len(root) <= 3 and root[-1] not in "aeiouwxy" and root[-2] in "aeiou"):
        return root + "e"
    return root


# -------------------------------------------------------------------------------------------------------- sentences

_CLOSERS = "”’\"'」』】）)》〉］\\]}*"
# The look-behind keeps a run of ten thousand dots linear.
_END = re.compile(rf"[。！？；｡…]+[{_CLOSERS}]*|(?<![.!?])[.!?]++[{_CLOSERS}]*+(?=\s|$|[{HAN}])")
_ITEM = re.compile(
    r"\s*(?:[-*+•·▪◦●○■–—]\s|\(?\d{1,3}[.)、．]\s?|[（(][一二三四五六七八九十\d]{1,3}[)）]|[一二三四五六七八九十]{1,3}、|[a-zA-Z][.)]\s|#{1,6}\s|>\s|\||```)"
)
_BULLET_ONLY = re.compile(r"\s*(?:\(?\d{1,3}[.)]|[A-Za-z][.)])\s*$")
_WRAPPED = 50  # columns: a line this long and without an end goes on in the next line
_GAP = re.compile(r"\S(?: {3,}| ?\.{5,} ?)\S")  # between cells that spaces or dots part
_LEADER = re.compile(r"(?:\.{5,}|…{2,})$")  # from a name to its value: Tea ........ 3 euros


def sentences(text: str) -> list[tuple[int, int]]:
    """The sentences of a text as spans without white space at their ends; list items, headings and rows count too.

    A single line break inside a wrapped paragraph ends none; every visible character lies in one of them.

    Example:
        >>> text = "Dr. Lin pays 3.5 yuan. 他说：“好。”明天见！"
        >>> [text[start:end] for start, end in sentences(text)]
        ['Dr. Lin pays 3.5 yuan.', '他说：“好。”', '明天见！']
    """
    return [span for start, end in _paragraphs(text) for span in _split(text, start, end)]


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Lines, with the lines of a wrapped paragraph joined."""
    start = at = 0
    previous = ""
    for line in text.splitlines(keepends=True):
        if previous and not goes_on(previous, line):
            yield start, at
            start = at
        previous = line
        at += len(line)
    if at > start:
        yield start, at


def goes_on(line: str, following: str) -> bool:
    """Whether the paragraph of a line, which is wrapped, goes on in the one below."""
    bare = line.rstrip()
    if not following.strip() or _columns(bare) < _WRAPPED:
        return False
    if _ITEM.match(following) or ROW.match(following) or ROW.match(line) or _GAP.search(bare):
        return False
    return bare[-1] not in "。！？；!?:：" and not bare.lstrip().startswith("#")


def _columns(line: str) -> int:
    return len(line) if line.isascii() else sum(2 if c > "\u2e7f" else 1 for c in line)


def _split(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    if ROW.match(text, start, end):
        yield from _trimmed(text, start, end)
        return
    for mark in _END.finditer(text, start, end):
        if _ends(text, start, mark.end(), end):
            yield from _trimmed(text, start, mark.end())
            start = mark.end()
    yield from _trimmed(text, start, end)


def _ends(text: str, start: int, at: int, end: int) -> bool:
    """Whether the mark that ends at `at` ends a sentence that began at `start`."""
    before = text[max(start, at - 24) : at]
    following = text[at : min(end, at + 40)].lstrip()
    beginning = text[start : min(at, start + 200)]
    if _BULLET_ONLY.fullmatch(beginning) or not any(c.isalnum() for c in beginning):
        return False
    if _LEADER.search(before) and re.match(
        r"[ \t]*+(?:\w|[¥￥$€£])" if before[-1] == "." else r" ?[\d¥￥$€£]", text[at : at + 8]
    ):
        return False
    bare = before.rstrip(_CLOSERS.replace("\\", ""))
    if not bare.endswith("."):
        return True
    if following[:1].islower() or following[:1] in (",", ";", "，"):
        return False
    if re.match(rf"[{HAN}]", text[at : at + 1]):  # 卡万.肖特, 1.由于
        return False
    company_end, abbreviation = _with_full_stop()
    if company_end.search(bare) and following[:1].isupper():
        return True
    return not abbreviation.search(bare)


@functools.cache
def _with_full_stop() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What may end a sentence and what does not, though both end with a full stop; read when first asked."""
    data = vocabulary(__package__, "sentences")
    return compiled(data["company_end"], data["lists"], 0), compiled(data["abbreviation"], data["lists"], 0)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    start, end = bare(text, start, end)
    if start < end:
        yield start, end
