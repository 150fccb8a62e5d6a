"""Conversations that go on."""

import sqlite3
import subprocess
import sys
import threading

import pytest
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from nacre.connectors.models.scripted import ScriptedChatModel
from nacre.decorator import ChatModelDecorator
from nacre.errors import UsageError
from nacre.layers.memory import ConversationMemory
from nacre.memory.store import SQLiteConversations
from nacre.text.messages import merge_chunks, nacre_of, with_nacre

S = {"session_id": "s1"}


def texts(messages):
    return [(m.type, m.text) for m in messages]


async def ask(layer, how, question, **kwargs):
    match how:
        case "invoke":
            return layer.invoke(question, **kwargs)
        case "ainvoke":
            return await layer.ainvoke(question, **kwargs)
        case "stream":
            return merge_chunks(list(layer.stream(question, **kwargs)))
        case _:
            return merge_chunks([c async for c in layer.astream(question, **kwargs)])


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream", "astream"])
async def test_the_model_sees_what_was_said_before(how):
    inner = ScriptedChatModel(["Hello Li.", "Your name is Li."])
    layer = ConversationMemory(inner=inner, rewrite=False)
    await ask(layer, how, "I am Li.", **S)
    await ask(layer, how, [SystemMessage("Be kind."), HumanMessage("Who am I?")], config={"configurable": S})
    assert texts(inner.calls[1]) == [
        ("system", "Be kind."),
        ("human", "I am Li."),
        ("ai", "Hello Li."),
        ("human", "Who am I?"),
    ]


def test_sessions_and_askers_are_apart():
    inner = ScriptedChatModel(["The code is 4711.", "a", "b", "c", "d", "e"])
    layer = ConversationMemory(inner=inner, rewrite=False)
    layer.invoke("What is the code?", session_id="s", principals=["board", "legal"])
    layer.invoke("?", session_id="s", principals=["sales"])
    layer.invoke("?", session_id="s")
    layer.invoke("?", session_id="other", principals=["board", "legal"])
    assert [len(call) for call in inner.calls] == [1, 1, 1, 1], "no other asker sees the board's conversation"
    layer.invoke("?", session_id="s", principals=("legal", "board", "legal"))
    assert len(inner.calls[4]) == 3, "the order of principals does not matter"
    assert inner.call_kwargs[0]["principals"] == ["board", "legal"], "inner layers need them too"
    layer.invoke("?", config={"configurable": {"session_id": "s", "principals": ["sales"]}})
    assert len(inner.calls[5]) == 3, "principals may come with the configuration"
    # A session id that looks like another one's key opens nothing.
    assert layer.history('s", ["board", "legal"]').messages == []


def test_without_a_session_nothing_is_kept_or_added():
    inner = ScriptedChatModel(["a", "b"])
    layer = ConversationMemory(inner=inner)
    layer.invoke("one")
    layer.invoke("two")
    assert [len(call) for call in inner.calls] == [1, 1]


def test_a_follow_up_is_made_whole_for_the_layers_inside():
    def reply(messages, n):
        return ["Twelve days.", "How many holidays do part-timers have?", "Six days."][n]

    model = ScriptedChatModel(reply)
    seen = []

    class Retrieval(ChatModelDecorator):
        def flow(self, messages, **kwargs):
            seen.append(messages[-1].text)
            return (yield from self.ask(messages, live=True, **kwargs))

    layer = ConversationMemory(inner=Retrieval(inner=model))
    layer.invoke("How many holidays do we have?", **S)
    answer = layer.invoke("And part-timers?", **S)
    assert seen == ["How many holidays do we have?", "How many holidays do part-timers have?"]
    assert nacre_of(answer)["question"] == "How many holidays do part-timers have?"
    assert "Twelve days." in model.calls[1][-1].text, "the innermost model rewrites, from the history"
    assert texts(layer.history("s1").messages)[2] == ("human", "And part-timers?"), "kept as the user typed it"


@pytest.mark.parametrize(
    "rewritten",
    [
        "SAME",
        "same.",
        "不变",
        "",
        "One line\nand another",
        "x" * 900,
        OSError("down"),
        with_nacre(AIMessage("资料中没有找到答案。"), abstained=True),
    ],
)
def test_a_question_may_be_left_as_it_is(rewritten):
    inner = ScriptedChatModel(["a", rewritten, "b"])
    layer = ConversationMemory(inner=inner)
    layer.invoke("one", **S)
    answer = layer.invoke("two {x}", **S)
    assert inner.calls[2][-1].text == "two {x}"
    assert answer.text == "b"
    assert "question" not in nacre_of(answer)


def test_the_first_question_and_tool_results_are_not_rewritten():
    call = AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": "1"}])
    inner = ScriptedChatModel([call, "It rains.", "SAME", "b"])
    layer = ConversationMemory(inner=inner)
    loop = [HumanMessage("Weather?")]
    loop += [layer.invoke(loop, **S), ToolMessage("rain", tool_call_id="1")]
    assert layer.history("s1").messages == [], "a turn that goes on is not kept yet"
    layer.invoke(loop, **S)
    assert texts(layer.history("s1").messages) == [("human", "Weather?"), ("ai", "It rains.")]
    assert len(inner.calls) == 2


def test_a_rewriter_of_its_own():
    rewriter = ScriptedChatModel(["二号楼几点开门？"])
    inner = ScriptedChatModel(["八点。", "九点。"])
    layer = ConversationMemory(inner=inner, rewriter=rewriter)
    layer.invoke("一号楼几点开门？", **S)
    layer.invoke("那二号楼呢？", **S)
    assert "最后一个问题" in rewriter.calls[0][-1].text
    assert inner.calls[1][-1].text == "二号楼几点开门？"


def test_several_messages_of_one_turn_are_kept():
    layer = ConversationMemory(inner=ScriptedChatModel(["hello you two"]))
    layer.invoke([AIMessage("Welcome."), HumanMessage("I am Li."), HumanMessage("And I am Wang.")], **S)
    assert [t for _, t in texts(layer.history("s1").messages)] == ["I am Li.", "And I am Wang.", "hello you two"]


def test_images_stay_with_a_rewritten_question():
    image = {"type": "image", "url": "https://example.com/a.png"}
    inner = ScriptedChatModel(["a", "Is the shell in the picture real?", "yes"])
    layer = ConversationMemory(inner=inner)
    layer.invoke("one", **S)
    layer.invoke([HumanMessage([{"type": "text", "text": "Is it real?"}, image])], **S)
    assert inner.calls[2][-1].content == [{"type": "text", "text": "Is the shell in the picture real?"}, image]


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream", "astream"])
async def test_a_failed_turn_leaves_nothing(how):
    layer = ConversationMemory(inner=ScriptedChatModel([("half an ", OSError("cut")), "b"]), rewrite=False)
    with pytest.raises(OSError, match="cut"):
        await ask(layer, how, "one", **S)
    assert layer.history("s1").messages == []


def test_a_turn_that_the_user_left_leaves_nothing():
    layer = ConversationMemory(inner=ScriptedChatModel(["a long answer"]))
    stream = layer.stream("one", **S)
    next(stream)
    stream.close()
    assert layer.history("s1").messages == []


def test_what_other_layers_put_into_the_prompt_is_not_kept():
    class Retrieval(ChatModelDecorator):
        def flow(self, messages, **kwargs):
            reply = yield from self.ask([HumanMessage("SECRET SOURCE " + messages[-1].text)], live=True, **kwargs)
            return with_nacre(reply, hits=["SECRET SOURCE"])

    layer = ConversationMemory(inner=Retrieval(inner=ScriptedChatModel(["fine"])))
    layer.invoke("how?", **S)
    kept = layer.history("s1").messages
    assert texts(kept) == [("human", "how?"), ("ai", "fine")]
    assert "SECRET" not in str(kept)


def test_only_the_last_turns_that_fit_are_shown():
    inner = ScriptedChatModel(lambda messages, n: str(n) * 10)
    layer = ConversationMemory(inner=inner, turns=2, rewrite=False)
    for n in range(4):
        layer.invoke(f"question {n}", **S)
    assert [t for _, t in texts(inner.calls[3])] == ["question 1", "1" * 10, "question 2", "2" * 10, "question 3"]
    small = ConversationMemory(inner=inner, characters=25, rewrite=False, store=layer._conversations)
    small.invoke("?", **S)
    assert [t for _, t in texts(inner.calls[4])] == ["question 3", "3" * 10, "?"]
    none = ConversationMemory(inner=inner, turns=0, rewrite=False, store=layer._conversations)
    none.invoke("?", **S)
    assert len(inner.calls[5]) == 1
    assert len(layer.history("s1").messages) == 12, "all of them are kept"


def test_the_end_of_a_conversation_is_read_without_its_beginning():
    history = SQLiteConversations()("s")
    assert history.last(3) == []
    said = [HumanMessage("a"), AIMessage("b"), HumanMessage("c"), HumanMessage("d"), AIMessage("e")]
    history.add_messages(said)
    texts = [[message.text for message in history.last(turns)] for turns in range(5)]
    assert texts == [[], ["d", "e"], ["c", "d", "e"], list("abcde"), list("abcde")]


def test_any_langchain_history_will_do():
    stored = {}
    layer = ConversationMemory(
        inner=ScriptedChatModel(["a", "b"]),
        rewrite=False,
        store=lambda key: stored.setdefault(key, InMemoryChatMessageHistory()),
    )
    layer.invoke("one", **S)
    layer.invoke("two", **S)
    assert [len(h.messages) for h in stored.values()] == [4]


# --- the file ---------------------------------------------------------------------------------------------------------


def test_conversations_survive_in_their_file(tmp_path):
    path = tmp_path / "new" / "talk.sqlite"
    ConversationMemory(inner=ScriptedChatModel(["早上好 🐚"]), store=path).invoke("你好 {name}", **S)
    again = ConversationMemory(inner=ScriptedChatModel(["b"]), store=str(path))
    assert texts(again.history("s1").messages) == [("human", "你好 {name}"), ("ai", "早上好 🐚")]
    again.history("s1").clear()
    assert again.history("s1").messages == []


_DIES_IN_THE_MIDDLE = """
import os, sys
from langchain_core.messages import AIMessage, HumanMessage
from nacre.memory.store import SQLiteConversations

conversations = SQLiteConversations(sys.argv[1])
conversations("k").add_messages([HumanMessage("kept"), AIMessage("kept too")])

with conversations._database.write() as connection:
    connection.execute("insert into messages (session, message) values (?, ?)", ("k", "{}"))
    os._exit(9)
"""


def test_half_a_turn_is_never_kept_when_the_process_dies(tmp_path):
    path = tmp_path / "talk.sqlite"
    done = subprocess.run([sys.executable, "-c", _DIES_IN_THE_MIDDLE, str(path)], timeout=60)
    assert done.returncode == 9
    assert texts(SQLiteConversations(path)("k").messages) == [("human", "kept"), ("ai", "kept too")]


def test_many_threads_write_whole_turns(tmp_path):
    layer = ConversationMemory(
        inner=ScriptedChatModel(lambda messages, n: messages[-1].text.upper()),
        store=tmp_path / "t.sqlite",
        rewrite=False,
    )
    threads = [threading.Thread(target=layer.invoke, args=(f"q{n}",), kwargs=S) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    kept = texts(layer.history("s1").messages)
    assert len(kept) == 24
    assert all(kept[i + 1] == ("ai", kept[i][1].upper()) for i in range(0, 24, 2))


def test_a_conversation_is_readable_by_its_owner_alone(tmp_path):
    ConversationMemory(inner=ScriptedChatModel(["a"]), store=tmp_path / "t.sqlite").invoke("q", **S)
    assert {oct(file.stat().st_mode & 0o777) for file in tmp_path.glob("t.sqlite*")} == {"0o600"}


_OPENS_AND_WRITES = """
import sys
from langchain_core.messages import AIMessage, HumanMessage
from nacre.memory.store import SQLiteConversations

for n in range(20):
    SQLiteConversations(sys.argv[1])("k").add_messages([HumanMessage("q"), AIMessage("a")])
"""


def test_many_processes_share_a_new_file(tmp_path):
    command = [sys.executable, "-c", _OPENS_AND_WRITES, str(tmp_path / "t.sqlite")]
    processes = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait(120) for process in processes] == [0] * 4
    assert [m.text for m in SQLiteConversations(tmp_path / "t.sqlite")("k").messages] == ["q", "a"] * 80


def test_a_file_that_is_no_database_is_refused_with_the_cure(tmp_path):
    wrong = tmp_path / "notes.txt"
    wrong.write_text("not a database, " * 100)
    with pytest.raises(UsageError, match=r"notes\.txt"):
        ConversationMemory(inner=ScriptedChatModel([]), store=wrong)
    assert wrong.read_text().startswith("not a database"), "and not harmed"


def test_messages_are_stored_as_json_not_pickled(tmp_path):
    path = tmp_path / "t.sqlite"
    ConversationMemory(inner=ScriptedChatModel(["a"]), store=path).invoke("q", **S)
    rows = sqlite3.connect(path)
    try:
        stored = [row for (row,) in rows.execute("select message from messages")]
    finally:
        rows.close()
    assert all(row.startswith('{"type": ') for row in stored)
