"""Files and folders of this machine."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from nacre.connectors.sources.ignore import DEFAULTS, NAME, Rule, rules, verdict
from nacre.errors import SourceError
from nacre.ingest.source import Item, Unreachable
from nacre.text.fields import read_yaml, tidy_fields
from nacre.text.language import os_reason, tr

_FOLDER = os.O_DIRECTORY | getattr(os, "O_PATH", os.O_RDONLY)
_RULES_BYTES = 1 << 20
_SIDECAR = ".meta.yaml"  # beside a file: its fields
_SIDECAR_BYTES = 1 << 16
_GLOB = re.compile(r"[*?\[]")
Layers = tuple[tuple[str, tuple[Rule, ...]], ...]
"""Ignore files from the root down: (folder relative to the root, its rules)."""


class _Folder(NamedTuple):
    """A folder to list. `above` are the folders we are in: a link back to one of them would never end."""

    path: Path
    relative: PurePosixPath
    layers: Layers
    above: frozenset[tuple[int, int]]


class Files:
    """A file, a folder with all below it, or a glob.

    Hidden files, and what `.nacreignore` files name, are left out. Links that lead out of the folder are reported and
    not followed unless asked: whoever may write into it must not choose what else is read. What cannot be listed is
    reported and nothing below it counts as deleted. The fields of `report.pdf` may stand beside it, in
    `report.meta.yaml` or `report.pdf.meta.yaml`.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        follow_links: bool = False,
        hidden: bool = False,
        ignore: tuple[str, ...] | list[str] = (),
        max_bytes: int = 1 << 30,
    ) -> None:
        text = os.path.expanduser(path)  # noqa: PTH111 - a glob is no Path yet
        self.path = Path(os.path.abspath(text))  # noqa: PTH100 - resolve() would follow links and change the uri
        self.hidden = hidden
        self.follow_links = follow_links
        self.max_bytes = max_bytes
        self.rules = rules((*DEFAULTS, *ignore))
        self.pattern = ""
        if _GLOB.search(str(text)) and not self.path.exists():
            parts = self.path.parts
            first = next(n for n, part in enumerate(parts) if _GLOB.search(part))
            self.path, self.pattern = Path(*parts[:first]), "/".join(parts[first:])

    @property
    def scope(self) -> str:
        """The uri of the file, of the folder with a final slash, or of the folder with the glob behind it."""
        if self.pattern:
            return f"{self.path.as_uri()}/{self.pattern}"
        # A folder that is away for the moment must keep its name.
        return self.path.as_uri() if self.path.is_file() else f"{self.path.as_uri().rstrip('/')}/"

    def items(self) -> Iterator[Item | Unreachable]:
        """List the files."""
        try:
            there = self.path.stat()
        except OSError as error:
            told = tr("{path} cannot be opened: {reason}", path=self.path, reason=os_reason(error))
            raise SourceError(told, uri=self.path.as_uri()) from error
        if not stat.S_ISDIR(there.st_mode):
            yield from self._listed(self.path, None)
            return
        root = None if self.follow_links else os.path.realpath(self.path)
        wanted = rules([f"/{self.pattern}"]) if self.pattern else ()
        for found in self._walk():
            if isinstance(found, Unreachable):
                yield found
            elif not wanted or verdict(wanted, found.relative_to(self.path).as_posix(), False):
                yield from self._listed(found, root)

    def _walk(self) -> Iterator[Path | Unreachable]:
        """Depth first, and not by recursion: a path of the system's longest has two thousand folders."""
        open_folders = [self._entries(_Folder(self.path, PurePosixPath(), (("", self.rules),), frozenset()))]
        while open_folders:
            found = next(open_folders[-1], None)
            if found is None:
                open_folders.pop()
            elif isinstance(found, _Folder):
                open_folders.append(self._entries(found))
            else:
                yield found

    def _entries(self, at: _Folder) -> Iterator[Path | Unreachable | _Folder]:
        folder, relative, layers, above = at
        try:
            status = folder.stat()
            names = _foreign(sorted(os.listdir(folder)))  # noqa: PTH208 - the names, also those that are no UTF-8
        except OSError as error:
            yield Unreachable(f"{folder.as_uri()}/", os_reason(error))
            return
        here = (status.st_dev, status.st_ino)
        if here in above:
            return
        layers = self._layers(folder, relative, names, layers)
        names = _without_sidecars(names)
        for name in names:
            if name.startswith(".") and not self.hidden:
                continue
            path, inside = folder / name, relative / name
            try:
                mode = path.stat().st_mode
            except OSError as error:
                yield Unreachable(path.as_uri(), os_reason(error))
                continue
            if self._ignored(inside, stat.S_ISDIR(mode), layers):
                continue
            is_link = path.is_symlink()
            # Whether it leads to what is listed anyway, under its real name.
            own = is_link and _is_beneath(os.path.realpath(path), os.path.realpath(self.path))
            if is_link and not self.follow_links and not own:
                yield Unreachable(path.as_uri() + ("/" if stat.S_ISDIR(mode) else ""), _leads_out())
            elif stat.S_ISDIR(mode):
                if not own:
                    yield _Folder(path, inside, layers, above | {here})
            elif stat.S_ISREG(mode):
                yield path

    def _layers(self, folder: Path, relative: PurePosixPath, names: list[str], layers: Layers) -> Layers:
        if NAME not in names:
            return layers
        try:
            root = None if self.follow_links else os.path.realpath(self.path)
            lines = read_file(folder / NAME, _RULES_BYTES, root).decode("utf-8", "replace").splitlines()
        except SourceError:
            return layers
        return (*layers, ("" if relative == PurePosixPath() else f"{relative}/", rules(lines)))

    def _ignored(self, path: PurePosixPath, folder: bool, layers: Layers) -> bool:
        for base, found in reversed(layers):
            answer = verdict(found, str(path).removeprefix(base), folder)
            if answer is not None:
                return answer
        return False

    def _listed(self, path: Path, root: str | None) -> Iterator[Item | Unreachable]:
        try:
            status = path.stat()
        except OSError as error:  # it went away since its folder was read
            if path == self.path:
                raise
            yield Unreachable(path.as_uri(), os_reason(error))
            return
        stamp = _stamp(status)
        fields: dict[str, Any] = {}
        for sidecar in (path.with_name(f"{path.stem}{_SIDECAR}"), path.with_name(f"{path.name}{_SIDECAR}")):
            try:
                stamp += f" {_stamp(sidecar.stat())}"
                fields |= tidy_fields(read_yaml(read_file(sidecar, _SIDECAR_BYTES, root).decode("utf-8-sig")))
            except OSError:  # there is none
                continue
            except (SourceError, ValueError) as error:
                reason = getattr(error, "message", None) or str(error)
                yield Unreachable(sidecar.as_uri(), tr("no fields can be read from it: {reason}", reason=reason))
        yield Item(
            uri=path.as_uri(),
            read=lambda: read_file(path, self.max_bytes, root),
            stamp=stamp,
            modified=status.st_mtime,
            metadata=fields,
        )


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"


def _without_sidecars(names: list[str]) -> list[str]:
    """Names in a folder without those that hold the fields of another file there."""
    others = [name for name in names if not name.endswith(_SIDECAR)]
    described = {*others, *(PurePosixPath(name).stem for name in others)}
    return [name for name in names if not (name.endswith(_SIDECAR) and name.removesuffix(_SIDECAR) in described)]


def _foreign(names: list[str]) -> list[str]:
    """Names in a folder without those of a knowledge base that lies in it: `nacre sync . --kb kb` shall not read
    itself.
    """
    if not {"catalog.sqlite", "manifest.json"} <= set(names):
        return names
    own = {"manifest.json", "settings.json", "lock", "vectors", "words"}
    return [name for name in names if name not in own and not name.startswith("catalog.sqlite")]


def _leads_out() -> str:
    return tr("it is a link that leads out of the folder; --follow-links (follow_links=True) reads it too")


def _is_beneath(real: str, root: str) -> bool:
    return real == root or real.startswith(root.rstrip(os.sep) + os.sep)


def _open(path: Path, root: str | None) -> int:
    """Open a file; below `root` every step is taken from the folder before, so no link put there since leads out."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)  # a pipe put in the file's place must not block the sync
    if root is None:
        return os.open(path, flags)
    real = os.path.realpath(path)
    if real == root or not _is_beneath(real, root):
        raise SourceError(_leads_out(), uri=path.as_uri())
    *folders, name = Path(real).relative_to(root).parts
    here = os.open(root, _FOLDER)
    try:
        for folder in folders:
            below = os.open(folder, _FOLDER | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = below
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=here)
    finally:
        os.close(here)


def allow(size: int, max_bytes: int, uri: str) -> None:
    """Refuse what is too large."""
    if size > max_bytes:
        told = tr("it has more than the {max_bytes} MiB allowed", max_bytes=max_bytes >> 20)
        raise SourceError(told, uri=uri)


def read_file(path: Path, max_bytes: int, root: str | None = None) -> bytes:
    """The content of a regular file."""
    try:
        with os.fdopen(_open(path, root), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise SourceError(tr("it is no regular file"), uri=path.as_uri())
            allow(status.st_size, max_bytes, path.as_uri())
            return file.read()
    except OSError as error:
        raise SourceError(tr("it cannot be opened: {reason}", reason=os_reason(error)), uri=path.as_uri()) from error
