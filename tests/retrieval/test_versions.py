"""A citation opens what it cites, also after the document changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nacre import KnowledgeBase
from nacre.store.settings import NAME


@pytest.fixture
def kb(tmp_path: Path) -> KnowledgeBase:
    (tmp_path / "docs").mkdir()
    return KnowledgeBase.open(tmp_path / "kb", embedder="none")


def write(kb: KnowledgeBase, text: str, **options: object) -> int:
    file = kb.folder.parent / "docs" / "fees.md"
    file.write_text(text, "utf-8")
    kb.sync(str(file.parent), **options)  # type: ignore[arg-type]
    return int(kb.documents()[0]["document_id"])


def test_superseded_text_opens_by_its_version(kb: KnowledgeBase) -> None:
    number = write(kb, "The fee is 5 %.")
    [hit] = kb.search("fee")
    write(kb, "A new first line.\n\nThe fee is 3 %.")
    old = kb.text_of_version(number, hit.version)
    assert old is not None and old[hit.start : hit.end] == hit.text == "The fee is 5 %."
    assert kb.text_of_version(number, 2) == kb.text(hit.uri) and kb.text_of_version(number, 3) is None
    assert all("5 %" not in found.text for found in kb.search("fee 5"))  # no search finds it


def test_as_many_are_kept_as_the_settings_say(kb: KnowledgeBase) -> None:
    for most, kept in ((2, {3, 4}), (0, set())):
        (kb.folder / NAME).write_text(json.dumps({"keep_versions": most}), "utf-8")
        for n in range(1, 6):
            number = write(kb, f"Text {most} {n}.")
        now = kb.document(number)["version"]  # type: ignore[index]
        assert {v for v in range(1, now) if kb.text_of_version(number, v)} == kept


def test_a_version_is_seen_by_whom_it_was_for(kb: KnowledgeBase) -> None:
    number = write(kb, "Salary: 90,000.", principals=["hr"])
    write(kb, "Salaries are secret.", principals=["*"])
    assert kb.text_of_version(number, 1) is None and kb.text_of_version(number, 1, ["sales"]) is None
    assert kb.text_of_version(number, 1, ["hr"]) == "Salary: 90,000."


def test_what_is_deleted_leaves_no_version(kb: KnowledgeBase) -> None:
    number = write(kb, "One.")
    write(kb, "Two.")
    kb.delete(kb.documents()[0]["uri"])
    assert kb.text_of_version(number, 1) is None and kb.store.catalog.versions(number) == []
