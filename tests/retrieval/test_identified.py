"""What is about the identifier of a question comes before what only looks like it."""

from __future__ import annotations

import itertools
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

from nacre.ingest.source import TextSource
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.store.filters import Filter
from nacre.text.words import words

COUNT = 60
CODES = [f"E{1000 + n}" for n in range(COUNT)]


class Blind(Embeddings):
    """Knows English words but no identifiers: texts that differ only by these lie near each other by chance."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [(_meant(text) + _drawn(text)).tolist() for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return _meant(text).tolist()


def _meant(text: str) -> np.ndarray:
    return sum((_drawn(word) for word in words(text) if word.isascii() and word.isalpha()), np.full(64, 0.01))


def _drawn(text: str) -> np.ndarray:
    seed = int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big")
    return np.random.default_rng(seed).normal(0, 1, 64)


@pytest.fixture
def codes(tmp_path: Path):
    """A passage for each code; each mentions the next one."""
    text = "{0}: the sensor in the slot does not answer. Check the cable of the sensor. It may be shown with {1}."
    texts = {code: text.format(code, after) for code, after in zip(CODES, CODES[1:] + CODES[:1], strict=True)}
    with KnowledgeBase.open(tmp_path / "kb", Blind()) as base:
        base.sync(TextSource("c:", [(f"c:{code}", one, "") for code, one in texts.items()]))
        yield base


def first(base: KnowledgeBase, query: str, k: int = 1, **more: object) -> list[str]:
    return [hit.uri.removeprefix("c:") for hit in base.search(query, k=k, **more)]


@pytest.mark.parametrize(
    "question", ["What does error {} of the sensor mean?", "{}: the cable of the sensor 是什么错误？", "{}"]
)
def test_the_passage_about_a_code_is_first(codes, question) -> None:
    spelt = [code if n % 2 else f"e-{code[1:]}" for n, code in enumerate(CODES[:20])]
    assert [first(codes, question.format(code)) for code in spelt] == [[code] for code in CODES[:20]]


def test_both_codes_of_a_question_come_first(codes) -> None:
    assert set(first(codes, "How does E1007 of the sensor differ from E1031?", k=2)) == {"E1007", "E1031"}


def test_a_filter_and_a_code_that_nothing_holds_change_nothing(codes) -> None:
    assert first(codes, "What does error E1007 mean?", where=Filter(uri_prefix="c:E1031")) == ["E1031"]
    assert first(codes, "the sensor in the slot E9999", k=5) == first(codes, "the sensor in the slot", k=5)


def test_a_list_that_mentions_a_model_does_not_outdo_the_advice(tmp_path: Path) -> None:
    advice = "If the paper is jammed: open the rear door and pull the sheet of paper out."
    models = "Warranty of two years: " + ", ".join(f"LX-{n}" for n in range(200, 212))
    notes = [(f"c:{n}", f"Room {n} was painted, and has new chairs and a lamp.", "") for n in range(40)]
    with KnowledgeBase.open(tmp_path / "kb", Blind()) as base:
        base.sync(TextSource("c:", [("c:advice", advice, ""), ("c:list", models, ""), *notes]))
        assert first(base, "What do I do when the paper of the LX-205 is jammed in the door?") == ["advice"]


def test_what_all_passages_hold_tells_nothing(tmp_path: Path) -> None:
    cures = {"paper": "Open the rear door.", "ink": "Shake the cartridge.", "clock": "Set the time."}
    texts = [(f"c:{what}", f"LX-205. The {what} of the device. {cure}", "") for what, cure in cures.items()]
    texts += [(f"c:{n}", f"LX-205. Room {n} was painted.", "") for n in range(40)]
    with KnowledgeBase.open(tmp_path / "kb", Blind()) as base:
        base.sync(TextSource("c:", texts))
        assert [first(base, f"the {what} of the LX-205") for what in cures] == [[what] for what in cures]


def test_a_name_that_begins_a_wrapped_line_is_only_mentioned(tmp_path: Path) -> None:
    said = "{}: the gate of the store stays shut after a cut of the power, turn the key or see\n{} for the power."
    texts = {f"c:{code}": said.format(code, after) for code, after in itertools.pairwise(CODES[:21])}
    lamp = "the lamp of the north door of the old house is dark all the night"
    texts["c:list"] = "\n".join(f"{code} {lamp}" for code in CODES[40:44])
    notes = {f"c:{n}": f"Room {n} was painted, and has new chairs and a lamp." for n in range(40)}
    with KnowledgeBase.open(tmp_path / "kb", Blind()) as base:
        base.sync(TextSource("c:", [(uri, text, "") for uri, text in {**texts, **notes}.items()]))
        asked = "The power is cut and it shows {}"
        assert [first(base, asked.format(code)) for code in CODES[:20]] == [[code] for code in CODES[:20]]
        assert [first(base, f"the power: {code}") for code in CODES[40:44]] == [["list"]] * 4
