"""Where documents come from: `resolve` turns a path, a URL or another library's loader into a source.

A package adds its own kind under the entry point group `nacre.sources`: the name is the scheme, the object is called
with the whole specification and the options and gives a `nacre.ingest.source.Source`.
"""

from __future__ import annotations

import json
import os
import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from nacre.errors import UsageError
from nacre.ingest.source import Source
from nacre.text.language import tr

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)(?=:)")


def resolve(spec: object, **options: Any) -> Source:
    """The source that a specification names.

    Args:
        spec: a path, a folder or a glob; `http(s)://…`; `sitemap:https://…`; `sql:URL#table` or `sql:URL#SELECT …`;
            `llamaindex:package.Class` and `langchain:package.Class`, with arguments as JSON after `#`;
            `transcription:` or `docling:` before a path or URL of files; any URL of fsspec (`s3://…`); a scheme of an
            installed package; a LangChain loader or a LlamaIndex reader; or a source, which is given back.
        **options: for that kind of source.

    Returns:
        The source; nothing is listed or opened yet.

    Raises:
        UsageError: an empty or unknown specification, or a wrong option.
        MissingExtraError: the kind needs a package that is not installed.

    Example:
        >>> resolve("docs/**/*.md").scope.endswith("docs/**/*.md")
        True
    """
    try:
        return _resolve(spec, options)
    except TypeError as error:
        raise UsageError(tr("wrong option for {spec!r}: {error}", spec=spec, error=error)) from error


def _resolve(spec: object, options: dict[str, Any]) -> Source:
    if not isinstance(spec, str | os.PathLike):
        return _object(spec, options)
    text = os.fspath(spec)
    if not isinstance(text, str) or not text.strip():
        raise UsageError(tr("A source is empty. Name a file, a folder or a URL."))
    found = _SCHEME.match(text)
    scheme = found.group(1).lower() if found else ""
    if isinstance(spec, Path) or not scheme or (Path(text).exists() and "://" not in text):
        return _files(text, options)
    if scheme in {"file", "local"}:
        return _files(unquote(urlsplit(text).path, errors="surrogateescape"), options)
    if ours := _built_in(scheme, text, options):
        return ours
    for entry in entry_points(group="nacre.sources"):
        if entry.name.lower() == scheme:
            source = entry.load()(text, **options)
            if not isinstance(source, Source):
                raise UsageError(tr("the package for {text} gave no source", text=text))
            return source
    if "://" in text or "::" in text:
        from nacre.connectors.sources.remote import Remote

        return Remote(text, **options)
    return _files(text, options)


def _files(path: str, options: dict[str, Any]) -> Source:
    from nacre.connectors.sources.files import Files

    return Files(path, **options)


def _built_in(scheme: str, text: str, options: dict[str, Any]) -> Source | None:
    """The source of a scheme that is ours; each is imported when it is asked for."""
    rest = text[len(scheme) + 1 :]
    if scheme in ("http", "https", "sitemap"):
        from nacre.connectors.sources.web import Web

        return Web(rest, sitemap=True, **options) if scheme == "sitemap" else Web(text, **options)
    if scheme == "sql":
        from nacre.connectors.sources.sql import Sql

        url, _, what = rest.partition("#")
        kind = "query" if re.match(r"\s*(select|with)\b", what, re.I) else "table"
        return Sql(url, **{kind: what, **options})
    if scheme in ("llamaindex", "langchain"):
        from nacre.connectors.sources import documents

        name, arguments = _arguments(rest)
        return getattr(documents, scheme)(name, **{**arguments, **options})  # type: ignore[no-any-return]
    if scheme in ("transcription", "docling"):
        from nacre.connectors.sources import converted

        return getattr(converted, scheme)(resolve(rest), **options)  # type: ignore[no-any-return]
    return None


def _arguments(rest: str) -> tuple[str, dict[str, Any]]:
    name, _, text = rest.partition("#")
    try:
        arguments = json.loads(text) if text else {}
        if not isinstance(arguments, dict):
            raise ValueError(text)
    except ValueError as error:
        raise UsageError(tr("what follows # must be a JSON object")) from error
    return name, arguments


def _object(spec: object, options: dict[str, Any]) -> Source:
    if isinstance(spec, Source):
        return spec
    from nacre.connectors.sources.documents import langchain, llamaindex

    if callable(getattr(spec, "load_data", None)):
        return llamaindex(spec, **options)
    if callable(getattr(spec, "lazy_load", None)):
        return langchain(spec, **options)
    raise UsageError(tr("{spec!r} is no source, path, reader or loader", spec=spec))
