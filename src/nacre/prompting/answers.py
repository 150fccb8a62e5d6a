"""Where a reasoned reply says its answer, and when two answers are the same."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from langchain_core.messages import AIMessage, AIMessageChunk

from nacre.text.han import HAN
from nacre.text.messages import text_of
from nacre.text.numbers import NUMBER, digits

# "Answer: 7", "**Final answer:** 7", "答案：7", at the beginning of a line. What follows the colon is taken whole.
_MARKER = re.compile(
    r"^[ \t>#*-]*+(?:(?:so |thus |therefore,? )?(?:the )?(?:final )?answer(?: is)?"
    r"|(?:所以|因此)?[，, ]*(?:最终|最后的?)?答案(?:是|为)?)[ \t*]*[:：][\s*]*",
    re.IGNORECASE | re.MULTILINE,
)
_NUMBER = re.compile(rf"-?{NUMBER}(?:e[+-]?\d+)?")
_SCALES = {"万": Decimal(10_000), "亿": Decimal(100_000_000)}
# An answer with more words than this is a text that happens to hold a number.
_SHORT = 6
_WORD = re.compile(rf"[{HAN}]|[^\W\d_]+")


def split_answer(text: str) -> tuple[str, str]:
    """Part a reasoned reply into its reasoning and its answer.

    Returns:
        (reasoning, answer); without a marker such as "Answer:" or "答案：" the whole text is the answer.

    Example:
        >>> split_answer("3 + 4 = 7\\nAnswer: 7")
        ('3 + 4 = 7', '7')
        >>> split_answer("三加四等于七。\\n答案：7")
        ('三加四等于七。', '7')
    """
    marker = _MARKER.search(text)
    if marker is None or not (answer := _without_tail(text[marker.end() :])):
        return "", text
    return text[: marker.start()].strip(), answer


def _without_tail(text: str) -> str:
    """Without white space and asterisks at the end."""
    end = len(text)
    while end and (text[end - 1].isspace() or text[end - 1] == "*"):
        end -= 1
    return text[:end]


class AnswerOnly:
    """Shows of a live reply what `split_answer` calls its answer, as it comes."""

    def __init__(self) -> None:
        self._text = ""
        self._shown = 0

    def push(self, chunk: AIMessageChunk) -> Sequence[AIMessageChunk]:
        """Take a chunk in: the part of it that belongs to the answer; blanks and asterisks wait for what follows them.
        Of content in parts (images, reasoning blocks) nothing is shown before the end, or the parts would change their
        order.
        """
        if not isinstance(chunk.content, str):
            return [chunk.model_copy(update={"content": []})]
        self._text += chunk.content
        marker = _MARKER.search(self._text)
        answer = _without_tail(self._text[marker.end() :]) if marker else ""
        new, self._shown = answer[self._shown :], len(answer)
        return [chunk.model_copy(update={"content": new})]

    def close(self) -> Sequence[AIMessageChunk]:
        """The reply has ended."""
        return []


def answer_key(text: str) -> str:
    """What two answers must have in common to count as the same.

    A short answer that holds one number is that number, whatever words stand around it.

    Example:
        >>> answer_key("Answer: $1,000") == answer_key("答案：一共 1000.0 元")
        True
    """
    plain = unicodedata.normalize("NFKC", split_answer(text)[1]).casefold().strip()
    numbers = list(_NUMBER.finditer(plain))
    if len(numbers) == 1 and len(_WORD.findall(_NUMBER.sub("", plain))) <= _SHORT:
        return _number_key(numbers[0], plain)
    return " ".join(re.findall(r"[\w%]+", plain)) or plain


def reply_key(reply: AIMessage) -> str:
    """The same for whole replies: tool calls are compared by name and arguments, other replies by their text."""
    if reply.tool_calls:
        calls = [[call["name"], call["args"]] for call in reply.tool_calls]
        return json.dumps(calls, sort_keys=True, ensure_ascii=False, default=str)
    return answer_key(text_of(reply))


def _number_key(match: re.Match[str], plain: str) -> str:
    after = plain[match.end() :].lstrip()
    try:
        value = Decimal(digits(match[0])) * _SCALES.get(after[:1], Decimal(1))
    except InvalidOperation:
        return plain
    key = "0" if not value else format(value.normalize(), "f")
    return key + ("%" if after.startswith("%") else "")
