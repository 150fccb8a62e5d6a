"""ProgramAided: programs instead of guesses, repaired, voted on, phrased, with tables, and never a crash of the caller."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.retrievers import BaseRetriever

from nacre.connectors.models.scripted import ScriptedChatModel
from nacre.errors import InterpreterError, UsageError
from nacre.layers.pal import ProgramAided
from nacre.layers.rag import RetrievalAugmented
from nacre.reasoning.interpreter import Execution
from nacre.reasoning.sandbox import PythonInterpreter
from nacre.reasoning.tool import python_tool
from nacre.text.messages import Source, nacre_of, render_sources, text_of

STRAWBERRY = "```python\ndef solution():\n    return 'strawberry'.count('r')\n```"


def fenced(code: str) -> str:
    return f"```python\n{code}\n```"


@pytest.fixture
def aided(python: PythonInterpreter) -> Any:
    def make(*replies: Any, **fields: Any) -> ProgramAided:
        return ProgramAided(inner=ScriptedChatModel(list(replies)), interpreter=python, **fields)

    return make


def asked(layer: ProgramAided) -> list[list[Any]]:
    calls: list[list[Any]] = layer.inner.calls  # type: ignore[attr-defined]
    return calls


def test_how_many_r_are_in_strawberry(aided: Any) -> None:
    reply = aided(STRAWBERRY, "There are 3.").invoke("How many r are in strawberry?")
    own = nacre_of(reply)
    assert reply.text == "There are 3."
    assert (own["value"], own["attempts"], own["execution"]["status"]) == (3, 1, "ok")
    assert "count('r')" in own["program"]


def test_the_value_alone_when_no_phrase_is_wanted(aided: Any) -> None:
    layer = aided(STRAWBERRY, phrase=False)
    assert layer.invoke("How many r are in strawberry?").text == "3"
    assert len(asked(layer)) == 1


@pytest.mark.parametrize("sentence", ["There are 4.", "", fenced("3"), RuntimeError("no more quota")])
def test_a_phrase_that_does_not_say_the_value_is_not_used(aided: Any, sentence: Any) -> None:
    assert aided(STRAWBERRY, sentence).invoke("How many r are in strawberry?").text == "3"


def test_the_asker_is_answered_in_their_language(aided: Any) -> None:
    layer = aided(fenced("ans = 6 * 7"), "一共 42 元。")
    assert layer.invoke("六个七元的本子一共多少元？").text == "一共 42 元。"
    program, phrase = asked(layer)
    assert (
        "你通过编写 Python 程序" in text_of(program[0]) and text_of(program[-1]).strip() == "六个七元的本子一共多少元？"
    )
    assert "计算结果：42" in text_of(phrase[-1])
    assert aided(fenced("2 > 1"), phrase=False).invoke("二比一大吗？").text == "是"


def test_an_error_is_shown_to_the_model_and_the_second_program_counts(aided: Any) -> None:
    layer = aided(fenced("def solution():\n    return total"), fenced("def solution():\n    return 7"), phrase=False)
    reply = layer.invoke("What is 3 + 4?")
    assert reply.text == "7" and nacre_of(reply)["attempts"] == 2
    repair = asked(layer)[1]
    assert isinstance(repair[-2], AIMessage) and "return total" in text_of(repair[-2])
    assert "NameError: name 'total' is not defined" in text_of(repair[-1])


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ("I think it is 7.", "no Python program"),
        (fenced("pass"), "returned nothing"),
        (fenced('print "7"'), "SyntaxError"),
        (fenced("while True: pass"), "did not end within"),
        (fenced("import socket\nsocket.socket()"), "PermissionError"),
    ],
)
def test_each_way_to_fail_is_told_in_words(aided: Any, reply: str, told: str) -> None:
    layer = aided(reply, fenced("7"), phrase=False, timeout_s=0.5)
    assert layer.invoke("?").text == "7"
    assert told in text_of(asked(layer)[1][-1])


def test_a_model_that_never_writes_a_program_is_passed_on(aided: Any) -> None:
    reply = aided("Hello!", "Hello again!").invoke("Hello")
    assert reply.text == "Hello again!" and nacre_of(reply)["program"] is None


def test_a_program_that_keeps_failing_is_an_abstention_and_no_guess(aided: Any) -> None:
    reply = aided(fenced("1 / 0"), fenced("1 / 0"), fenced("1 / 0"), attempts=3).invoke("多少？")
    own = nacre_of(reply)
    assert "未能算出答案" in reply.text and own["abstained"] is True and own["value"] is None
    assert own["attempts"] == 3 and "ZeroDivisionError" in own["execution"]["error"]


def test_samples_vote_on_equal_values(aided: Any) -> None:
    reply = aided(fenced("41"), fenced("84 / 2"), fenced("42"), fenced("1 / 0"), samples=4, phrase=False).invoke("?")
    assert reply.text == "42"
    assert (
        nacre_of(reply)["votes"] == [{"value": 42, "count": 2}, {"value": 41, "count": 1}]
        or nacre_of(reply)["votes"][0]["count"] == 2
    )


def test_a_tool_call_of_the_model_is_passed_on(aided: Any) -> None:
    call = AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": "1"}])
    assert aided(call).invoke("?").tool_calls[0]["name"] == "look"


def test_the_conversation_before_stays(aided: Any) -> None:
    layer = aided(fenced("7"), phrase=False)
    layer.invoke([SystemMessage("Be kind."), HumanMessage("Hi"), AIMessage("Hello"), HumanMessage("What is 3 + 4?")])
    [messages] = asked(layer)
    assert [m.type for m in messages].count("system") == 1 and "Be kind." in text_of(messages[0])
    assert text_of(messages[1]) == "Hi" and text_of(messages[-1]).strip() == "What is 3 + 4?"


def test_a_stream_shows_the_program_as_it_is_written_then_the_answer(aided: Any) -> None:
    chunks = list(aided(fenced("1 / 0"), STRAWBERRY, "There are 3.").stream("How many r are in strawberry?"))
    shown = [block for chunk in chunks[:-1] if isinstance(chunk.content, list) for block in chunk.content]
    assert len(shown) > 4 and all(block["type"] == "reasoning" for block in shown)
    assert "".join(block["reasoning"] for block in shown if block["index"] == 1) == STRAWBERRY
    merged = chunks[0]
    for chunk in chunks[1:]:
        merged += chunk
    assert isinstance(merged, AIMessageChunk) and merged.text == "There are 3." and nacre_of(merged)["value"] == 3


async def test_async_and_its_stream_give_the_same(aided: Any) -> None:
    assert (await aided(STRAWBERRY, phrase=False).ainvoke("?")).text == "3"
    text = "".join([chunk.text async for chunk in aided(STRAWBERRY, phrase=False).astream("?")])
    assert text == "3"


# --- tables -----------------------------------------------------------------------------------------------------------

SALES = Source(2, "| 地区 | 销售额 |\n|---|---:|\n| 华东 | 3.2万元 |\n| 华北 | 8,000元 |", title="2024 年报")
SUM = fenced("def solution():\n    return sum(row['销售额'] for row in tables[0])")


def test_tables_of_the_sources_reach_the_program_and_its_cells_are_cited(aided: Any) -> None:
    layer = aided(SUM, phrase=False)
    reply = layer.invoke(f"{render_sources([Source(1, '无关'), SALES])}\n\n问题：销售额合计多少？")
    assert reply.text == "40000 [2]"
    assert [(c["source"], c["row"], c["column"], c["text"]) for c in nacre_of(reply)["cells"]] == [
        (2, 0, "销售额", "3.2万元"),
        (2, 1, "销售额", "8,000元"),
    ]
    assert 'tables[0] [2]: 2 × 2: "地区" (text), "销售额" (number, 元)' in text_of(asked(layer)[0][-1])


def test_numbers_that_were_copied_into_the_program_are_cited_too(aided: Any) -> None:
    sources = render_sources([Source(1, "The bridge is 1,250 m long."), Source(2, "It opened in 1931.")])
    assert aided(fenced("1250 * 3"), phrase=False).invoke(f"{sources}\n\nQuestion: three bridges?").text == "3750 [1]"


def test_a_table_in_the_question_itself_is_data_too(aided: Any) -> None:
    reply = aided(fenced("max(tables[0], key=lambda r: r['Stores'])['Town']"), phrase=False).invoke(
        "Town | Stores\nA | 4\nB | 7\nWhich has most?"
    )
    assert reply.text == "B"


class Fixed(BaseRetriever):
    """Always finds the same two documents."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [
            Document("Nothing here.", metadata={"uri": "a.md"}),
            Document(
                "Store\tSales\nA\t1,200\nB\t800\n", metadata={"uri": "b.xlsx", "title": "Sales", "chunk_id": "c2"}
            ),
        ]


@pytest.mark.parametrize("order", ["program inside", "program outside"])
def test_retrieval_and_programs_work_together_in_both_orders(python: PythonInterpreter, order: str) -> None:
    model = ScriptedChatModel([fenced("def solution():\n    return sum(row['Sales'] for row in tables[0])")])
    if order == "program inside":
        layer: Any = RetrievalAugmented(
            inner=ProgramAided(inner=model, interpreter=python, phrase=False), retriever=Fixed()
        )
    else:
        layer = ProgramAided(inner=RetrievalAugmented(inner=model, retriever=Fixed()), interpreter=python, phrase=False)
    reply = layer.invoke("What are the total sales?")
    own = nacre_of(reply)
    assert reply.text == "2000 [2]" and own["value"] == 2000 and own["abstained"] is False
    assert [(c["n"], c["uri"], c["answer_start"]) for c in own["citations"]] == [(2, "b.xlsx", 0)]
    assert [cell["text"] for cell in own["cells"]] == ["1,200", "800"]


# --- others' faults ---------------------------------------------------------------------------------------------------


class Away:
    """An interpreter that cannot be reached."""

    def run(self, code: str, timeout_s: float = 5.0, *, inputs: Any = None) -> Execution:
        raise InterpreterError("no server")


def test_an_interpreter_that_is_away_is_an_error_and_never_a_guess() -> None:
    with pytest.raises(InterpreterError, match="no server"):
        ProgramAided(inner=ScriptedChatModel([STRAWBERRY]), interpreter=Away()).invoke("?")


def test_wrong_fields_are_refused() -> None:
    for wrong in ({"attempts": 0}, {"samples": 0}, {"timeout_s": 0}, {"interpeter": None}, {"interpreter": "python"}):
        with pytest.raises(UsageError):
            ProgramAided(inner=ScriptedChatModel([]), **wrong)


def test_the_sandbox_as_a_tool_answers_for_good_and_bad_programs(python: PythonInterpreter) -> None:
    tool = python_tool(python)
    assert tool.invoke({"code": "print('a')\n6 * 7"}) == "a\n42"
    assert tool.invoke({"code": "```python\n1 / 0\n```"}).endswith("ZeroDivisionError: division by zero")
    assert "printed nothing" in tool.invoke({"code": "pass"})
