"""Names become embedders; a command line pays for no more than it uses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from nacre.connectors.embeddings import load_embedder, load_encoder
from nacre.errors import ModelUnavailableError

pytestmark = pytest.mark.usefixtures("own_cache")


def test_an_object_comes_back_as_it_is() -> None:
    fake = DeterministicFakeEmbedding(size=3)
    assert load_embedder(fake) is fake


def test_a_folder_is_remembered_by_its_whole_path(
    tiny_bert: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_bert()
    monkeypatch.chdir(folder.parent)
    embedder = load_embedder(folder.name)
    assert isinstance(embedder, Embeddings)
    assert embedder.identity["id"] == str(folder)  # type: ignore[attr-defined]
    assert load_embedder(str(folder)).identity == embedder.identity  # type: ignore[attr-defined]


def test_the_bare_encoder_gives_the_same_vectors_and_loads_no_langchain(tiny_bert: Callable[..., Path]) -> None:
    folder = tiny_bert()
    expected = load_embedder(str(folder)).embed_query("年假")
    assert load_encoder(str(folder)).embed_query("年假") == expected
    code = (
        "import sys; from nacre.connectors.embeddings import load_encoder; load_encoder(sys.argv[1]).embed_query('a')\n"
        "print('langchain_core' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "~/no such folder", "a/b/c"])
def test_a_folder_that_is_not_there_is_not_looked_for_in_the_hub(name: str) -> None:
    with pytest.raises(ModelUnavailableError, match=r"no config\.json there"):
        load_embedder(name)


def test_a_hub_that_cannot_be_reached_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def unreachable(*_: object, **kwargs: object) -> str:
        raise (FileNotFoundError("not in the cache") if kwargs.get("local_files_only") else ConnectionError("no route"))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(ModelUnavailableError, match="HF_ENDPOINT") as caught:
        load_embedder("BAAI/bge-small-zh-v1.5")
    assert caught.value.uri == "BAAI/bge-small-zh-v1.5"


def test_a_model_in_the_hubs_cache_is_used_without_a_network(
    tiny_bert: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    folder = tiny_bert()
    calls: list[object] = []

    def cached(repository: str, **kwargs: object) -> str:
        calls.append((repository, kwargs.get("local_files_only")))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", cached)
    embedder = load_embedder("intfloat/multilingual-e5-small")
    assert calls == [("intfloat/multilingual-e5-small", True)]
    assert embedder.identity["id"] == "intfloat/multilingual-e5-small"  # type: ignore[attr-defined]
    assert embedder.identity["query_prefix"] == "query: "  # type: ignore[attr-defined]
