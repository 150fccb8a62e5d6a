"""Find the program in what a model wrote. Only lines are looked at: foreign code is never parsed in this process."""

from __future__ import annotations

import html
import re

from nacre.text.lenient_json import last_object
from nacre.text.reasoning import split_reasoning

_FENCE = re.compile(r"^(?P<indent>[ \t>]*)(?P<mark>`{3,}|~{3,})[ \t]*(?P<tag>[\w.+#-]*)[^\n]*$", re.MULTILINE)
_IN_LINE = re.compile(r"^[ \t>]*(?P<mark>`{3,})(?:python3?|py)[ \t]+(?P<code>[^\n`]+)(?P=mark)[ \t]*$", re.MULTILINE)
_TAGS = ("python", "py", "python3", "python2", "ipython", "tool_code", "code", "sandbox", "")
_PROMPT = re.compile(r"^(?:>>>|\.\.\.)(?: |$)", re.MULTILINE)
_TAGGED = re.compile(
    r"<(code|execute|python|tool_code|program)(?:\s[^<>\n]{1,60})?>(.*?)(?:</\1\b>?|\Z)", re.DOTALL | re.IGNORECASE
)
_CODE_KEYS = ("code", "program", "python", "script")
_INVISIBLE = str.maketrans({"\u00a0": " ", "\u3000": " ", "\u200b": None, "\ufeff": None, "\u2060": None})
_ARGUMENT_KEYS = ("arguments", "parameters", "args", "input")
_MAGIC = re.compile(r"^(?:%{1,2}[a-z]|!\s?(?:pip|conda|apt|python)\b)[^\n]*$", re.MULTILINE)  # of a notebook
_QUOTES = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'"})
_KEYWORD = r"(?:def|class|async def|if|elif|while|for|with|try|except|finally|else|match|case)\b.*:\s*(?:#.*)?$"
_STATEMENT = (
    r"(?:import \w|from \w[\w.]* import |return\b|raise\b|assert\b|"
    r"global\b|del |pass$|break$|continue$|print [\"']|>>> |@\w|#)"
)
_ASSIGNMENT = (
    r"[A-Za-z_]\w*(?:\s*,\s*[A-Za-z_]\w*|\[[^\]]*\]|\.\w+)*\s*(?::\s*[\w\[\], |.]+)?(?:[-+*/%|&^]|//|\*\*)?=(?!=)\s*\S"
)
_CALL = r"[A-Za-z_][\w.]*\(.*\)\s*(?:#.*)?$"
_CODE_LINE = re.compile(rf"^(?:{_KEYWORD}|{_STATEMENT}|{_ASSIGNMENT}|{_CALL}|[\])}}]+[,)]*\s*$)")
_OPERAND = r"[-+(]*[\w.]+(?:\([^()]*\))?\)*"
_EXPRESSION = re.compile(rf"^(?=.*\d){_OPERAND}(?:\s*(?:\*\*|//|[-+*/%])\s*{_OPERAND})+\s*$")
_LONGEST_LINE = 2000
_NEAR = 200  # lines above that may set a name
_DEFINES_SOLUTION = re.compile(r"^[ \t]*+def\s+solution\s*\(", re.MULTILINE)


def program_in(text: str) -> str | None:
    """The program in a model's reply.

    Example:
        >>> program_in("Let me see:\\n```python\\nans = 6 * 7\\n```\\nSo it is 42.")
        'ans = 6 * 7'
        >>> program_in("It is 42.") is None
        True
    """
    text = split_reasoning(text)[0].translate(_INVISIBLE).replace("\r\n", "\n").replace("\r", "\n")
    blocks = [block for block in fenced_blocks(text) if block.strip()]
    if not blocks:
        found = _tagged(text) or _in_object(text) or _bare(text)
        blocks = [found] if found else []
    return _cleaned(_chosen(blocks)) if blocks else None


def fenced_blocks(text: str) -> list[str]:
    """The contents of all code fences that can hold Python; one that is never closed ends with the text."""
    blocks, at = [], 0
    text = _IN_LINE.sub(lambda found: f"{found['mark']}python\n{found['code'].strip()}\n{found['mark']}", text)
    while opening := _FENCE.search(text, at):
        start = opening.end() + 1
        closing = re.compile(
            rf"^[ \t>]*{opening['mark'][0]}{{{len(opening['mark'])},}}[ \t]*(?:<[^>\n]{{1,20}}>?)?[ \t]*$", re.MULTILINE
        ).search(text, start)
        end = closing.start() if closing else len(text)
        at = closing.end() if closing else len(text)
        if opening["tag"].lower() in _TAGS:
            # A fence in a list or a quotation carries the same margin on every line.
            code = text[start:end].rstrip("\n")
            lines = (code if closing else code.rstrip().removesuffix(opening["mark"])).split("\n")
            blocks.append("\n".join(line.removeprefix(opening["indent"]) for line in lines))
    return blocks


def _tagged(text: str) -> str:
    """The content of `<code>…</code>` and its like, closed or not; HTML's own writing is undone."""
    found = _TAGGED.findall(text)
    return "\n".join(html.unescape(code.strip("\n")) for _, code in found).strip()


def _in_object(text: str) -> str:
    """The program in `{"code": "…"}`, also as the argument of a call."""
    if '"' not in text or not any(f'"{key}"' in text for key in _CODE_KEYS):
        return ""
    found = last_object(text)
    inside = [given for key in _ARGUMENT_KEYS if isinstance(given := found.get(key), dict)]
    return next((code for one in (*inside, found) for key in _CODE_KEYS if isinstance(code := one.get(key), str)), "")


def _chosen(blocks: list[str]) -> str:
    """One program of several blocks: the last whole solution, else all of them as one after the other."""
    defining = [block for block in blocks if _DEFINES_SOLUTION.search(block)]
    if len(defining) > 1:
        return defining[-1]
    return "\n".join(blocks)


def _bare(text: str) -> str:
    """The longest run of lines that look like code."""
    best: list[str] = []
    run: list[str] = []
    most = depth = 0
    for line in [*_dedented(text).split("\n"), "END"]:
        if depth > 0 or (run and _goes_on(line, run)) or _is_code(line):
            run.append(line)
            depth = max(0, depth + sum(line.count(mark) for mark in "([{") - sum(line.count(mark) for mark in ")]}"))
            continue
        if (weight := _weight(run)) > most:
            best, most = run, weight
        run, depth = [], 0
    best = run if _weight(run) > most else best
    return "\n".join(best)


def _goes_on(line: str, run: list[str]) -> bool:
    """Whether a line that says nothing by itself belongs to the code above: blank, indented, or a name set there."""
    named = line.isidentifier() and any(above.startswith(line) for above in run[-_NEAR:])
    return named or not line.strip() or line[:1] in " \t"


def _is_code(line: str) -> bool:
    return len(line) <= _LONGEST_LINE and bool(_CODE_LINE.match(line) or _EXPRESSION.match(line))


def _weight(lines: list[str]) -> int:
    said = (line for line in lines if line.strip() and not line.lstrip().startswith("#"))
    return sum(_is_code(line) or line[:1] in " \t" for line in said)


def _cleaned(code: str) -> str:
    if _PROMPT.search(code):
        shown = [line for line in code.split("\n") if _PROMPT.match(line)]
        code = "\n".join(_PROMPT.sub("", line) for line in shown)
    code = _MAGIC.sub("", _dedented(code))
    if not any(mark in code for mark in "\"'"):
        code = code.translate(_QUOTES)  # a word processor's quotes, and no others
    return code.strip("\n")


def _dedented(code: str) -> str:
    """Without a margin that all lines share. (textwrap.dedent also blanks lines inside strings, which is code.)"""
    margins = [len(line) - len(line.lstrip(" \t")) for line in code.split("\n") if line.strip()]
    cut = min(margins, default=0)
    return "\n".join(line[cut:] if line.strip() else "" for line in code.split("\n"))
