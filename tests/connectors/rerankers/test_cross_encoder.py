"""The reranker: scores as transformers computes them, within its time, and told what was left out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from pydantic import ValidationError

from nacre.connectors.rerankers import load_reranker
from nacre.connectors.rerankers.cross_encoder import PairScorer
from nacre.errors import ModelError, ModelUnavailableError

pytestmark = pytest.mark.usefixtures("own_cache")

WriteModel = Callable[..., Path]
QUESTION = "年假 how many days"
PASSAGES = ["abc", "员工的年假", "pump seal", "", "port de fgh " * 20, "多少天年假"]
SHAPE = {"vocab_size": 67, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertConfig", {**SHAPE, "max_position_embeddings": 40}),
    "xlm-roberta": ("XLMRobertaConfig", {**SHAPE, "max_position_embeddings": 42}),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_of_transformers(family: str, tmp_path: Path, tiny_bert: WriteModel) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from nacre.connectors.embeddings.checkpoint import load_tokenizer

    torch.manual_seed(0)
    kind, shape = FAMILIES[family]
    model = transformers.AutoModelForSequenceClassification.from_config(
        getattr(transformers, kind)(**shape, num_labels=1)
    ).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    folder = tmp_path / "family"
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((tiny_bert() / "tokenizer.json").read_bytes())
    tokenizer = load_tokenizer(folder)
    tokenizer.enable_truncation(40)
    expected = []
    for passage in PASSAGES:
        pair = tokenizer.encode(QUESTION, passage)
        inputs = {"input_ids": torch.tensor([pair.ids])} | (
            {"token_type_ids": torch.tensor([pair.type_ids])} if family == "bert" else {}
        )
        with torch.no_grad():
            expected.append(float(torch.sigmoid(model(**inputs).logits)[0, 0]))
    ranking = load_reranker(str(folder), precision="fp32", budget_s=60).rank(QUESTION, PASSAGES)
    assert np.allclose(ranking.scores, expected, atol=1e-5)  # type: ignore[arg-type]
    assert list(ranking.order) == sorted(range(len(PASSAGES)), key=lambda n: -expected[n])


def test_question_and_passage_are_told_apart(tiny_bert: WriteModel) -> None:
    reranker = load_reranker(str(tiny_bert(head=1)), precision="fp32", budget_s=60)
    assert reranker.rank("abc", ["xyz"]).scores != reranker.rank("xyz", ["abc"]).scores


def test_documents_come_back_ranked_with_their_scores(tiny_bert: WriteModel) -> None:
    reranker = load_reranker(str(tiny_bert(head=1)), top_n=2, budget_s=60)
    documents = [Document(passage, metadata={"n": n}, id=str(n)) for n, passage in enumerate(PASSAGES)]
    ranking = reranker.rank(QUESTION, PASSAGES)
    ranked = reranker.compress_documents(documents, QUESTION)
    assert [document.metadata["n"] for document in ranked] == list(ranking.order[:2])
    assert [document.id for document in ranked] == [str(n) for n in ranking.order[:2]]
    told = ranked[0].metadata["rerank"]
    assert (told["scored"], told["of"]) == (6, 6)
    assert told["score"] == max(score for score in ranking.scores if score is not None)
    assert "rerank" not in documents[0].metadata


async def test_it_can_be_awaited(tiny_bert: WriteModel) -> None:
    reranker = load_reranker(str(tiny_bert(head=1)), budget_s=60)
    assert len(await reranker.acompress_documents([Document("abc")], QUESTION)) == 1


def test_no_time_leaves_the_order_and_says_so(tiny_bert: WriteModel, caplog: pytest.LogCaptureFixture) -> None:
    reranker = load_reranker(str(tiny_bert(head=1)), budget_s=1e-9)
    with caplog.at_level(logging.WARNING):
        ranking = reranker.rank(QUESTION, PASSAGES)
    assert ranking.order == tuple(range(6)) and not ranking.complete and ranking.scored == 0
    assert "scored 0 of 6" in caplog.text
    assert reranker.compress_documents([Document("abc")], QUESTION)[0].metadata["rerank"]["score"] is None


def test_half_the_time_ranks_the_first_half(tiny_bert: WriteModel, monkeypatch: pytest.MonkeyPatch) -> None:
    reranker = load_reranker(str(tiny_bert(head=1)), budget_s=60)
    whole = reranker.rank(QUESTION, PASSAGES).scores

    def three(self: PairScorer, question: str, passages: list[str], deadline: float) -> list[float | None]:
        return [*score(self, question, passages[:3], deadline), None, None, None]

    score = PairScorer.score
    monkeypatch.setattr(PairScorer, "score", three)
    ranking = reranker.rank(QUESTION, PASSAGES)
    assert ranking.scored == 3 and ranking.order[3:] == (3, 4, 5)
    assert list(ranking.order[:3]) == sorted(range(3), key=lambda n: -(whole[n] or 0))


def test_nothing_to_rank(tiny_bert: WriteModel) -> None:
    ranking = load_reranker(str(tiny_bert(head=1))).rank(QUESTION, [])
    assert ranking.order == () and ranking.complete


def test_what_is_no_reranker_is_refused_with_a_reason(tiny_bert: WriteModel) -> None:
    with pytest.raises(ModelError, match="head of 3 labels"):
        load_reranker(str(tiny_bert("three", head=3)))
    with pytest.raises(ModelError, match="cannot be used as a reranker"):
        load_reranker(str(tiny_bert("headless")))
    with pytest.raises(ModelUnavailableError):
        load_reranker("./no/such/folder")
    with pytest.raises(ValidationError):
        load_reranker(str(tiny_bert("one", head=1)), top_k=3)
