"""Public sets in their own forms: turns over given passages, and the pages of filings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from nacre import KnowledgeBase, ScriptedChatModel
from nacre.cli import run
from nacre.eval.sample import sample_folder
from nacre.eval.yardsticks import evaluate_turns


def turn(id: str, kind: str) -> dict[str, Any]:
    said = [("user", "Is it open?"), ("assistant", "Yes."), ("user", f"Till when, {id}?")]
    return {
        "id": id,
        "conversation": "c",
        "messages": [{"role": role, "content": text} for role, text in said],
        "passages": [{"_id": "1", "text": "The museum is open till nine."}],
        "answerability": [kind],
        "reference": ["till nine"],
    }


def test_last_turns_are_asked_with_what_was_said_before(tmp_path: Path) -> None:
    rows = [turn("a", "ANSWERABLE"), turn("b", "UNANSWERABLE"), turn("c", "PARTIAL")]
    (tmp_path / "tasks.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    model = ScriptedChatModel(lambda messages, n: "Till nine. [1]")
    report = evaluate_turns(tmp_path / "tasks.jsonl", model, out=tmp_path / "out")
    found = report.summary()
    assert (found["f1"], found["refusal_recall"], found["false_refusals"]) == (1.0, 0.0, 0.0)
    assert [sorted({"f1", "refusal_recall", "false_refusals"} & set(item)) for item in report.items] == [
        ["f1", "false_refusals"],
        ["refusal_recall"],
        ["f1"],
    ]
    assert {item["group"] for item in report.items} == {"c"} and len(model.calls[0]) >= 4
    failing = ScriptedChatModel([RuntimeError("down")] * 3)
    assert evaluate_turns(tmp_path / "tasks.jsonl", failing).summary()["false_refusals"] == 1.0


def test_pages_of_filings_are_found(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "pdfs").mkdir()
    with sample_folder() as folder:
        shutil.copy(folder / "documents" / "en" / "heron-h2-manual.pdf", tmp_path / "pdfs")
    with KnowledgeBase.open(tmp_path / "kb", embedder="none") as base:
        base.sync(str(tmp_path / "pdfs"))
        hit = base.search("pump pressure", k=1)[0]
    row = {"question": hit.text[:80], "filing": "heron-h2-manual.pdf", "pages": [(hit.page or 1) - 1]}
    rows = [{"id": "1", **row}, {"id": "2", **row, "pages": [999]}, {"id": "3", **row, "filing": "other.pdf"}]
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    assert run(["eval", "filings", "--data", str(tmp_path), "--kb", str(tmp_path / "kb"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["page@1"], found["filing@1"], found["published"]["wrong"]) == (0.333333, 0.666667, 20)
