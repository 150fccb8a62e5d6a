"""fsspec, SQL, LlamaIndex, LangChain, sound, and a stranger's package: each through the real thing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from nacre.connectors.sources import resolve
from nacre.connectors.sources.converted import transcript
from nacre.errors import MissingExtraError, SourceError, UsageError
from nacre.ingest.source import Item, Source

TINY = Path(__file__).parent / "tiny_package"


def items(source: Source) -> list[Item]:
    return [item for item in source.items() if isinstance(item, Item)]


# --- a stranger's package


def test_an_installed_package_adds_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TINY))
    source = resolve("tiny:a,b", greeting="你好")
    assert isinstance(source, Source)
    assert [(item.uri, item.read()) for item in items(source)] == [("tiny:a", "你好 a"), ("tiny:b", "你好 b")]


def test_without_the_package_the_scheme_is_a_path() -> None:
    with pytest.raises(SourceError, match="cannot be opened"):
        items(resolve("tiny:a,b"))


# --- fsspec


def test_any_fsspec_url_lists_reads_and_stamps() -> None:
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    system.pipe({"/kb/a.md": b"# A", "/kb/x/b.txt": b"B", "/kb/.hidden": b"no"})
    try:
        found = items(resolve("memory://kb"))
        assert [(item.uri, item.read()) for item in found] == [
            ("memory:///kb/a.md", b"# A"),
            ("memory:///kb/x/b.txt", b"B"),
        ]
        assert [item.uri for item in items(resolve("memory://kb/**/*.txt"))] == ["memory:///kb/x/b.txt"]
        system.pipe("/kb/a.md", b"# A, changed")
        assert items(resolve("memory://kb"))[0].stamp != found[0].stamp
        with pytest.raises(SourceError, match="allowed"):
            items(resolve("memory://kb", max_bytes=1))[0].read()
    finally:
        system.rm("/kb", recursive=True)
    with pytest.raises(SourceError, match="cannot be listed"):
        items(resolve("memory://kb"))
    with pytest.raises(SourceError, match="cannot be read"):
        found[0].read()


def test_a_file_system_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    # One of our own making: which of fsspec's are installed depends on what else is.
    registry = pytest.importorskip("fsspec.registry")
    absent = {"class": "absent_package.FileSystem", "err": "Please install absent_package to reach attic"}
    monkeypatch.setitem(registry.known_implementations, "attic", absent)
    with pytest.raises(MissingExtraError, match="install absent_package"):
        items(resolve("attic://nowhere/x"))


def test_a_file_system_that_cannot_start_says_why() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises((MissingExtraError, SourceError), match=r"hdfs://nowhere/x.*\w"):
        items(resolve("hdfs://nowhere/x"))


# --- SQL


@pytest.fixture
def database(tmp_path: Path) -> str:
    pytest.importorskip("sqlalchemy")
    path = tmp_path / "faq.db"
    connection = sqlite3.connect(path)
    connection.execute('create table "faq; drop" (id integer primary key, q text, a text, changed text)')
    connection.executemany(
        'insert into "faq; drop" values (?, ?, ?, ?)', [(1, "什么是螺钿？", "贝壳工艺", "1"), (2, "Why?", None, "1")]
    )
    connection.commit()
    connection.close()
    return f"sqlite:///{path}"


def change(database: str, statement: str) -> None:
    connection = sqlite3.connect(database.removeprefix("sqlite:///"))
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_each_row_is_a_document_under_its_primary_key(database: str) -> None:
    source = resolve(f"sql:{database}#faq; drop", text=["q", "a"], title="q")
    first, second = items(source)
    assert first.uri.startswith(source.scope) and first.uri.endswith("/1")
    assert (first.read(), first.title) == ("q: 什么是螺钿？\na: 贝壳工艺", "什么是螺钿？")
    assert second.read() == "q: Why?"
    change(database, "update \"faq; drop\" set a = 'inlay' where id = 1")
    again = items(resolve(f"sql:{database}#faq; drop", text=["q", "a"], title="q"))
    assert (again[0].stamp != first.stamp, again[1].stamp == second.stamp) == (True, True)


def test_a_query_gives_rows_or_one_table_and_writes_nothing(database: str) -> None:
    rows = items(resolve(f"sql:{database}", query='select q, a from "faq; drop" order by id'))
    assert [item.read() for item in rows] == ["q: 什么是螺钿？\na: 贝壳工艺", "q: Why?"]
    (table,) = items(resolve(f'sql:{database}#select q, a from "faq; drop" order by id', mode="table", title="FAQ"))
    assert (table.mime, table.title, table.read()) == (
        "text/csv",
        "FAQ",
        "q,a\r\n什么是螺钿？,贝壳工艺\r\nWhy?,\r\n".encode(),
    )
    with pytest.raises(SourceError):
        items(resolve(f"sql:{database}", query='delete from "faq; drop"'))
    assert len(items(resolve(f"sql:{database}#faq; drop"))) == 2


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"table": "missing"}, "fails"),
        ({"query": "select nonsense"}, "fails"),
        ({"query": "select 1 as a union all select 1"}, "key"),
        ({"query": "select 1 as a", "text": ["b"]}, "no column"),
        ({"query": "select 1 as a union select 2", "max_rows": 1}, "more than 1 rows"),
    ],
)
def test_what_a_database_refuses_is_an_error(database: str, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        items(resolve(f"sql:{database}", **options))


def test_logins_never_stand_in_a_uri() -> None:
    pytest.importorskip("sqlalchemy")
    scope = resolve("sql:postgresql://bob:secret@db.example:5432/hr#people").scope
    assert scope == "sql://postgresql/db.example:5432/hr/people/"


def test_neither_table_nor_query_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        resolve("sql:sqlite://")


# --- LangChain and LlamaIndex


class Loader(BaseLoader):
    """A loader as anyone writes one."""

    def __init__(self, folder: str = "x", fail: bool = False) -> None:
        self.folder, self.fail = folder, fail

    def lazy_load(self) -> Iterator[Document]:
        yield Document("# 第一页", metadata={"source": f"{self.folder}/a.pdf", "page": 0, "title": "甲"})
        yield Document("第二页", metadata={"source": f"{self.folder}/a.pdf", "page": 1})
        yield Document("a page", metadata={"source": "https://x.org/p"})
        if self.fail:
            raise RuntimeError("the network went away")


def test_any_langchain_loader_is_a_source() -> None:
    source = resolve(Loader())
    found = items(source)
    assert [item.uri.removeprefix(source.scope) for item in found] == ["/x/a.pdf", "/x/a.pdf#2", "https://x.org/p"]
    assert (found[0].read(), found[0].title, found[0].mime, found[0].metadata["page"]) == (
        "# 第一页",
        "甲",
        "text/markdown",
        "0",
    )
    assert [item.stamp for item in found] == [item.stamp for item in items(resolve(Loader()))]


def test_a_loader_by_name_with_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    module = types.ModuleType("acme_loaders")
    module.Loader = Loader  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "acme_loaders", module)
    assert len(items(resolve('langchain:acme_loaders.Loader#{"folder": "y"}'))) == 3
    assert (
        resolve('langchain:acme_loaders.Loader#{"folder": "y"}').scope
        != resolve('langchain:acme_loaders.Loader#{"folder": "z"}').scope
    )
    for wrong in (
        "langchain:os.system",
        "langchain:subprocess.Popen",
        "langchain:acme_loaders.Nothing",
        "langchain:acme_loaders.Loader#{",
        'langchain:acme_loaders.Loader#{"nope": 1}',
    ):
        with pytest.raises(UsageError):
            resolve(wrong)


def test_a_loader_that_fails_half_way_lists_nothing() -> None:
    with pytest.raises(SourceError, match="went away"):
        items(resolve(Loader(fail=True)))


def test_a_llamaindex_reader_gives_lasting_names_to_random_ids() -> None:
    readers = pytest.importorskip("llama_index.core.readers")
    reader = readers.StringIterableReader()
    first = items(resolve(reader, texts=["甲", "乙", "甲"]))
    assert [item.read() for item in first] == ["甲", "乙", "甲"]
    assert len({item.uri for item in first}) == 3
    assert [item.uri.rpartition("/")[2] for item in first] == [
        item.uri.rpartition("/")[2] for item in items(resolve(reader, texts=["甲", "乙", "甲"]))
    ]


def test_a_llamaindex_reader_by_name_and_only_such() -> None:
    pytest.importorskip("llama_index.core.readers")
    (found,) = items(resolve('llamaindex:llama_index.core.readers.StringIterableReader#{"load": {"texts": ["x"]}}'))
    assert found.read() == "x"
    for wrong in ("llamaindex:os.path", "llamaindex:subprocess.Popen"):
        with pytest.raises(UsageError):
            resolve(wrong)
    with pytest.raises(MissingExtraError, match="llama-index-readers-notion"):
        resolve("llamaindex:llama_index.readers.notion.NotionPageReader")


def test_readers_that_know_addresses_keep_them_and_secrets_stay_out() -> None:
    class NotionLike:
        def load_data(self, page_ids: list[str], token: str) -> list[Any]:
            return [
                SimpleNamespace(text=f"page {page}", metadata={"page_id": page, "last_edited_time": "t1"}, id_="x")
                for page in page_ids
            ]

    source = resolve(NotionLike(), page_ids=["p1"], token="secret")
    assert source.scope == resolve(NotionLike(), page_ids=["p1"], token="other").scope
    (found,) = items(source)
    assert found.uri.endswith("/p1") and found.stamp.startswith("t1-")


# --- sound


def test_sound_is_written_down_by_a_transcription_server(site, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("openai")
    (tmp_path / "talk.mp3").write_bytes(b"ID3 sound")
    (tmp_path / "notes.txt").write_text("no sound")
    sent: list[bytes] = []

    def transcribe(headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        sent.append(body)
        segments = [
            {"id": n, "start": at, "end": at + 5.0, "text": text}
            for n, (at, text) in enumerate([(0.0, " 各位好。"), (5.0, " 开始吧。"), (75.5, " 谢谢。")])
        ]
        return (
            200,
            {"Content-Type": "application/json"},
            json.dumps(
                {"text": "各位好。开始吧。谢谢。", "duration": 80.0, "language": "zh", "segments": segments}
            ).encode(),
        )

    site.pages["/v1/audio/transcriptions"] = transcribe
    source = resolve(
        f"transcription:{tmp_path}", base_url=f"{site.url}/v1", api_key="k", model="whisper-large", language="zh"
    )
    (found,) = items(source)
    assert found.uri.endswith("talk.mp3") and found.mime == "text/markdown"
    assert found.read().decode() == "[00:00] 各位好。 开始吧。\n\n[01:15] 谢谢。"  # type: ignore[union-attr]
    assert b"ID3 sound" in sent[0] and b"whisper-large" in sent[0] and b"verbose_json" in sent[0]


def test_a_server_without_times_is_asked_again_simply(site, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("openai")
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    json_type = {"Content-Type": "application/json"}
    site.pages["/v1/audio/transcriptions"] = lambda headers, body: (
        (400, json_type, b'{"error": {"message": "no verbose_json"}}')
        if b"verbose_json" in body
        else (200, json_type, b'{"text": "hello"}')
    )
    (found,) = items(resolve(f"transcription:{tmp_path}", base_url=f"{site.url}/v1", api_key="k"))
    assert found.read() == b"hello"


def test_a_server_that_is_down_and_a_file_that_is_too_big(site, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("openai")
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(SourceError, match="transcription failed"):
        items(resolve(f"transcription:{tmp_path}", base_url=f"{site.url}/v1", api_key="k", max_retries=0))[0].read()
    with pytest.raises(SourceError, match="split it"):
        items(resolve(f"transcription:{tmp_path}", base_url=f"{site.url}/v1", api_key="k", max_bytes=2))[0].read()


def test_segments_become_minutes() -> None:
    segments = [SimpleNamespace(start=float(at), text=f"s{at}") for at in (0, 30, 61, 3700)]
    assert transcript("", segments) == "[00:00] s0 s30\n\n[01:01] s61\n\n[61:40] s3700"
    assert transcript("only text", []) == "only text"


# --- docling


def test_docling_is_missed_with_its_install_line(tmp_path: Path) -> None:
    try:
        import docling  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtraError, match=r"nacre-ai\[docling\]"):
            resolve(f"docling:{tmp_path}")
