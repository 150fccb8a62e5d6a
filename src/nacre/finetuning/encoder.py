"""An encoder that knows the words of a knowledge base: tuned on made pairs, kept only where search surely gains."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nacre.connectors.embeddings import load_embedder
from nacre.connectors.embeddings.locate import E5, MINILM, embedded, find_folder
from nacre.connectors.models.local_weights import base_hash
from nacre.errors import FinetuningError
from nacre.eval.making import extracted
from nacre.eval.metrics import contains, ndcg
from nacre.eval.statistics import bootstrap
from nacre.extras import need, need_all
from nacre.finetuning.building import placed
from nacre.finetuning.card import facts, write_card
from nacre.finetuning.plan import Plan, new_folder
from nacre.finetuning.quiet import alone, patient_threads
from nacre.finetuning.splitting import groups, sides
from nacre.finetuning.watching import Progress, watcher
from nacre.system.files import private_folder
from nacre.text.language import tr
from nacre.text.words import sentences

if TYPE_CHECKING:
    from nacre.eval.datasets import Question
    from nacre.retrieval.knowledge_base import KnowledgeBase

_PASSAGE = 600  # characters
_FEW = 10  # held-out questions below which no gain can be sure
_MOST = 40  # questions of one document


@dataclass(frozen=True)
class Pairs:
    """What an encoder learns from and is measured on.

    Args:
        train: questions with the passage that answers each.
        passages: all that is searched.
        held_out: questions of documents that no pair of `train` is of, each with the numbers of its passages.
    """

    train: Sequence[tuple[str, str]]
    passages: Sequence[str]
    held_out: Sequence[tuple[str, frozenset[int]]]


@dataclass(frozen=True)
class Tuned:
    """What came of it.

    Args:
        interval: of the difference in nDCG@10, paired bootstrap, 95 %.
        kept: whether `out` holds the encoder: only where the whole interval is above 0.
    """

    steps: int
    ndcg_before: float
    ndcg_after: float
    interval: tuple[float, float]
    kept: bool
    out: str
    seconds: float
    pairs: int
    questions: int


def pairs_of(base: KnowledgeBase, questions: Sequence[Question] = (), seed: int = 7) -> Pairs:
    """Pairs made from a knowledge base, split by document.

    Args:
        questions: written ones with their documents, measured on (or trained on) beside the made ones.
    """
    texts = {d["uri"]: base.text(d["uri"]) for d in base.documents() if base.visible(d["uri"])}
    return split_pairs(texts, questions, seed)


def split_pairs(texts: Mapping[str, str], questions: Sequence[Question], seed: int) -> Pairs:
    """Pairs of texts by address."""
    cut = {uri: [text[start:end] for start, end in _passages(text)] for uri, text in texts.items()}
    asked: dict[str, list[tuple[str, tuple[str, ...]]]] = {uri: [] for uri in texts}
    for uri, text in texts.items():
        asked[uri] += [(m.question, m.answers) for _, m in zip(range(_MOST), extracted(uri, text), strict=False)]
    for question in (placed(question, texts) for question in questions):
        if question.uri:
            asked[question.uri].append((question.text, question.answers))
    side = sides(groups(texts), {uri: len(found) for uri, found in asked.items()}, seed)
    passages = list(dict.fromkeys(passage for each in cut.values() for passage in each))
    number = {passage: n for n, passage in enumerate(passages)}
    train: list[tuple[str, str]] = []
    held_out: list[tuple[str, frozenset[int]]] = []
    for uri, found in asked.items():
        for said, answers in found:
            right = [passage for passage in cut[uri] if contains(passage, answers)]
            if right and side[uri] == "train":
                train.append((said, right[0]))
            elif right:
                held_out.append((said, frozenset(number[passage] for passage in right)))
    return Pairs(train, passages, held_out)


def _source(embedder: str | None) -> Path:
    """The folder of the encoder to begin with."""
    packed = MINILM if embedder is None else embedded(embedder)
    if packed is E5:
        raise FinetuningError(
            tr(
                "{name} comes in four bits, which cannot be trained. Name its folder or intfloat/multilingual-e5-small "
                "(--base), or leave it out for all-MiniLM-L6-v2.",
                name=E5.name,
            )
        )
    return packed.path().parent if packed else find_folder(str(embedder))[0]


def tune_encoder(
    pairs: Pairs,
    out: Path,
    *,
    embedder: str | None = None,
    steps: int | None = None,
    batch: int = 16,
    rate: float = 2e-5,
    seed: int = 7,
    on_progress: Progress | None = None,
) -> Tuned:
    """Tune an encoder by MultipleNegativesRankingLoss (Henderson et al., 2017, arXiv:1705.00652).

    Args:
        embedder: a local encoder's name or folder; None is all-MiniLM-L6-v2: weights of four bits, as the embedded
            default has, cannot be trained.
        steps: None for one pass over the pairs.

    Raises:
        FinetuningError: there are too few pairs or held-out questions, or `out` is taken.
    """
    patient_threads()
    need_all(torch="finetune", sentence_transformers="finetune", datasets="finetune", accelerate="finetune")
    new_folder(out)
    if len(pairs.train) < batch or len(pairs.held_out) < _FEW:
        raise FinetuningError(
            tr(
                "Only {train} pairs to learn from and {held} held-out questions to measure on; {batch} and {few} are "
                "needed. Add documents, or questions with --questions.",
                train=len(pairs.train),
                held=len(pairs.held_out),
                batch=batch,
                few=_FEW,
            )
        )
    began = time.monotonic()
    source = _source(embedder)
    before = scores(str(source), pairs)
    steps = steps or -(-len(pairs.train) // batch)
    private_folder(out.parent)
    with alone(), tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as temporary:
        draft = Path(temporary) / "encoder"
        _train(source, pairs, draft, steps, batch, rate, seed, on_progress)
        after = scores(str(draft), pairs)
        interval = bootstrap([b - a for a, b in zip(before, after, strict=True)])
        kept = interval[0] > 0
        done = Tuned(
            steps, float(np.mean(before)), float(np.mean(after)), interval, kept, str(out),
            round(time.monotonic() - began, 2), len(pairs.train), len(pairs.held_out),
        )  # fmt: skip
        if kept:
            base = {"base_model": embedder or MINILM.name, "base_hash": base_hash(str(source))}
            write_card(draft, {"kind": "encoder", "method": "encoder", **base, **facts([]), "encoder": vars(done)})
            if out.is_dir():
                out.rmdir()
            draft.rename(out)
    return done


def scores(name: str, pairs: Pairs) -> list[float]:
    """nDCG@10 of each held-out question, by the vectors that serve (ONNX where the architecture has it)."""
    encoder = load_embedder(name)
    documents = np.asarray(encoder.embed_documents(list(pairs.passages)), dtype=np.float32)
    found = []
    for question, right in pairs.held_out:
        ranked = np.argsort(-(documents @ np.asarray(encoder.embed_query(question), dtype=np.float32)), kind="stable")
        found.append(ndcg([str(n) for n in ranked[:10]], {str(n): 1 for n in right}))
    return found


def _train(
    source: Path, pairs: Pairs, out: Path, steps: int, batch: int, rate: float, seed: int, on_progress: Progress | None
) -> None:
    library, datasets = need("sentence_transformers", extra="finetune"), need("datasets", extra="finetune")
    losses = need("sentence_transformers.losses", extra="finetune")
    model = library.SentenceTransformer(str(source), device=_device(), local_files_only=True, trust_remote_code=False)
    with tempfile.TemporaryDirectory(dir=out.parent) as checkpoints:
        settings: dict[str, Any] = {
            "output_dir": checkpoints, "max_steps": steps, "per_device_train_batch_size": batch, "learning_rate": rate,
            "warmup_steps": steps // 10, "seed": seed, "data_seed": seed, "report_to": "none", "disable_tqdm": True,
            "save_strategy": "no", "logging_steps": 1, "logging_nan_inf_filter": False,
            # Another question's passage is a negative only where it is another passage.
            "batch_sampler": "no_duplicates", "dataloader_pin_memory": False,
        }  # fmt: skip
        questions, passages = zip(*pairs.train, strict=True)
        trainer = library.SentenceTransformerTrainer(
            model=model,
            args=library.SentenceTransformerTrainingArguments(**settings),
            train_dataset=datasets.Dataset.from_dict({"anchor": list(questions), "positive": list(passages)}),
            loss=losses.MultipleNegativesRankingLoss(model),
            callbacks=[watcher(Plan("", "", str(out), rate=rate), on_progress)],
        )
        trainer.remove_callback(need("transformers", extra="finetune").PrinterCallback)
        trainer.train()
    model.save_pretrained(str(out), create_model_card=False)


def _device() -> str:
    return "cuda" if need("torch", extra="finetune").cuda.is_available() else "cpu"


def _passages(text: str) -> list[tuple[int, int]]:
    """Runs of sentences of at most so many characters, or one longer sentence."""
    found: list[tuple[int, int]] = []
    for start, end in sentences(text):
        if found and end - found[-1][0] <= _PASSAGE:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found
