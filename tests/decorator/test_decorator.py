"""The traps of wrapping a chat model, each a test."""

import asyncio
import threading
from contextlib import aclosing, closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.runnables import RunnableGenerator, RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from pydantic import BaseModel, Field

from nacre.connectors.models.scripted import ScriptedChatModel
from nacre.decorator import Call, ChatModelDecorator
from nacre.errors import ModelError, UsageError
from nacre.layers.cache import ResponseCache
from nacre.layers.chain_of_thought import ChainOfThought
from nacre.layers.fallback import Fallback
from nacre.layers.few_shot import FewShot
from nacre.layers.memory import ConversationMemory
from nacre.layers.moderation import Moderation
from nacre.layers.retry import Retry
from nacre.layers.self_consistency import SelfConsistency
from nacre.text.messages import merge_chunks, with_nacre

SAID = "Nacre is made of aragonite and conchiolin."


def echo(n: int = 10, text: str = SAID, **kwargs) -> ScriptedChatModel:
    return ScriptedChatModel([text] * n, **kwargs)


def layered(inner: BaseChatModel, depth: int = 3) -> BaseChatModel:
    for _ in range(depth):
        inner = ChatModelDecorator(inner=inner)
    return inner


class Patient(ChatModelDecorator):
    """Reads the whole answer before it says anything."""

    def flow(self, messages, **kwargs):
        reply = yield from self.ask(messages, **kwargs)
        return with_nacre(reply.model_copy(update={"content": reply.text.upper()}), seen=True)


class Twice(ChatModelDecorator):
    """Asks once in silence and once live."""

    def flow(self, messages, **kwargs):
        yield from self.ask(messages, **kwargs)
        return (yield from self.ask(messages, live=True, **kwargs))


class Careful(ChatModelDecorator):
    """Tries again when a call fails, and notes when its flow is closed."""

    closed: list = Field(default_factory=list)

    def flow(self, messages, **kwargs):
        try:
            for _ in range(2):
                try:
                    return (yield from self.ask(messages, live=True, **kwargs))
                except ConnectionError:
                    continue
            return (yield from self.ask(messages, live=True, **kwargs))
        finally:
            self.closed.append(True)


class Closing(ScriptedChatModel):
    """A leaf that notes when its stream is closed."""

    ended: list = Field(default_factory=list)

    def _stream(self, *args, **kwargs):
        try:
            yield from super()._stream(*args, **kwargs)
        finally:
            self.ended.append("sync")

    async def _astream(self, *args, **kwargs):
        try:
            async for chunk in super()._astream(*args, **kwargs):
                yield chunk
        finally:
            self.ended.append("async")


class Tokens(BaseCallbackHandler):
    def __init__(self):
        self.tokens = []

    def on_llm_new_token(self, token, **kwargs):
        self.tokens.append(token)


async def all_four(make, question="What is nacre?", **kwargs):
    """The answer of a fresh model by each driver."""
    yield "invoke", make().invoke(question, **kwargs)
    yield "ainvoke", await make().ainvoke(question, **kwargs)
    yield "stream", merge_chunks(list(make().stream(question, **kwargs)))
    yield "astream", merge_chunks([chunk async for chunk in make().astream(question, **kwargs)])


# --- one flow, four drivers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", [ChatModelDecorator, Patient, Twice])
async def test_the_four_drivers_agree(layer):
    answers = []
    async for name, answer in all_four(lambda: layer(inner=echo())):
        data = answer.model_dump(exclude={"id"})
        answers.append((name, data))
    first = answers[0][1]
    assert [(name, data == first) for name, data in answers] == [
        (name, True) for name in ("invoke", "ainvoke", "stream", "astream")
    ]


async def test_usage_is_the_sum_of_the_calls():
    async for name, answer in all_four(lambda: Twice(inner=echo())):
        assert (
            answer.usage_metadata["total_tokens"] == 2 * echo().invoke("What is nacre?").usage_metadata["total_tokens"]
        ), name
        assert answer.response_metadata["model_name"] == "scripted", name


async def test_two_live_calls_do_not_double_the_metadata():
    class Two(ChatModelDecorator):
        def flow(self, messages, **kwargs):
            first = yield from self.ask(messages, live=True, **kwargs)
            second = yield from self.ask(messages, live=True, **kwargs)
            return second.model_copy(update={"content": first.text + second.text})

    async for name, answer in all_four(lambda: Two(inner=echo())):
        assert answer.text == SAID + SAID, name
        assert answer.response_metadata == {"model_name": "scripted", "finish_reason": "stop"}, name


def test_a_live_call_shows_tokens_as_they_come():
    given = []
    inner = ScriptedChatModel([("one ", "two ", "three")])
    with closing(layered(inner).stream("?")) as stream:
        for chunk in stream:
            given.append(chunk.text)
    assert given[:3] == ["one ", "two ", "three"]


def test_the_first_token_is_shown_before_the_second_is_made():
    made = []

    class Slow(ScriptedChatModel):
        def _stream(self, *args, **kwargs):
            for chunk in super()._stream(*args, **kwargs):
                made.append(chunk.text)
                yield chunk

    with closing(layered(Slow([("one ", "two ")])).stream("?")) as stream:
        assert next(stream).text == "one "
        assert made == ["one "]


def test_a_call_that_is_not_live_shows_nothing_until_the_end():
    chunks = list(Patient(inner=echo()).stream("?"))
    assert [c.text for c in chunks] == [SAID.upper()]


def test_an_answer_that_contradicts_what_was_shown_is_an_error():
    class Liar(ChatModelDecorator):
        def flow(self, messages, **kwargs):
            reply = yield from self.ask(messages, live=True, **kwargs)
            return reply.model_copy(update={"content": "Something else"})

    with pytest.raises(UsageError, match="must not be live"):
        list(Liar(inner=echo()).stream("?"))


async def test_a_chunk_filter_decides_what_is_shown():
    class Hush:
        """Holds back whatever is in angle brackets."""

        def __init__(self):
            self.hidden = False

        def push(self, chunk):
            out = ""
            for letter in chunk.text:
                if not self.hidden and letter != "<":
                    out += letter
                self.hidden = letter == "<" or (self.hidden and letter != ">")
            return [chunk.model_copy(update={"content": out})]

        def close(self):
            return [AIMessageChunk(content="!")]

    class Hushed(ChatModelDecorator):
        def flow(self, messages, **kwargs):
            reply = yield from self.ask(messages, live=True, through=Hush(), **kwargs)
            assert "secret" in reply.text, "the flow is sent the unfiltered message"
            return reply.model_copy(update={"content": "The pearl is here! Indeed."})

    async for name, answer in all_four(lambda: Hushed(inner=ScriptedChatModel(["The <very secret >pearl is here"]))):
        assert answer.text == "The pearl is here! Indeed.", name
    shown = [c.text for c in Hushed(inner=ScriptedChatModel(["The <very secret >pearl is here"])).stream("?")]
    assert shown == ["The ", "pearl ", "is ", "here", "!", " Indeed."]


async def test_a_flow_may_do_work_in_parallel():
    class Parallel(ChatModelDecorator):
        def flow(self, messages, **kwargs):
            got = yield from self.call(
                RunnableParallel({str(i): RunnableLambda(lambda _, i=i: i) for i in range(5)}), None
            )
            return AIMessage(content=str(sum(got.values())))

    async for name, answer in all_four(lambda: Parallel(inner=echo())):
        assert answer.text == "10", name


def test_a_flow_that_returns_no_message_is_told_so():
    class Wrong(ChatModelDecorator):
        def flow(self, messages, **kwargs):
            yield from self.ask(messages)
            return "text"

    with pytest.raises(UsageError, match=r"Wrong\.flow returned str"):
        Wrong(inner=echo()).invoke("?")


def no_yield(self, messages, **kwargs):
    return AIMessage("said without asking")


def taken_for_the_reply(self, messages, **kwargs):
    return self.ask(messages, **kwargs).text


def taken_for_the_reply_later(self, messages, **kwargs):
    first = yield from self.ask(messages, **kwargs)
    return first.model_copy(update={"content": self.ask([*messages, first]).text})


def given_back_unasked(self, messages, **kwargs):
    yield from self.ask(messages, **kwargs)
    return self.ask(messages)


def yielded_whole(self, messages, **kwargs):
    return (yield self.ask(messages, **kwargs))


async def coloured(self, messages, **kwargs):
    return await self.inner.ainvoke(messages)


@pytest.mark.parametrize(
    "flow", [no_yield, taken_for_the_reply, taken_for_the_reply_later, given_back_unasked, yielded_whole, coloured]
)
@pytest.mark.filterwarnings("error")
async def test_a_flow_that_forgot_its_yield_is_told_so_by_every_driver(flow):
    layer = type("Mine", (ChatModelDecorator,), {"flow": flow, "__module__": __name__})(inner=echo())
    for drive in (layer.invoke, lambda q: list(layer.stream(q))):
        with pytest.raises(UsageError, match=r"Mine\.flow .*yield from"):
            drive("?")
    with pytest.raises(UsageError, match=r"Mine\.flow .*yield from"):
        await layer.ainvoke("?")
    with pytest.raises(UsageError, match=r"Mine\.flow .*yield from"):
        async with aclosing(layer.astream("?")) as chunks:
            [chunk async for chunk in chunks]


def test_errors_of_a_flow_that_have_another_cause_stay_as_they_are():
    class Mistaken(ChatModelDecorator):
        def flow(self, messages, **kwargs):
            reply = yield from self.ask(messages, **kwargs)
            return reply.no_such_field

    with pytest.raises(AttributeError, match="no_such_field"):
        Mistaken(inner=echo()).invoke("?")


def test_a_flow_may_hand_another_flow_on():
    class Through(ChatModelDecorator):
        def flow(self, messages, **kwargs):
            return self.ask(messages, live=True, **kwargs)

    assert Through(inner=echo()).invoke("?").text == SAID


# --- counted once, streamed once --------------------------------------------------------------------------------------


async def test_three_layers_count_tokens_once():
    """13 tokens through three layers: LangChain counts 52 when a wrapper calls its inner model in `_generate`."""
    for run in ("invoke", "ainvoke", "stream", "astream", "batch", "generate", "agenerate", "generate_prompt"):
        counter = UsageMetadataCallbackHandler()
        model, config, question = (
            layered(ScriptedChatModel(["Six words are in this answer."] * 2)),
            {"callbacks": [counter]},
            "Is it seven words in this question?",
        )
        match run:
            case "invoke":
                model.invoke(question, config)
            case "ainvoke":
                await model.ainvoke(question, config)
            case "stream":
                list(model.stream(question, config))
            case "astream":
                [chunk async for chunk in model.astream(question, config)]
            case "batch":
                model.batch([question], config)
            case "generate":
                model.generate([[HumanMessage(question)]], callbacks=[counter])
            case "agenerate":
                await model.agenerate([[HumanMessage(question)]], callbacks=[counter])
            case "generate_prompt":
                model.generate_prompt([model._convert_input(question)], callbacks=[counter])
        assert counter.usage_metadata["scripted"]["total_tokens"] == 13, run


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
async def test_typed_event_streams_count_once_and_spell_the_answer():
    counter = UsageMetadataCallbackHandler()
    stream = layered(echo()).stream_events("?", {"callbacks": [counter]}, version="v3")
    assert "".join(stream.text) == SAID
    assert stream.output.text == SAID
    total = stream.output.usage_metadata["total_tokens"]
    assert counter.usage_metadata["scripted"]["total_tokens"] == total

    astream = await layered(echo()).astream_events("?", {"callbacks": [counter]}, version="v3")
    assert "".join([text async for text in astream.text]) == SAID
    assert (await astream.output).text == SAID
    assert counter.usage_metadata["scripted"]["total_tokens"] == 2 * total


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
async def test_a_typed_event_stream_reports_the_error_of_the_model():
    stream = layered(ScriptedChatModel([OSError("cable cut")])).stream_events("?", version="v3")
    with pytest.raises(OSError, match="cable cut"):
        list(stream)
    astream = await layered(ScriptedChatModel([OSError("cable cut")])).astream_events("?", version="v3")
    with pytest.raises(OSError, match="cable cut"):
        [event async for event in astream]


async def test_tokens_reach_listeners_once():
    handler = Tokens()
    list(layered(ScriptedChatModel([("one ", "two ")])).stream("?", {"callbacks": [handler]}))
    assert [t for t in handler.tokens if t] == ["one ", "two "]
    events = [e async for e in layered(ScriptedChatModel([("one ", "two ")])).astream_events("?", version="v2")]
    tokens = [e["data"]["chunk"].text for e in events if e["event"] == "on_chat_model_stream"]
    assert [t for t in tokens if t] == ["one ", "two "]


async def test_calls_that_are_not_live_are_tagged_nostream():
    tags = []

    class Tags(BaseCallbackHandler):
        def on_chat_model_start(self, *args, tags=None, **kwargs):
            seen.append(list(tags or []))

    for layer, expected in [(Patient, [True]), (ChatModelDecorator, [False]), (Twice, [True, False])]:
        seen = tags = []
        layer(inner=echo()).invoke("?", {"callbacks": [Tags()]})
        assert ["nostream" in one for one in tags] == expected
        seen = tags = []
        # A live call inside a call that is not live is not for the user either.
        Patient(inner=layer(inner=echo())).invoke("?", {"callbacks": [Tags()]})
        assert all("nostream" in one for one in tags)


async def test_the_trace_shows_the_layers_as_chains_around_one_model():
    runs = []

    class Tree(BaseCallbackHandler):
        def on_chain_start(self, serialized, inputs, *, run_id, parent_run_id=None, name=None, **kwargs):
            runs.append((name, run_id, parent_run_id))

        def on_chat_model_start(self, serialized, messages, *, run_id, parent_run_id=None, name=None, **kwargs):
            runs.append(("model", run_id, parent_run_id))

    for go in ("invoke", "stream"):
        runs.clear()
        model = Patient(inner=Twice(inner=echo()))
        config = {"callbacks": [Tree()]}
        model.invoke("?", config) if go == "invoke" else list(model.stream("?", config))
        assert [name for name, *_ in runs] == ["Patient", "Twice", "model", "model"]
        ids = {name: run_id for name, run_id, _ in runs}
        assert [parent for *_, parent in runs] == [None, ids["Patient"], ids["Twice"], ids["Twice"]]


def test_callbacks_tags_and_metadata_of_a_layer_are_used():
    seen = []

    class Seen(BaseCallbackHandler):
        def on_chain_start(self, *args, tags=None, metadata=None, name=None, **kwargs):
            seen.append((name, "mine" in (tags or []), (metadata or {}).get("team")))

    Patient(inner=echo(), callbacks=[Seen()], tags=["mine"], metadata={"team": "blue"}).invoke("?")
    list(Patient(inner=echo(), callbacks=[Seen()], tags=["mine"], metadata={"team": "blue"}).stream("?"))
    assert seen == [("Patient", True, "blue")] * 2


# --- everything that a chat model has ---------------------------------------------------------------------------------

DRIVEN = {"invoke", "ainvoke", "stream", "astream", "generate", "agenerate", "stream_events", "astream_events"}
FORWARDED = {
    "bind_tools",
    "with_structured_output",
    "get_num_tokens",
    "get_token_ids",
    "get_num_tokens_from_messages",
    "profile",
}
FORBIDDEN = {"cache", "rate_limiter", "custom_get_token_ids", "output_version"}
USED = {"callbacks", "tags", "metadata", "name", "disable_streaming", "verbose"}
"""Fields with their usual meaning; `verbose` prints only model runs, and a layer is none."""
# These rest on the verbs above and need no decision of their own.
INHERITED = {
    "InputType", "OutputType", "abatch", "abatch_as_completed", "agenerate_prompt", "as_tool", "asdict", "assign", "astream_log",
    "atransform", "batch", "batch_as_completed", "bind", "config_schema", "config_specs", "configurable_alternatives",
    "configurable_fields", "dict", "generate_prompt", "get_config_jsonschema", "get_graph", "get_input_jsonschema",
    "get_input_schema", "get_lc_namespace", "get_name", "get_output_jsonschema", "get_output_schema", "get_prompts",
    "input_schema", "is_lc_serializable", "lc_attributes", "lc_id", "lc_secrets", "map", "output_schema", "pick", "pipe",
    "set_verbose", "to_json", "to_json_not_implemented", "transform", "with_alisteners", "with_config", "with_fallbacks",
    "with_listeners", "with_retry", "with_types",
}  # fmt: skip


def test_every_public_attribute_of_a_chat_model_has_a_decision():
    pydantic_own = set(dir(BaseModel))
    public = {n for n in {*dir(BaseChatModel), *BaseChatModel.model_fields} if not n.startswith("_")} - pydantic_own
    public |= {"dict"} & set(vars(BaseChatModel))
    decided = DRIVEN | FORWARDED | FORBIDDEN | USED | INHERITED
    assert public - decided == set(), "LangChain has grown: decide what a layer does with these"
    own = set(vars(ChatModelDecorator))
    assert own >= DRIVEN | (FORWARDED - {"profile"})
    assert own.isdisjoint(INHERITED)


@pytest.mark.parametrize("name", sorted(FORBIDDEN))
def test_settings_that_a_layer_would_ignore_are_refused(name):
    value = {"cache": True, "output_version": "v1", "custom_get_token_ids": len, "rate_limiter": None}[name]
    if name == "rate_limiter":
        from langchain_core.rate_limiters import InMemoryRateLimiter

        value = InMemoryRateLimiter()
    with pytest.raises(UsageError, match="innermost"):
        ChatModelDecorator(inner=echo(), **{name: value})


def test_a_misspelt_field_is_an_error_with_a_hint(monkeypatch):
    class Layer(ChatModelDecorator):
        retriever: str = ""

    monkeypatch.setenv("NACRE_LANG", "en")
    with pytest.raises(UsageError, match="Did you mean 'retriever'"):
        Layer(inner=echo(), reteriver="x")
    monkeypatch.setenv("NACRE_LANG", "zh")
    with pytest.raises(UsageError, match="您是否想写 'retriever'"):
        Layer(inner=echo(), reteriver="x")
    with pytest.raises(UsageError, match="inner"):
        Layer(inner="gpt")


def test_what_the_inner_model_knows_is_forwarded():
    class Knowing(ScriptedChatModel):
        def get_token_ids(self, text):
            return [7] * len(text)

        def _get_ls_params(self, stop=None, **kwargs):
            return {"ls_provider": "oyster", "ls_model_name": kwargs.get("model", "m"), "ls_model_type": "chat"}

    inner = Knowing([""], profile={"max_input_tokens": 512})
    outer = layered(inner)
    assert outer.get_token_ids("abc") == [7, 7, 7]
    assert outer.get_num_tokens("abc") == 3
    assert outer.get_num_tokens_from_messages([HumanMessage("abc")]) == inner.get_num_tokens_from_messages(
        [HumanMessage("abc")]
    )
    assert outer.profile == {"max_input_tokens": 512}
    assert outer._get_ls_params(model="other")["ls_model_name"] == "other"


def test_the_global_cache_never_answers_a_for_b():
    set_llm_cache(InMemoryCache())
    try:
        for depth in (0, 1, 3):
            for run in (
                lambda m: m.invoke("?"),
                lambda m: m.generate([[HumanMessage("?")]]).generations[0][0].message,
                lambda m: merge_chunks(list(m.stream("?"))),
            ):
                a, b = (layered(ScriptedChatModel([name] * 9, model=f"{name}{depth}"), depth) for name in ("A", "B"))
                assert (run(a).text, run(b).text) == ("A", "B")
                assert a._get_llm_string() != b._get_llm_string()
    finally:
        set_llm_cache(None)


def test_streaming_may_be_switched_off():
    chunks = list(ChatModelDecorator(inner=echo(), disable_streaming=True).stream("?"))
    assert [c.text for c in chunks] == [SAID]
    assert chunks[-1].chunk_position == "last"
    # … or not be there at all.
    chunks = list(ChatModelDecorator(inner=echo(disable_streaming=True)).stream("?"))
    assert merge_chunks(chunks).text == SAID
    assert all(isinstance(c, AIMessageChunk) for c in chunks)


def test_batches_keep_their_order():
    inner = ScriptedChatModel(lambda messages, n: messages[-1].text * 2)
    assert [m.text for m in layered(inner).batch(["a", "b", "c"])] == ["aa", "bb", "cc"]
    result = layered(inner).generate([[HumanMessage("a")], [HumanMessage("b")]])
    assert [g[0].text for g in result.generations] == ["aa", "bb"]


async def test_a_layer_works_inside_chains():
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate

    chain = ChatPromptTemplate.from_messages([("human", "{q}")]) | layered(echo()) | StrOutputParser()
    assert chain.invoke({"q": "?"}) == SAID
    assert len(list(chain.stream({"q": "?"}))) > 3
    assert "".join([piece async for piece in chain.astream({"q": "?"})]) == SAID


# --- tools and structured output --------------------------------------------------------------------------------------


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"Rain in {city}"


class Joke(BaseModel):
    """A joke."""

    setup: str
    punch: str


CALL = AIMessage(content="", tool_calls=[{"name": "weather", "args": {"city": "Hangzhou"}, "id": "1"}])
JOKE = AIMessage(content="", tool_calls=[{"name": "Joke", "args": {"setup": "why", "punch": "because"}, "id": "1"}])


async def test_tools_pass_through_three_layers():
    inner = ScriptedChatModel([CALL] * 4)
    bound = layered(inner).bind_tools([weather], tool_choice="any")
    assert isinstance(bound.bound, ChatModelDecorator)
    answers = [bound.invoke("?"), await bound.ainvoke("?"), merge_chunks(list(bound.stream("?")))]
    for answer in answers:
        assert [(c["name"], c["args"]) for c in answer.tool_calls] == [("weather", {"city": "Hangzhou"})]
    for kwargs in inner.call_kwargs:
        assert kwargs["tools"][0]["function"]["name"] == "weather"
        assert kwargs["tool_choice"] == "any"


async def test_structured_output_passes_through_three_layers():
    bound = layered(ScriptedChatModel([JOKE] * 4)).with_structured_output(Joke)
    assert bound.invoke("?") == Joke(setup="why", punch="because")
    assert await bound.ainvoke("?") == Joke(setup="why", punch="because")
    raw = layered(ScriptedChatModel([JOKE, "no joke"])).with_structured_output(Joke, include_raw=True)
    got = raw.invoke("?")
    assert got["parsed"] == Joke(setup="why", punch="because")
    assert got["raw"].tool_calls
    assert raw.invoke("?")["parsed"] is None


def test_a_model_without_tools_says_so_through_layers():
    class Plain(ScriptedChatModel):
        bind_tools = BaseChatModel.bind_tools

    with pytest.raises(NotImplementedError):
        layered(Plain([""])).bind_tools([weather])


def test_broken_tool_arguments_survive_a_stream():
    broken = AIMessage(
        content="",
        invalid_tool_calls=[
            {"name": "weather", "args": "city=Hangzhou", "id": "1", "error": None, "type": "invalid_tool_call"}
        ],
    )

    class Broken(ChatModelDecorator):
        def flow(self, messages, **kwargs):
            yield from self.ask(messages)
            return broken

    answer = merge_chunks(list(Broken(inner=echo()).stream("?")))
    assert [(c["name"], c["args"]) for c in answer.invalid_tool_calls] == [("weather", "city=Hangzhou")]


@pytest.mark.filterwarnings("ignore")
async def test_create_agent_works_with_a_layered_model():
    agents = pytest.importorskip("langchain.agents")
    agent = agents.create_agent(layered(ScriptedChatModel([CALL, "It rains."])), [weather])
    messages = agent.invoke({"messages": [("user", "Weather in Hangzhou?")]})["messages"]
    assert [m.text for m in messages] == ["Weather in Hangzhou?", "", "Rain in Hangzhou", "It rains."]

    agent = agents.create_agent(layered(ScriptedChatModel([CALL, "It rains."])), [weather])
    shown = [
        chunk.text
        async for chunk, _ in agent.astream({"messages": [("user", "?")]}, stream_mode="messages")
        if isinstance(chunk, AIMessageChunk)
    ]
    assert "".join(shown) == "It rains.", "tokens are streamed once"


@pytest.mark.filterwarnings("ignore")
def test_tokens_of_silent_calls_do_not_reach_langgraph_users():
    agents = pytest.importorskip("langchain.agents")
    agent = agents.create_agent(Patient(inner=ScriptedChatModel(["the raw text"])), [])
    shown = [chunk.text for chunk, _ in agent.stream({"messages": [("user", "?")]}, stream_mode="messages")]
    assert "the raw text" not in "".join(shown)
    assert "THE RAW TEXT" in "".join(shown)


# --- errors, closing, concurrency -------------------------------------------------------------------------------------


async def test_a_flow_may_catch_the_error_of_a_call():
    async for name, answer in all_four(
        lambda: Careful(inner=ScriptedChatModel([ConnectionError(), ConnectionError(), SAID]))
    ):
        assert answer.text == SAID, name


async def test_after_the_first_token_an_error_is_raised_not_retried():
    broken = ("one ", ConnectionError("cut"))
    inner = ScriptedChatModel([broken, SAID])
    got = []
    with pytest.raises(ConnectionError, match="cut"):
        for chunk in Careful(inner=inner).stream("?"):
            got.append(chunk.text)
    assert got == ["one "]
    assert len(inner.calls) == 1
    inner = ScriptedChatModel([broken, SAID])
    with pytest.raises(ConnectionError, match="cut"):
        async for _ in Careful(inner=inner).astream("?"):
            pass
    assert len(inner.calls) == 1


def test_a_stream_without_a_chunk_is_an_error():
    class Silent(ChatModelDecorator):
        def flow(self, messages, **kwargs):
            def nothing(inputs):
                yield from ()

            return (yield Call(RunnableGenerator(nothing), None, live=True))

    with pytest.raises(ModelError, match="single chunk"):
        list(Silent(inner=echo()).stream("?"))


async def test_a_chunk_that_shows_nothing_does_not_forbid_a_second_try():
    class Opening(ScriptedChatModel):
        """Like many servers: a first chunk with a role and metadata only, then the connection breaks."""

        def _stream(self, *args, **kwargs):
            from langchain_core.outputs import ChatGenerationChunk

            if not self.calls:
                yield ChatGenerationChunk(message=AIMessageChunk(content="", response_metadata={"model_name": "m"}))
            yield from super()._stream(*args, **kwargs)

    inner = Opening([ConnectionError("cut"), SAID])
    assert merge_chunks(list(Careful(inner=inner).stream("?"))).text == SAID


def test_closing_a_stream_closes_the_flow_and_the_inner_stream():
    inner, closed = Closing([SAID]), []
    layer = Careful(inner=ChatModelDecorator(inner=inner))
    layer.closed = closed
    chunks = layer.stream("?")
    next(chunks)
    assert (closed, inner.ended) == ([], [])
    chunks.close()
    assert (closed, inner.ended) == ([True], ["sync"])


async def test_closing_an_async_stream_closes_the_flow_and_the_inner_stream():
    inner = Closing([SAID])
    layer = Careful(inner=ChatModelDecorator(inner=inner))
    layer.closed = closed = []
    async with aclosing(layer.astream("?")) as chunks:
        await anext(chunks)
        assert (closed, inner.ended) == ([], [])
    assert (closed, inner.ended) == ([True], ["async"])


@pytest.mark.parametrize("streaming", [False, True])
async def test_cancelling_a_task_closes_the_flow(streaming):
    started = asyncio.Event()

    class Waiting(ScriptedChatModel):
        async def _agenerate(self, *args, **kwargs):
            started.set()
            await asyncio.sleep(60)

        async def _astream(self, *args, **kwargs):
            started.set()
            await asyncio.sleep(60)
            yield

    layer = Careful(inner=Waiting([SAID]))
    layer.closed = closed = []

    async def read():
        return [c async for c in layer.astream("?")] if streaming else await layer.ainvoke("?")

    task = asyncio.create_task(read())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed == [True]


async def test_twenty_calls_overlap():
    gate, running, most = asyncio.Event(), 0, 0

    class Counting(ScriptedChatModel):
        async def _agenerate(self, *args, **kwargs):
            nonlocal running, most
            running += 1
            most = max(most, running)
            if most == 20:
                gate.set()
            await gate.wait()
            running -= 1
            return self._generate(*args, **kwargs)

    await asyncio.wait_for(asyncio.gather(*(layered(Counting([SAID] * 20)).ainvoke("?") for _ in range(20))), 30)
    assert most == 20


def test_one_layer_serves_many_threads():
    barrier = threading.Barrier(8, timeout=30)

    def answer(messages, n):
        barrier.wait()
        return messages[-1].text * 2

    model = layered(ScriptedChatModel(answer))
    assert [m.text for m in model.batch([str(i) for i in range(8)], {"max_concurrency": 8})] == [
        str(i) * 2 for i in range(8)
    ]


async def test_options_come_from_the_call_or_the_configuration():
    class Greeting(ChatModelDecorator):
        def flow(self, messages, **kwargs):
            name = self.option(kwargs, "guest", "nobody")
            reply = yield from self.ask(messages, **kwargs)
            return reply.model_copy(update={"content": f"{name}: {reply.text}"})

    inner = echo(40, text="hi")
    outer = ChatModelDecorator(inner=Greeting(inner=inner))
    async for name, answer in all_four(lambda: outer):
        assert answer.text == "nobody: hi", name
    async for name, answer in all_four(lambda: outer, guest="Li"):
        assert answer.text == "Li: hi", name
    async for name, answer in all_four(lambda: outer, config={"configurable": {"guest": "王"}}):
        assert answer.text == "王: hi", name
    async for name, answer in all_four(lambda: outer, guest="Li", config={"configurable": {"guest": "王"}}):
        assert answer.text == "Li: hi", name
    assert all("guest" not in kwargs for kwargs in inner.call_kwargs), "an option of a layer does not reach the model"


def test_stop_reaches_the_model():
    inner = ScriptedChatModel(["one two three"] * 2)
    assert layered(inner).invoke("?", stop=["two"]).text == "one "
    assert merge_chunks(list(layered(inner).stream("?", stop=["two"]))).text == "one "


def test_the_callers_messages_are_not_changed():
    messages = [HumanMessage("?")]
    layered(echo()).invoke(messages)
    assert messages == [HumanMessage("?")]


def test_a_call_says_whether_it_is_shown():
    call = Call(echo(), "?")
    assert call.config({"tags": ["a"]})["tags"] == ["a", "nostream"]
    assert Call(echo(), "?", live=True).config({"tags": ["a"]})["tags"] == ["a"]


# --- any stack --------------------------------------------------------------------------------------------------------

WRAPS = {
    "plain": lambda m: ChatModelDecorator(inner=m),
    "patient": lambda m: Patient(inner=m),
    "twice": lambda m: Twice(inner=m),
    "careful": lambda m: Careful(inner=m),
    "few_shot": lambda m: FewShot(inner=m, examples=[("a", "{b}")]),
    "thought": lambda m: ChainOfThought(inner=m),
    "two_stage": lambda m: ChainOfThought(inner=m, extraction="two_stage"),
    "vote": lambda m: SelfConsistency(inner=m, samples=1),  # more would race for the replies of the script
    "memory": lambda m: ConversationMemory(inner=m, rewrite=False),
    "moderation": lambda m: Moderation(inner=m),
    "cache": lambda m: ResponseCache(inner=m),
    "retry": lambda m: Retry(inner=m, wait_s=0),
    "fallback": lambda m: Fallback(inner=m, others=[echo(99)]),
}
SAYS = [
    "Pearls.",
    "",
    "One and one\n**Answer:** 2 **pearls**",
    "想一想。\n答案：七",
    CALL,
    AIMessage([{"type": "text", "text": "see"}, {"type": "image", "url": "https://example.com/a.png"}]),
    AIMessage("cut", response_metadata={"finish_reason": "length"}, additional_kwargs={"reasoning_content": "hm"}),
    ("half ", "whole"),
    ConnectionError("down"),
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(sorted(WRAPS)), max_size=3), st.integers(0, 8), st.integers(0, 8))
def test_whatever_the_stack_the_four_drivers_agree(names, first, second):
    """Same layers, same replies: the same answer, usage and metadata, or the same error, by all four drivers."""
    script = [SAYS[first], SAYS[second]]

    def make():
        model = ScriptedChatModel(lambda messages, n: script[n % 2])
        for name in names:
            model = WRAPS[name](model)
        return model

    async def run(how):
        options = {"session_id": "s"} if "memory" in names else {}
        try:
            answers = {
                "invoke": lambda: make().invoke("?", **options),
                "stream": lambda: merge_chunks(list(make().stream("?", **options))),
            }
            if how in answers:
                return answers[how]().model_dump(exclude={"id"})
            if how == "ainvoke":
                return (await make().ainvoke("?", **options)).model_dump(exclude={"id"})
            return merge_chunks([c async for c in make().astream("?", **options)]).model_dump(exclude={"id"})
        except ConnectionError as error:
            return str(error)

    results = {how: asyncio.run(run(how)) for how in ("invoke", "ainvoke", "stream", "astream")}
    assert [how for how, got in results.items() if got != results["invoke"]] == [], results
