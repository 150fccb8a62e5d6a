"""Graphs written from a checkpoint give what transformers gives; the cache survives crashes, races and read-only disks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nacre.connectors.embeddings import load_embedder
from nacre.connectors.embeddings.cache import cache_root, file_hash
from nacre.connectors.embeddings.checkpoint import UnsupportedCheckpointError, read_checkpoint
from nacre.connectors.embeddings.export import cache_place
from nacre.connectors.embeddings.onnx_embeddings import OnnxEmbeddings
from nacre.connectors.embeddings.onnx_encoder import OnnxEncoder
from nacre.connectors.embeddings.probe import compare, verdict
from nacre.connectors.embeddings.tokens import load_tokenizer
from nacre.errors import MissingExtraError, ModelError

pytestmark = pytest.mark.usefixtures("own_cache")

WriteModel = Callable[..., Path]
TEXTS = ["a", "abc de fgh 年假多少天 xyz", "pump abcdefghij " * 12, ""]
SHAPE = {
    "vocab_size": 67,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
}
DISTIL = {"vocab_size": 67, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "max_position_embeddings": 40}
PADDED = {**SHAPE, "max_position_embeddings": 42}  # their positions begin behind the padding's
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertConfig", SHAPE),
    "bert, tanh gelu": ("BertConfig", {**SHAPE, "hidden_act": "gelu_new"}),
    "bert, relu": ("BertConfig", {**SHAPE, "hidden_act": "relu"}),
    "roberta": ("RobertaConfig", PADDED),
    "xlm-roberta": ("XLMRobertaConfig", PADDED),
    "camembert": ("CamembertConfig", PADDED),
    "distilbert": ("DistilBertConfig", DISTIL),
    "mpnet": ("MPNetConfig", PADDED),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_agrees_with_transformers(family: str, tmp_path: Path, tiny_bert: WriteModel) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(0)
    kind, shape = FAMILIES[family]
    model = transformers.AutoModel.from_config(getattr(transformers, kind)(**shape)).eval()
    for parameter in model.parameters():  # fresh biases are zero and would hide a mistake
        torch.nn.init.normal_(parameter, std=0.2)
    folder = tmp_path / "family"
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((tiny_bert() / "tokenizer.json").read_bytes())
    tokenizer = load_tokenizer(folder)
    tokenizer.enable_truncation(40)
    expected = []
    for text in TEXTS:
        ids = torch.tensor([tokenizer.encode(text).ids])
        with torch.no_grad():
            hidden = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        expected.append(torch.nn.functional.normalize(hidden.mean(dim=1))[0].numpy())
    vectors = OnnxEmbeddings(folder, precision="fp32").encode_documents(TEXTS)
    assert np.abs(vectors - np.array(expected)).max() < 1e-5
    quantised = OnnxEmbeddings(folder, precision="int8").encode_documents(TEXTS)
    assert (quantised * vectors).sum(axis=1).min() > 0.99


def write_modules(folder: Path, pooling: dict[str, object], *others: str) -> None:
    names = ["Transformer", "Pooling", *others]
    rows = [
        {"idx": n, "name": str(n), "path": "" if n == 0 else f"{n}_{name}", "type": f"st.models.{name}"}
        for n, name in enumerate(names)
    ]
    (folder / "modules.json").write_text(json.dumps(rows))
    for n, name in enumerate(names[1:], 1):
        (folder / f"{n}_{name}").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))


@pytest.mark.parametrize("pooling", [{"pooling_mode_cls_token": True}, {"pooling_mode": "cls"}])
def test_pooling_is_read_in_the_old_and_the_new_form(pooling: dict[str, object], tiny_bert: WriteModel) -> None:
    folder = tiny_bert()
    write_modules(folder, pooling, "Normalize")
    assert read_checkpoint(folder).pooling == "cls"
    first = OnnxEmbeddings(folder, precision="fp32").embed_query("abc")
    (folder / "modules.json").unlink()
    assert OnnxEmbeddings(folder, precision="fp32").embed_query("abc") != first  # the mean of all tokens


def test_a_dense_layer_follows_the_pooling(tiny_bert: WriteModel) -> None:
    from safetensors.numpy import save_file

    folder = tiny_bert()
    write_modules(folder, {"pooling_mode": "mean"}, "Dense")
    plain = OnnxEmbeddings(tiny_bert("plain"), precision="fp32", normalise=False).encode_documents(["abc"])[0]
    weight = np.random.default_rng(1).normal(size=(8, 32)).astype(np.float32)
    bias = np.arange(8, dtype=np.float32) / 8
    save_file({"linear.weight": weight, "linear.bias": bias}, folder / "2_Dense" / "model.safetensors")
    (folder / "2_Dense" / "config.json").write_text(
        json.dumps({"activation_function": "torch.nn.modules.activation.Tanh"})
    )
    embedder = OnnxEmbeddings(folder, precision="fp32", normalise=False)
    assert embedder.identity["dim"] == 8
    assert np.allclose(embedder.encode_documents(["abc"])[0], np.tanh(weight @ plain + bias), atol=1e-5)


def test_a_model_trained_on_dot_products_keeps_its_lengths(tiny_bert: WriteModel) -> None:
    folder = tiny_bert()
    assert read_checkpoint(folder).normalise
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps({"similarity_fn_name": "dot", "prompts": {"query": "q: "}})
    )
    embedder = OnnxEmbeddings(folder, precision="fp32")
    assert not embedder.identity["normalised"] and embedder.query_prefix == "q: "
    assert abs(np.linalg.norm(embedder.embed_query("abc")) - 1) > 0.01


def test_the_prefix_is_embedded_and_taken_off_the_limit(tiny_bert: WriteModel) -> None:
    folder = tiny_bert()
    plain, prefixed = (
        OnnxEmbeddings(folder, precision="fp32"),
        OnnxEmbeddings(folder, precision="fp32", document_prefix="ab c "),
    )
    assert prefixed.embed_documents(["xyz"]) == plain.embed_documents(["ab c xyz"])
    assert prefixed.embed_query("xyz") == plain.embed_query("xyz")
    assert plain.max_tokens - prefixed.max_tokens == plain.count_tokens("ab c ") == 3


def test_a_vocabulary_file_alone_is_enough(tiny_bert: WriteModel) -> None:
    folder, bare = tiny_bert(), tiny_bert("bare")
    vocabulary = json.loads((bare / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    (bare / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)), "utf-8")
    (bare / "tokenizer.json").unlink()
    assert load_embedder(str(bare), precision="fp32").embed_documents(TEXTS) == load_embedder(
        str(folder), precision="fp32"
    ).embed_documents(TEXTS)


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "llama"},
        {"position_embedding_type": "relative_key"},
        {"is_decoder": True},
        {"hidden_act": "swish"},
    ],
)
def test_what_is_not_known_is_left_to_sentence_transformers(
    config: dict[str, object], tiny_bert: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    folder = tiny_bert(**config)
    with pytest.raises(UnsupportedCheckpointError):
        OnnxEmbeddings(folder, precision="fp32")
    with pytest.raises(MissingExtraError, match=r"pip install 'nacre-ai\[sentence-transformers\]'"):
        load_embedder(str(folder), precision="fp32")


def test_pickled_weights_are_not_read(tiny_bert: WriteModel) -> None:
    folder = tiny_bert()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UnsupportedCheckpointError, match=r"model\.safetensors"):
        read_checkpoint(folder)


def test_the_cache_is_keyed_by_what_shapes_the_vectors(tiny_bert: WriteModel) -> None:
    one, same, other = tiny_bert("one"), tiny_bert("same"), tiny_bert("other", seed=7)
    assert cache_place(one, "x") == cache_place(same, "x")
    assert len({cache_place(one, "x"), cache_place(one, "y"), cache_place(other, "x")}) == 3
    before = cache_place(one, "x")
    write_modules(one, {"pooling_mode": "cls"})
    assert cache_place(one, "x") != before


def test_a_hash_is_remembered_but_not_beyond_a_change(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"a" * 100)
    first = file_hash(file)
    assert file_hash(file) == first
    file.write_bytes(b"b" * 101)
    assert file_hash(file) != first


def test_two_processes_at_once_export_one_whole_model(tiny_bert: WriteModel, tmp_path: Path) -> None:
    folder, cache = tiny_bert(), tmp_path / "race"
    code = "import sys; from nacre.connectors.embeddings import load_embedder; print(load_embedder(sys.argv[1]).embed_query('abc')[:3])"
    environment = {**os.environ, "NACRE_CACHE": str(cache)}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    results = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], results
    assert len({out for out, _ in results}) == 1
    assert not list(cache.rglob(".draft-*"))


def test_what_a_killed_export_left_behind_is_cleared_later(tiny_bert: WriteModel) -> None:
    folder = tiny_bert("killed", seed=3)
    place = cache_place(folder, "sentence normalise=True")
    for age, name in ((7200, ".draft-old"), (10, ".draft-busy")):
        (place / name).mkdir(parents=True)
        os.utime(place / name, (time.time() - age,) * 2)
    OnnxEmbeddings(folder, precision="fp32")
    assert [draft.name for draft in place.glob(".draft-*")] == [".draft-busy"]


def test_a_cache_that_cannot_be_written_is_named(
    tiny_bert: WriteModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("NACRE_CACHE", str(tmp_path / "file"))
    folder = tiny_bert()
    for precision in ("auto", "fp32"):
        with pytest.raises(ModelError, match="Set NACRE_CACHE"):
            OnnxEmbeddings(folder, precision=precision)


def test_the_choice_is_made_once_and_remembered(tiny_bert: WriteModel) -> None:
    folder = tiny_bert("choice", seed=5)
    first = OnnxEmbeddings(folder)
    place = cache_place(folder, "sentence normalise=True")
    (note,) = place.glob("choice-*.json")
    assert json.loads(note.read_text())["precision"] == first.precision
    note.write_text(json.dumps({"precision": "fp32" if first.precision == "int8" else "int8"}))
    assert OnnxEmbeddings(folder).precision != first.precision
    note.write_text("{broken")
    assert OnnxEmbeddings(folder).precision in ("fp32", "int8")
    assert cache_root() in place.parents


def test_a_bad_8_bit_model_is_not_chosen_however_fast(tiny_bert: WriteModel) -> None:
    encoders = []
    for seed in (0, 1):  # another model altogether stands for a ruined one
        folder = tiny_bert(f"seed{seed}", seed=seed)
        OnnxEmbeddings(folder, precision="fp32")
        path = cache_place(folder, "sentence normalise=True") / "fp32" / "model.onnx"
        tokenizer = load_tokenizer(folder)
        encoders.append(OnnxEncoder(path, tokenizer, 40))
    judged = compare(encoders[0], encoders[1])
    assert judged.precision == "fp32" and judged.similarity < 0.9
    assert compare(encoders[0], encoders[0]).similarity == pytest.approx(1, abs=1e-5)
    assert verdict(0.999, 0.99, 1.0, 2.0).precision == "int8"
    assert verdict(0.999, 0.99, 1.0, 1.0).precision == "fp32"
