"""The models that a server offers: every stack, built for whoever asks, so that it cannot search as anyone else."""

from __future__ import annotations

import threading
import time
from typing import Any

from cachetools import LRUCache
from langchain_core.language_models import BaseChatModel

from nacre.agents.fact_store import FactStore
from nacre.agents.middleware import TextProtocol
from nacre.agents.runs import RunStore
from nacre.errors import StackError
from nacre.server.auth.keys import User
from nacre.server.knowledge_bases import MAIN, KnowledgeBasePool
from nacre.server.settings import Settings, Stack
from nacre.text.language import tr

_KEPT = 256
_PLAIN: dict[str, list[str | dict[str, Any]]] = {"nacre": ["rag"], "nacre-strict": [{"use": "rag", "strict": True}]}
# Of whole documents "quote" says at once what another model is called often for.
_QUOTED: dict[str, list[str | dict[str, Any]]] = {name: ["summary", *layers] for name, layers in _PLAIN.items()}
# These need a model that can write programs and follow a protocol, which "quote" cannot.
_ABLE: dict[str, list[str | dict[str, Any]]] = {
    "nacre-pal": ["rag", "pal"],
    "nacre-agent": [{"use": "react", "tools": ["kb", "python"]}],
}


class Served:
    """Stacks by name; the leaf is the model inside those that name none. Runs and facts are kept in memory where
    nothing is given.
    """

    def __init__(
        self,
        settings: Settings,
        bases: KnowledgeBasePool,
        leaf: BaseChatModel | None = None,
        runs: RunStore | None = None,
        facts: FactStore | None = None,
    ) -> None:
        from nacre.connectors.models import default_spec

        self.bases = bases
        self.runs, self.facts = runs or RunStore(":memory:"), facts or FactStore(":memory:")
        self.created = int(time.time())
        self._default = settings.model or default_spec()
        self._leaves: dict[str, BaseChatModel] = {} if leaf is None else {repr(self._default): leaf}
        able = leaf is not None or self._default != "quote"
        plain = {name: Stack(layers=layers) for name, layers in (_PLAIN | _ABLE if able else _QUOTED).items()}
        self.stacks = settings.stacks or plain
        self._lock = threading.Lock()
        self._built: LRUCache[tuple[str, str, tuple[str, ...], bool], BaseChatModel] = LRUCache(_KEPT)
        bases.forget = self.forget
        for name in self.stacks:  # each is built once, so that a mistake in it is told when the server starts
            try:
                self.model(name, User("", ""))
            except StackError as error:
                raise StackError(tr("The stack {name!r}: {message}", name=name, message=error.message)) from error

    def model(self, name: str, asker: User, store: str = MAIN, *, tools: bool = False) -> BaseChatModel:
        """A stack that searches as its asker, shared by his requests; building one waits for the disk. `tools`: he
        brings some, and a model that refuses them gets them as text.
        """
        if (built := self.built(name, asker, store, tools=tools)) is not None:
            return built
        model = self._build(self.stacks[name], asker.sees, store, tools)
        with self._lock:
            return self._built.setdefault((name, store, asker.sees, tools), model)

    def built(self, name: str, asker: User, store: str = MAIN, *, tools: bool = False) -> BaseChatModel | None:
        """As `model`, where it is built already: from memory."""
        with self._lock:
            return self._built.get((name, store, asker.sees, tools))

    def forget(self, store: str) -> None:
        """Let go of what searches a vector store that is about to be closed."""
        with self._lock:
            for key in [key for key in self._built if key[1] == store]:
                del self._built[key]

    def acts(self, name: str) -> bool:
        """Whether a stack has an agent."""
        layers = self.stacks[name].layers if name in self.stacks else []
        return any((layer if isinstance(layer, str) else layer.get("use")) == "react" for layer in layers)

    def _build(self, stack: Stack, principals: tuple[str, ...], store: str, tools: bool) -> BaseChatModel:
        """A stack for one asker: where its layers search, the server says in what and as whom."""
        from nacre.stack import build

        leaf = self._leaf(stack.model or self._default)
        leaf = TextProtocol(inner=leaf, natively=True) if tools else leaf
        data, base = {"layers": stack.layers}, self.bases.get(store)
        model = build(data, kb=base, principals=principals, leaf=leaf, facts=self.facts)
        layer: Any = model
        while layer is not leaf:
            if retriever := getattr(layer, "retriever", None):
                retriever.metadata = {"data_source": store}  # what a trace calls it
            if getattr(layer, "runs", layer) is None:
                layer.runs = self.runs
            layer = layer.inner
        return model

    def _leaf(self, spec: str | dict[str, Any]) -> BaseChatModel:
        from nacre.connectors.models import load_model

        if repr(spec) not in self._leaves:
            settings = {"spec": spec} if isinstance(spec, str) else dict(spec)
            self._leaves[repr(spec)] = load_model(settings.pop("spec", None), **settings)
        return self._leaves[repr(spec)]
