"""Planted faults: `why` names the stage where the passage was lost, and its cure brings the passage back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.embeddings import Embeddings

from nacre import KnowledgeBase, RetrievalAugmented, ScriptedChatModel
from nacre.cli import run
from nacre.connectors.models.quote import QuoteChatModel
from nacre.documents import ParserPool, ocr
from nacre.errors import ParseError, UsageError
from nacre.eval.why import STAGES, Diagnosis, why
from nacre.store import bm25

FACT = "The gate code of the north warehouse is 4417."
QUESTION = "What is the gate code of the north warehouse?"
OTHERS = [
    f"Note {n}: the {place} keeps {n} crates of tea." for n, place in enumerate(("attic", "cellar", "shop", "yard") * 5)
]


def base(
    tmp_path: Path, texts: Sequence[str], *, embedder: Any = "none", principals: list[str] | None = None
) -> KnowledgeBase:
    folder = tmp_path / "docs"
    folder.mkdir(exist_ok=True)
    for n, text in enumerate(texts):
        (folder / f"{n:02}.md").write_text(text, "utf-8")
    kb = KnowledgeBase.open(tmp_path / "kb", embedder=embedder)
    kb.sync(str(folder), principals=principals)
    return kb


def asked(
    kb: KnowledgeBase, expect: str = FACT, question: str = QUESTION, k: int = 3, model: Any = None, **options: Any
) -> Diagnosis:
    fields = {
        name: options.pop(name)
        for name in ("strict", "min_support", "source_tokens", "min_relevance")
        if name in options
    }
    principals = options.pop("principals", None)
    stack = RetrievalAugmented(inner=model or QuoteChatModel(), retriever=kb.retriever(k=k, **options), **fields)
    return why(stack, question, expect, principals=principals)


def test_a_passage_that_is_used_is_lost_nowhere(tmp_path: Path) -> None:
    kb = base(tmp_path, [FACT, *OTHERS])
    assert asked(kb).stage == "none"
    assert asked(kb, "00.md").stage == "none"


def test_what_no_document_says_was_lost_at_the_source(tmp_path: Path) -> None:
    assert asked(base(tmp_path, OTHERS)).stage == "source"


def test_a_file_that_was_not_synced_is_named(tmp_path: Path) -> None:
    kb = base(tmp_path, OTHERS)
    (tmp_path / "docs" / "new.md").write_text(FACT, "utf-8")
    found = asked(kb)
    assert found.stage == "source" and "new.md" in found.reason
    assert found.cure == f"nacre sync {tmp_path}/docs/ --kb {kb.place}"  # as it stands
    kb.sync(found.setting["sync"])
    assert asked(kb).stage == "none"


@pytest.mark.parametrize(("recogniser", "cure"), [(False, "nacre-ai[ocr]"), (True, "nacre sync")])
def test_a_scan_that_was_synced_is_lost_in_parsing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recogniser: bool, cure: str
) -> None:
    kb = base(tmp_path, OTHERS)
    picture = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
    (tmp_path / "docs" / "scan.png").write_bytes(picture)
    monkeypatch.setattr(ocr, "installed", lambda: recogniser)
    needed = ocr.needs_ocr("page 1") if not recogniser else "the file is damaged"
    monkeypatch.setattr(ParserPool, "parse", failing(ParseError(needed, uri="scan.png")))
    assert kb.sync(str(tmp_path / "docs")).failed
    found = asked(kb, "scan.png")
    assert (found.stage, Path(found.uri).name) == ("parse", "scan.png")
    assert (cure in found.cure and "--kb" in found.cure and "needs OCR" in found.reason) or recogniser


def failing(error: Exception) -> Any:
    def parse(*args: Any, **options: Any) -> Any:
        raise error

    return parse


def test_what_the_parser_left_out_was_lost_in_parsing(tmp_path: Path) -> None:
    kb = base(tmp_path, OTHERS)
    (tmp_path / "docs" / "page.html").write_text(
        f"<h1>Depot</h1><p>Ask us.</p><script>let s = '{FACT}'</script>", "utf-8"
    )
    kb.sync(str(tmp_path / "docs"))
    found = asked(kb)
    assert (found.stage, Path(found.uri).name) == ("parse", "page.html")


def test_a_document_that_the_asker_may_not_see_was_lost_to_permissions(tmp_path: Path) -> None:
    kb = base(tmp_path, [FACT, *OTHERS], principals=["depot"])
    found = asked(kb)
    assert found.stage == "permission" and found.setting == {"principals": ["depot"]}
    assert asked(kb, principals=["depot"]).stage == "none"


def test_broken_chinese_words_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fact = "北仓库的门禁密码是四四一七。"
    monkeypatch.setattr(bm25, "terms", lambda text: text.split())
    kb = base(tmp_path, [fact, *(f"第{n}号备忘：茶叶在地下室。" for n in range(20))])
    assert asked(kb, fact, "北仓库的门禁密码是什么？").stage == "words"


def test_other_words_that_the_embedder_should_have_bridged_are_named(tmp_path: Path) -> None:
    kb = base(tmp_path, [FACT, *(f"Which digits unlock storage {n}? Ask the guard." for n in range(20))])
    assert asked(kb, question="Which digits unlock our northern storage?").stage == "vectors"


class Contrary(Embeddings):
    """Puts every text about tea next to the question, and the fact far away."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[-1.0, 0.1] if "gate code" in text else [1.0, 0.01 * (len(text) % 7)] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [1.0, 0.0]


def test_an_arm_that_outvotes_the_other_is_a_fault_of_fusion(tmp_path: Path) -> None:
    kb = base(tmp_path, [FACT, *OTHERS], embedder=Contrary())
    found = asked(kb)
    assert found.stage == "fusion" and found.ranks["words"] == 1
    assert asked(kb, k=found.setting["k"]).stage == "none"


class Reverse(BaseDocumentCompressor):
    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Any = None
    ) -> Sequence[Document]:
        return list(documents)[::-1]


def test_a_reranker_that_buries_the_passage_is_named(tmp_path: Path) -> None:
    near = [f"The warehouse gate number {n} is painted blue." for n in range(8)]
    found = asked(base(tmp_path, [FACT, *near]), reranker=Reverse())
    assert found.stage == "rerank" and found.setting["k"] > 3


def test_a_near_copy_that_was_left_out_is_named(tmp_path: Path) -> None:
    copy = (
        FACT + " It stands on the board beside the door, below the lamp, and is changed every spring by the guard. " * 2
    )
    kb = base(tmp_path, [copy + "Old.", copy + "New."])
    stages = {asked(kb, name, distinct=True).stage for name in ("00.md", "01.md")}
    assert stages == {"none", "distinct"}


def test_a_passage_that_was_cut_in_two_is_shown_whole_with_its_neighbours(tmp_path: Path) -> None:
    lines = [f"Rule {n}: crate {n} of the depot stands on shelf {n * 7} behind lamp {n * 3}." for n in range(120)]
    kb = base(tmp_path, ["\n\n".join(lines)])
    hits = sorted(kb.search("crate", k=50), key=lambda hit: hit.start)
    text = kb.text(hits[0].uri)
    border = hits[0].end
    expect = text[border - 60 : border + 60]
    refuses = ScriptedChatModel(lambda messages, n: "Nothing.")
    found = asked(kb, expect, expect[:50], k=1, model=refuses)
    assert found.stage == "chunk" and found.setting == {"expand": 1}
    assert asked(kb, expect, expect[:50], k=1, model=refuses, expand=1).stage == "model"


def test_a_budget_that_is_too_small_is_named_with_the_one_that_suffices(tmp_path: Path) -> None:
    more = ["Gate code north warehouse: see the board. " + "gate code north warehouse " * 8]
    kb = base(tmp_path, [FACT + " " + "It is written on the board beside the door. " * 10, *more])
    found = asked(kb, k=2, source_tokens=90)
    assert found.stage == "packing"
    assert asked(kb, k=2, source_tokens=found.setting["source_tokens"]).stage in ("none", "model")


def test_a_passage_that_seemed_irrelevant_is_told_apart_from_one_without_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kb = base(tmp_path, [FACT, *OTHERS])
    monkeypatch.setattr(RetrievalAugmented, "_irrelevant", lambda self, found: True, raising=False)
    assert asked(kb, min_relevance=0.5).stage == "relevance"


def test_a_model_that_ignores_its_sources_is_named(tmp_path: Path) -> None:
    kb = base(tmp_path, [FACT, *OTHERS])
    found = asked(kb, model=ScriptedChatModel(lambda messages, n: "It is a secret."))
    assert found.stage == "model" and found.answer == "It is a secret."


def test_a_sentence_that_the_citation_check_cut_is_named(tmp_path: Path) -> None:
    kb = base(tmp_path, [FACT, *OTHERS])
    says = ScriptedChatModel(lambda messages, n: "You get in by typing four, four, one and seven at the door. [1]")
    found = asked(kb, model=says, strict=True)
    assert found.stage == "citation"
    assert asked(kb, model=says, strict=True, min_support=found.setting["min_support"]).stage == "none"


def test_the_command_prints_one_object_and_refuses_an_empty_expectation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base(tmp_path, [FACT, *OTHERS]).close()
    kb = ["--kb", str(tmp_path / "kb")]
    assert run(["why", QUESTION, "--expect", "blue whale", *kb, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["stage"] == "source" and set(found) >= {"reason", "cure", "setting"} and found["stage"] in STAGES
    assert run(["why", QUESTION, "--expect", FACT, *kb]) == 0
    assert "it was used" in capsys.readouterr().out
    assert run(["why", QUESTION, "--expect", " ", *kb]) == 2


def test_a_retriever_of_another_kind_is_refused() -> None:
    from nacre.eval.refusal import FixedRetriever

    with pytest.raises(UsageError, match="knowledge base"):
        why(RetrievalAugmented(inner=QuoteChatModel(), retriever=FixedRetriever(passages=["x"])), "q", "x")
