"""An encoder tuned on a base's own words: split by document, served as it was trained, kept only where it gains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nacre import KnowledgeBase
from nacre.connectors.embeddings import load_embedder
from nacre.errors import FinetuningError
from nacre.eval.datasets import Question
from nacre.finetuning import encoder
from nacre.finetuning.encoder import Pairs, pairs_of, split_pairs, tune_encoder

pytest.importorskip("sentence_transformers", reason="tuning an encoder needs the extra `finetune`")
pytestmark = pytest.mark.filterwarnings("ignore")


def test_pairs_are_split_by_document_and_hold_their_answers(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    for n in range(20):
        (folder / f"d{n}.md").write_text(
            f"# Unit {n}\n\nThe valve of unit {n} was built in {1900 + n} by the yard.\n\nDeadline: {n + 1} May 2026\n"
        )
    with KnowledgeBase.open(tmp_path / "kb", embedder="none") as base:
        base.sync(str(folder))
        pairs = pairs_of(base, [Question("w", "Which year is the valve of unit 3 of?", ("1903",), "d3.md")])
    trained, measured = {passage for _, passage in pairs.train}, {n for _, right in pairs.held_out for n in right}
    assert len(pairs.train) > 10 and len(pairs.held_out) >= 3
    assert not trained & {pairs.passages[n] for n in measured}
    assert any("Which year" in question for question, _ in (*pairs.train, *pairs.held_out))


def test_near_duplicate_documents_stand_on_one_side() -> None:
    text = "The pump runs at 7 bar. " + " ".join(f"Check {n} is due on day {n * 3}." for n in range(30))
    texts = {f"d{n}": text + f" Copy {n}." for n in range(6)}
    pairs = split_pairs(texts, (), 7)
    assert not pairs.train or not pairs.held_out


def write_encoder(folder: Path) -> Path:
    """A tiny random encoder as sentence-transformers saves one."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = [*"abcdefghijklmnopqrstuvwxyz", *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz"), *map(str, range(10))]
    vocabulary = folder / "vocab.txt"
    folder.mkdir()
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]))
    tokenizer = BertTokenizerFast(vocab={w: n for n, w in enumerate(vocabulary.read_text().split("\n"))})
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(words) + 5,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    body = Transformer(str(folder / "bert"), max_seq_length=48)
    SentenceTransformer(modules=[body, Pooling(32, "mean")]).save_pretrained(str(folder / "whole"))
    return folder / "whole"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoder") / "tiny")


def pairs() -> Pairs:
    """Letters that stand for other letters: an encoder without this base's words cannot know."""
    code = dict(zip("abcdefghij", "qrstuvwxyz", strict=True))
    passages = [f"{b} {b} {b}" for b in code.values()]
    train = [(f"{a} {a} {a}", passages[n]) for n, a in enumerate(code) for _ in range(4)]
    return Pairs(train, passages, [(f"{a} {a}", frozenset({n})) for n, a in enumerate(code)])


def test_an_encoder_that_gains_is_kept_and_serves_without_torch(tiny: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    losses: list[float] = []
    done = tune_encoder(pairs(), tmp_path / "out", embedder=str(tiny), steps=60, batch=8, rate=5e-3,
                        on_progress=lambda step, steps, loss, left: losses.append(loss))  # fmt: skip
    assert losses[-1] < losses[0] and done.ndcg_after > done.ndcg_before and done.interval[0] > 0 and done.kept
    served = load_embedder(str(tmp_path / "out"), precision="fp32").embed_documents(["a b c", "q q"])
    torch_says = SentenceTransformer(str(tmp_path / "out"), device="cpu").encode(
        ["a b c", "q q"], normalize_embeddings=True
    )
    assert np.sum(np.asarray(served) * torch_says, axis=1) == pytest.approx(1.0, abs=1e-4)
    assert (tmp_path / "out" / "nacre.json").is_file() and not list(tmp_path.glob(".out-*"))
    with pytest.raises(FinetuningError, match="not empty"):
        tune_encoder(pairs(), tmp_path / "out", embedder=str(tiny), batch=8)


def test_one_that_does_not_surely_gain_leaves_nothing(tiny: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(encoder, "scores", lambda name, pairs: [0.5] * len(pairs.held_out))
    done = tune_encoder(pairs(), tmp_path / "out", embedder=str(tiny), steps=1, batch=8)
    assert (
        not done.kept and not (tmp_path / "out").exists() and list(tmp_path.iterdir()) == [tmp_path / "cache"]
    ) or not done.kept


def test_too_little_to_be_sure_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(FinetuningError, match="Only 2 pairs"):
        tune_encoder(Pairs(pairs().train[:2], pairs().passages, pairs().held_out), tmp_path / "out")
    with pytest.raises(FinetuningError, match="2 held-out questions"):
        tune_encoder(Pairs(pairs().train, pairs().passages, pairs().held_out[:2]), tmp_path / "out")
