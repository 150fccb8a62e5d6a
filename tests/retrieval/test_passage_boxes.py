"""A passage that OCR read says where its lines stand on the picture of the page, up to the citation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nacre import KnowledgeBase, RetrievalAugmented
from nacre.connectors.models.quote import QuoteChatModel
from nacre.documents import ParserPool, parse
from nacre.documents.document import Place
from nacre.store.records import PlaceRecord, pack_blocks, unpack_blocks, unpack_places, unpack_tables
from nacre.text.messages import nacre_of

LINES = ("The warranty of the pump lasts seven years.", "It begins on the day of delivery.", "Send it back to Ulm.")


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KnowledgeBase:
    """A base of one scan, each of its lines on a page of its own, and one text."""

    def read(self: ParserPool, data: bytes, *, name: str, **more: Any) -> Any:
        document = parse(data, name=name)
        if not name.endswith("scan.txt"):
            return document
        spots = [(document.text.find(line), n / 10) for n, line in enumerate(LINES, 1)]
        places = [Place(at, at + len(LINES[n]), n + 1, (0.1, y, 0.9, y + 0.05)) for n, (at, y) in enumerate(spots)]
        return replace(document, places=tuple(places))

    monkeypatch.setattr(ParserPool, "parse", read)
    (tmp_path / "scan.txt").write_text(" ".join(LINES))
    (tmp_path / "typed.txt").write_text("The warranty of the engine lasts two years.")
    base = KnowledgeBase.open(tmp_path / "kb", embedder="none")
    assert not base.sync(tmp_path / "scan.txt", tmp_path / "typed.txt").failed
    return base


def test_a_hit_of_a_scan_has_boxes_and_one_of_a_text_has_none(base: KnowledgeBase) -> None:
    hits = {hit.uri.rpartition("/")[2]: hit for hit in base.search("warranty lasts years")}
    boxes = hits["scan.txt"].boxes
    assert [box["page"] for box in boxes] == [1, 2, 3] and boxes[1]["box"] == (0.1, 0.2, 0.9, 0.25)
    text = base.text(hits["scan.txt"].uri)
    assert [text[box["start"] : box["end"]] for box in boxes] == list(LINES)
    assert "boxes" not in hits["typed.txt"].to_dict() and json.dumps(hits["scan.txt"].to_dict())
    assert base.widened([hits["scan.txt"]])[0].boxes == boxes and hash(hits["scan.txt"])


def test_a_citation_shows_only_the_lines_that_it_quotes(base: KnowledgeBase) -> None:
    model = RetrievalAugmented(inner=QuoteChatModel(), retriever=base.retriever())
    citations = nacre_of(model.invoke("How long does the warranty of the pump last?"))["citations"]
    pump = next(c for c in citations if "seven" in c["quote"])
    shown = [box["page"] for box in pump["boxes"]]
    assert shown == [n for n, line in enumerate(LINES, 1) if line in pump["quote"]] and 3 not in shown
    note = model.invoke("How long does the warranty of the pump last?").content_blocks[0]["annotations"][0]
    assert note["extras"]["boxes"] == citations[0]["boxes"]


def test_what_is_kept_of_a_document_comes_back_with_and_without_places() -> None:
    document = parse(b"a,b\n1,2\n3,4\n", name="a.csv")
    place = Place(0, 3, 1, (0.0, 0.123456, 1.0, 0.5))
    with_places = pack_blocks(document.blocks, document.tables, [place])
    without = pack_blocks(document.blocks, document.tables)
    assert unpack_places(with_places) == [PlaceRecord(0, 3, 1, (0.0, 0.1235, 1.0, 0.5))] and not unpack_places(without)
    assert unpack_blocks(with_places) == unpack_blocks(without) and unpack_tables(with_places) == unpack_tables(without)
    assert unpack_places(pack_blocks((), (), [place])) and not unpack_tables(pack_blocks((), (), [place]))
