"""Old Word and PowerPoint files: converted behind walls where there is a LibreOffice, else refused with the cure."""

from __future__ import annotations

import struct
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from nacre.documents import ParserPool
from nacre.documents.office_converter import convert
from nacre.errors import ParseError


def compound(*names: str) -> bytes:
    """A compound file with empty streams of these names."""
    entries = [("Root Entry", 5, 1 if names else -1)] + [(name, 2, -1) for name in names]
    folder = b""
    for number, (name, kind, child) in enumerate(entries):
        wide = name.encode("utf-16-le") + b"\0\0"
        right = number + 1 if 0 < number < len(names) else -1
        folder += wide.ljust(64, b"\0") + struct.pack("<HBBiii", len(wide), kind, 1, -1, right, child)
        folder += b"\0" * 36 + struct.pack("<iQ", -2, 0)
    folder = folder.ljust(-(-len(folder) // 512) * 512, b"\0")
    sectors = len(folder) // 512
    chain = [-3, *range(2, 1 + sectors), -2]
    table = struct.pack(f"<{len(chain)}i", *chain).ljust(512, b"\xff")
    head = bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 16 + struct.pack("<HHHHH6x", 62, 3, 0xFFFE, 9, 6)
    head += struct.pack("<IIIIIiIiI", 0, 1, 1, 0, 4096, -2, 0, -2, 0)
    return head + struct.pack("<109i", 0, *[-1] * 108) + table + folder


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A program in LibreOffice's place that does what its script says; not below /tmp, which is another one there."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        program = Path(folder, "program", "soffice")
        program.parent.mkdir()
        program.touch(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        yield program


def test_without_libreoffice_the_cure_is_told(monkeypatch: pytest.MonkeyPatch, pool: ParserPool) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    for name, stream, new in (("a.doc", "WordDocument", "docx"), ("b.dat", "PowerPoint Document", "pptx")):
        with pytest.raises(ParseError, match=rf"install LibreOffice.*apt install.*\.{new}"):
            pool.parse(compound(stream), name=name)


@pytest.mark.parametrize(
    ("name", "stream", "word"),
    [
        ("a.hwp", "FileHeader", "Hangul"),
        ("a.wps", "MatOST", "WPS"),
        ("a.et", "Something", "WPS"),
        ("a.doc", "EncryptedPackage", "encrypted"),
        ("a.vsd", "VisioDocument", "Visio"),
    ],
)
def test_what_is_not_read_is_called_by_its_name(name: str, stream: str, word: str, pool: ParserPool) -> None:
    with pytest.raises(ParseError, match=word):
        pool.parse(compound(stream), name=name)


@pytest.mark.skipif(
    not sys.executable.startswith("/usr") and not Path("/usr/bin/python3").exists(), reason="no Python in /usr"
)
def test_a_converted_file_is_read_and_what_converts_it_stays_behind_walls(
    office: Path, tmp_path: Path, pool: ParserPool
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("TOP")
    office.write_text(
        "#!/usr/bin/python3\n"
        + textwrap.dedent(
            f"""
            import socket, sys, zipfile
            told = []
            for attempt in (
                lambda: open({str(secret)!r}).read(),
                lambda: open({str(tmp_path / "new.txt")!r}, "w"),
                lambda: socket.create_connection(("127.0.0.1", 9), 1),
            ):
                try:
                    attempt()
                    told.append("open")
                except OSError:
                    told.append("closed")
            out = sys.argv[sys.argv.index("--outdir") + 1]
            w = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
            with zipfile.ZipFile(out + "/file.docx", "w") as package:
                package.writestr("word/document.xml", f"<w:document {{w}}><w:body><w:p><w:r><w:t>Made new: {{told}}</w:t></w:r></w:p></w:body></w:document>")
            """
        )
    )
    office.chmod(0o755)
    document = pool.parse(compound("WordDocument"), name="old.doc")
    assert document.text == "Made new: ['closed', 'closed', 'closed']"
    assert document.mime == "application/msword"


def test_a_converter_that_hangs_or_makes_nothing_costs_its_file(office: Path) -> None:
    office.write_text("#!/bin/sh\nexit 0\n")
    office.chmod(0o755)
    with pytest.raises(ParseError, match="cannot convert"):
        convert(b"x", "doc")
    office.write_text("#!/bin/sh\nsleep 60\n")
    with pytest.raises(ParseError, match="not converted within"):
        convert(b"x", "doc", seconds=1)
    office.write_text('#!/bin/sh\nfor a; do case $a in /*) ln -s /etc/passwd "$a/file.docx";; esac; done\n')
    with pytest.raises(ParseError, match="cannot convert"):
        convert(b"x", "doc")
