"""Where a passage stands, for people and for models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from nacre.text.words import words
from nacre.text.writing import writing_of

_NAME = 80  # characters of a file's name
_CODE = re.compile(r"(?=\w*\d)(?=\w*[^\W\d])\w{16,}")  # a digest or a key, which nobody asks by
_YEAR = re.compile(r"\d{4,}")  # or another number that is more than a place in a row
_LETTER = re.compile(r"[^\W\d_]")


def title_path(title: object, heading: Sequence[object]) -> str:
    """ "Handbook › Leave › Parents": a document's title and the headings around a passage, the title not twice."""
    parts = heading if heading and heading[0] == title else [title, *heading]
    return " › ".join(str(part) for part in parts if part)


def title_of(metadata: Mapping[str, Any]) -> str:
    """The same from the metadata of a chunk, whoever made them."""
    return title_path(metadata.get("title", ""), list(metadata.get("heading") or ()))


def telling_name(uri: str, title: str) -> str:
    """What a file's name tells in words that its document's title does not: a company, a year, a product."""
    path = PurePosixPath(unquote(urlsplit(uri).path))
    name = " ".join(re.split(r"[\s_]+", path.stem[:_NAME])).strip() if path.suffix else ""
    if not _LETTER.search(name) or _CODE.search(name):
        return ""
    own, said = set(words(name)), set(words(title))
    other = len(own) > 1 and own.isdisjoint(said) and writing_of(name) == writing_of(title)  # no mere translation
    return name if other or any(_YEAR.fullmatch(term) for term in own - said) else ""
