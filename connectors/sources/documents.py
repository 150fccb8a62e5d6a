"""Documents that another library has loaded already: any LlamaIndex reader, any LangChain loader.

The hard part is a lasting name. Most readers know an address (url, path, page id); some give random ids, new on every
run. Those are named by their content, so that an unchanged document stays itself and an edited one is replaced.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

from nacre.errors import SourceError, UsageError
from nacre.extras import need
from nacre.ingest.source import Item
from nacre.text.language import tr

_ADDRESSES = ("url", "uri", "link", "source", "file_path", "path", "page_id", "document_id", "doc_id", "id")
_RANDOM = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}", re.I)
_MARKERS = ("last_modified", "last_modified_date", "updated_at", "last_edited_time", "modified", "version", "etag")


class Documents:
    """Documents given by a function, under names that last."""

    def __init__(self, scope: str, read: Callable[[], Iterator[tuple[str, Mapping[str, Any], str]]], mime: str) -> None:
        self.scope = scope  # kind, class and a fingerprint of the arguments
        self._read = read
        self.mime = mime

    def items(self) -> Iterator[Item]:
        """List the documents; the library loads them all now."""
        try:
            documents = [(text or "", dict(metadata or {}), name) for text, metadata, name in self._read()]
        except Exception as error:  # a stranger's code on a stranger's network
            told = tr("{scope} cannot be listed: {error}", scope=self.scope, error=error)
            raise SourceError(told, uri=self.scope) from error
        seen: Counter[str] = Counter()
        for text, metadata, name in documents:
            address = _address(metadata, name) or blake2b(text.encode("utf-8", "replace"), digest_size=10).hexdigest()
            seen[address] += 1
            uri = (
                address
                if re.match(r"[a-z][a-z0-9+.-]+://", address, re.I)
                else f"{self.scope}/{quote(address, safe='/')}"
            )
            # The pages of one file come as documents of one address.
            uri += f"#{seen[address]}" if seen[address] > 1 else ""
            yield _item(uri, text, metadata, self.mime)


def llamaindex(
    target: Any,
    *,
    init: Mapping[str, Any] | None = None,
    load: Mapping[str, Any] | None = None,
    mime: str = "text/markdown",
    **more: Any,
) -> Documents:
    """Any LlamaIndex reader as a source (Confluence, Notion, Slack, Feishu, … from LlamaHub)."""
    arguments = {**(load or {}), **more}
    if isinstance(target, str):
        name, reader = target, _named(target, "llama_index.", init or {})
    else:
        name, reader = _class_of(target), target
    if not callable(getattr(reader, "load_data", None)):
        raise UsageError(tr("{name} is no {kind}", name=name, kind="LlamaIndex BaseReader"))

    def read() -> Iterator[tuple[str, Mapping[str, Any], str]]:
        for document in reader.load_data(**arguments):
            text = document.get_content() if hasattr(document, "get_content") else document.text
            yield text, document.metadata or {}, str(getattr(document, "id_", "") or "")

    return Documents(_scope("llamaindex", name, {"init": _public(init), "load": _public(arguments)}), read, mime)


def langchain(
    target: Any, *, init: Mapping[str, Any] | None = None, mime: str = "text/markdown", **more: Any
) -> Documents:
    """Any LangChain document loader as a source."""
    from langchain_core.document_loaders import BaseLoader

    arguments = {**(init or {}), **more}
    loader = _named(target, "", arguments, BaseLoader) if isinstance(target, str) else target
    name = target if isinstance(target, str) else _class_of(target)
    if not isinstance(loader, BaseLoader):
        raise UsageError(tr("{name} is no {kind}", name=name, kind="LangChain BaseLoader"))

    def read() -> Iterator[tuple[str, Mapping[str, Any], str]]:
        for document in loader.lazy_load():
            yield document.page_content, document.metadata, str(document.id or "")

    return Documents(_scope("langchain", name, _public(arguments)), read, mime)


def _class_of(target: object) -> str:
    return f"{type(target).__module__}.{type(target).__qualname__}"


def _named(name: str, prefix: str, arguments: Mapping[str, Any], base: type | None = None) -> Any:
    """An object of a class that is named in a specification; only classes of the right family are made."""
    module, _, cls = name.replace(":", ".").rpartition(".")
    if (
        not module.startswith(prefix)
        or not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", module)
        or not cls.isidentifier()
    ):
        told = tr(
            "{name!r} must be the dotted name of a class below {prefix}",
            name=name,
            prefix=prefix or "a module",
            prefix2=prefix or "某模块",
        )
        raise UsageError(told)
    package = "-".join(module.split(".")[:3]).replace("_", "-")
    found = getattr(need(module, install=f"pip install {package}"), cls, None)
    if not isinstance(found, type) or (base is not None and not issubclass(found, base)):
        raise UsageError(tr("{module} has no class {cls} of the right kind", module=module, cls=cls))
    try:
        return found(**arguments)
    except Exception as error:
        raise UsageError(tr("{name} cannot be made: {error}", name=name, error=error)) from error


def _public(arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    """Arguments that may stand in a scope: keys and passwords must not."""
    secret = re.compile(r"token|key|secret|password|credential", re.I)
    return {key: value for key, value in (arguments or {}).items() if not secret.search(key)}


def _scope(kind: str, name: str, arguments: Mapping[str, Any]) -> str:
    digest = blake2b(json.dumps(arguments, sort_keys=True, default=repr).encode(), digest_size=6).hexdigest()
    return f"{kind}:{name}:{digest}"


def _address(metadata: Mapping[str, Any], name: str) -> str:
    found = next(
        (str(metadata[key]) for key in _ADDRESSES if isinstance(metadata.get(key), str | int) and metadata[key] != ""),
        "",
    )
    return found or ("" if _RANDOM.fullmatch(name) else name)


def _item(uri: str, text: str, metadata: Mapping[str, Any], mime: str) -> Item:
    facts = {str(key): str(value) for key, value in metadata.items() if isinstance(value, str | int | float | bool)}
    title = next((facts[key] for key in ("title", "file_name", "name") if facts.get(key)), "")
    marker = next((facts[key] for key in _MARKERS if facts.get(key)), "")
    digest = blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
    return Item(uri=uri, read=lambda: text, mime=mime, stamp=f"{marker}-{digest}", title=title, metadata=facts)
