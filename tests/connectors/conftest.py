"""For tests of local models: a cache of their own, and tiny random models written without torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [
    *"abcdefghijklmnopqrstuvwxyz",
    *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"),
    *"年假多少天员工的水泵端口",
]
WIDTH, LAYERS, INNER, POSITIONS = 32, 2, 64, 40

WriteModel = Callable[..., Path]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NACRE_CACHE", str(cache))


@pytest.fixture
def tiny_bert(tmp_path: Path) -> WriteModel:
    """Write a random BERT with a tokenizer; `head` adds a classification head of that many labels."""

    def write(name: str = "tiny", seed: int = 0, head: int = 0, **config: object) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        write_tokenizer(folder)
        shape = {"model_type": "bert", "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 4}
        shape |= {"intermediate_size": INNER, "max_position_embeddings": POSITIONS, "vocab_size": len(SPECIAL + WORDS)}
        shape |= {"hidden_act": "gelu", "layer_norm_eps": 1e-12, "type_vocab_size": 2, "pad_token_id": 0}
        if head:
            shape |= {
                "architectures": ["BertForSequenceClassification"],
                "id2label": {str(n): str(n) for n in range(head)},
            }
        (folder / "config.json").write_text(json.dumps(shape | config))
        save_file(bert_weights(seed, head), folder / "model.safetensors", metadata={"format": "pt"})
        return folder

    return write


def write_tokenizer(folder: Path) -> None:
    vocabulary = {token: number for number, token in enumerate(SPECIAL + WORDS)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.save(str(folder / "tokenizer.json"))


def bert_weights(seed: int, head: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    tensors: dict[str, np.ndarray] = {}
    prefix = "bert." if head else ""

    def matrix(name: str, rows: int, columns: int) -> None:
        tensors[name + ".weight"] = random.normal(0, 0.2, (rows, columns)).astype(np.float32)

    def linear(name: str, outputs: int, inputs: int) -> None:
        matrix(name, outputs, inputs)
        tensors[name + ".bias"] = random.normal(0, 0.2, outputs).astype(np.float32)

    def norm(name: str) -> None:
        tensors[name + ".weight"] = random.normal(1, 0.1, WIDTH).astype(np.float32)
        tensors[name + ".bias"] = random.normal(0, 0.1, WIDTH).astype(np.float32)

    matrix(prefix + "embeddings.word_embeddings", len(SPECIAL + WORDS), WIDTH)
    matrix(prefix + "embeddings.position_embeddings", POSITIONS, WIDTH)
    matrix(prefix + "embeddings.token_type_embeddings", 2, WIDTH)
    norm(prefix + "embeddings.LayerNorm")
    for number in range(LAYERS):
        at = f"{prefix}encoder.layer.{number}."
        for part in ("query", "key", "value"):
            linear(f"{at}attention.self.{part}", WIDTH, WIDTH)
        linear(at + "attention.output.dense", WIDTH, WIDTH)
        norm(at + "attention.output.LayerNorm")
        linear(at + "intermediate.dense", INNER, WIDTH)
        linear(at + "output.dense", WIDTH, INNER)
        norm(at + "output.LayerNorm")
    linear(prefix + "pooler.dense", WIDTH, WIDTH)
    if head:
        linear("classifier", head, WIDTH)
    return tensors
