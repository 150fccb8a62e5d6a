"""Documents with a validity are ranked by it and told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from nacre import KnowledgeBase, RetrievalAugmented, load_model
from nacre.text.messages import Source, nacre_of, parse_sources, render_sources
from nacre.text.validity import asked_for, holds, period_of, told

PERIODS = {"old": ("2024-01-01", "2025-12-31", "The service fee is 5 % of the order."),
           "new": ("2026-01-01", "", "The service fee is 3 % of the order.")}  # fmt: skip


@pytest.fixture
def kb(tmp_path: Path) -> KnowledgeBase:
    docs = tmp_path / "docs"
    docs.mkdir()
    for name, (start, end, text) in PERIODS.items():
        until = f"valid_until: {end}\n" if end else ""
        (docs / f"{name}.md").write_text(f"---\ntitle: Fees\nvalid_from: {start}\n{until}---\n\n{text}\n", "utf-8")
    for n in range(20):
        (docs / f"{n}.md").write_text(f"Note {n}: the attic keeps {n} crates of tea.", "utf-8")
    base = KnowledgeBase.open(tmp_path / "kb", embedder="none")
    base.sync(str(docs))
    return base


@pytest.mark.parametrize(
    ("question", "lines"),
    [
        (
            "How high is the service fee?",
            ["2024 to 2025: The service fee is 5 %", "Since 2026: The service fee is 3 %"],
        ),
        ("How high was the service fee in 2024?", ["The service fee is 5 %"]),
        ("How high is the service fee now?", ["The service fee is 3 %"]),
        ("How high is the service fee in 2027?", ["The service fee is 3 %"]),
    ],
)
def test_times_are_told_apart(kb: KnowledgeBase, question: str, lines: list[str]) -> None:
    reply = RetrievalAugmented(inner=load_model("quote"), retriever=kb.retriever()).invoke(question)
    said = reply.text.splitlines()
    assert [line.split(" of the order")[0] for line in said] == lines
    for citation in nacre_of(reply)["citations"]:
        assert kb.text(citation["uri"])[citation["start"] : citation["end"]] == citation["quote"]


def test_what_holds_ranks_first(kb: KnowledgeBase) -> None:
    for query, first in (("service fee of the order", "2026-01-01/"), ("service fee 2025", "2024-01-01/2025-12-31")):
        hits = kb.search(query, k=2)
        assert hits[0].valid == first and hits[0].score >= hits[1].score


def test_periods_are_read_with_care() -> None:
    assert period_of({"valid_from": "soon", "valid_until": "2025-13"}) == "/2025-13"  # compared, never computed
    assert period_of({"valid_from": "2024-01-01T10:00:00"}) == "2024-01-01/" and period_of({}) == ""
    assert holds("2024/2025", "2025-12-31") and not holds("2024/2025", "2026-01-01")
    assert holds("2024-05-01/", "2024") and not holds("2024-05-01/", "2023") and holds("/2024-05", "2024-05-31")
    assert asked_for("2024年的费率是多少？") == "2024" and asked_for("PX-120245?") == ""
    assert told("2024-01-01/2024-12-31", "zh") == "2024年：" and told("/2024-12-31", "en") == "Until 2024: "


def test_a_period_is_data_in_the_prompt() -> None:
    given = [Source(1, "Text.", 'A "title" valid="2020/"', valid='2024/"> x'), Source(2, "Other.")]
    assert parse_sources(render_sources(given))[0] == given
