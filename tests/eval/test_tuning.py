"""Tuning: a setting that is better is found, proved on questions held back, and kept; one that is not stays out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings

from nacre import KnowledgeBase, ScriptedChatModel
from nacre.cli import run
from nacre.errors import EvaluationError, KnowledgeBaseError
from nacre.eval.answers import ask_all
from nacre.eval.datasets import Question
from nacre.eval.gate import compare, same_corpus, what_changed
from nacre.eval.report import read_report
from nacre.eval.tuning import NOTHING, read_grid, tune
from nacre.ingest.source import TextSource
from nacre.store.settings import load_settings, save_settings
from nacre.text.messages import last_user_text, parse_sources

THINGS = [
    "anchor",
    "basket",
    "candle",
    "dagger",
    "engine",
    "funnel",
    "garden",
    "hammer",
    "island",
    "jacket",
    "kettle",
    "ladder",
    "mirror",
    "needle",
    "office",
    "pencil",
]
OTHER = [
    "kedge",
    "hamper",
    "taper",
    "poniard",
    "motor",
    "cone",
    "yard",
    "mallet",
    "isle",
    "coat",
    "pot",
    "steps",
    "glass",
    "pin",
    "bureau",
    "crayon",
]


class Synonyms(Embeddings):
    """Knows that a kedge is an anchor: one direction for each pair of words. Counts what it embeds."""

    def __init__(self) -> None:
        self.embedded = 0

    def embed_query(self, text: str) -> list[float]:
        vector = [0.01] * (len(THINGS) + 1)
        if "catalogue" in text:
            return [*vector[:-1], 1.0]
        for number, pair in enumerate(zip(THINGS, OTHER, strict=True)):
            if any(word in text.lower() for word in pair):
                vector[number] = 1.0
        return vector

    def coverage(self, text: str) -> float:
        return 1.0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.embedded += len(texts)
        return [self.embed_query(text) for text in texts]


def reads_aloud() -> ScriptedChatModel:
    """A model that repeats all that it is shown: it is right when the right passage is among it."""
    return ScriptedChatModel(lambda messages, n: " ".join(s.text for s in parse_sources(last_user_text(messages))[0]))


@pytest.fixture
def synonyms(tmp_path: Path) -> KnowledgeBase:
    """Asked by the one word, answered by the other: words find the decoys, vectors the answer."""
    base = KnowledgeBase.open(tmp_path / "kb", Synonyms())
    facts = [(f"t:{n}", f"The {other} weighs {1000 + n} grams.", "") for n, other in enumerate(OTHER)]
    decoys = [
        (f"d:{n}-{m}", f"The weight of what is called {word}, see catalogue {m}.", "")
        for n, word in enumerate(THINGS)
        for m in range(3)
    ]
    base.sync(TextSource("t:", facts), TextSource("d:", decoys))
    save_settings(base.folder, {"fusion_weight": 0, "k": 2})
    return base


@pytest.fixture
def weights() -> list[Question]:
    return [
        Question(f"q{n}", f"What is the weight of the {word}?", (f"{1000 + n} grams",)) for n, word in enumerate(THINGS)
    ]


def test_a_weight_that_is_better_is_found_proved_on_the_other_half_and_kept(synonyms, weights) -> None:
    report = tune(synonyms, weights, reads_aloud(), grid={"fusion_weight": [0, 0.9], "k": [2]}, write=True)
    figures = report.figures
    assert len(report.items) == 8 and {item["id"] for item in report.items} < {q.id for q in weights}
    assert figures["chosen"] == figures["best"] == {"fusion_weight": 0.9, "k": 2} and figures["written"]
    assert figures["best_success"] > 0.8 > 0.2 > figures["present_success"] and figures["p"] < 0.05
    low, high = figures["gain_interval"]
    assert 0 < low <= figures["gain"] <= high and "fusion_weight 0 → 0.9" in figures["verdict"]
    assert load_settings(synonyms.folder) == {"fusion_weight": 0.9, "k": 2}
    assert "1003 grams" in " ".join(hit.text for hit in synonyms.search(weights[3].text, k=2))


def test_what_is_not_surely_better_is_not_chosen(synonyms, weights) -> None:
    save_settings(synonyms.folder, {"fusion_weight": 0.9})
    before = load_settings(synonyms.folder)
    report = tune(synonyms, weights, reads_aloud(), grid={"fusion_weight": [0.95, 1], "k": [1, 2]}, write=True)
    assert report.figures["chosen"] == report.figures["present"] == {"fusion_weight": 0.9, "k": 2}
    assert not report.figures["written"] and "stay" in report.figures["verdict"]
    assert load_settings(synonyms.folder) == before
    assert len(report.figures["tried"]) == 5  # four, and today's


def passages(base: KnowledgeBase) -> list[str]:
    return [
        base.text(document["uri"])[chunk.start : chunk.end]
        for document in sorted(base.documents(), key=lambda document: document["document_id"])
        for chunk in base.store.catalog.chunks(document["document_id"])
    ]


@pytest.fixture
def projects(tmp_path: Path) -> KnowledgeBase:
    """Who a fact belongs to is said some sentences before it: a small chunk tears the two apart."""
    filler = "The committee met in the long room and heard what everyone had to say about the matter at hand. "
    texts = [
        f"We come to {thing}. {filler * 3}The sum that was granted is {1000 + n} crowns. {filler}"
        for n, thing in enumerate(THINGS)
    ]
    base = KnowledgeBase.open(tmp_path / "kb", Synonyms())
    save_settings(base.folder, {"chunk_size": 32, "k": 1})
    base.sync(TextSource("p:", [(f"p:{n}", text, "") for n, text in enumerate(texts)]))
    base.sync(TextSource("s:", [("s:1", "A note that is short in any cut.", "")]))
    return base


def test_a_chunk_size_that_is_better_is_found_on_copies_and_cut_when_it_is_kept(projects) -> None:
    questions = [
        Question(f"q{n}", f"What sum was granted to {word}?", (f"{1000 + n} crowns",)) for n, word in enumerate(THINGS)
    ]
    embedder: Any = projects.encoder.embeddings
    before, generation, embedded = passages(projects), projects.stats()["generation"], embedder.embedded
    steps: list[tuple[int, int]] = []
    grid = {"chunk_size": [32, 200], "k": [1]}
    report = tune(projects, questions, reads_aloud(), grid=grid, on_progress=lambda *step: steps.append(step))
    figures = report.figures
    assert figures["chosen"] == {"chunk_size": 200, "k": 1} and not figures["written"]
    assert passages(projects) == before and projects.stats()["generation"] == generation  # only the copies changed
    small, large = figures["indexed"]
    assert (small["chunk_size"], small["recut"], small["embedded"]) == (32, 0, 0)
    assert (large["chunk_size"], large["recut"]) == (200, 17)
    assert large["embedded"] == embedder.embedded - embedded == large["chunks"] - 1  # the short note had its vector
    assert steps[-1][0] == steps[-1][1] and [done for done, _ in steps] == sorted(done for done, _ in steps)

    tune(projects, questions, reads_aloud(), grid=grid, write=True)
    assert load_settings(projects.folder) == {"chunk_size": 200, "k": 1}
    assert len(passages(projects)) < len(before) and projects.verify() == []


def test_the_gate_knows_a_knowledge_base_that_was_cut_anew(projects, tmp_path: Path) -> None:
    questions = [
        Question(f"q{n}", f"What sum was granted to {word}?", (f"{1000 + n} crowns",)) for n, word in enumerate(THINGS)
    ]
    reports = []
    for name, size in (("before", 32), ("after", 200)):
        save_settings(projects.folder, {"chunk_size": size})
        projects.sync(NOTHING, prune=False)
        ask_all(projects, reads_aloud(), questions, [], "set").write(tmp_path / name)
        reports.append(read_report(tmp_path / name))
    assert same_corpus(*reports) and any("cut anew" in line or "重新切分" in line for line in what_changed(*reports))
    assert any("'chunk_size': 32" in line and "'chunk_size': 200" in line for line in what_changed(*reports))
    assert not any(change.loss for change in compare(*reports))


def test_settings_that_show_the_same_passages_ask_the_model_once(synonyms, weights) -> None:
    model = reads_aloud()
    tune(synonyms, weights, model, grid={"fusion_weight": [0.9, 0.91], "k": [2]})
    # 16 questions by three settings (two tried, and today's), of which the two alike are asked once
    assert len(model.calls) <= 2 * len(weights)


def test_a_knowledge_base_that_cannot_be_written_is_not_measured_in_vain(synonyms, weights, monkeypatch) -> None:
    monkeypatch.setattr("nacre.store.folder.store.writable", lambda folder: False)
    model = reads_aloud()
    with pytest.raises(KnowledgeBaseError, match="read"):
        tune(synonyms, weights, model, write=True)
    assert model.calls == []


def test_too_few_questions_and_chunks_that_are_too_long_are_refused(synonyms, weights) -> None:
    with pytest.raises(EvaluationError, match="too few"):
        tune(synonyms, weights[:3], reads_aloud())
    with pytest.raises(EvaluationError, match="reads 512 tokens"):
        tune(synonyms, weights, reads_aloud(), grid={"chunk_size": [1000]})


def test_a_grid_is_read_and_nonsense_refused() -> None:
    assert list(read_grid('{"k": [2, 4], "chunk_size": [100, "auto"]}').items()) == [
        ("chunk_size", [100, "auto"]),
        ("k", [2, 4]),
    ]
    for text in (
        "k=2",
        "{}",
        '{"k": 2}',
        '{"k": []}',
        '{"knowledge_base": [1]}',
        '{"k": [0]}',
        '{"fusion_weight": [2]}',
    ):
        with pytest.raises(EvaluationError, match="--grid"):
            read_grid(text)


def test_the_command_prints_what_it_tried_and_what_came_of_it(tmp_path: Path, capsys) -> None:
    base = KnowledgeBase.open(tmp_path / "kb", "none")
    base.sync(
        TextSource("t:", [(f"t:{n}", f"The {word} weighs {1000 + n} grams.", "") for n, word in enumerate(THINGS)])
    )
    rows = [
        {"id": str(n), "question": f"What does the {word} weigh?", "answers": [f"{1000 + n} grams"]}
        for n, word in enumerate(THINGS)
    ]
    (tmp_path / "q.jsonl").write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    told = [
        "eval",
        "tune",
        "--kb",
        str(base.folder),
        "--data",
        str(tmp_path / "q.jsonl"),
        "--model",
        "quote",
        "--grid",
        '{"k": [1, 6]}',
    ]
    assert run(told) == 0
    printed = capsys.readouterr().out
    assert "present_success" in printed and "Today's settings stay" in printed.replace("\n", " ")
    assert run([*told, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["chosen"] == {"k": 6}
