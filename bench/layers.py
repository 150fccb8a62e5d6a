"""What a layer costs, and what it keeps right: side by side with wrapping a chat model the naive way.

    .venv/bin/python bench/layers.py [--json] [--calls N]

Times are CPU seconds of this process, the least of five rounds, so that a busy machine changes them little.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import CallbackManager, UsageMetadataCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from nacre.connectors.models.scripted import ScriptedChatModel
from nacre.decorator import ChatModelDecorator
from nacre.layers.cache import ResponseCache
from nacre.layers.chain_of_thought import ChainOfThought
from nacre.layers.fallback import Fallback
from nacre.layers.few_shot import FewShot
from nacre.layers.memory import ConversationMemory
from nacre.layers.moderation import Moderation
from nacre.layers.retry import Retry
from nacre.layers.self_consistency import SelfConsistency

QUESTION, ANSWER = "Is it seven words in this question?", "Six words are in this answer."
ROUNDS = 5


class Leaf(BaseChatModel):
    """The least that a chat model can do."""

    @property
    def _llm_type(self) -> str:
        return "leaf"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(ANSWER))])


class Naive(BaseChatModel):
    """A wrapper as it is usually written: the inner model is called in `_generate`, its runs below this one's."""

    inner: BaseChatModel

    @property
    def _llm_type(self) -> str:
        return "naive"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        config: Any = {}
        if run_manager is not None:
            manager = CallbackManager(handlers=[], parent_run_id=run_manager.run_id)
            manager.set_handlers(run_manager.inheritable_handlers)
            config = {"callbacks": manager}
        return ChatResult(
            generations=[ChatGeneration(message=self.inner.invoke(messages, config, stop=stop, **kwargs))]
        )


def layers(wrap: Callable[[BaseChatModel], BaseChatModel], inner: BaseChatModel, depth: int) -> BaseChatModel:
    """`inner` wrapped `depth` times."""
    for _ in range(depth):
        inner = wrap(inner)
    return inner


def cost_us(model: Any, calls: int) -> float:
    """CPU microseconds of a call."""
    model.invoke(QUESTION)
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(calls):
            model.invoke(QUESTION)
        best = min(best, time.process_time() - start)
    return best / calls * 1e6


def tokens(wrap: Callable[[BaseChatModel], BaseChatModel]) -> int:
    """What LangChain's own counter counts for one call through three wrappers (truth: 13)."""
    counter = UsageMetadataCallbackHandler()
    layers(wrap, ScriptedChatModel([ANSWER]), 3).invoke(QUESTION, {"callbacks": [counter]})
    return counter.usage_metadata["scripted"]["total_tokens"]


def streamed(wrap: Callable[[BaseChatModel], BaseChatModel]) -> int:
    """How many pieces a stream through three wrappers comes in."""
    return sum(bool(chunk.text) for chunk in layers(wrap, ScriptedChatModel([ANSWER]), 3).stream(QUESTION))


async def overlap(calls: int = 20, wait_s: float = 0.2) -> tuple[int, float]:
    """The most model calls that ran at once, and the seconds for all, when each waits `wait_s`."""
    running = most = 0

    class Waiting(Leaf):
        async def _agenerate(
            self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
        ) -> ChatResult:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(wait_s)
            running -= 1
            return self._generate(messages)

    model = layers(lambda inner: ChatModelDecorator(inner=inner), Waiting(), 3)
    start = time.perf_counter()
    await asyncio.gather(*(model.ainvoke(QUESTION) for _ in range(calls)))
    return most, time.perf_counter() - start


EACH: dict[str, Callable[[BaseChatModel], Any]] = {
    "FewShot": lambda m: FewShot(inner=m, examples="few_shot/reasoning"),
    "ChainOfThought": lambda m: ChainOfThought(inner=m),
    "SelfConsistency (1)": lambda m: SelfConsistency(inner=m, samples=1),
    "ConversationMemory": lambda m: ConversationMemory(inner=m, rewrite=False, turns=2).bind(session_id="s"),
    "Moderation": lambda m: Moderation(inner=m),
    "ResponseCache, hit": lambda m: ResponseCache(inner=m),
    "Retry": lambda m: Retry(inner=m),
    "Fallback": lambda m: Fallback(inner=m, others=[m]),
    "LangChain with_retry": lambda m: m.with_retry(),
    "LangChain with_fallbacks": lambda m: m.with_fallbacks([m]),
}


def figures(calls: int) -> list[dict[str, Any]]:
    """Every figure with its target."""
    ours: Callable[[BaseChatModel], BaseChatModel] = lambda inner: ChatModelDecorator(inner=inner)  # noqa: E731
    naive: Callable[[BaseChatModel], BaseChatModel] = lambda inner: Naive(inner=inner)  # noqa: E731
    bare = cost_us(Leaf(), calls)
    one = (cost_us(layers(ours, Leaf(), 4), calls) - bare) / 4
    theirs = (cost_us(layers(naive, Leaf(), 4), calls) - bare) / 4
    most, seconds = asyncio.run(overlap())
    rows = [
        {"figure": "one layer, CPU µs a call", "value": round(one, 1), "target": "<= 150", "naive": round(theirs, 1)},
        {"figure": "tokens counted through 3 layers", "value": tokens(ours), "target": "13", "naive": tokens(naive)},
        {"figure": "pieces streamed of 6", "value": streamed(ours), "target": "6", "naive": streamed(naive)},
        {"figure": "async calls at once of 20", "value": most, "target": "20", "naive": ""},
        {"figure": "20 calls that wait 0.2 s each, s", "value": round(seconds, 2), "target": "< 1", "naive": ""},
        {"figure": "bare model, CPU µs a call", "value": round(bare, 1), "target": "", "naive": ""},
    ]
    for name, wrap in EACH.items():
        cost = cost_us(wrap(Leaf()), calls // 4) - bare
        rows.append({"figure": f"{name}, CPU µs a call on top", "value": round(cost, 1), "target": "", "naive": ""})
    return rows


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--calls", type=int, default=400)
    arguments = parser.parse_args()
    rows = figures(arguments.calls)
    if arguments.json:
        print(json.dumps({row["figure"]: row for row in rows}, ensure_ascii=False))
        return
    for row in [{"figure": "", "value": "Nacre", "target": "target", "naive": "naive"}, *rows]:
        print(f"{row['figure']:<48}{row['value']:>10}{row['target']:>10}{row['naive']:>10}")


if __name__ == "__main__":
    main()
