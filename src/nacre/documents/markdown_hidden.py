"""What is written into Markdown and shown to nobody: comments, and elements that their own style hides."""

from __future__ import annotations

import re

from nacre.documents.builder import Builder
from nacre.documents.html_looks import unseen_by_style

# Code first, for what stands in it is shown; then comments, of HTML and as a link that nothing refers to; then tags.
_PART = re.compile(
    r"""(?=[`~<\[])(?:
    (?:(?<=^)|(?<=^[ ])|(?<=^[ ]{2})|(?<=^[ ]{3}))
      (?:(?P<fence>`{3,}|~{3,})[^\n]*\n.*?(?:^[ ]{0,3}(?P=fence)[`~]*[ \t]*$|\Z)
        |(?P<note>\[(?://|comment|_)\]:[ \t]*(?:\#|<>)[^\n]*$))
    |(?<!`)(?P<tick>`++)(?:[^`\n]++|\n(?![ \t]*\n)|(?!(?P=tick)(?!`))`++){1,2000}+(?P=tick)(?!`)
    |(?P<comment><!--.*?(?:-->|\Z))
    |<(?P<tag>[A-Za-z][\w-]*)(?P<attributes>[^<>]*(?:hidden|style)[^<>]*)>)""",
    re.X | re.M | re.S | re.I,
)
_ANY = re.compile(r"<!--|\]:[ \t]*(?:#|<>)|<[A-Za-z][^<>]*(?:hidden|style)", re.I)
_STYLE = re.compile(r"""\bstyle\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.I)
_HIDDEN = re.compile(r"(?:^|\s)hidden(?=\s|=|/|$)", re.I)
_VOID = {"br", "hr", "img", "input", "link", "meta"}
_FAR = 20_000  # characters within which an element must end


def seen(text: str, out: Builder) -> str:
    """The text without what nobody sees; elements are told, comments are not."""
    if not _ANY.search(text):  # nearly always
        return text
    kept: list[str] = []
    at = 0
    while found := _PART.search(text, at):
        end, reason = found.end(), ""
        if found["tag"]:
            reason = _reason(found["attributes"])
            end = _end(text, found) if reason else end
        if found["comment"] or found["note"] or reason:
            kept.append(text[at : found.start()])
            if reason:
                out.hide(reason, re.sub(r"<[^>]*>", " ", text[found.start() : end]))
        else:
            kept.append(text[at:end])
        at = end
    return "".join(kept) + text[at:]


def _reason(attributes: str) -> str:
    if _HIDDEN.search(_STYLE.sub("", attributes)):
        return "hidden element"
    style = _STYLE.search(attributes)
    return unseen_by_style(style[1] or style[2] or "") if style else ""


def _end(text: str, opened: re.Match[str]) -> int:
    """Where an element ends, those of its name inside it counted."""
    tag = opened["tag"].lower()
    if tag in _VOID or opened["attributes"].endswith("/"):
        return opened.end()
    depth = 1
    for found in re.compile(rf"<(/?){tag}\b[^<>]*>", re.I).finditer(text, opened.end(), opened.end() + _FAR):
        depth += -1 if found[1] else 1
        if not depth:
            return found.end()
    return opened.end()
