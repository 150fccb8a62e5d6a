"""What all tests share: a language, a place for measuring data, and no traces outside the test's own folder."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hypothesis import settings
from langchain_core.embeddings import Embeddings

import nacre
from nacre.errors import SandboxUnavailableError
from nacre.reasoning.sandbox import PythonInterpreter
from nacre.reasoning.sandbox.limits import LEVELS
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.system.files import atomic_write
from nacre.text.words import words

# The compiled catalogue is made by the installation; a message written since then is compiled here.
_CATALOGUE = Path(nacre.__file__).parent / "locale/zh/LC_MESSAGES/nacre.po"
if _CATALOGUE.stat().st_mtime > (
    _CATALOGUE.with_suffix(".mo").stat().st_mtime if _CATALOGUE.with_suffix(".mo").exists() else 0
):
    with _CATALOGUE.open("rb") as _source:
        _compiled = io.BytesIO()
        write_mo(_compiled, read_po(_source))
    atomic_write(_CATALOGUE.with_suffix(".mo"), _compiled.getvalue())

# The same examples in every run: a red test is somebody's change, never the dice. HYPOTHESIS_PROFILE=explore throws
# them.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages are English unless a test says otherwise; keys of the person who runs the tests are not used."""
    monkeypatch.setenv("NACRE_LANG", "en")
    for name in list(os.environ):
        if name.endswith("_API_KEY") or name in ("OPENAI_BASE_URL", "NACRE_MODEL", "OPENAI_MODEL"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Public measuring data (see docs/evaluation.md); tests that need it skip where it is not."""
    folder = Path(os.environ.get("NACRE_SHARED") or Path(__file__).parents[2] / "shared") / "data"
    if not folder.is_dir():
        pytest.skip(f"no measuring data in {folder}; set NACRE_SHARED")
    return folder


class CountingEmbedder(Embeddings):
    """A bag of hashed words: texts that share words lie near each other."""

    def __init__(self, dim: int = 64, model: str = "hashing") -> None:
        self.dim = dim
        self.model = model
        self.texts: list[str] = []
        self.queries = 0

    def _vector(self, text: str) -> list[float]:
        vector = np.zeros(self.dim)
        for word in words(text):
            vector[int.from_bytes(blake2b(word.encode(), digest_size=4).digest(), "big") % self.dim] += 1
        return vector.tolist()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.texts += texts
        return [self._vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        self.queries += 1
        return self._vector(text)


@pytest.fixture
def embedder() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture
def base(tmp_path: Path, embedder: CountingEmbedder):
    with KnowledgeBase.open(tmp_path / "kb", embedder) as opened:
        yield opened


@pytest.fixture(scope="session")
def python() -> Iterator[PythonInterpreter]:
    with PythonInterpreter(level="full") as interpreter:
        try:
            interpreter.start()
        except SandboxUnavailableError as error:
            pytest.skip(str(error))
        yield interpreter


@pytest.fixture(scope="module", params=LEVELS)
def level(request: pytest.FixtureRequest, python: PythonInterpreter) -> Iterator[PythonInterpreter]:
    """One sandbox of each level."""
    if request.param == "full":
        yield python
        return
    with PythonInterpreter(level=request.param) as weaker:
        yield weaker
