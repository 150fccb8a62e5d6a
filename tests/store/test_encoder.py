"""What the store asks of an embedder: tokens of a bearable length, and questions together."""

from __future__ import annotations

import itertools
import threading
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.connectors.embeddings import load_embedder
from nacre.store.encoder import _LONGEST_TOKEN, Encoder, _whole


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), max_size=12), st.integers(0, 90))
def test_tokens_are_kept_and_what_is_long_or_left_out_counts_as_more(steps: list[tuple[int, int]], rest: int) -> None:
    spans, at = [], 0
    for gap, length in steps:
        spans.append((at + gap, at + gap + length))
        at += gap + length
    found = _whole(spans, at + rest)
    assert found == sorted(found) and all(end - start <= _LONGEST_TOKEN for start, end in found)
    assert {span for span in spans if span[1] - span[0] <= _LONGEST_TOKEN} <= set(found)
    ends = [0, *(end for _, end in found), at + rest]
    assert all(after - before <= 2 * _LONGEST_TOKEN for before, after in itertools.pairwise(ends))


class OneByOne:
    """A stranger's embedder, without a way to embed questions together."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [3.0 * len(text), 4.0 * len(text)]


@pytest.mark.parametrize("embedder", [OneByOne(), load_embedder("minilm")], ids=["one by one", "together"])
def test_questions_together_have_the_vectors_of_each_alone(embedder: object) -> None:
    encoder = Encoder(embedder)  # type: ignore[arg-type]
    texts = ["How long is the leave?", "年假多少天？", "pump"]
    together = encoder.queries(texts)
    assert together.shape == (3, encoder.dim) and np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert np.allclose(together, [encoder.query(text) for text in texts])


class TwoAtOnce(OneByOne):
    """Embeds only where two texts are asked for at once."""

    identity: ClassVar = {"id": "two at once", "dim": 2}

    def __init__(self) -> None:
        self.both = threading.Barrier(2, timeout=10)

    def embed_query(self, text: str) -> list[float]:
        self.both.wait()
        return [float(len(text)), 1.0]


def test_of_several_questions_the_next_is_embedded_while_one_is_used() -> None:
    found = list(Encoder(TwoAtOnce()).each_query(["a", "aa", "aaa", "aaaa"]))  # type: ignore[arg-type]
    assert [round(float(one[0] / one[1])) for one in found] == [1, 2, 3, 4]
