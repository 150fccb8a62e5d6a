"""Graphs written from a checkpoint give what transformers gives; the cache survives crashes, races and read-only disks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nacre.connectors.embeddings import export, load_embedder, onnx_encoder
from nacre.connectors.embeddings.cache import cache_root, file_hash
from nacre.connectors.embeddings.checkpoint import UnsupportedCheckpointError, load_tokenizer, read_checkpoint
from nacre.connectors.embeddings.export import cache_name, choose_precision
from nacre.connectors.embeddings.onnx_embeddings import OnnxEmbeddings
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
PADDED = {**SHAPE, "max_position_embeddings": 42}  # their positions begin behind the padding's
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertConfig", SHAPE),
    "bert, tanh gelu": ("BertConfig", {**SHAPE, "hidden_act": "gelu_new"}),
    "roberta": ("RobertaConfig", PADDED),
    "xlm-roberta": ("XLMRobertaConfig", PADDED),
    "xlm-roberta, long window": ("XLMRobertaConfig", {**SHAPE, "max_position_embeddings": 1100}),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_agrees_with_transformers(
    family: str, tmp_path: Path, tiny_bert: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NACRE_CACHE", str(tmp_path / "cache"))
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
    tokenizer.enable_truncation(read_checkpoint(folder).window)
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
    # Of a long window all scores of all tokens with all would be gigabytes.
    [graph] = cache_root().rglob("fp32/model.onnx")
    assert (b"Softmax" not in graph.read_bytes()) is ("long" in family)


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


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "llama"},
        {"position_embedding_type": "relative_key"},
        {"is_decoder": True},
        {"hidden_act": "swish"},
        {"model_type": "mpnet"},
    ],
)
def test_what_is_not_known_is_left_to_sentence_transformers(
    config: dict[str, object], tiny_bert: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    folder = tiny_bert(**config)
    with pytest.raises(UnsupportedCheckpointError):
        OnnxEmbeddings(folder, precision="fp32")
    with pytest.raises(MissingExtraError, match=r"tiny.*pip install 'nacre-ai\[sentence-transformers\]'"):
        load_embedder(str(folder), precision="fp32")


@pytest.mark.parametrize(
    ("modules", "told"), [(["Dense"], "module Dense"), (["LSTM"], "module LSTM"), ([], "pooling max")]
)
def test_other_heads_are_left_to_sentence_transformers(modules: list[str], told: str, tiny_bert: WriteModel) -> None:
    folder = tiny_bert()
    write_modules(folder, {"pooling_mode": "mean" if modules else "max"}, *modules)
    with pytest.raises(UnsupportedCheckpointError, match=told):
        read_checkpoint(folder)


def test_a_vocabulary_without_a_tokenizer_is_left_to_sentence_transformers(tiny_bert: WriteModel) -> None:
    folder = tiny_bert()
    (folder / "tokenizer.json").rename(folder / "vocab.txt")
    with pytest.raises(UnsupportedCheckpointError, match=r"tokenizer\.json"):
        OnnxEmbeddings(folder)


def test_pickled_weights_are_not_read(tiny_bert: WriteModel) -> None:
    folder = tiny_bert()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UnsupportedCheckpointError, match=r"model\.safetensors"):
        read_checkpoint(folder)


def test_the_cache_is_keyed_by_what_shapes_the_vectors(tiny_bert: WriteModel) -> None:
    one, same, other = tiny_bert("one"), tiny_bert("same"), tiny_bert("other", seed=7)
    assert cache_name(one, "x") == cache_name(same, "x")
    assert len({cache_name(one, "x"), cache_name(one, "y"), cache_name(other, "x")}) == 3
    before = cache_name(one, "x")
    write_modules(one, {"pooling_mode": "cls"})
    assert cache_name(one, "x") != before


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
    place = cache_root() / cache_name(folder, "sentence normalise=True")
    for age, name in ((7200, ".draft-old"), (10, ".draft-busy")):
        (place / name).mkdir(parents=True)
        os.utime(place / name, (time.time() - age,) * 2)
    OnnxEmbeddings(folder, precision="fp32")
    assert [draft.name for draft in place.glob(".draft-*")] == [".draft-busy"]


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder that cannot be made, whoever runs the tests; returns the temporary folder."""
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("NACRE_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def test_a_cache_that_cannot_be_written_gives_way_to_a_temporary_one(
    tiny_bert: WriteModel, no_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tiny_bert()
    first = OnnxEmbeddings(folder).embed_query("abc")
    assert caplog.text.count("NACRE_CACHE") == 1 and str(no_cache) in caplog.text
    (kept,) = no_cache.rglob("model.onnx")
    (private,) = no_cache.iterdir()
    assert private.stat().st_mode & 0o077 == 0
    before = kept.stat().st_mtime_ns
    assert OnnxEmbeddings(folder).embed_query("abc") == first and kept.stat().st_mtime_ns == before


@pytest.mark.parametrize("trap", ["open to others", "a link"])
def test_a_temporary_folder_that_others_may_write_is_not_taken(
    trap: str, tiny_bert: WriteModel, no_cache: Path, tmp_path: Path
) -> None:
    place = no_cache / f"nacre-{os.getuid()}"
    if trap == "a link":
        (tmp_path / "theirs").mkdir(mode=0o700)
        place.symlink_to(tmp_path / "theirs")
    else:
        place.mkdir()
        place.chmod(0o777)
    with pytest.raises(ModelError, match="Set NACRE_CACHE"):
        OnnxEmbeddings(tiny_bert())
    assert not list(no_cache.rglob("*.onnx")) and not list(tmp_path.glob("theirs/*"))


@pytest.mark.parametrize(
    ("cpuinfo", "machine", "precision"),
    [
        ("flags\t: avx2 avx512_vnni", "x86_64", "int8"),
        ("flags\t: avx2 avx_vnni", "x86_64", "int8"),
        ("flags\t: avx2", "x86_64", "fp32"),
        ("Features\t: fp asimd asimddp", "aarch64", "int8"),
        ("Features\t: fp asimd", "aarch64", "fp32"),
        (None, "arm64", "int8"),
        (None, "AMD64", "fp32"),
    ],
)
def test_8_bits_where_the_processor_multiplies_them(
    cpuinfo: str | None, machine: str, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "cpuinfo"
    if cpuinfo:
        info.write_text(cpuinfo)
    monkeypatch.setattr(export, "_CPU", info)
    monkeypatch.setattr(export.platform, "machine", lambda: machine)
    assert choose_precision("auto") == precision
    assert (choose_precision("int8"), choose_precision("fp32")) == ("int8", "fp32")


@pytest.mark.parametrize(("told", "most"), [("1", 1), ("1,4", 1), ("0", 1), ("4096", 4096), ("many", 4096), ("", 4096)])
def test_threads_are_as_many_as_the_variable_says(told: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert onnx_encoder.cores() == min(here, most)
