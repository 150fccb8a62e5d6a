"""A layer passes in LangChain's standard tests exactly what its inner model passes, and so does every pair of layers."""

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from nacre.decorator import ChatModelDecorator
from nacre.layers.best_of import BestOf
from nacre.layers.cache import ResponseCache
from nacre.layers.chain_of_thought import ChainOfThought
from nacre.layers.decomposition import Decomposition
from nacre.layers.fallback import Fallback
from nacre.layers.few_shot import FewShot
from nacre.layers.memory import ConversationMemory
from nacre.layers.moderation import Moderation
from nacre.layers.pal import ProgramAided
from nacre.layers.rag import RetrievalAugmented
from nacre.layers.react import ReAct
from nacre.layers.retry import Retry
from nacre.layers.self_consistency import SelfConsistency
from nacre.layers.summary import Summary
from nacre.testing import CapableChatModel, outcomes, suite_class


class Shelf(BaseRetriever):
    """Finds one document, whatever is asked."""

    def _get_relevant_documents(self, query, *, run_manager):
        return [Document("A pearl is made by an oyster.", metadata={"uri": "pearls.md", "title": "Pearls"})]


class Fair:
    """A judge that finds all answers equally good."""

    def score(self, messages, answers):
        return [0.0] * len(answers)


class Forgetful:
    """A store that keeps nothing: the tests count the calls of the model, and a hit makes none."""

    def get(self, key):
        return None

    def put(self, key, text):
        pass


class Empty:
    """A knowledge base without documents."""

    def documents(self):
        return []


# Each in a configuration in which it has nothing to change in an answer.
LAYERS = {
    "decorator": lambda inner: ChatModelDecorator(inner=inner),
    "few_shot": lambda inner: FewShot(inner=inner, examples="few_shot/reasoning"),
    "chain_of_thought": lambda inner: ChainOfThought(inner=inner),
    "self_consistency": lambda inner: SelfConsistency(inner=inner, samples=1),
    "best_of": lambda inner: BestOf(inner=inner, judge=Fair(), samples=1),
    "memory": lambda inner: ConversationMemory(inner=inner),
    "moderation": lambda inner: Moderation(inner=inner),
    "cache": lambda inner: ResponseCache(inner=inner, store=Forgetful()),
    "retry": lambda inner: Retry(inner=inner),
    "fallback": lambda inner: Fallback(inner=inner, others=[CapableChatModel()]),
    "rag": lambda inner: RetrievalAugmented(inner=inner, retriever=Shelf()),
    "decomposition": lambda inner: Decomposition(inner=inner, parts="rules"),
    "summary": lambda inner: Summary(inner=inner, knowledge_base=Empty()),
    "pal": lambda inner: ProgramAided(inner=inner, attempts=1),
    "react": lambda inner: ReAct(inner=inner),
}
PLAIN = outcomes(lambda inner: inner)


def differences(make) -> dict[str, tuple[str, str]]:
    got = outcomes(make)
    return {name: (PLAIN.get(name), got.get(name)) for name in PLAIN | got if PLAIN.get(name) != got.get(name)}


def test_the_inner_model_passes_everything_but_the_expected_skips():
    assert {name: how for name, how in PLAIN.items() if how != "passed"} == {
        "unit.test_init_from_env": "skipped: init_from_env_params not specified.",
        "unit.test_serdes": "skipped: Model is not serializable.",
    }
    assert len(PLAIN) >= 55


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_passes_what_its_inner_model_passes(layer):
    assert differences(LAYERS[layer]) == {}


@pytest.mark.parametrize("inner", LAYERS)
@pytest.mark.parametrize("outer", LAYERS)
def test_a_pair_of_layers_passes_what_its_inner_model_passes(outer, inner):
    assert differences(lambda model: LAYERS[outer](LAYERS[inner](model))) == {}


def test_a_broken_layer_is_found_out():
    """The runner itself: a layer that forgets tools, usage or the end of a stream must not pass."""

    class Forgetting(ChatModelDecorator):
        def flow(self, messages, **kwargs):
            kwargs.pop("tools", None)
            reply = yield from self.ask(messages, **kwargs)
            return reply

    class Naive(BaseChatModel):
        inner: BaseChatModel

        @property
        def _llm_type(self):
            return "naive"

        def _generate(self, messages, stop=None, run_manager=None, **kwargs):
            return self.inner._generate(messages, stop, None, **kwargs)

    forgotten = differences(lambda inner: Forgetting(inner=inner))
    assert all("tool" in name or "structured" in name or "json_mode" in name or "agent" in name for name in forgotten)
    assert len(forgotten) > 10
    naive = differences(lambda inner: Naive(inner=inner))
    assert {"unit.test_bind_tool_pydantic", "unit.test_standard_params"} <= set(naive)


class TestByPytest(suite_class(ChatModelIntegrationTests, LAYERS["decorator"])):
    """The same tests, collected by pytest itself: the runner above must not know less."""

    @pytest.fixture(autouse=True)
    def _no_downloads(self, monkeypatch):
        from langchain_tests.integration_tests import chat_models

        from nacre.testing.layers import _downloaded

        monkeypatch.setattr(chat_models.httpx, "get", _downloaded)
        monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "offline")


@pytest.mark.benchmark(max_time=0.01, min_rounds=1)
class TestUnitsByPytest(suite_class(ChatModelUnitTests, LAYERS["decorator"])):
    """As above."""


def test_the_runner_runs_what_pytest_collects(request):
    collected = {item.originalname for item in request.session.items if item.cls in (TestByPytest, TestUnitsByPytest)}
    run = {name.split(".")[1].split("[")[0] for name in PLAIN}
    if collected:
        assert collected - run == {"test_no_overrides_DO_NOT_OVERRIDE", "test_stream_time"}
