"""The vectors' arm: spread measured, languages compared within themselves, echoes, and what is told about languages."""

from __future__ import annotations

import numpy as np
from langchain_core.embeddings import Embeddings

from nacre.ingest.source import TextSource
from nacre.retrieval.fusion import VECTOR_WEIGHT, fuse, ranked
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.store.arm import Arm
from nacre.text.writing import SAMPLES, WRITINGS, listed_writings, writing_of

SUBJECTS = ["rope", "oars", "nets", "tar", "sail", "mast", "keel", "deck", "hull", "helm"]
CHINESE = dict(zip(SUBJECTS, "绳桨网油帆桅骨甲壳舵", strict=True))


class TwoLanguages(Embeddings):
    """Reads both languages, but puts all Chinese far from all English, within a narrow cone, as such encoders do."""

    def identity(self) -> dict[str, object]:
        told = {"query_prefix": "", "document_prefix": "", "normalised": True, "max_tokens": 64}
        return {"id": "two", "dim": 32, "named": False, **told}

    def coverage(self, text: str) -> float:
        return 1.0

    def _vector(self, text: str) -> list[float]:
        vector = np.zeros(32)
        vector[0], vector[1 if writing_of(text) == "han" else 2] = 1.0, 0.6
        for place, (english, chinese) in enumerate(CHINESE.items(), 3):
            vector[place] += 0.3 * (english in text.lower() or chinese in text)
        return vector.tolist()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self._vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self._vector(text)


def harbour(tmp_path) -> KnowledgeBase:
    base = KnowledgeBase.open(tmp_path / "two", TwoLanguages())
    english = [(f"e:{one}", f"In store number {n} the {one} lies dry.", "") for n, one in enumerate(SUBJECTS[:5])]
    others = [(f"e:{n}", f"Ticket {n} is sold at the gate.", "") for n in range(15)]
    chinese = [(f"z:{one}", f"仓库的{CHINESE[one]}放得很好。", "") for one in SUBJECTS[5:]]
    more = [(f"z:{n}", f"第{n}张票在门口出售。", "") for n in range(15)]
    base.sync(TextSource("h:", [*english, *others, *chinese, *more]))
    return base


def test_a_question_finds_the_passage_in_the_other_language(tmp_path) -> None:
    with harbour(tmp_path) as base:
        assert base.search("绳在哪里", k=1)[0].uri == "e:rope"
        assert base.search("Where is the mast kept?", k=1)[0].uri == "z:mast"
        assert base.search("Where is the rope kept?", k=1)[0].uri == "e:rope"
        assert base.search("舵在哪里", k=1)[0].uri == "z:helm"


def test_words_are_not_counted_against_a_chunk_in_another_writing() -> None:
    words, vectors = Arm({1: 3.0, 2: 0.0}), Arm({1: 2.0, 2: 3.0})
    assert ranked(fuse(words, vectors))[0][0] == 2 or ranked(fuse(words, vectors))[0][0] == 1
    plain, fair = fuse(words, vectors), fuse(words, vectors, foreign={2: 0.3})
    assert fair[2] > plain[2] and fair[1] == plain[1] and fair[2] == 3.3
    said = fuse(words, vectors, foreign={2: 0.3}, reach=3.0, usual=0.5)  # all words by another passage, instead of half
    assert round(said[2], 9) == 2.8 and said[1] == fair[1]
    assert fuse(words, vectors, weight=0.0, foreign={2: 0.3})[2] == 0.0
    assert fuse(words, vectors, weight=VECTOR_WEIGHT, coverage=0.0, foreign={2: 0.3})[2] == 0.0


def test_words_that_meet_by_chance_count_little() -> None:
    chance, meant = Arm({1: 2.0}), Arm({1: 0.5, 2: 0.6})
    assert ranked(fuse(chance, meant))[0][0] == 1 and ranked(fuse(chance, meant, reach=4.0))[0][0] == 1
    assert ranked(fuse(chance, meant, reach=40.0))[0][0] == 2
    assert fuse(chance, meant, coverage=0.0, reach=40.0)[1] == 2.0  # where they alone tell, they count whole


def test_a_number_is_found_where_it_stands_in_whatever_writing(tmp_path) -> None:
    with harbour(tmp_path) as base:
        assert {hit.uri for hit in base.search("7", k=2)} == {"e:7", "z:7"}
        assert {hit.uri for hit in base.search("№ 12", k=2)} == {"e:12", "z:12"}


class NoRussian(TwoLanguages):
    """Does not read Cyrillic, and puts all that it does not read near to everything."""

    def coverage(self, text: str) -> float:
        return float(writing_of(text) != "cyrillic")

    def _vector(self, text: str) -> list[float]:
        return super()._vector("rope oars nets" if writing_of(text) == "cyrillic" else text)


def test_of_a_writing_that_the_embedder_does_not_read_only_words_tell(tmp_path) -> None:
    with KnowledgeBase.open(tmp_path / "kb", NoRussian()) as base:
        strange = [("r:1", "Верёвка лежит на складе GX-7.", ""), ("r:2", "Билеты продаются у ворот.", "")]
        base.sync(
            TextSource("h:", [("e:1", "The nets dry in the sun.", ""), ("z:1", "仓库的网放得很好。", ""), *strange])
        )
        assert {hit.uri for hit in base.search("Where are the nets?", k=2)} == {"e:1", "z:1"}
        assert base.search("GX-7", k=1)[0].uri == base.search("верёвка", k=1)[0].uri == "r:1"


def test_the_report_tells_the_languages_and_what_the_embedder_reads(base, tmp_path) -> None:
    assert (
        base.sync(TextSource("h:", [("h:1", "Ships sail.", ""), ("h:2", "船在海上。", "")])).languages
        == base.languages()
    )
    assert {each["writing"]: each["share"] for each in base.languages()} == {"latin": 0.5, "han": 0.5}
    with KnowledgeBase.open(tmp_path / "plain", "none") as plain:
        plain.sync(TextSource("h:", [("h:1", "Сколько дней отпуска?", "")]))
        assert plain.languages() == [
            {"writing": "cyrillic", "name": "Russian and others in Cyrillic letters", "share": 1.0, "read": None}
        ]


def test_every_sample_is_in_its_writing() -> None:
    assert {name: writing_of(text) for name, text in SAMPLES.items()} == {name: name for name in SAMPLES}
    assert WRITINGS[-1] == "other" and writing_of("ᠮᠣᠩᠭᠣᠯ") == "other"
    assert writing_of("GPT-4o 模型的 API 用法") == "han" and writing_of("") == "latin"
    assert list(listed_writings(["a", "b", "中文"])) == ["latin", "han"]
