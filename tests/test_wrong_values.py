"""A value of a wrong kind at any public door is refused in one clear sentence, or it works: never a TypeError from
inside.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nacre
from nacre.retrieval.knowledge_base import KnowledgeBase

WRONG = [None, 3, "", b"", [], {}, 1.5, object(), "no such thing"]


class House:
    """What the doors belong to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "a.txt").write_text("Nacre is mother of pearl.")
        self.kb = KnowledgeBase.open(folder / "kb", "none")
        self.kb.sync(folder / "a.txt")
        self.quote = nacre.load_model("quote")
        self.retriever = self.kb.retriever()
        self.rag = nacre.RetrievalAugmented(inner=self.quote, retriever=self.retriever)
        self.python = nacre.PythonInterpreter()
        self._made = 0

    def new(self) -> Path:
        self._made += 1
        return self.folder / f"new{self._made}"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory):
    built = House(tmp_path_factory.mktemp("house"))
    yield built
    built.python.close()
    built.kb.close()


def opened(path: Any, embedder: Any = "none") -> None:
    KnowledgeBase.open(path, embedder).close()


LAYERS = (
    "FewShot ChainOfThought SelfConsistency ConversationMemory Moderation ResponseCache Retry Fallback ProgramAided"
)
DOORS: dict[str, Callable[[House, Any], object]] = {
    "load_model": lambda h, v: nacre.load_model(v),
    "load_model(sentences)": lambda h, v: nacre.load_model("quote", sentences=v),
    "ScriptedChatModel": lambda h, v: nacre.ScriptedChatModel(v),
    "open": lambda h, v: opened(v),
    "open(embedder)": lambda h, v: opened(h.new(), v),
    "repair": lambda h, v: KnowledgeBase.repair(v),
    "sync": lambda h, v: h.kb.sync(v, prune=False),
    "sync(principals)": lambda h, v: h.kb.sync(h.folder / "a.txt", principals=v),
    "sync(on_progress)": lambda h, v: h.kb.sync(h.folder / "a.txt", on_progress=v),
    "search": lambda h, v: h.kb.search(v),
    "search(k)": lambda h, v: h.kb.search("pearl", k=v),
    "search(principals)": lambda h, v: h.kb.search("pearl", principals=v),
    "search(where)": lambda h, v: h.kb.search("pearl", where=v),
    "search(arms)": lambda h, v: h.kb.search("pearl", arms=v),
    "widened": lambda h, v: h.kb.widened(v),
    "tables_in": lambda h, v: h.kb.tables_in(v),
    "text": lambda h, v: h.kb.text(v),
    "delete": lambda h, v: h.kb.delete(v),
    "visible": lambda h, v: h.kb.visible(v),
    "document": lambda h, v: h.kb.document(v),
    "metadata": lambda h, v: h.kb.metadata(v),
    "retriever(k)": lambda h, v: h.kb.retriever(k=v),
    "retriever(principals)": lambda h, v: h.kb.retriever(principals=v),
    "retriever(expand)": lambda h, v: h.kb.retriever(expand=v),
    "retriever.invoke": lambda h, v: h.retriever.invoke(v),
    "to_langchain": lambda h, v: h.kb.to_langchain(v),
    "RetrievalAugmented(inner)": lambda h, v: nacre.RetrievalAugmented(inner=v, retriever=h.retriever),
    "RetrievalAugmented(retriever)": lambda h, v: nacre.RetrievalAugmented(inner=h.quote, retriever=v),
    "RetrievalAugmented.invoke": lambda h, v: h.rag.invoke(v),
    "RetrievalAugmented.stream": lambda h, v: list(h.rag.stream(v)),
    "ProgramAided(attempts)": lambda h, v: nacre.ProgramAided(inner=h.quote, attempts=v),
    "ProgramAided(interpreter)": lambda h, v: nacre.ProgramAided(inner=h.quote, interpreter=v),
    "ReAct(inner)": lambda h, v: nacre.ReAct(inner=v, tools=[]),
    "ReAct(tools)": lambda h, v: nacre.ReAct(inner=h.quote, tools=v),
    "ReAct(protocol)": lambda h, v: nacre.ReAct(inner=h.quote, tools=[], protocol=v),
    "ReAct(max_steps)": lambda h, v: nacre.ReAct(inner=h.quote, tools=[], max_steps=v),
    "ConversationMemory(store)": lambda h, v: nacre.ConversationMemory(
        inner=h.quote, store=v if v != WRONG[-1] else None
    ),
    "Fallback(fallbacks)": lambda h, v: nacre.Fallback(inner=h.quote, fallbacks=v),
    "run": lambda h, v: h.python.run(v),
    "run(timeout_s)": lambda h, v: h.python.run("1", timeout_s=v),
    "parse_react": lambda h, v: nacre.parse_react(v),
    "parse_react(tools)": lambda h, v: nacre.parse_react("Action: x", tools=v),
    "build": lambda h, v: nacre.build(v),
    "explain": lambda h, v: nacre.explain(v),
    **{f"{name}(inner)": lambda h, v, name=name: getattr(nacre, name)(inner=v) for name in LAYERS.split()},
}


@pytest.mark.parametrize("door", DOORS)
def test_a_wrong_value_is_refused_by_name_or_works(door: str, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(house.folder)
    for value in WRONG:
        for language in ("en", "zh"):
            monkeypatch.setenv("NACRE_LANG", language)
            try:
                DOORS[door](house, value)
            except nacre.NacreError as error:
                assert error.message.strip() and "\n" not in error.message, (value, error.message)


@pytest.mark.parametrize(
    ("door", "value", "said"),
    [
        ("load_model", 3, "spec is 3 (int); it must be a text or None."),
        ("open", None, "path is None (NoneType); it must be a text or a path."),
        ("search", None, "query is None (NoneType); it must be a text."),
        ("search(k)", "a", "k is 'a' (str); it must be a whole number."),
        ("parse_react", None, "text is None (NoneType); it must be a text."),
        ("run", None, "code is None (NoneType); it must be a text."),
        ("sync(on_progress)", 3, "on_progress is 3 (int); it must be a function or None."),
        ("open(embedder)", 3, "embedder is 3 (int); it must be a text or Embeddings."),
        ("explain", 3, "model is 3 (int); it must be BaseChatModel."),
    ],
)
def test_the_refusal_says_what_was_wrong_with_what_and_what_is_right(
    door: str, value: object, said: str, house: House
) -> None:
    with pytest.raises(nacre.NacreError) as refused:
        DOORS[door](house, value)
    assert refused.value.message == said


def test_in_chinese_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NACRE_LANG", "zh")
    with pytest.raises(nacre.NacreError, match="query 为 3（int），应为文本。"):
        house.kb.search(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("store", "english", "chinese"),
    [
        ("text.txt", "it is a file of another kind", "它是其他类型的文件"),
        ("kb", "Is a directory", "是一个文件夹"),
        ("", "The name of the database is empty", "数据库文件名为空"),
    ],
)
def test_a_store_that_is_no_database_is_told_without_the_words_of_libraries(
    store: str, english: str, chinese: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(house.folder)
    (house.folder / "text.txt").write_text("This is no database at all, only text. " * 9)
    for language, said in (("en", english), ("zh", chinese)):
        monkeypatch.setenv("NACRE_LANG", language)
        with pytest.raises(nacre.NacreError, match=said) as refused:
            nacre.ConversationMemory(inner=house.quote, store=store)
        assert not any(words in refused.value.message for words in ("Errno", "Value error", ": :"))


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (lambda quote: nacre.ReAct(inner={}, tools=[]), "ReAct: inner 为 {}（dict），应为BaseChatModel。"),
        (lambda quote: nacre.ReAct(tools=[]), "ReAct 缺少字段 'inner'。"),
        (lambda quote: nacre.ReAct(inner=quote, tools=[], max_steps=0), "ReAct：字段 max_steps 的值 0 无效，应 ≥ 1。"),
    ],
)
def test_a_wrong_field_of_a_layer_is_told_in_chinese(
    layer: Callable[[Any], object], said: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NACRE_LANG", "zh")
    with pytest.raises(nacre.NacreError) as refused:
        layer(house.quote)
    assert refused.value.message == said
