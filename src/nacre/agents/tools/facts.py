"""Two tools by which an agent keeps facts across sessions and finds them again: of whoever asks, and of nobody else."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables.config import ensure_config
from langchain_core.tools import BaseTool, StructuredTool

from nacre.agents.budget import OWNER
from nacre.agents.fact_store import FactStore
from nacre.agents.facts import state
from nacre.text.language import tr


class FactTool(StructuredTool):
    """A tool whose results change with the facts: an answer that was cached before is not given again."""

    store: Any
    owner: str = ""

    @property
    def identity(self) -> str:
        """What a cache knows it by."""
        # A cache before the agent asks before the run has begun: what it is called with says whose it will be.
        configured = ensure_config().get("configurable") or {}
        owner = OWNER.get() or configured.get("owner") or self.owner
        return f"{self.name}:{self.store.generation(str(owner))}"


def fact_tools(store: FactStore, owner: str = "") -> list[BaseTool]:
    """Make `remember` and `recall`, for this owner where the run says nothing of one (call option `owner`)."""

    def remember(fact: str) -> str:
        """Keep a fact that the user told about themselves or wants remembered, in one sentence, for later sessions."""
        store.add(OWNER.get() or owner, fact)
        return tr("Kept.")

    def recall(query: str) -> str:
        """Look up what was remembered of this user in earlier sessions."""
        found = store.find(OWNER.get() or owner, query)
        return "\n".join(f"- {fact['text']}" for fact in found) or tr("Nothing was found.")

    tools = [FactTool.from_function(each, store=store, owner=owner) for each in (remember, recall)]
    return [state(tools[0], changes=True), state(tools[1])]
