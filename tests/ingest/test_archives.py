"""A ZIP of documents: each file is a document of its own, and archives made to hurt cost their own row."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from nacre import KnowledgeBase


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return target.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "docs"
    place.mkdir()
    (place / "plain.md").write_text("# Plain\n\nThe fee is 5.")
    return place


@pytest.fixture
def kb(tmp_path: Path) -> KnowledgeBase:
    return KnowledgeBase.open(tmp_path / "kb", embedder="none")


def names(kb: KnowledgeBase) -> list[str]:
    return [row["uri"].partition("/docs/")[2] for row in kb.documents()]


def test_each_file_of_an_archive_is_a_document_and_follows_it(folder: Path, kb: KnowledgeBase) -> None:
    archive = folder / "all.zip"
    inner = zipped({"deep.md": "# Deep\n\nThe deep fee is 30."})
    files = {
        "a.md": "# A\n\nThe fee is 10.",
        "部门/b 2.txt": "The fee is 20.",
        "in.zip": inner,
        "__MACOSX/a.md": "x",
        "e/": "",
    }
    archive.write_bytes(zipped(files))
    report = kb.sync(folder)
    assert (report.added, report.failed) == (4, [])
    assert names(kb) == [
        "all.zip!/%E9%83%A8%E9%97%A8/b%202.txt",
        "all.zip!/a.md",
        "all.zip!/in.zip!/deep.md",
        "plain.md",
    ]
    [hit] = kb.search("deep", k=1)
    assert hit.title == "Deep" and kb.text(hit.uri)[hit.start : hit.end] == hit.text
    assert kb.sync(folder).unchanged == 4
    archive.write_bytes(zipped({**files, "a.md": "# A\n\nThe fee is 11.", "部门/b 2.txt": ""} | {"in.zip": inner}))
    report = kb.sync(folder)
    assert (report.updated, report.deleted, report.unchanged) == (1, 0, 2)  # the empty file is a failed row
    archive.unlink()
    assert kb.sync(folder).deleted == 3
    assert names(kb) == ["plain.md"]


def test_an_archive_under_rights_gives_them_to_its_files(folder: Path, kb: KnowledgeBase) -> None:
    (folder / "all.zip").write_bytes(zipped({"a.md": "The zebra fee is 10."}))
    kb.sync(folder, principals=["boss"])
    assert not kb.search("zebra") and kb.search("zebra", principals=["boss"])


def test_a_document_that_is_a_zip_is_no_archive_whatever_it_is_called(folder: Path, kb: KnowledgeBase) -> None:
    w = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    body = f"<w:document {w}><w:body><w:p><w:r><w:t>Words here.</w:t></w:r></w:p></w:body></w:document>"
    (folder / "word.zip").write_bytes(zipped({"word/document.xml": body}))
    kb.sync(folder)
    assert names(kb) == ["plain.md", "word.zip"]


def nested(levels: int) -> bytes:
    data = zipped({"x.md": "bottom"})
    for _ in range(levels):
        data = zipped({"n.zip": data})
    return data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (zipped({"a.md": "x", "bomb.txt": "0" * (64 << 20)}), "bomb"),
        (zipped({f"{n}.txt": "" for n in range(6000)}), "more than"),
        (nested(20), "nested"),
        (zipped({"a.md": "x"})[:-30], "damaged"),
        (b"PK\x03\x04 no archive at all", "damaged"),
    ],
    ids=["bomb", "many", "nested", "cut", "lie"],
)
def test_an_archive_made_to_hurt_costs_its_own_row(folder: Path, kb: KnowledgeBase, data: bytes, reason: str) -> None:
    (folder / "bad.zip").write_bytes(data)
    report = kb.sync(folder)
    assert names(kb) == ["plain.md"]
    [(uri, why)] = report.failed
    assert "bad.zip" in uri and reason in why


def test_names_that_lead_out_stay_inside(folder: Path, kb: KnowledgeBase) -> None:
    (folder / "out.zip").write_bytes(zipped({"../../etc/x.md": "One.", "/abs.md": "Two.", "c:\\win.md": "Three."}))
    kb.sync(folder)
    assert names(kb) == ["out.zip!/abs.md", "out.zip!/c%3A/win.md", "out.zip!/etc/x.md", "plain.md"]


def test_an_archive_that_cannot_be_read_now_loses_nothing(folder: Path, kb: KnowledgeBase) -> None:
    (folder / "all.zip").write_bytes(zipped({"a.md": "# A\n\nThe fee is 10."}))
    kb.sync(folder)
    (folder / "all.zip").write_bytes(b"PK\x03\x04 half written")
    report = kb.sync(folder)
    assert (report.deleted, len(report.failed)) == (0, 1)
    assert names(kb) == ["all.zip!/a.md", "plain.md"]
