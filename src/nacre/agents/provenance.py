"""Whether a call that changes something does what the user asked for, with values from where they pointed.

Two questions, both answered without a model and before a tool runs. Did the user's own words ask for such an act? What
they ask for is fixed before anything is read, so a text cannot add to it. And does every value come from the user, from
a field of a record, or, as the only one of its kind, from a text that the user named?
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

import yaml

from nacre.agents.approval import values_of

MIN_LENGTH = 4
_MOST = 200_000  # characters of an observation that are looked at
_FIELDS = 5_000
_READING = 20_000  # characters of an argument
_WORD = re.compile(r"[a-z]+|[\u4e00-\u9fff]+")
_PLAIN_NUMBER = re.compile(r"[-+]?\d{1,9}(?:\.\d{1,9})?|\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?")
_DIGITS = re.compile(r"[\d -]+")
_KINDS = (
    re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"),
    re.compile(r"(?:\w{2,12}://|www\.)[^\s\"'<>,]{1,500}"),
    re.compile(r"\b[A-Z]{2}\d{2}[A-Z0-9]{8,30}\b", re.IGNORECASE),
    re.compile(r"\b\d{5,30}\b"),
)
_VAGUE = frozenset({"send", "create", "add", "make", "update", "set", "get", "post"})
_CONTENT = frozenset({"subject", "body", "content", "description", "title", "message", "text", "note"})


@dataclass(frozen=True)
class Seen:
    """What a call brought back."""

    text: str  # as the model was shown it
    fields: frozenset[str] = frozenset()  # the values that are whole fields of it, folded; none of a plain text
    pointed: bool = False  # whether every value of the call was the user's own

    @cached_property
    def folded(self) -> str:
        """The text as it is compared."""
        return plain(self.text)


def seen_of(arguments: Any, text: str, result: Any, said: Iterable[str]) -> Seen:
    """What a call brought back, and whether the user's words pointed to it."""
    words = plain("\n".join(said))
    given = [plain(value) for value in values_of(arguments)]
    return Seen(text[:_MOST], frozenset(_fields(result)), bool(given) and all(value in words for value in given))


def doubtful(tool: str, arguments: dict[str, Any], said: Sequence[str], seen: Sequence[Seen]) -> tuple[str, ...]:
    """The values of a call that a person should look at; the tool's name where nobody asked for such an act."""
    if not seen:
        return ()
    words = plain("\n".join(said))
    if not asked_for(tool, words):  # every value that was read; or the act, where the user named no part of it
        others = [value for value in values_of(arguments) if plain(value) not in words]
        read = tuple(value for value in others if any(plain(value) in one.folded for one in seen))
        own = any(len(plain(value)) >= MIN_LENGTH for value in values_of(arguments) if value not in others)
        return read or (() if own else (tool,))
    found = {
        value: None
        for name, given in arguments.items()
        for value in _checked(name, given)
        if len(plain(value)) >= MIN_LENGTH and plain(value) not in words
    }
    whole = [plain(str(given)) for given in arguments.values()]
    return tuple(value for value in found if _unvouched(value, words, seen) and not _inside(plain(value), whole, seen))


def asked_for(tool: str, words: str) -> bool:
    """Whether a request names the act and the thing of a tool's name; a name of unknown words counts as asked for."""
    named, asked = set(_WORD.findall(tool.replace("_", " ").casefold())), words
    acts, things = _groups()
    said = set(_WORD.findall(asked))
    verb = _WORD.findall(tool.casefold())[:1]
    return bool(said & set(verb) - _VAGUE) or (_met(acts, set(verb), asked) and _met(things, named, asked))


def _met(groups: Sequence[frozenset[str]], named: set[str], asked: str) -> bool:
    mine = [group for group in groups if group & {*named, *(name.rstrip("s") for name in named)}]
    words = set(_WORD.findall(asked))
    stems = words | {word.rstrip("s") for word in words} | {word.removesuffix("ing") for word in words}
    return not mine or any(word in stems or (not word.isascii() and word in asked) for group in mine for word in group)


@cache
def _groups() -> tuple[tuple[frozenset[str], ...], tuple[frozenset[str], ...]]:
    table = yaml.safe_load((files("nacre.agents") / "licence.yaml").read_text("utf-8"))
    return tuple(map(frozenset, table["acts"])), tuple(map(frozenset, table["things"]))


def _checked(name: str, given: Any) -> list[str]:
    """The values of an argument that could lead somewhere: of a text that is only read, what it addresses."""
    if name in _CONTENT and isinstance(given, str):
        return [match[0] for kind in _KINDS for match in kind.finditer(given[:_READING])]
    if isinstance(given, list | tuple):
        return [value for one in given for value in _checked(name, one)]
    if any(kind.fullmatch(str(given)) for kind in _KINDS):
        return [str(given)]  # an address is one value, whatever numbers are in it
    return [value for value in values_of(given) if not _PLAIN_NUMBER.fullmatch(value.strip())]


def _unvouched(value: str, words: str, seen: Sequence[Seen]) -> bool:
    """Whether a value stands in retrieved text and nothing vouches for it."""
    folded = plain(value)
    where = [one for one in seen if folded in one.folded]
    if not where or any(folded in one.fields for one in where):
        return False
    return not any(one.pointed and _only_one(value, words, one.text) for one in where)


def _inside(value: str, whole: Sequence[str], seen: Sequence[Seen]) -> bool:
    """Whether a number is part of a field, "75002" of an address, that stands in the call as a whole."""
    if not _DIGITS.fullmatch(value):
        return False
    around = (text for one in seen for text in one.fields if value in text)
    return any(text in given for text in around for given in whole)


def _only_one(value: str, words: str, text: str) -> bool:
    """Whether a value is the only one of its kind in a text, beside those that the user wrote."""
    for kind in _KINDS:
        if kind.fullmatch(value):
            found = {plain(match[0]).rstrip(".") for match in kind.finditer(text)}
            return len({one for one in found if one not in words}) == 1
    return False


def _fields(result: Any) -> list[str]:
    """The leaves of structured data; a plain text has none."""
    pending: list[Any] = [_read(result)]
    out: list[str] = []
    if isinstance(pending[0], str):
        return out
    while pending and len(out) < _FIELDS:
        one = pending.pop()
        if hasattr(one, "model_dump"):
            one = one.model_dump()
        if isinstance(one, dict):
            pending += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set):
            pending += one
        elif one is not None and not isinstance(one, bool):
            out.append(plain(str(one)))
    return out


def _read(result: Any) -> Any:
    """A result, or the data that its text is."""
    if isinstance(result, str) and result[:1] in "{[":
        with suppress(ValueError, RecursionError):
            return json.loads(result[:_MOST])
    return result


def plain(text: str) -> str:
    """A text as it is compared: folded, with single spaces."""
    return " ".join(text.casefold().split())
