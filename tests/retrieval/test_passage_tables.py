"""A table keeps its cells and the names of its columns from the document to the passage, however the passage was cut."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nacre import KnowledgeBase, ProgramAided, RetrievalAugmented, ScriptedChatModel
from nacre.connectors.models.quote import QuoteChatModel
from nacre.documents import parse
from nacre.reasoning.tables import tables_of
from nacre.store.records import TableRecord, pack_blocks, unpack_blocks, unpack_tables
from nacre.store.settings import save_settings
from nacre.text.messages import Source, last_user_text, nacre_of, parse_sources, render_sources, source_of
from nacre.text.tables import grids_in, read

TOWNS = [
    f"{first}{last}" for first in ("Ash", "Elm", "Oak", "Fir", "Yew", "Bay") for last in ("ford", "ham", "wick", "by")
]
RATES = [(town, 100 + 7 * n, n % 3) for n, town in enumerate(TOWNS)]


def written(folder: Path, name: str) -> Path:
    """The same table as CSV, Markdown or HTML."""
    rows = [("Town", "Nightly rate", "Class"), *RATES]
    mark = {"csv": ",", "md": " | ", "html": "</td><td>"}[name.rpartition(".")[2]]
    lines = [mark.join(map(str, row)) for row in rows]
    if name.endswith("md"):
        lines = [f"| {line} |" for line in lines]
        lines.insert(1, "|---|---:|---|")
    if name.endswith("html"):
        lines = ["<table>", *(f"<tr><td>{line}</td></tr>" for line in lines), "</table>"]
        lines[1] = lines[1].replace("td>", "th>")
    (folder / name).write_text("\n".join(lines), "utf-8")
    return folder


def base_of(tmp_path: Path, source: Path) -> KnowledgeBase:
    base = KnowledgeBase.open(tmp_path / "kb", embedder="none")
    save_settings(base.folder, {"chunk_size": 64})
    report = base.sync(source)
    assert not report.failed
    return base


def passages(base: KnowledgeBase, question: str = " ".join(TOWNS)) -> list[Any]:
    found = base.retriever(k=20, distinct=False).invoke(question)
    return sorted(found, key=lambda document: document.metadata["start"])


def table_of(document: Any) -> Any:
    [table] = tables_of([source_of(1, document.page_content, tables=document.metadata.get("tables"))])
    return table


@pytest.fixture(params=["rates.csv", "rates.md", "rates.html"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    (tmp_path / "files").mkdir()
    with base_of(tmp_path, written(tmp_path / "files", request.param)) as made:
        yield made


def test_every_passage_of_a_long_table_has_its_columns_and_whole_rows(base: KnowledgeBase) -> None:
    found = passages(base)
    assert len(found) > 2
    tables = [table_of(document) for document in found]
    assert {table.columns for table in tables} == {("Town", "Nightly rate", "Class")}
    assert [tuple(row.values()) for table in tables for row in table.rows] == RATES
    for document in found:
        for grid in read(document.metadata["tables"], document.page_content):
            assert ("Nightly" in document.page_content) == (grid.head is not None)


def test_stored_cells_are_the_cells_that_the_parser_found(base: KnowledgeBase, tmp_path: Path) -> None:
    [file] = (tmp_path / "files").iterdir()
    [table] = parse(file.read_bytes(), name=file.name).tables
    [state] = base.documents()
    [kept] = base.store.catalog.tables(state["uri"])
    assert (kept.start, kept.end, kept.header, kept.mark) == (table.start, table.end, table.header, table.mark)
    text = base.text(state["uri"])
    spans = [
        (document.metadata["start"] + a, document.metadata["start"] + b)
        for document in passages(base)
        for grid in read(document.metadata["tables"], document.page_content)
        for row in grid.rows
        for a, b in row
    ]
    assert spans == [(cell.start, cell.end) for row in table.rows for cell in row]
    assert [text[a:b] for a, b in spans[:3]] == ["Ashford", "100", "0"]


def test_the_model_reads_the_names_of_columns_that_stand_in_another_passage(base: KnowledgeBase) -> None:
    model = ScriptedChatModel(["None. [1]"])
    RetrievalAugmented(inner=model, retriever=base.retriever(k=20, distinct=False)).invoke(f"Rates: {' '.join(TOWNS)}?")
    [sources, *_] = parse_sources(last_user_text(model.calls[0]))
    begun = [source for source in sources if "Nightly" not in source.text]
    assert len(begun) == len(sources) - 1 > 1
    assert {source.columns for source in begun} == {("Town", "Nightly rate", "Class")}
    assert tables_of(begun)[-1].columns == ("Town", "Nightly rate", "Class")


def test_a_program_computes_with_every_row_and_its_cells_are_cited(base: KnowledgeBase) -> None:
    program = "```python\nans = sum(row['Nightly rate'] for table in tables for row in table if row['Class'] == 2)\n```"
    retrieval = RetrievalAugmented(
        inner=ScriptedChatModel([program]), retriever=base.retriever(k=20, distinct=False), strict=True
    )
    reply = ProgramAided(inner=retrieval, phrase=False).invoke(f"Sum of the class 2 rates of {' '.join(TOWNS)}?")
    own = nacre_of(reply)
    assert own["value"] == sum(rate for _, rate, kind in RATES if kind == 2)
    assert not own["abstained"] and {cell["column"] for cell in own["cells"]} == {"Nightly rate", "Class"}


def test_quote_weighs_a_row_by_the_names_of_its_columns() -> None:
    row = Source(1, "Oakham\t149\t1\nOakwick\t156\t2", "Hotels", columns=("Town", "Nightly rate", "Class"))
    asked = "Question: What is the nightly rate in the town of Oakwick?"
    said = QuoteChatModel(sentences=1).invoke(f"{render_sources([row])}\n\n{asked}")
    assert said.text.splitlines() == [
        "| Town | Nightly rate | Class |",
        "| --- | --- | --- |",
        "| Oakwick | 156 | 2 [1] |",
    ]
    bare = render_sources([Source(1, row.text, row.title)])
    unsure = QuoteChatModel(sentences=1).invoke(f"{bare}\n\n{asked}").text
    assert unsure.startswith("The sources do not answer this directly.") and "Town" not in unsure


@pytest.mark.parametrize("stored", ["no tables", "later form", "no blocks", "no column"])
def test_a_base_of_another_nacre_is_read_from_its_text(tmp_path: Path, stored: str) -> None:
    (tmp_path / "files").mkdir()
    with base_of(tmp_path, written(tmp_path / "files", "rates.csv")) as base:
        [(kept,)] = base.store.catalog.db.read("SELECT blocks FROM documents")
        only = pack_blocks(unpack_blocks(kept))
        assert unpack_blocks(only) == unpack_blocks(kept) and len(only) < len(kept)
        if stored == "no column":
            base.store.catalog.db.execute("ALTER TABLE documents DROP COLUMN blocks")
        else:
            later = only + zlib.compress(b'[2,{"tables":[]}]')
            value = {"no tables": only, "later form": later, "no blocks": None}[stored]
            base.store.catalog.db.execute("UPDATE documents SET blocks = ?", (value,))
        found = passages(base)
        assert len(found) > 2 and not any("tables" in document.metadata for document in found)
        assert table_of(found[0]).columns == ("Town", "Nightly rate", "Class")


def test_a_row_that_the_passage_cuts_is_left_out_and_an_empty_first_cell_is_kept(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    lines = ["Town,Note,Beds", *(f"{town if n % 2 else ''},note {n},{n}" for n, town in enumerate(TOWNS))]
    (tmp_path / "files" / "beds.csv").write_text("\n".join(lines), "utf-8")
    with base_of(tmp_path, tmp_path / "files") as base:
        hits = base.search("note beds Ashham", k=20)
        text = base.text(hits[0].uri)
        at = text.index("\tnote 6\t")
        whole, cut = replace(hits[0], start=at + 1, end=at + 40), replace(hits[0], start=at + 3, end=at + 40)
        found = base.tables_in([replace(hit, text=text[hit.start : hit.end]) for hit in (whole, cut)])
        assert base.tables_in([replace(whole, text="changed\tsince")]) == [[]]
    [[first], [second]] = found
    assert [text[at + 1 :][a:b] for a, b in first.rows[0]] == ["", "note 6", "6"]
    assert text[at + 3 :][slice(*second.rows[0][1])] == "note 7"


def test_what_a_retriever_made_up_is_no_table() -> None:
    text = "a\tb\n1\t2"
    good = {"start": 0, "end": 7, "mark": "\t", "head": None, "header": ["x", "y"], "rows": [[[0, 1], [2, 3]]]}
    [grid] = read([good], text)
    assert grid.rows == (((0, 1), (2, 3)),)
    for wrong in (
        {**good, "end": 99}, {**good, "rows": [[[5, 2]]]}, {**good, "rows": [[]]}, {**good, "mark": ";"}, {**good, "more": 1},
        {**good, "start": "a"}, {**good, "rows": 3}, {**good, "head": [1]}, "tables", 7,
    ):  # fmt: skip
        assert read([good, wrong], text) == ()
    assert read("tables", text) == read(7, text) == read(None, text) == ()


def test_between_the_tables_that_are_known_others_are_looked_for() -> None:
    text = "p\tq\n1\t2\n\nTown | Beds\nA | 3\n\n5\t6\n7\t8"
    at = text.index("5\t6")
    known = {"start": at, "end": len(text), "mark": "\t", "head": None, "header": ["a", "b"],
             "rows": [[[at, at + 1], [at + 2, at + 3]], [[at + 4, at + 5], [at + 6, at + 7]]]}  # fmt: skip
    headers = [grid.header for grid in grids_in(text, read([known], text))]
    assert headers == [("p", "q"), ("Town", "Beds"), ("a", "b")]


def test_what_is_stored_of_a_table_does_not_grow_with_its_rows() -> None:
    few, many = (parse(("a,b\n" + "1,2\n" * rows).encode(), name="a.csv") for rows in (9, 9000))
    sizes = [len(pack_blocks(document.blocks, document.tables)) for document in (few, many)]
    assert sizes[1] < sizes[0] + 20
    assert unpack_tables(pack_blocks(many.blocks, many.tables)) == [TableRecord(0, len(many.text), 4, "\t", ("a", "b"))]


def test_columns_come_back_from_a_prompt_as_they_were() -> None:
    sources = [Source(1, "x\ty", "T", columns=('a "b"', "c<d", "")), Source(2, "text", columns=())]
    found, _ = parse_sources(render_sources(sources))
    assert [source.columns for source in found] == [source.columns for source in sources]
