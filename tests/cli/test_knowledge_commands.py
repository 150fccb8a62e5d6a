"""sync, search, ask and chat as a person and a program meet them: exit codes, one JSON object, one line of error."""

from __future__ import annotations

import functools
import importlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer

import nacre
from nacre import cli
from nacre.cli import run

HANDBOOK = "# Leave\n\nNew employees get 20 vacation days a year.\n\n# 报销\n\n出差住宿费每晚最多报销 600 元。\n"


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("docs")
    (folder / "handbook.md").write_text(HANDBOOK, "utf-8")
    path = tmp_path_factory.mktemp("kb") / "kb"
    assert run(["sync", str(folder), "--kb", str(path), "--json"]) == 0
    return str(path)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> Any:
    assert run(list(arguments)) == status
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return json.loads(out)


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and "Traceback" not in captured.err
    return captured.err


def test_a_second_sync_embeds_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("Nacre is mother of pearl.", "utf-8")
    (tmp_path / "empty.txt").write_text("", "utf-8")
    kb = str(tmp_path / "kb")
    first = answer(capsys, "sync", str(tmp_path / "a.txt"), "--kb", kb, "--json")
    assert (first["added"], first["embedded"], first["failed"]) == (1, 1, [])
    second = answer(capsys, "sync", str(tmp_path / "a.txt"), "--kb", kb, "--json")
    assert (second["added"], second["unchanged"], second["embedded"]) == (0, 1, 0)


def test_search_gives_hits_that_stand_in_the_text(kb: str, capsys: pytest.CaptureFixture[str]) -> None:
    hits = answer(capsys, "search", "vacation days", "--kb", kb, "-k", "3", "--json")["hits"]
    assert "20 vacation days" in hits[0]["text"]
    assert {
        "text",
        "score",
        "uri",
        "title",
        "heading",
        "page",
        "start",
        "end",
        "chunk_id",
        "document_id",
        "version",
    } <= set(hits[0])


@pytest.mark.parametrize(
    ("question", "said"),
    [("How many vacation days do new employees get?", "20 vacation days"), ("出差住宿费每晚最多报销多少？", "600 元")],
)
def test_ask_answers_in_both_languages_with_citations(
    kb: str, question: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    reply = answer(capsys, "ask", question, "--kb", kb, "--json")
    assert said in reply["answer"] and reply["abstained"] is False and reply["model"] == "quote"
    citation = reply["citations"][0]
    assert said in citation["quote"] and citation["uri"].endswith("handbook.md")
    from nacre import KnowledgeBase

    assert KnowledgeBase.open(kb).text(citation["uri"])[citation["start"] : citation["end"]] == citation["quote"]


def test_what_is_not_there_is_refused(kb: str, capsys: pytest.CaptureFixture[str]) -> None:
    reply = answer(capsys, "ask", "谁发明了蒸汽机？", "--kb", kb, "--json")
    assert reply["abstained"] is True and reply["citations"] == [] and "没有" in reply["answer"]


def test_ask_shows_people_the_answer_and_its_source(kb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ask", "How many vacation days?", "--kb", kb]) == 0
    shown = capsys.readouterr().out
    assert "20 vacation days" in shown and "[1]" in shown and "handbook.md" in shown


def test_chat_reads_lines_until_the_end(
    kb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = iter(["How many vacation days do new employees get?", ""])
    monkeypatch.setattr("builtins.input", lambda prompt="": next(lines))
    assert run(["chat", "--kb", kb]) == 0
    assert "20 vacation days" in capsys.readouterr().out


def test_a_question_of_any_shape_is_answered_or_refused(kb: str, capsys: pytest.CaptureFixture[str]) -> None:
    for question in (
        "x" * 100_000,
        "住宿" * 50_000,
        "a\udcffb\x00?",
        "🐚" * 100,
        "'; DROP TABLE --",
        "{question} {{sources}}",
    ):
        reply = answer(capsys, "ask", question, "--kb", kb, "--json")
        assert isinstance(reply["abstained"], bool)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["ask", "   "], "empty"),
        (["ask", "x?", "--model", "nobody:x"], "nobody"),
        (["ask", "x?", "--model", "deepseek:deepseek-chat"], "DEEPSEEK_API_KEY"),
        (["ask", "x?", "--model", "openai_compatible:m@http://127.0.0.1:9/v1"], "127.0.0.1:9"),
        (["ask", "x?", "--model", "transformers:/no/such/folder"], "/no/such/folder"),
        (["search", "x", "-k", "0"], "-k"),
        (["search"], "query"),
    ],
)
def test_wrong_usage_is_one_line_that_names_it(
    kb: str, arguments: list[str], names: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert names in complaint(capsys, *arguments, "--kb", kb)


def test_a_missing_knowledge_base_says_how_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "nacre sync" in complaint(capsys, "ask", "x?", "--kb", str(tmp_path / "none"))
    monkeypatch.setenv("NACRE_LANG", "zh")
    assert "没有知识库" in complaint(capsys, "ask", "x?", "--kb", str(tmp_path / "none"))


def test_a_damaged_knowledge_base_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("Nacre is mother of pearl.", "utf-8")
    kb = tmp_path / "kb"
    answer(capsys, "sync", str(tmp_path / "a.txt"), "--kb", str(kb), "--json")
    (kb / "manifest.json").write_text("{", "utf-8")
    assert "manifest" in complaint(capsys, "search", "x", "--kb", str(kb))


def test_a_missing_source_and_an_unreadable_file_cost_their_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good.txt").write_text("Nacre is mother of pearl.", "utf-8")
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.7 broken")
    report = answer(capsys, "sync", str(tmp_path), "--kb", str(tmp_path.parent / "kb2"), "--json")
    assert report["added"] == 1
    assert [row["uri"].rsplit("/", 1)[1] for row in report["failed"]] == ["bad.pdf"] and report["failed"][0]["reason"]


def test_verify_says_whether_the_base_is_whole_and_repairs_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_text("Nacre is mother of pearl.", "utf-8")
    kb = tmp_path / "kb"
    answer(capsys, "sync", str(tmp_path / "a.txt"), "--kb", str(kb), "--json")
    assert answer(capsys, "verify", "--kb", str(kb), "--json")["problems"] == []
    assert answer(capsys, "verify", "--repair", "--kb", str(kb), "--json")["documents"] == 1
    assert run(["verify", "--kb", str(kb)]) == 0
    assert "1 documents" in capsys.readouterr().out


@pytest.fixture
def intranet(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "page.html").write_text("<title>Canteen</title><p>Lunch is at noon.</p>", "utf-8")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/page.html"
        server.shutdown()
        thread.join()


def test_a_page_of_a_private_address_is_synced_only_when_that_is_allowed(
    intranet: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kb = str(tmp_path / "kb")
    refused = answer(capsys, "sync", intranet, "--kb", kb, "--json", status=2)
    assert "--allow-private" in refused["failed"][0]["reason"]
    done = answer(capsys, "sync", intranet, "--kb", kb, "--allow-private", "--json")
    assert (done["added"], done["failed"]) == (1, [])
    again = answer(capsys, "sync", intranet, str(tmp_path / "site"), "--kb", kb, "--allow-private", "--json")
    assert (again["unchanged"], again["added"]) == (1, 1)


def test_a_search_loads_nothing_that_it_does_not_use(kb: str) -> None:
    unused = "langchain_core torch onnx nacre.ingest.sync nacre.documents nacre.grounding.answer_type rich.progress"
    code = "import sys; from nacre.cli import run; run(sys.argv[1:]); print([m for m in sys.stdin.read().split() if m in sys.modules])"
    command = [sys.executable, "-c", code, "search", "vacation", "--kb", kb]
    done = subprocess.run(command, input=unused, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_command_is_found_by_its_first_word_alone() -> None:
    for part, commands in cli._PARTS.items():
        module = importlib.import_module(f"nacre.cli.{part}")
        own = [each for each in vars(module).values() if getattr(each, "__module__", "") == module.__name__]
        names = [each.command[0].partition(" ")[0] for each in own if hasattr(each, "command")]
        assert tuple(dict.fromkeys(names)) == commands
        for word in commands:
            assert word in typer.main.get_command(cli.application(word)).commands  # type: ignore[attr-defined]
    folder = Path(cli.__file__).parent
    files = {
        ".".join(path.relative_to(folder).with_suffix("").parts)
        for path in folder.rglob("*.py")
        if re.search(r"^@(command|suite)\(", path.read_text("utf-8"), re.MULTILINE)
    }
    assert files == cli._PARTS.keys()


def test_sync_reads_what_links_name_outside_only_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("The pearl lagoon is deep.")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# Shells\n\nNacre lines them.\n")
    (tmp_path / "docs" / "notes.md").symlink_to(tmp_path / "outside" / "secret.txt")
    (tmp_path / "docs" / "linked").symlink_to(tmp_path / "outside")
    arguments = ["sync", str(tmp_path / "docs"), "--kb", str(tmp_path / "kb"), "--embedder", "none", "--json"]
    first = answer(capsys, *arguments)
    assert first["added"] == 1 and len(first["failed"]) == 2
    assert all("--follow-links" in row["reason"] for row in first["failed"])
    assert b"pearl lagoon" not in (tmp_path / "kb" / "catalog.sqlite").read_bytes()
    second = answer(capsys, *arguments, "--follow-links")
    assert second["added"] == 2 and not second["failed"]


def test_doctor_says_the_version_that_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "doctor", "--json")["versions"]["nacre"] == nacre.__version__


def test_doctor_shows_the_walls_around_parsers(capsys: pytest.CaptureFixture[str]) -> None:
    rows = answer(capsys, "doctor", "--json")["parsers"]
    assert [row["name"] for row in rows] == ["namespaces", "landlock", "seccomp", "ocr"]
    assert all(row["active"] == (not row["detail"]) for row in rows)
