"""ls, rm, --version, --fail-on-error and the words of chat: what is there, how it is named, and what it costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import nacre
from nacre.cli import run


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "人事").mkdir(parents=True)
    (folder / "人事" / "年假 规定.md").write_text("# 年假\n\n入职满一年后每年有 25 天年假。\n", "utf-8")
    (folder / "tides.md").write_text("# Tides\n\nThe tide comes twice a day.\n", "utf-8")
    return folder


@pytest.fixture
def kb(docs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    path = str(tmp_path / "kb")
    assert run(["sync", str(docs), "--kb", path, "--embedder", "none", "--principals", "hr"]) == 0
    capsys.readouterr()
    return path


def data(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> Any:
    assert run([*arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def listed(capsys: pytest.CaptureFixture[str], kb: str) -> list[str]:
    return [row["uri"] for row in data(capsys, "ls", "--kb", kb)["documents"]]


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"nacre {nacre.__version__}\n"


def test_ls_tells_programs_everything_and_people_what_they_can_read(
    kb: str, docs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = data(capsys, "ls", "--kb", kb)["documents"]
    path = docs / "人事" / "年假 规定.md"
    row = next(row for row in rows if row["uri"] == path.as_uri())
    keys = {"uri", "title", "mime", "chunks", "characters", "modified", "principals", "version", "fields"}
    assert set(row) == keys and len(rows) == 2
    text = nacre.KnowledgeBase.open(kb).text(row["uri"])
    assert (row["title"], row["mime"], row["chunks"], row["version"]) == ("年假", "text/markdown", 1, 1)
    assert (row["characters"], row["principals"], row["fields"]) == (len(text.rstrip()), ["hr"], {})
    assert row["modified"] == pytest.approx(path.stat().st_mtime)
    assert run(["ls", "--kb", kb]) == 0
    shown = capsys.readouterr().out
    assert "人事/年假 规定.md" in shown and "%" not in shown and "hr" in shown and "2 documents" in shown


@pytest.mark.parametrize("form", ["exact", "readable", "path"])
def test_rm_takes_each_form_of_an_address(form: str, kb: str, docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = docs / "人事" / "年假 规定.md"
    given = {"exact": path.as_uri(), "readable": f"file://{path}", "path": str(path)}[form]
    assert data(capsys, "rm", given, given, "--kb", kb) == {"deleted": [path.as_uri()]}
    assert listed(capsys, kb) == [(docs / "tides.md").as_uri()]
    assert data(capsys, "search", "年假", "--kb", kb, "--as", "hr")["hits"] == []


def test_rm_of_an_unknown_address_names_the_nearest_and_takes_nothing_out(
    kb: str, docs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong, near in (("规定", "人事/年假 规定.md"), (f"file://{docs}/tide.md", "tides.md"), ("\0", "nacre ls")):
        assert run(["rm", str(docs / "tides.md"), wrong, "--kb", kb]) == 2
        said = capsys.readouterr()
        assert said.out == "" and said.err.count("\n") == 1 and near in said.err
    assert len(listed(capsys, kb)) == 2


def test_fail_on_error_is_for_programs_that_must_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "good.txt").write_text("The tide comes twice a day.", "utf-8")
    arguments = ["sync", str(tmp_path / "d"), "--kb", str(tmp_path / "kb"), "--embedder", "none"]
    assert data(capsys, *arguments, "--fail-on-error")["hidden_text"] == []
    (tmp_path / "d" / "损坏.pdf").write_bytes(b"%PDF-1.7 broken")
    assert data(capsys, *arguments)["failed"]
    done = data(capsys, *arguments, "--fail-on-error", status=1)
    assert done["failed"][0]["uri"].endswith("%E6%8D%9F%E5%9D%8F.pdf") and done["unchanged"] == 1
    assert run([*arguments, "--fail-on-error"]) == 1
    assert "损坏.pdf" in capsys.readouterr().out


def test_people_read_decoded_addresses_and_programs_exact_ones(
    kb: str, docs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uri, shown = (docs / "人事" / "年假 规定.md").as_uri(), "人事/年假 规定.md"
    for command in (
        ["search", "年假", "--as", "hr"],
        ["ask", "每年有多少天年假？", "--as", "hr"],
        ["why", "每年有多少天年假？", "--expect", "25 天年假", "--as", "hr"],
        ["why", "每年有多少天年假？", "--expect", "25 天年假"],  # its reason names the document that may not be seen
    ):
        assert run([*command, "--kb", kb]) == 0
        said = capsys.readouterr().out
        assert shown in said and "%E4" not in said, command
        assert uri in json.dumps(data(capsys, *command, "--kb", kb), ensure_ascii=False)


@pytest.mark.parametrize(
    ("language", "words"), [("en", ("/help", "/quit")), ("zh", ("/帮助", "/退出")), ("en", ("/?", "exit"))]
)
def test_chat_knows_its_own_words(
    language: str, words: tuple[str, str], kb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NACRE_LANG", language)
    lines = iter([words[0], "/hepl", "年假有几天？", words[1], "never read"])
    monkeypatch.setattr("builtins.input", lambda prompt="": next(lines))
    assert run(["chat", "--kb", kb, "--as", "hr"]) == 0
    said = capsys.readouterr().out
    assert said.count("Ctrl-D") == 2 and "/hepl" in said and "25 天年假" in said
    assert list(lines) == ["never read"]


def test_chat_ends_with_the_end_of_the_input(kb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(prompt: str = "") -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", ended)
    assert run(["chat", "--kb", kb]) == 0


def test_a_path_or_a_sentence_after_a_slash_is_a_question(
    kb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = iter(["/tide twice a day?", "/etc/tide", ""])
    monkeypatch.setattr("builtins.input", lambda prompt="": next(lines))
    assert run(["chat", "--kb", kb, "--as", "hr"]) == 0
    assert "/help" not in capsys.readouterr().out
