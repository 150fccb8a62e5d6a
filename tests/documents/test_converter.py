"""Old Word and PowerPoint files: converted behind walls where there is a LibreOffice, else refused with the cure."""

from __future__ import annotations

import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nacre.documents import ParserPool
from nacre.documents.office_converter import convert
from nacre.errors import ParseError

Compound = Callable[..., bytes]


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A program in LibreOffice's place that does what its script says; not below /tmp, which is another one there."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        program = Path(folder, "program", "soffice")
        program.parent.mkdir()
        program.touch(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        yield program


def test_without_libreoffice_the_cure_is_told(
    monkeypatch: pytest.MonkeyPatch, pool: ParserPool, compound: Compound
) -> None:
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
def test_what_is_not_read_is_called_by_its_name(
    name: str, stream: str, word: str, pool: ParserPool, compound: Compound
) -> None:
    with pytest.raises(ParseError, match=word):
        pool.parse(compound(stream), name=name)


@pytest.mark.skipif(
    not sys.executable.startswith("/usr") and not Path("/usr/bin/python3").exists(), reason="no Python in /usr"
)
def test_a_converted_file_is_read_and_what_converts_it_stays_behind_walls(
    office: Path, tmp_path: Path, pool: ParserPool, compound: Compound
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
