"""What of a page is none of its content: navigation, notices, feet and lists of links, told by what they are.

A tag or a role says it, a name (`class`, `id`) together with many links, or the links alone, where hardly another word
stands between them. A page that is hardly more than that keeps all of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

from nacre.documents.lists import word_list

_DROPPED = frozenset(word_list("html-dropped"))
_ROLES = frozenset(word_list("html-furniture-roles"))
_NAMES = frozenset(word_list("html-furniture-names"))
_RELATED = frozenset(word_list("html-related"))
_TAGS = frozenset(("nav", "footer", "aside", "header"))
_APART = frozenset(("banner", "contentinfo", "complementary"))
_NAMED = ("cookie", "consent", "gdpr", "dsgvo", "breadcrumb")
_PATHS = frozenset(("breadcrumb", "breadcrumbs"))
_TOLD = ",".join(["[role]", *(f'[{name}*="{word}" i]' for name in ("class", "id") for word in _NAMED)])
_HOLDERS = frozenset(("div", "section", "ul", "ol", "menu", "dl", "p", "table", "td", "center", "form"))
_WORD = re.compile(r"[a-z]+")  # of names in lower case, of which "siteNav" is two
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_CONSENT = frozenset(word_list("html-consent"))
_NOTICES = frozenset(word_list("html-notices"))
_PARTED = re.compile(r"[|·•›»>/→←‹«\s]+")
_WIDE = re.compile("[\u2e80-\U0010ffff]")
_WORDS = re.compile(r"[^\W_]+")
_HEADING = re.compile(r"h[1-6]")
_LINKS = 3
_MANY, _MOST = 0.5, 0.8  # shares of words in links: under a name that says it, by itself
_CONTACT = re.compile(r"\s*(?:tel|sms|mailto):[^?]", re.IGNORECASE)
_PRICE = re.compile(r"[€$£¥￥]\s?\d|\d\s?(?:[€£¥￥元円]|(?:EUR|USD|GBP|CNY|RMB|kr)\b)")
_LABEL = 24  # characters of a paragraph that is the heading of a list
_SHORT = 8  # words of a link that leads somewhere; one of more is a sentence
_NOTICE, _SKIP = 80, 6  # words of a notice with a button, of a link to another place of the page
_CONTENT, _PROSE = 12, 0.1  # characters of real content, and how many to one of the lists of links


@dataclass(slots=True)
class _Held:
    """An element and what it holds: characters outside links and headings, in headings, in links, words of links, and
    the numbers of links, links within the page, buttons, main headings, prices, cells and cells that name others.
    """

    node: Any
    tag: str
    above: int
    own: bool  # within what the page says is its own content
    prose: int = 0
    headed: int = 0
    linked: int = 0
    words: int = 0
    links: int = 0
    inner: int = 0
    buttons: int = 0
    mains: int = 0
    prices: int = 0
    cells: int = 0
    heads: int = 0

    def take(self, other: _Held) -> None:
        self.prose += other.prose
        self.headed += other.headed
        self.linked += other.linked
        self.words += other.words
        self.links += other.links
        self.inner += other.inner
        self.buttons += other.buttons
        self.mains += other.mains
        self.prices += other.prices
        self.cells += other.cells
        self.heads += other.heads

    def leads(self, share: float) -> bool:
        """Whether it leads elsewhere: so much of it stands in links, which say a few words each, and it is no table of
        data and no list of things with their prices.
        """
        if 0 < self.links <= max(2 * self.prices, self.cells * bool(self.heads)):
            return False
        return self.linked >= share * (self.linked + self.prose) and 0 < self.words <= _SHORT * self.links


def furniture(root: Any) -> frozenset[int]:
    """The elements of a page (their `mem_id`) that are no content, the outermost ones."""
    page = _elements(root)
    named = {node.mem_id for node in root.css(_TOLD)}
    titles = ((root.parent or root).css_first(tag) for tag in ("title", "h1"))
    title = " ".join(node.text() or "" for node in titles if node is not None)
    baked = "cookie" in title.casefold()  # what the page is about is no notice on it
    said = _outermost(page, lambda one: _is_marked(one, named, baked))
    rest = page[0].prose - sum(page[at].prose for at in said)
    if rest < _CONTENT:
        # A table of contents of a book has a page to itself.
        return frozenset(page[at].node.mem_id for at in said if "epub:type" in page[at].node.attributes)
    known = set(said)
    lists = [at for at in _outermost(page, _is_list, known) if at not in known]
    prose, linked = sum(page[at].prose for at in lists), sum(page[at].linked for at in lists)
    if rest - prose < max(_CONTENT, _PROSE * linked):
        lists = []
    above = (_beside(page[at].node, -1) for at in lists if _is_last(page[at].node))
    headings = (one.mem_id for one in above if one is not None and _HEADING.fullmatch(one.tag))
    return frozenset((*(page[at].node.mem_id for at in (*said, *lists)), *headings))


def _elements(root: Any) -> list[_Held]:
    """The elements in the order of the page, each with what it holds."""
    # A number or an address to write to is told by its link: it leads nowhere else.
    links = {node.mem_id for node in root.css("a[href]") if not _CONTACT.match(node.attributes["href"] or "")}
    inner = {node.mem_id for node in root.css('a[href^="#"]')}
    buttons = {node.mem_id for node in root.css('button,[role="button"]')}
    mains = {node.mem_id for node in root.css('h1,main,[role="main"]')}
    own = {node.mem_id for node in root.css('main,article,[role="main"]')}
    page: list[_Held] = []
    stack: list[tuple[Any, int, bool, bool]] = [(root, -1, False, False)]
    while stack:
        node, above, link, heading = stack.pop()
        tag, me = node.tag, node.mem_id
        if tag in _DROPPED or tag[0] == "-":
            continue
        held = _Held(node, tag, above, me in own or (above >= 0 and page[above].own))
        held.links, held.inner, held.buttons, held.mains = me in links, me in inner, me in buttons, me in mains
        held.cells, held.heads = tag in ("td", "th"), tag == "th"
        link, heading, at = link or me in links, heading or bool(_HEADING.fullmatch(tag)), len(page)
        page.append(held)
        for child in node.iter(include_text=True):
            if child.tag == "-text":
                _read(held, child.text_content, link, heading)
            else:
                stack.append((child, at, link, heading))
    for held in reversed(page[1:]):
        page[held.above].take(held)
    return page


def _read(held: _Held, text: str, link: bool, heading: bool) -> None:
    said = _PARTED.sub("", text)
    held.prices += sum(1 for _ in _PRICE.finditer(text))
    size = len(said) if said.isascii() else len(said) + len(_WIDE.findall(said))  # a Chinese character is half a word
    if link:
        held.linked += size
        held.words += len(text.split())
    elif heading:
        held.headed += size
    else:
        held.prose += size


def _outermost(page: list[_Held], told: Callable[[_Held], bool], known: Container[int] = ()) -> list[int]:
    """The outermost elements of which something is told or known."""
    inside = bytearray(len(page))
    found = []
    for at, held in enumerate(page[1:], 1):
        if inside[held.above]:
            inside[at] = 1
        elif at in known or told(held):
            inside[at] = 1
            found.append(at)
    return found


def _is_marked(held: _Held, named: Container[int], baked: bool) -> bool:
    """Whether a tag, a role or a name says that an element is no content.

    Args:
        baked: whether the page is about cookies.
    """
    tag, node = held.tag, held.node
    if held.mains or not (held.links > 1 or held.buttons or tag in _TAGS or node.mem_id in named):
        return False
    attributes = node.attributes
    role = attributes.get("role") or ""
    if tag == "nav" or role in _ROLES:
        return True
    if tag in _TAGS or role in _APART:
        own = held.own or (tag == "aside" and _is_led_up_to(node))  # beside its paragraphs is a note on them
        apart = not own and (tag != "header" or not held.headed)
        return apart or (tag == "aside" and held.leads(_MANY))
    if tag not in _HOLDERS:
        return False
    name = _HUMP.sub(" ", f"{attributes.get('class') or ''} {attributes.get('id') or ''}"[:400]).lower()
    words = set(_WORD.findall(name))
    if not (held.own or baked or held.prices) and held.words + held.prose // 5 <= _NOTICE:
        if words & _CONSENT and (words & _NOTICES or held.buttons or held.links):
            return True
        if held.buttons and "cookie" in (node.text() or "").casefold():
            return True
    if words & _PATHS:
        return held.links > 0
    return bool(words & _NAMES) and held.links > 1 and held.leads(_MANY)


def _is_list(held: _Held) -> bool:
    """Whether an element is a list of links that no sentence before it leads up to, or one that skips over some."""
    node = held.node
    if held.tag == "a":
        return bool(held.inner) and held.words <= _SKIP and held.above == 0
    if held.links < _LINKS or held.mains or held.tag not in _HOLDERS or not held.leads(_MOST):
        return False
    if held.inner == held.links or _is_row(node, held):
        return True
    above = _beside(node, -1)
    if above is not None and (_HEADING.fullmatch(above.tag) or above.tag == "p"):
        label = (above.text() or "").strip()
        if (above.tag != "p" or len(label) <= _LABEL) and _says_related(label):
            return True
    return not held.own and not _is_led_up_to(node)


def _is_row(node: Any, held: _Held) -> bool:
    """Whether links stand in a row with signs between them: "Back | Up | Next"."""
    between = "".join(part.text_content for part in node.iter(include_text=True) if part.tag == "-text")
    return held.prose == 0 and bool(between.strip()) and held.words <= 3 * held.links


def _says_related(text: str) -> bool:
    said = text[:60].casefold()
    return not _RELATED.isdisjoint(_WORDS.findall(said)) or any(one in said for one in _RELATED if one > "\u2e7f")


def _is_led_up_to(node: Any) -> bool:
    """Whether a paragraph of the same part of the page stands anywhere before an element."""
    at, looked = node.prev, 0
    while at is not None and looked < 200:
        if at.tag == "p" or (at.tag == "-text" and len(at.text_content.strip()) >= _CONTENT):
            return True
        at, looked = at.prev, looked + 1
    return False


def _beside(node: Any, step: int) -> Any:
    """The element before or after one, if nothing stands between."""
    at = node.prev if step < 0 else node.next
    while at is not None and at.tag[0] == "-" and not (at.tag == "-text" and at.text_content.strip()):
        at = at.prev if step < 0 else at.next
    return at


def _is_last(node: Any) -> bool:
    below = _beside(node, 1)
    return below is None or bool(_HEADING.fullmatch(below.tag))
