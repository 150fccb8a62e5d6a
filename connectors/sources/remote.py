"""Anything that fsspec opens: S3, GCS, Azure, SFTP, WebDAV, GitHub, archives, … whatever is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nacre.connectors.sources.files import allow
from nacre.errors import MissingExtraError, SourceError
from nacre.extras import need
from nacre.ingest.source import Item, Unreachable
from nacre.text.language import tr

_MODIFIED = ("LastModified", "last_modified", "mtime", "modified")
_MARKERS = ("etag", "ETag", "checksum", "md5", "content_md5", "sha", "version_id", *_MODIFIED, "created")


class Remote:
    """Files below a URL, or the one file that it names; a glob works too. Options are for the file system: keys,
    endpoint, token, … They are never part of a uri.
    """

    def __init__(self, url: str, *, max_bytes: int = 1 << 30, **options: Any) -> None:
        self.url = self.scope = url
        self.max_bytes = max_bytes
        self.options = options

    def items(self) -> Iterator[Item | Unreachable]:
        """List the files."""
        fsspec = need("fsspec", extra="remote")
        try:
            system, root = fsspec.core.url_to_fs(self.url, **self.options)
            listing = system.glob if any(sign in root for sign in "*?[") else system.find
            found = listing(root, detail=True)
            if not found and not system.exists(root):
                raise FileNotFoundError(self.url)
        except ImportError as error:
            # fsspec's own message names the package, or Python's does.
            line = f"pip install {error.name}" if error.name else str(error)
            cure = tr(" Install it: {line}", line=line) if error.name else ""
            raise MissingExtraError(
                tr("{url}: {error}.", url=self.url, error=error) + cure, package=error.name or "", install=line
            ) from error
        except Exception as error:  # each file system has its own
            raise SourceError(tr("{url} cannot be listed: {error}", url=self.url, error=error), uri=self.url) from error
        for path in sorted(found):
            facts = found[path]
            if facts.get("type", "file") == "file" and not path.rstrip("/").rpartition("/")[2].startswith("."):
                yield self._item(system, path, facts)

    def _item(self, system: Any, path: str, facts: dict[str, Any]) -> Item:
        uri = str(system.unstrip_protocol(path))
        marker = next((facts[key] for key in _MARKERS if facts.get(key)), None)
        size = facts.get("size")
        modified: Any = next((facts[key] for key in _MODIFIED if facts.get(key)), None)
        stamp = modified.timestamp() if hasattr(modified, "timestamp") else modified
        return Item(
            uri=uri,
            read=lambda: self._read(system, path, size, uri),
            stamp=f"{size}-{marker}" if marker else "",
            modified=float(stamp) if isinstance(stamp, int | float) else None,
        )

    def _read(self, system: Any, path: str, size: int | None, uri: str) -> bytes:
        allow(size or 0, self.max_bytes, uri)
        try:
            with system.open(path, "rb") as file:
                data = file.read(self.max_bytes + 1)
        except Exception as error:
            raise SourceError(tr("it cannot be read: {reason}", reason=error), uri=uri) from error
        allow(len(data), self.max_bytes, uri)
        return bytes(data)
