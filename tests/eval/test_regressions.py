"""Seeded regressions fail the gate, each in the metric that it hurts; runs that are alike but for chance pass it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from langchain_core.messages import BaseMessage

from nacre import RetrievalAugmented, ScriptedChatModel, prompts
from nacre.connectors.models.quote import QuoteChatModel
from nacre.eval.gate import compare
from nacre.eval.report import Report
from nacre.eval.retrieval import evaluate_retrieval
from nacre.eval.sample import evaluate_sample
from nacre.grounding import answerability
from nacre.store import bm25
from nacre.text.language import language_of
from nacre.text.messages import last_user_text, text_of


def lost(before: Report, after: Report) -> set[str]:
    old, new = (
        {"suite": r.suite, "metrics": list(r.metrics), "items": list(r.items), "settings": r.settings}
        for r in (before, after)
    )
    return {change.metric for change in compare(old, new) if change.loss}


@pytest.fixture(scope="module")
def sample() -> Report:
    return evaluate_sample(QuoteChatModel())


@pytest.fixture(scope="module")
def beir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two subjects a document in both languages; every query has eight judged documents, found by words of their own."""
    folder = tmp_path_factory.mktemp("beir")
    corpus, queries, qrels = [], [], ["query-id\tcorpus-id\tscore"]
    for q in range(16):
        name, zh = f"valve{q}x", f"{'甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳'[q]}型阀门"
        queries += [{"_id": f"en{q}", "text": f"pressure of {name}"}, {"_id": f"zh{q}", "text": f"{zh}的压力"}]
        for n in range(8):
            corpus.append(
                {
                    "_id": f"d{q}.{n}",
                    "text": f"Sheet {n}. The pressure of {name} is {n} bar. 表{n}：{zh}的压力为{n}巴。",
                }
            )
            qrels += [f"en{q}\td{q}.{n}\t1", f"zh{q}\td{q}.{n}\t1"]
    for file, rows in (("corpus.jsonl", corpus), ("queries.jsonl", queries)):
        (folder / file).write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    (folder / "qrels.tsv").write_text("\n".join(qrels), "utf-8")
    return folder


def test_one_arm_of_the_hybrid_dropped(beir: Path, tmp_path: Path) -> None:
    whole = evaluate_retrieval(beir, kb=tmp_path / "kb")
    assert lost(whole, evaluate_retrieval(beir, kb=tmp_path / "kb", arms=("vectors",)))


def test_k_halved(beir: Path, tmp_path: Path) -> None:
    assert "recall@10" in lost(
        evaluate_retrieval(beir, embedder="none", kb=tmp_path / "kb", k=8),
        evaluate_retrieval(beir, embedder="none", kb=tmp_path / "kb", k=4),
    )


def test_the_chinese_words_broken(beir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = evaluate_retrieval(beir, embedder="none", kb=tmp_path / "good")
    monkeypatch.setattr(bm25, "terms", lambda text: text.casefold().replace(".", " ").split())
    after = evaluate_retrieval(beir, embedder="none", kb=tmp_path / "bad")
    assert {"ndcg@10", "recall@10"} <= lost(before, after)


def test_the_thresholds_of_refusal_lowered(sample: Report) -> None:
    always = patch.object(RetrievalAugmented, "_irrelevant", lambda self, found: False, create=True)
    with always, patch.dict(answerability.REFUSE_BELOW, dict.fromkeys(answerability.REFUSE_BELOW, 0.0)):
        assert lost(sample, evaluate_sample(QuoteChatModel())) == {"refusal_recall"}


def obedient(messages: list[BaseMessage], n: int) -> str:
    """A model that answers in the language of its instructions: it quotes where that is the asker's."""
    told, asked = language_of(text_of(messages[0])), language_of(last_user_text(messages).rsplit("\n", 1)[-1])
    if told == asked:
        return text_of(QuoteChatModel().invoke(messages))
    return "请参阅所附资料。[1]" if told == "zh" else "Please read the sources. [1]"


def test_the_language_of_the_prompt_swapped() -> None:
    before = evaluate_sample(ScriptedChatModel(obedient))
    load: Callable[..., Any] = prompts.load
    with patch.object(prompts, "load", lambda id, language: load(id, "en" if language == "zh" else "zh")):
        after = evaluate_sample(ScriptedChatModel(obedient))
    assert "same_language" in lost(before, after)


def test_questions_that_fail_are_a_loss(sample: Report) -> None:
    failed = [{"id": i["id"], "error": "timeout"} if n % 4 == 0 else i for n, i in enumerate(sample.items)]
    assert lost(sample, Report(sample.suite, sample.metrics, failed)) == {"answered"}


def test_twenty_identical_runs_pass(sample: Report) -> None:
    assert lost(sample, evaluate_sample(QuoteChatModel())) == set()

    def redrawn(seed: int) -> Report:
        """A model at a temperature: 15 % of the outcomes are drawn anew."""
        dice = random.Random(seed)
        items = [dict(item) for item in sample.items]
        for metric in ("contains", "evidence", "refusal_recall"):
            mean = sum(sample.values(metric)) / len(sample.values(metric))
            for item in items:
                if item.get(metric) is not None and dice.random() < 0.15:
                    item[metric] = float(dice.random() < mean)
        return Report(sample.suite, sample.metrics, items)

    first = redrawn(0)
    assert [seed for seed in range(1, 21) if lost(first, redrawn(seed))] == []


def test_a_corpus_that_was_cut_anew_is_recognised(beir: Path, tmp_path: Path) -> None:
    from nacre.eval.gate import same_corpus, what_changed

    report = evaluate_retrieval(beir, embedder="none", kb=tmp_path / "kb", limit=4)
    old = {"settings": dict(report.settings)}
    new = {"settings": {**report.settings, "chunks": "other"}}
    assert same_corpus(old, new) and "cut anew" in what_changed(old, new)[-1]
    assert not same_corpus(old, {"settings": {**report.settings, "corpus": "other"}})


def test_metrics_equal_the_standard_scorers_on_a_dev_set(shared_data: Path, tmp_path: Path) -> None:
    import pytrec_eval

    from nacre.eval.datasets import load_retrieval
    from nacre.eval.retrieval import documents, index, score

    data = load_retrieval(shared_data / "rag" / "xquad_zh")
    with index(data, tmp_path / "kb", "none") as base:
        for id, text in list(data.queries.items())[:100]:
            ranking = documents(base, text)
            run = {id: {document: -float(n) for n, document in enumerate(ranking)}}
            gold = {id: dict(data.qrels[id])}
            theirs = pytrec_eval.RelevanceEvaluator(gold, {"ndcg_cut.10", "recall.10", "map"}).evaluate(run)[id]
            ours = score(ranking, data.qrels[id])
            for mine, other in (("ndcg@10", "ndcg_cut_10"), ("recall@10", "recall_10"), ("map", "map")):
                assert ours[mine] == pytest.approx(theirs[other], abs=1e-9)
