"""A citation may stand literally in its document and yet hold no answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from nacre import KnowledgeBase, ScriptedChatModel
from nacre.eval.answers import ask_all
from nacre.eval.questions import Question


@pytest.mark.parametrize(("cited", "holds"), [("nine", 1.0), ("attic", 0.0)])
def test_the_cited_source_holds_the_answer(tmp_path: Path, cited: str, holds: float) -> None:
    (tmp_path / "docs").mkdir()
    for name, text in (("a", "The museum opens at nine."), ("b", "The museum opens its attic on request.")):
        (tmp_path / "docs" / f"{name}.md").write_text(text, "utf-8")
    base = KnowledgeBase.open(tmp_path / "kb", embedder="none")
    base.sync(str(tmp_path / "docs"))

    def said(messages: list, n: int) -> str:  # type: ignore[type-arg]
        shown = messages[-1].text
        first = shown.index('n="2"')
        number = 1 if (cited in shown[:first]) else 2
        return f"The museum opens at nine. [{number}]"

    question = Question("1", "When does the museum open?", ("nine",))
    [item] = ask_all(base, ScriptedChatModel(said), [question], (), "set").items
    assert (item["contains"], item["citation_answer"]) == (1.0, holds)
