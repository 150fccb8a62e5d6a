"""Strict retrieval around and inside programs: computed values are backed by the cells that they were computed from."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import Field

from nacre.connectors.models.scripted import ScriptedChatModel
from nacre.layers.fallback import Fallback
from nacre.layers.pal import ProgramAided
from nacre.layers.rag import RetrievalAugmented
from nacre.layers.retry import Retry
from nacre.reasoning.evidence import invented
from nacre.reasoning.sandbox import PythonInterpreter
from nacre.text.messages import merge_chunks, nacre_of, text_of

ENGLISH = (
    "What are the total sales?",
    "Store\tSales\nA\t1,200\nB\t800\n",
    "def solution():\n    return sum(row['Sales'] for row in tables[0])",
    "The total sales are 2,000.",
    2000,
    "Store A opened in 1931 and its sales fell.",
)
CHINESE = (
    "销售额合计多少？",
    "| 地区 | 销售额 |\n|---|---:|\n| 华东 | 3.2万元 |\n| 华北 | 8,000元 |\n",
    "def solution():\n    return sum(row['销售额'] for row in tables[0])",
    "销售额合计为 40,000 元。",
    40000,
    "华东分店于 1931 年开业，业绩下滑。",
)


class Shelf(BaseRetriever):
    """Finds what it is given, and remembers what it was asked."""

    documents: list[Document]
    asked: list[str] = Field(default_factory=list)

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        self.asked.append(query)
        return self.documents


def fenced(code: str) -> str:
    return f"```python\n{code}\n```"


def shelf(text: str) -> Shelf:
    return Shelf(
        documents=[
            Document("Nothing here. 此处无关。", metadata={"uri": "a.md"}),
            Document(text, metadata={"uri": "b.md", "chunk_id": "c2"}),
        ]
    )


def stacked(
    order: str, python: PythonInterpreter, replies: list[Any], text: str, **fields: Any
) -> tuple[Any, ScriptedChatModel, Shelf]:
    model, retriever = ScriptedChatModel(replies), shelf(text)
    strict = {"strict": True, "retriever": retriever}
    if order == "strict outside":
        return (
            RetrievalAugmented(inner=Retry(inner=ProgramAided(inner=model, interpreter=python, **fields)), **strict),
            model,
            retriever,
        )
    return (
        ProgramAided(inner=Retry(inner=RetrievalAugmented(inner=model, **strict)), interpreter=python, **fields),
        model,
        retriever,
    )


ORDERS = pytest.mark.parametrize("order", ["strict outside", "strict inside"])
LANGUAGES = pytest.mark.parametrize("case", [ENGLISH, CHINESE], ids=["en", "zh"])


@ORDERS
@LANGUAGES
def test_a_computed_value_passes_the_strict_check_and_quotes_its_cells(
    order: str, case: Any, python: PythonInterpreter
) -> None:
    question, table, program, _, value, _ = case
    layer, _, retriever = stacked(order, python, [fenced(program)], table, phrase=False)
    reply = layer.invoke(question)
    own = nacre_of(reply)
    assert (reply.text, own["abstained"], own["value"]) == (f"{value} [2]", False, value)
    [citation] = own["citations"]
    assert (citation["uri"], citation["support"]) == ("b.md", 1.0)
    cells = [cell["text"] for cell in own["cells"]]
    assert all(cell in citation["quote"] for cell in cells) and citation["quote"] in table
    assert retriever.asked == [question] and "unchecked" not in own


@ORDERS
@LANGUAGES
def test_a_phrase_of_the_value_passes_and_nothing_is_retrieved_for_it(
    order: str, case: Any, python: PythonInterpreter
) -> None:
    question, table, program, sentence, value, _ = case
    layer, model, retriever = stacked(order, python, [fenced(program), sentence], table)
    reply = layer.invoke(question)
    assert reply.text == f"{sentence} [2]"
    assert nacre_of(reply)["citations"][0]["support"] >= 0.5
    assert retriever.asked == [question]
    assert "1,200" not in text_of(model.calls[1][-1]) and str(value) in text_of(model.calls[1][-1])


@ORDERS
@LANGUAGES
def test_a_phrase_that_adds_what_no_source_says_gives_way_to_the_bare_value(
    order: str, case: Any, python: PythonInterpreter
) -> None:
    question, table, program, sentence, value, addition = case
    layer, _, _ = stacked(order, python, [fenced(program), f"{sentence} {addition}"], table)
    assert layer.invoke(question).text == f"{value} [2]"


@ORDERS
@LANGUAGES
def test_a_program_with_a_number_from_nowhere_is_refused(order: str, case: Any, python: PythonInterpreter) -> None:
    question, table, program, _, _, _ = case
    layer, _, _ = stacked(order, python, [fenced(program + " * 1.37")], table, phrase=False)
    reply = layer.invoke(question)
    assert nacre_of(reply)["abstained"] is True and nacre_of(reply)["citations"] == []
    assert reply.text in ("I can't find this in the sources.", "来源中没有找到相关内容。") or "1.37" not in reply.text
    assert not any(char.isdigit() for char in reply.text)


@ORDERS
def test_a_number_copied_from_a_source_backs_the_value_too(order: str, python: PythonInterpreter) -> None:
    layer, _, _ = stacked(
        order, python, [fenced("1250 * 3")], "The bridge is 1,250 m long. It is grey.\n大桥长1250米。", phrase=False
    )
    reply = layer.invoke("How long are 3 such bridges?")
    assert reply.text == "3750 [2]" and "1,250 m" in nacre_of(reply)["citations"][0]["quote"]


def test_prose_instead_of_a_program_is_checked_as_ever(python: PythonInterpreter) -> None:
    layer, _, _ = stacked(
        "strict inside", python, ["Sales were excellent last year.", "I like pearls [1]."], ENGLISH[1]
    )
    reply = layer.invoke(ENGLISH[0])
    assert nacre_of(reply)["abstained"] is True and "excellent" not in reply.text


def test_without_strict_nothing_is_asked_for_twice_either(python: PythonInterpreter) -> None:
    retriever = shelf(ENGLISH[1])
    model = ScriptedChatModel([fenced(ENGLISH[2]), "Total: 2000."])
    layer = ProgramAided(inner=RetrievalAugmented(inner=model, retriever=retriever), interpreter=python)
    assert layer.invoke(ENGLISH[0]).text == "Total: 2000. [2]"
    assert len(retriever.asked) == 1


def test_a_program_keeps_its_indexes_whatever_the_sources_are(python: PythonInterpreter) -> None:
    retriever, model = shelf(ENGLISH[1]), ScriptedChatModel(["values = [4, 5, 6, 7, 8, 9]\nans = values[5]"])
    layer = ProgramAided(inner=RetrievalAugmented(inner=model, retriever=retriever), interpreter=python, phrase=False)
    assert nacre_of(layer.invoke("Which is last?"))["value"] == 9


@pytest.mark.parametrize("strict", [True, False])
def test_a_streamed_program_keeps_its_indexes_and_its_answer_is_cited(python: PythonInterpreter, strict: bool) -> None:
    program = "values = [4, 5, 6, 7, 8, 9]\nans = values[5] + sum(row['Sales'] for row in tables[0])"
    retrieving = RetrievalAugmented(inner=ScriptedChatModel([program]), retriever=shelf(ENGLISH[1]), strict=strict)
    layer = ProgramAided(inner=retrieving, interpreter=python, phrase=False)
    whole = merge_chunks(list(layer.stream("What are the total sales?")))
    own = nacre_of(whole)
    assert (whole.text, own["program"], own["value"]) == ("2009 [2]", program, 2009)
    assert own["citations"][0]["uri"] == "b.md" and "unchecked" not in own


def test_prose_instead_of_a_program_is_cited_or_refused_without_strict_too(python: PythonInterpreter) -> None:
    for said, abstained, cited in (
        ("Store A sold 1,200 [2][7].", False, 1),
        ("I can't find this in the sources.", True, 0),
    ):
        retrieving = RetrievalAugmented(inner=ScriptedChatModel([said]), retriever=shelf(ENGLISH[1]))
        reply = ProgramAided(inner=retrieving, interpreter=python, attempts=1).invoke(ENGLISH[0])
        own = nacre_of(reply)
        assert (own["abstained"], len(own["citations"])) == (abstained, cited) and "unchecked" not in own
        assert "[7]" not in reply.text and len(own["hits"]) == 2


def test_two_retrievals_around_a_program_each_search(python: PythonInterpreter) -> None:
    outer, inner = shelf("Nothing to see."), shelf(ENGLISH[1])
    model = ScriptedChatModel([fenced("41 + 1")])
    aided = ProgramAided(inner=model, interpreter=python, phrase=False)
    RetrievalAugmented(inner=RetrievalAugmented(inner=aided, retriever=inner), retriever=outer).invoke("?")
    assert len(outer.asked) == len(inner.asked) == 1 and set(model.call_kwargs[0]) <= {"stop"}


def test_options_reach_only_layers_that_take_them(python: PythonInterpreter) -> None:
    """The scripted model records what it is called with: an option that no layer takes would be there."""
    plain, backup = ScriptedChatModel([fenced("7")]), ScriptedChatModel([])
    retrieving = RetrievalAugmented(inner=plain, retriever=shelf(ENGLISH[1]))
    mixed = Fallback(inner=retrieving, others=[backup])
    assert ProgramAided(inner=retrieving).inner_takes("evidence")
    assert not ProgramAided(inner=mixed).inner_takes("evidence")
    ProgramAided(inner=retrieving, interpreter=python, phrase=False).invoke("?")
    assert set(plain.call_kwargs[0]) <= {"stop"}


async def test_streams_of_both_orders_end_with_the_same_answer(python: PythonInterpreter) -> None:
    for order in ("strict outside", "strict inside"):
        layer, _, _ = stacked(order, python, [fenced(ENGLISH[2]), ENGLISH[3]] * 2, ENGLISH[1])
        chunks = [chunk async for chunk in layer.astream(ENGLISH[0])]
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        assert whole.text == layer.invoke(ENGLISH[0]).text == "The total sales are 2,000. [2]"


@pytest.mark.parametrize(
    ("program", "question", "from_nowhere"),
    [
        ("sum(r['Sales'] for r in tables[0]) / 12", "?", set()),
        ("total * 1.05  # 5 % more than 777", "It grows by 5%.", set()),
        ("total * 1.05", "?", {"1.05"}),
        ("32000 + 15", "3.2万元?", {"15"}),
        ("'2031' + x['1999']", "?", set()),
        ("price = 1_250", "The bridge is 1,250 m.", set()),
    ],
)
def test_numbers_from_nowhere_are_found(program: str, question: str, from_nowhere: set[str]) -> None:
    assert invented(program, question, []) == from_nowhere
