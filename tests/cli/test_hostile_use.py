"""The command line where things go wrong around it: one line, the right exit status, no traceback."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from nacre.cli import application, run

NACRE = [sys.executable, "-c", "import nacre.cli; nacre.cli.main()"]


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("docs")
    (folder / "lehre.md").write_text("# 制度\n\n员工每周可居家办公两天。\n", "utf-8")
    path = tmp_path_factory.mktemp("hostile") / "kb"
    assert run(["sync", str(folder), "--kb", str(path), "--json"]) == 0
    return str(path)


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert run(list(arguments)) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and err.startswith("nacre: ")
    return err


@pytest.mark.parametrize(
    ("arguments", "english", "chinese"),
    [
        (["asks"], "No such command 'asks'", "没有命令 'asks'"),
        (
            ["ask"],
            "Missing argument 'question'. What it takes: nacre ask --help",
            "缺少 'question'。用法见 nacre ask --help",
        ),
        (["ls"], "Missing option '--kb'. What it takes: nacre ls --help", "缺少 '--kb'。用法见 nacre ls --help"),
        (["ask", "x", "--kbb", "y"], "No such option: --kbb", "没有选项 --kbb"),
        (["ask", "x", "--kb"], "requires an argument", "选项 '--kb' 需要一个值"),
        (["search", "x", "--kb", "y", "-k", "0"], "greater than or equal to 1", "'-k' 的值无效：应大于或等于 1"),
        (["search", "x", "--kb", "y", "-k", "z"], "valid integer", "'-k' 的值无效：应为整数"),
        (
            ["search", "x", "y", "--kb", "z"],
            "unexpected extra argument(s) (y). Put several words",
            "多余的参数：y。多个词",
        ),
        (["search", "x", "--kb", ""], "'--kb': it is empty", "'--kb' 的值无效：值为空"),
        (["sync", "x", "--kb", ""], "'--kb': it is empty", "'--kb' 的值无效：值为空"),
        (["sync", "x", "--kb", "y", "--embedder", ""], "'--embedder': it is empty", "'--embedder' 的值无效：值为空"),
        (["verify", "--kb", " ", "--repair"], "'--kb': it is empty", "'--kb' 的值无效：值为空"),
        (["verify", "--kb", "nowhere", "--repair"], "no knowledge base in nowhere", "nowhere 中没有知识库"),
        (["agent", "x", "--kb", ""], "'--kb': it is empty", "'--kb' 的值无效：值为空"),
        (["serve", "--kb", ""], "'--kb': it is empty", "'--kb' 的值无效：值为空"),
        (["mcp", "--config", ""], "'--config': it is empty", "'--config' 的值无效：值为空"),
        (["keys", "add", "x", "--kb", "y", "--principals", ""], "list of principals is empty", "主体列表为空"),
        (["eval", "answers", "--kb", "", "--data", "x"], "'--kb': it is empty", "'--kb' 的值无效：值为空"),
        (["eval", "export", "x", "y", "--kb", ""], "'--kb': it is empty", "'--kb' 的值无效：值为空"),
        (["demo", "--kb", ""], "'--kb': it is empty", "'--kb' 的值无效：值为空"),
        (["ask", "x", "--kb", "y", "--model", ""], "'--model': it is empty", "'--model' 的值无效：值为空"),
        (["pal", "x", "--model", "quote:x"], "write quote, not 'quote:x'", "请写 quote，而不是 'quote:x'"),
        (["pal", ""], "question is empty", "问题为空"),
        (["agent", "x", "--tool", "hammer"], "no tool 'hammer'", "没有工具 'hammer'"),
        (["run", "nowhere.py"], "No such file", "没有那个文件或文件夹"),
        (["run", "/"], "Is a directory", "是一个文件夹"),
        (["init", "/nowhere/nacre.yaml"], "No such file", "没有那个文件或文件夹"),
    ],
)
def test_wrong_usage_is_told_in_the_users_language(
    arguments: list[str],
    english: str,
    chinese: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert english in complaint(capsys, *arguments)
    monkeypatch.setenv("NACRE_LANG", "zh")
    assert chinese in complaint(capsys, *arguments)


def test_the_help_page_is_in_the_users_language(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    english = ("Usage: nacre keys add [OPTIONS]", "Show this message and exit.")
    chinese = ("用法：nacre keys add [选项]", "显示本帮助并退出。")
    for language, said, unsaid in (("en", english, chinese), ("zh", chinese, english)):
        monkeypatch.setenv("NACRE_LANG", language)
        assert run(["keys", "add", "--help"]) == 0
        page = capsys.readouterr().out
        assert all(words in page for words in said) and not any(words in page for words in unsaid)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [([], "事实仍留在知识库中。"), (["sync"], "（默认不读）"), (["search"], "以这些主体的身份检索，逗号分隔")],
)
def test_a_help_page_in_chinese_is_whole_on_a_narrow_terminal(arguments: list[str], said: str) -> None:
    narrow = {**os.environ, "NACRE_LANG": "zh", "COLUMNS": "80", "TERMINAL_WIDTH": "80"}
    page = subprocess.run([*NACRE, *arguments, "--help"], env=narrow, capture_output=True, check=True).stdout.decode()
    assert said in re.sub(r"[\s│]", "", page)


@pytest.mark.parametrize("json_flag", [[], ["--json"]])
def test_a_sync_that_read_nothing_is_bad_input(
    tmp_path: Path, json_flag: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.txt").write_text("", "utf-8")
    for source in (tmp_path / "none", tmp_path / "empty.txt"):
        said = complaint(capsys, "sync", str(source), "--kb", str(tmp_path / "kb"), *json_flag)
        assert source.name in said
    (tmp_path / "good.txt").write_text("Nacre.", "utf-8")
    assert (
        run(["sync", str(tmp_path / "none"), str(tmp_path / "good.txt"), "--kb", str(tmp_path / "kb"), *json_flag]) == 0
    )


def test_a_knowledge_base_that_is_a_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file.txt"
    file.write_text("not a folder", "utf-8")
    for place in (file, file / "kb"):
        assert "Name another folder" in complaint(capsys, "sync", str(file), "--kb", str(place))
    assert "nacre sync" in complaint(capsys, "ask", "x?", "--kb", str(file))
    assert file.read_text("utf-8") == "not a folder"


def test_a_report_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    assert "file" in complaint(capsys, "eval", "sample", "--limit", "1", "--out", str(tmp_path / "file" / "report"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("json_flag", [[], ["--json"]])
def test_a_full_disk_behind_stdout_is_one_line(kb: str, json_flag: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*NACRE, "search", "办公", "--kb", kb, *json_flag], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1 and b"Traceback" not in done.stderr


def test_a_closed_stdout_and_a_reader_that_has_gone_are_no_error(kb: str) -> None:
    for shell in ('"$@" >&-', '"$@" | true'):
        command = ["bash", "-c", shell, "bash", *NACRE, "search", "办公", "--kb", kb]
        done = subprocess.run(command, capture_output=True)
        assert (done.returncode, done.stderr) == (0, b"")


def test_a_terminal_without_utf8_shows_escapes_and_json_stays_json(kb: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ask = [*NACRE, "ask", "员工每周可以居家办公几天？", "--kb", kb]
    shown = subprocess.run(ask, env=environment, capture_output=True, check=True).stdout
    assert b"\\u5458\\u5de5" in shown
    found = json.loads(subprocess.run([*ask, "--json"], env=environment, capture_output=True, check=True).stdout)
    assert "两天" in found["answer"]


def test_ctrl_c_stops_a_sync_with_one_word_and_keeps_the_base_whole(tmp_path: Path) -> None:
    for n in range(300):
        (tmp_path / f"{n}.txt").write_text(f"Document {n}: " + f"word{n} " * 300, "utf-8")
    kb = tmp_path.parent / (tmp_path.name + "-kb")
    command = [*NACRE, "sync", str(tmp_path), "--kb", str(kb)]
    python_default = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **python_default) as process:
        until = time.monotonic() + 60
        while not (kb / "manifest.json").exists() and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == b"Stopped.\n"
    assert run(["verify", "--kb", str(kb)]) == 0


def writing(command: Any, *words: str) -> Iterator[tuple[str, ...]]:
    """The words of each command that writes to a place of the asker's choice, with the option that names it."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from writing(inner, *words, name)
    taken = {option for parameter in command.params for option in parameter.opts}
    yield from ((*words, option) for option in ("--out", "--junit", "--csv") if option in taken)


def test_a_place_that_cannot_be_written_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("mine")
    commands = list(writing(typer.main.get_command(application())))
    assert {("finetune", "train", "--out"), ("eval", "answers", "--csv"), ("gaps", "--out")} < set(commands)
    for words in commands:
        told = complaint(capsys, *words, str(tmp_path / "mine" / "below" / "x"))
        assert f"{tmp_path / 'mine'} is no folder. Take another place." in told, words
        if Path("/proc/self").is_dir():  # its modes say that root may write there
            assert "Nothing can be written in /proc" in complaint(capsys, *words, "/proc/none/x"), words
    assert (tmp_path / "mine").read_text() == "mine" and len(list(tmp_path.iterdir())) == 1
