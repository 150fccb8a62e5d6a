"""Old Word and PowerPoint files made new by LibreOffice, where it is installed: in a process of its own, behind walls.

The file is a stranger's and LibreOffice is large: it may read the system's programs and write one temporary folder, and
has no network, no home and no more time and disk than given.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from nacre.errors import ParseError
from nacre.system import child_process
from nacre.text.language import tr

NEW = {"doc": "docx", "ppt": "pptx"}
SECONDS = 120
_PROGRAMS = ("soffice", "libreoffice")
_MOST = 256 << 20  # bytes that may come out


class NeedsConversion(ParseError):
    """The file, of a kind that is a key of `NEW`, can be read after LibreOffice has made a new one of it."""

    def __init__(self, kind: str) -> None:
        name = {"doc": "Word", "ppt": "PowerPoint"}[kind]
        self.kind = kind
        super().__init__(
            tr(
                "an old {name} file (.{kind}): install LibreOffice, which converts it (apt install libreoffice-nogui), "
                "or save it as .{new}",
                name=name,
                kind=kind,
                new=NEW[kind],
            )
        )


def program() -> str | None:
    """Where LibreOffice is, if anywhere; never in a folder that is relative or the current one."""
    path = child_process.search_path(os.environ.get("PATH", os.defpath))
    return next((found for name in _PROGRAMS if (found := shutil.which(name, path=path))), None)


def convert(data: bytes, kind: str, seconds: float = SECONDS) -> bytes:
    """An old file as a new one; `seconds` hold by the clock and for the processor."""
    found = program()
    if found is None:
        raise NeedsConversion(kind)
    with tempfile.TemporaryDirectory(prefix="nacre-office-", ignore_cleanup_errors=True) as folder:
        Path(folder, f"file.{kind}").write_bytes(data)
        arguments = (os.path.realpath(found), folder, f"file.{kind}", NEW[kind], str(int(seconds)))
        environment = child_process.environment() | {"HOME": folder, "TMPDIR": folder}
        process = child_process.start(
            child_process.module("nacre.documents.converter_main", *arguments),
            environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            new_session=True,
        )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ParseError(tr("it was not converted within {seconds:.0f} s", seconds=seconds)) from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        made = Path(folder, f"file.{NEW[kind]}")
        # What was put there in its place may be a link that leads out.
        if made.is_symlink() or not made.is_file() or made.stat().st_size > _MOST:
            raise ParseError(tr("LibreOffice cannot convert it; save it as .{new}", new=NEW[kind]))
        return made.read_bytes()
