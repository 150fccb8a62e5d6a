"""The public surface that outside users rely on: names, arguments, attributes, flags, JSON keys and exit statuses.

Each is checked by running the real thing on small data, so that a renamed key is found here and not by a user.
"""

from __future__ import annotations

import csv
import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.retrievers import BaseRetriever

import nacre
from nacre.cli import run

HANDBOOK = "# Leave\n\nNew employees get 20 vacation days a year.\n\n# 报销\n\n出差住宿费每晚最多报销 600 元。\n"
PEARL = "Nacre is also called mother of pearl. It is made by molluscs.\n"
HIT = {"text", "score", "uri", "title", "heading", "page", "start", "end", "chunk_id", "document_id", "version"}


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    (folder / "handbook.md").write_text(HANDBOOK, "utf-8")
    (folder / "pearl.txt").write_text(PEARL, "utf-8")
    return folder


@pytest.fixture(scope="module")
def path(docs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("contract") / "kb"
    nacre.KnowledgeBase.open(folder).sync(str(docs))
    return folder


@pytest.fixture
def kb(path: Path) -> Any:
    return nacre.KnowledgeBase.open(path)


def printed(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> Any:
    """The one JSON object that a command prints with --json; nothing else may stand on stdout."""
    capsys.readouterr()
    assert run([*map(str, arguments), "--json"]) == status
    out = capsys.readouterr().out
    assert out.endswith("\n") and out.count("\n") == 1
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


# --- Python ---------------------------------------------------------------------------------------------------------


def test_every_name_of_the_contract_is_public() -> None:
    names = [
        "load_model",
        "ScriptedChatModel",
        "KnowledgeBase",
        "RetrievalAugmented",
        "ProgramAided",
        "ReAct",
        "FewShot",
        "ChainOfThought",
        "SelfConsistency",
        "ConversationMemory",
        "Moderation",
        "ResponseCache",
        "Retry",
        "Fallback",
        "Decomposition",
        "Summary",
        "PythonInterpreter",
        "parse_react",
        "build",
        "explain",
        "NacreError",
    ]
    assert set(names) <= set(nacre.__all__)
    for name in names:
        assert getattr(nacre, name).__doc__


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({}, "QuoteChatModel"),
        ({"NACRE_MODEL": "quote", "OPENAI_API_KEY": "k"}, "QuoteChatModel"),
        ({"OPENAI_API_KEY": "k"}, "OpenAICompatibleChatModel"),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, "OpenAICompatibleChatModel"),
    ],
)
def test_the_default_model_is_taken_from_the_environment(
    environment: dict[str, str], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    model = nacre.load_model(spec=None)
    assert isinstance(model, BaseChatModel) and type(model).__name__ == kind


def test_a_scripted_model_plays_a_list_or_a_function_and_records_its_calls() -> None:
    model = nacre.ScriptedChatModel(["a", AIMessage("b"), ValueError("c")])
    assert [model.invoke("1").text, model.invoke("2").text] == ["a", "b"]
    with pytest.raises(ValueError, match="c"):
        model.invoke("3")
    assert [call[-1].text for call in model.calls] == ["1", "2", "3"]
    counting = nacre.ScriptedChatModel(lambda messages, n: f"{messages[-1].text}{n}")
    assert counting.invoke("x").text.startswith("x")


def test_sync_reports_and_takes_the_arguments_of_the_contract(docs: Path, tmp_path: Path) -> None:
    kb = nacre.KnowledgeBase.open(tmp_path / "made" / "when missing", embedder=None)
    seen: list[Any] = []
    report = kb.sync(str(docs), principals=None, prune=True, on_progress=seen.append)
    assert (report.added, report.updated, report.deleted, report.unchanged, list(report.failed)) == (2, 0, 0, 0, [])
    assert report.embedded >= 2 and seen
    report = kb.sync(docs / "none.md", prune=False)
    [(uri, reason)] = report.failed
    assert "none.md" in uri and reason


def test_an_empty_path_is_not_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(nacre.NacreError, match="empty"):
        nacre.KnowledgeBase.open("")
    assert list(tmp_path.iterdir()) == []


def test_search_gives_hits_whose_place_holds_their_text(kb: Any) -> None:
    hits = kb.search("vacation days", k=10, principals=None)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    for hit in hits:
        assert all(hasattr(hit, field) for field in HIT)
        assert isinstance(hit.heading, tuple) and kb.text(hit.uri)[hit.start : hit.end] == hit.text
    assert "20 vacation days" in hits[0].text and hits[0].page is None


def test_a_knowledge_base_lists_counts_checks_and_deletes(docs: Path, tmp_path: Path) -> None:
    kb = nacre.KnowledgeBase.open(tmp_path / "kb")
    kb.sync(str(docs))
    assert len(list(kb.documents())) == 2 and kb.stats() and list(kb.verify()) == []
    [uri] = {hit.uri for hit in kb.search("mother of pearl", k=1)}
    kb.delete(uri)
    assert len(list(kb.documents())) == 1 and list(kb.verify()) == []
    assert uri not in {hit.uri for hit in kb.search("mother of pearl")}
    with pytest.raises(nacre.NacreError, match=r"pearl\.txt"):
        kb.text(uri)


def test_a_retriever_carries_the_fields_of_the_hit(kb: Any) -> None:
    retriever = kb.retriever(k=6, principals=None)
    assert isinstance(retriever, BaseRetriever)
    [first, *_] = retriever.invoke("vacation days")
    assert HIT - {"text"} <= set(first.metadata) and "vacation" in first.page_content


def test_retrieval_tells_its_citations_hits_and_abstention(kb: Any) -> None:
    model = nacre.RetrievalAugmented(inner=nacre.load_model("quote"), retriever=kb.retriever(), strict=False)
    answer = model.invoke("How many vacation days do new employees get?")
    own = answer.response_metadata["nacre"]
    assert own["abstained"] is False and own["hits"]
    [citation, *_] = own["citations"]
    assert {"uri", "title", "page", "start", "end", "quote"} <= set(citation)
    assert kb.text(citation["uri"])[citation["start"] : citation["end"]] == citation["quote"]
    marks = [note for block in answer.content_blocks for note in block.get("annotations", [])]
    assert {"type": "citation"}.items() <= marks[0].items()
    assert model.invoke("Who invented the steam engine?").response_metadata["nacre"]["abstained"] is True


def test_a_program_tells_its_program_value_and_execution() -> None:
    inner = nacre.ScriptedChatModel(["```python\nans = 6 * 7\n```", "It is 42."])
    model = nacre.ProgramAided(inner=inner, interpreter=None, attempts=2, samples=1)
    own = model.invoke("6 times 7?").response_metadata["nacre"]
    assert own["value"] == 42 and "6 * 7" in own["program"] and own["execution"]


def test_an_agent_tells_its_trajectory_and_the_usage() -> None:
    said = [
        "Thought: compute\nAction: python\nAction Input: print(6 * 7)",
        AIMessage(
            "Thought: done\nFinal Answer: 42", usage_metadata={"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}
        ),
    ]
    from nacre.tools import make_tools

    agent = nacre.ReAct(inner=nacre.ScriptedChatModel(said), tools=make_tools(["python"]), protocol="auto", max_steps=8)
    answer = agent.invoke("6 times 7?")
    own = answer.response_metadata["nacre"]
    assert answer.text == "42" and len(own["trajectory"]) >= 1 and own["usage"]


@pytest.mark.parametrize("protocol", ["auto", "native", "text"])
def test_every_protocol_of_the_contract_is_taken(protocol: str) -> None:
    assert nacre.ReAct(inner=nacre.ScriptedChatModel(["x"]), tools=[], protocol=protocol)
    with pytest.raises((nacre.NacreError, ValueError)):
        nacre.ReAct(inner=nacre.ScriptedChatModel(["x"]), tools=[], protocol="telepathy")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("6 * 7", "ok"),
        ("1 / 0", "error"),
        ("while True: pass", "timeout"),
        ("x = bytearray(4 << 30); len(x)", "memory"),
        ("import socket; socket.socket().connect(('127.0.0.1', 9))", "blocked"),
    ],
)
def test_an_execution_ends_in_one_of_five_ways(code: str, status: str) -> None:
    done = nacre.PythonInterpreter().run(code, timeout_s=1.0 if status == "timeout" else 5.0)
    assert done.status == status, done.error
    assert done.seconds >= 0 and isinstance(done.stdout, str)
    assert (done.value == 42 and not done.error) if status == "ok" else done.error


def test_parse_react_is_pure_and_names_its_parts() -> None:
    step = nacre.parse_react("Thought: look\nAction: search\nAction Input: nacre", tools=None)
    assert (step.thought, step.action, step.action_input, step.answer) == ("look", "search", "nacre", None)
    assert nacre.parse_react("Final Answer: 42").answer == "42"


# --- Command line ---------------------------------------------------------------------------------------------------


def test_sync_prints_its_counts(docs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.7 broken")
    found = printed(capsys, "sync", docs, tmp_path / "bad.pdf", "--kb", tmp_path / "kb", "--principals", "hr,it")
    assert set(found) >= {"added", "updated", "deleted", "unchanged", "failed", "embedded", "seconds"}
    assert found["added"] == 2 and {"uri", "reason"} <= set(found["failed"][0])
    for who, some in (("hr", True), ("sales", False)):
        hits = printed(capsys, "search", "vacation", "--kb", tmp_path / "kb", "-k", 3, "--as", who)["hits"]
        assert bool(hits) is some and all(set(hit) >= HIT for hit in hits)


def test_ask_prints_answer_citations_abstention_model_and_seconds(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = printed(
        capsys, "ask", "新员工住宿费每晚最多报销多少？", "--kb", path, "--model", "quote", "--as", "a,b", "--strict"
    )
    assert set(found) >= {"answer", "citations", "abstained", "model", "seconds"}
    assert "600 元" in found["answer"] and found["model"] == "quote"
    assert {"uri", "title", "page", "start", "end", "quote"} <= set(found["citations"][0])


def test_pal_and_agent_print_what_they_did(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def says(*replies: str) -> None:
        monkeypatch.setattr(
            "nacre.connectors.models.load_model", lambda *_, **__: nacre.ScriptedChatModel(list(replies))
        )

    says("```python\nans = 6 * 7\n```", "It is 42.")
    found = printed(capsys, "pal", "6 times 7?")
    assert set(found) >= {"answer", "value", "program", "attempts"} and found["value"] == 42
    says("Thought: compute\nAction: python\nAction Input: print(6 * 7)", "Thought: done\nFinal Answer: 42")
    found = printed(capsys, "agent", "6 times 7?", "--kb", path, "--tool", "python")
    assert found["answer"] == "42"
    step = found["trajectory"][0]
    assert set(step) >= {"thought", "action", "input", "observation"} and "42" in step["observation"]


def test_run_prints_an_execution_and_says_by_its_status_how_it_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "p.py"
    for code, status, value in (("6 * 7", 0, 42), ("1 / 0", 1, None)):
        file.write_text(code, "utf-8")
        found = printed(capsys, "run", file, status=status)
        assert set(found) >= {"status", "value", "stdout", "error", "seconds"} and found["value"] == value


def test_doctor_prints_protections_models_embedder_and_versions(capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(capsys, "doctor")
    assert {"sandbox", "model", "embedder", "versions"} <= set(found) and found["versions"]["nacre"]


@pytest.mark.parametrize(
    "words",
    [
        "sync",
        "search",
        "ask",
        "chat",
        "pal",
        "agent",
        "run",
        "serve",
        "mcp",
        "doctor",
        "eval retrieval",
        "eval answers",
        "eval refusal",
        "eval pal",
        "eval react",
        "eval compare",
    ],
)
def test_every_command_has_help(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*words.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    wanted = {
        "serve": ("--kb", "--host", "--port", "--model"),
        "mcp": ("--kb",),
        "chat": ("--kb",),
        "eval compare": ("--out",),
    }.get(words, ("--json",))
    if words.startswith("eval ") and words != "eval compare":
        wanted += ("--out", "--gate")
    assert all(flag in shown for flag in wanted)


# --- Evaluation -----------------------------------------------------------------------------------------------------


def lines(file: Path, rows: list[dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return file


@pytest.fixture(scope="module")
def beir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("beir")
    texts = {
        "d1": ("Leave", "New employees get 20 vacation days a year."),
        "d2": ("Pearl", "Nacre is also called mother of pearl."),
        "d3": ("报销", "出差住宿费每晚最多报销 600 元。"),
    }
    asked = {
        "q1": ("How many vacation days do new employees get?", "d1", "20"),
        "q2": ("What is nacre also called?", "d2", "mother of pearl"),
        "q3": ("住宿费每晚最多报销多少？", "d3", "600 元"),
    }
    lines(folder / "corpus.jsonl", [{"_id": i, "title": t, "text": x} for i, (t, x) in texts.items()])
    lines(folder / "queries.jsonl", [{"_id": i, "text": q} for i, (q, _, _) in asked.items()])
    lines(folder / "answers.jsonl", [{"_id": i, "answers": [a], "passage": d} for i, (_, d, a) in asked.items()])
    with (folder / "qrels.tsv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t")
        table.writerow(["query-id", "corpus-id", "score"])
        table.writerows([i, d, 1] for i, (_, d, _) in asked.items())
    return folder


RETRIEVAL = {"ndcg@10", "recall@10", "mrr@10", "queries", "documents", "index_seconds", "query_ms_p50"}


def test_eval_retrieval_prints_its_figures(beir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(capsys, "eval", "retrieval", "--data", beir)
    assert set(found) >= RETRIEVAL and (found["queries"], found["documents"]) == (3, 3)
    assert found["recall@10"] == 1.0


def test_eval_answers_writes_reports_and_compares_them(
    beir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = printed(capsys, "eval", "answers", "--data", beir, "--model", "quote", "--limit", 3, "--out", tmp_path)
    assert set(found) >= {"em", "f1", "contains", "citation_precision", "abstained", "queries"}
    assert found["queries"] == 3 and found["contains"] == 1.0
    report = tmp_path / "report.json"
    assert report.exists() and (tmp_path / "report.md").exists() and (tmp_path / "report.html").exists()
    printed(capsys, "eval", "answers", "--data", beir, "--gate", report)
    assert run(["eval", "compare", str(report), str(report)]) == 0


def test_eval_refusal_asks_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {
        "id": 0,
        "query": "How many vacation days do new employees get?",
        "question": "How many vacation days do new employees get?",
        "answer": ["20"],
        "positive": ["New employees get 20 vacation days a year."],
        "negative": ["The canteen opens at eight.", "Bicycles stand in the yard."],
    }
    found = printed(capsys, "eval", "refusal", "--data", lines(tmp_path / "rgb.jsonl", [row]), "--model", "quote")
    assert set(found) >= {"refusal_recall", "false_refusals", "questions"}
    assert (found["refusal_recall"], found["false_refusals"], found["questions"]) == (1.0, 0.0, 1)


def test_eval_pal_replays_published_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = {"question": "?", "model": "m"}
    rows = [
        {"id": "1", "answer": 42, "program": "ans = 6 * 7", "entry": "ans", "published_answer": 42.0,
         "published_correct": True, **common},
        {"id": "2", "answer": 3, "program": "def solution():\n    return 4\n", "entry": "solution()",
         "published_answer": 4, "published_correct": False, **common},
    ]  # fmt: skip
    found = printed(capsys, "eval", "pal", "--replay", lines(tmp_path / "p.jsonl", rows))
    assert set(found) >= {"accuracy", "agreement", "rows", "seconds"}
    assert (found["accuracy"], found["agreement"], found["rows"]) == (0.5, 1.0, 2)


def test_eval_react_replays_published_trajectories(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = "Thought 1: I search.\nAction 1: Search[nacre]\nObservation 1: Mother of pearl.\nThought 2: I know.\nAction 2: Finish[mother of pearl]\n"
    rows = [
        {"id": "1", "question": "What is nacre?", "answer": "mother of pearl", "trajectory": said, "model": "m",
         "published_answer": "mother of pearl", "published_correct": True},
        {"id": "2", "question": "What is nacre?", "answer": "a shell", "trajectory": said, "model": "m",
         "published_answer": "mother of pearl", "published_correct": False},
    ]  # fmt: skip
    found = printed(capsys, "eval", "react", "--replay", lines(tmp_path / "r.jsonl", rows))
    assert set(found) >= {"em", "agreement", "parsed", "rows"}
    assert (found["em"], found["agreement"], found["rows"]) == (0.5, 1.0, 2) and found["parsed"] == 1.0


@pytest.mark.parametrize(
    ("suite", "flag"),
    [("retrieval", "--data"), ("answers", "--data"), ("refusal", "--data"), ("pal", "--replay"), ("react", "--replay")],
)
def test_data_that_is_not_there_or_not_data_is_one_line(
    suite: str, flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "torn.jsonl").write_text('{"id": 1, "question"', "utf-8")
    (tmp_path / "other.jsonl").write_text('{"name": "x"}\n[1]\n', "utf-8")
    for name in ("none", "torn.jsonl", "other.jsonl", "."):
        assert run(["eval", suite, flag, str(tmp_path / name)]) == 2, name
        captured = capsys.readouterr()
        assert captured.out == "" and captured.err.count("\n") == 1 and captured.err.startswith("nacre: ")


def test_arguments_of_the_contract_have_their_defaults() -> None:
    def default(callable_: Any, name: str) -> Any:
        return inspect.signature(callable_).parameters[name].default

    kb = nacre.KnowledgeBase
    assert default(kb.open, "embedder") is None and default(nacre.load_model, "spec") is None
    assert (default(kb.sync, "principals"), default(kb.sync, "prune"), default(kb.sync, "on_progress")) == (
        None,
        True,
        None,
    )
    assert (default(kb.search, "k"), default(kb.retriever, "k")) == (10, 6)
    assert (default(kb.search, "principals"), default(kb.retriever, "principals")) == (None, None)
    fields = {
        nacre.RetrievalAugmented: {"strict": False},
        nacre.ProgramAided: {"attempts": 2, "samples": 1},
        nacre.ReAct: {"protocol": "auto", "max_steps": 8},
    }
    for layer, wanted in fields.items():
        assert {name: layer.model_fields[name].default for name in wanted} == wanted
    assert default(nacre.PythonInterpreter.run, "timeout_s") == 5.0
    assert default(nacre.parse_react, "tools") is None
