"""A ZIP of documents inside another document: each file under its name. A sync makes documents of their own of them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

from nacre.documents.document import Builder
from nacre.documents.limits import Limits, Task
from nacre.documents.ooxml import bomb, is_bomb, opened, unpacked
from nacre.errors import ParseError
from nacre.text.language import tr

_FILES = 5000
_FOREIGN = ("__macosx/", ".ds_store", "thumbs.db", "desktop.ini")


class Member(NamedTuple):
    """A file in an archive; `read` gives its content once, or raises `ParseError`."""

    name: str
    read: Callable[[], bytes]


def members(data: bytes, limits: Limits) -> Iterator[Member]:
    """The files of a ZIP in the order of their names; nothing is unpacked before it is read."""
    package = opened(data, why=_damaged)
    files = [info for info in package.infolist() if not info.is_dir()]
    total = sum(info.file_size for info in files)
    if any(is_bomb(info, limits) for info in files) or total > limits.unpacked_bytes:
        raise ParseError(bomb(total))
    if len(files) > _FILES:
        raise ParseError(tr("the archive holds more than {most} files; unpack it first", most=_FILES))
    for info in sorted(files, key=name_of):
        name = name_of(info)
        if name and not name.lower().endswith(_FOREIGN[1:]) and not name.lower().startswith(_FOREIGN[0]):
            yield Member(name, lambda info=info: _unpacked(package, info))  # type: ignore[misc]


def _damaged(error: object) -> str:
    return tr("the archive is damaged or cut off ({error}); copy it again, or pack it anew", error=error)


def name_of(info: zipfile.ZipInfo) -> str:
    """The name of a file in an archive, without steps upwards; old programs wrote it in their country's charset."""
    name = info.filename
    if not info.flag_bits & 0x800 and not name.isascii():
        from nacre.documents.encodings import decode

        raw = name.encode("cp437", "replace")
        name = decode(raw)[0] if b"\0" not in raw else name
    parts = name.replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in {"", ".", ".."})


def _unpacked(package: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.flag_bits & 1:
        raise ParseError(tr("it is encrypted; unpack the archive first"))
    return unpacked(package, info, _damaged)


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read an archive that is part of another document, or that a caller gave as one."""
    from nacre.documents.mail import attach

    left = task.limits.unpacked_bytes
    for member in members(data, task.limits):
        try:
            content = member.read()
        except ParseError as error:
            out.warn(tr("attachment {name}: {error}", name=member.name, error=error))
            continue
        left -= len(content)
        if left < 0:
            raise ParseError(bomb(task.limits.unpacked_bytes))
        attach(content, member.name, "", out, task)
