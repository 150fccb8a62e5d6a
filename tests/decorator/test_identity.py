"""What a model is, as data."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage
from pydantic import BaseModel, SecretStr

from nacre.connectors.models.scripted import ScriptedChatModel
from nacre.decorator import ChatModelDecorator
from nacre.decorator import identity as identities
from nacre.decorator.identity import describe, identity
from nacre.layers.fallback import Fallback
from nacre.layers.few_shot import FewShot
from nacre.layers.memory import ConversationMemory
from nacre.layers.moderation import Moderation
from nacre.layers.retry import Retry
from nacre.layers.self_consistency import SelfConsistency
from nacre.moderation import RuleModerator


def module_level(x):
    return x


class Settings(BaseModel):
    a: int = 1


def test_equal_models_are_equal_and_using_them_changes_nothing():
    a, b = ScriptedChatModel(["x"]), ScriptedChatModel(["x"])
    before = identity(a)
    assert before == identity(b)
    a.invoke("?")
    assert identity(a) == before


def test_every_setting_on_the_way_in_counts():
    leaf = ScriptedChatModel(["x"])
    others = [
        leaf,
        ScriptedChatModel(["y"]),
        ScriptedChatModel(["x"], model="m2"),
        ScriptedChatModel(["x"], stop=["."]),
        ChatModelDecorator(inner=leaf),
        ChatModelDecorator(inner=ScriptedChatModel(["y"])),
        ChatModelDecorator(inner=ChatModelDecorator(inner=leaf)),
        FewShot(inner=leaf, examples=[("a", "b")]),
        FewShot(inner=leaf, examples=[("a", "c")]),
        FewShot(inner=leaf, examples=[("a", "b")], k=1),
        SelfConsistency(inner=leaf),
        SelfConsistency(inner=leaf, samples=3),
        Fallback(inner=leaf, others=[leaf]),
        Fallback(inner=leaf, others=[ScriptedChatModel(["y"])]),
        Moderation(inner=leaf),
        Moderation(inner=leaf, moderator=RuleModerator(allow=["secret"])),
        ConversationMemory(inner=leaf, store=":memory:", turns=3),
        FakeListChatModel(responses=["x"]),
        FakeListChatModel(responses=["y"]),
    ]
    seen = [repr(identity(model)) for model in others]
    assert len(set(seen)) == len(others)


def test_settings_that_shape_no_answer_do_not_count():
    leaf = ScriptedChatModel(["x"])
    assert identity(Retry(inner=leaf)) == identity(Retry(inner=leaf, tags=["a"], metadata={"b": 1}, name="c"))


def test_what_cannot_be_described_is_unique():
    class Opaque:
        pass

    one, other = Opaque(), Opaque()
    assert describe(one) == describe(one)
    assert describe(one) != describe(other)
    assert describe(lambda: 1) != describe(lambda: 1)
    messages = iter([AIMessage("a")])
    assert identity(GenericFakeChatModel(messages=messages)) != identity(
        GenericFakeChatModel(messages=iter([AIMessage("a")]))
    )


def test_an_id_is_never_given_to_another_object():
    """A new object may come to lie where an old one lay, and is another one."""
    assert len({describe(lambda: 1) for _ in range(200)}) == 200
    assert len({describe(object()) for _ in range(200)}) == 200


def test_nothing_is_kept_of_objects_that_are_gone():
    kept = [lambda: 1 for _ in range(3)]
    known = [describe(one) for one in kept]
    before = len(identities._OPAQUE)
    for _ in range(50):
        describe(lambda: 2)
        describe(iter([]))
    gc.collect()
    assert len(identities._OPAQUE) == before
    assert [describe(one) for one in kept] == known


def test_what_cannot_be_watched_is_never_equal_even_to_itself():
    one = iter([1])
    assert describe(one) != describe(one)
    assert identities.NEVER in describe(one)


def test_threads_that_ask_at_once_are_told_the_same():
    start = threading.Barrier(8)

    def ask(one):
        start.wait()
        return describe(one)

    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            one = lambda: 1  # noqa: E731
            assert len(set(pool.map(ask, [one] * 8))) == 1


def test_plain_values_are_described_by_value():
    assert describe({"b": (1, 2.5, None, True), "a": {"x", "y"}}) == {"b": [1, 2.5, None, True], "a": ["x", "y"]}
    assert describe(module_level).endswith("test_identity.module_level")
    assert describe(Settings).endswith("Settings")
    assert describe(Settings(a=2)) != describe(Settings())
    assert describe(Settings(a=2)) == describe(Settings(a=2))


@pytest.mark.filterwarnings("ignore")
def test_an_openai_model_is_its_settings_without_its_key():
    openai = pytest.importorskip("langchain_openai")

    def model(**kwargs):
        return openai.ChatOpenAI(
            **{"model": "m", "api_key": SecretStr("sk-1"), "base_url": "http://127.0.0.1:1/v1", **kwargs}
        )

    assert identity(model()) == identity(model())
    assert "sk-1" not in repr(identity(model()))
    different = [
        model(),
        model(model="n"),
        model(temperature=0.5),
        model(base_url="http://127.0.0.1:2/v1"),
        model(seed=3),
        model(model_kwargs={"user": "x"}),
    ]
    assert len({repr(identity(one)) for one in different}) == len(different)


def test_our_connector_is_the_same_in_another_process():
    pytest.importorskip("langchain_openai")
    from nacre.connectors.models import load_model

    def model(**kwargs):
        return load_model("openai_compatible:m", base_url="http://127.0.0.1:1/v1", api_key="k", **kwargs)

    described = repr(identity(model()))
    assert described == repr(identity(model()))
    assert "@" not in described, "nothing that only this process knows"
    assert described != repr(identity(model(temperature=0.3)))
