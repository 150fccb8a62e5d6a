"""Tools for agents by name, as the command line and stacks give them: the place that composes tools.

python[:WHERE]    programs in the sandbox, or in an interpreter elsewhere, "jupyter:http://HOST:PORT"
kb                the knowledge base that is at hand
web               web search: the engines that the environment names, then Wikipedia
wikipedia[:zh]    search and lookup, as in the ReAct paper
page              read a web page
sql:URL           a database, read-only
image:MODEL       pictures, from the OpenAI-compatible interface at OPENAI_BASE_URL
mcp:ADDRESS       all tools of an MCP server: an http(s) address, or a command
plan              a plan that the agent writes and rewrites
skills:DIR        instructions from the folders in DIR that hold a SKILL.md
facts:FILE        `remember` and `recall`: what the user told in earlier sessions; without FILE where one is at hand

A mapping is another agent: {agent: NAME, description: …, tools: […], model: …, max_steps: …}, all else as of `react`.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nacre.errors import UsageError
from nacre.text.language import tr

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.tools import BaseTool

    from nacre.agents.fact_store import FactStore
    from nacre.connectors.search.results import SearchProvider

OPENAI = "https://api.openai.com/v1"
_NAME = "_nacre_name"  # an attribute of its own: a tool's metadata goes to every tracer, and a name may hold a password
_MADE = ("python", "web", "wikipedia", "page", "sql", "image", "mcp", "plan", "skills")
T = TypeVar("T")


def make_tools(
    names: Sequence[str | Any],
    *,
    kb: Any = None,
    principals: Sequence[str] | None = None,
    k: int = 6,
    facts: FactStore | None = None,
    model: BaseChatModel | None = None,
) -> list[BaseTool]:
    """Make tools from their names; a knowledge base needs no mention, and what is no name is a tool already."""
    tools: list[Any] = _knowledge(kb, principals, k) if kb is not None else []
    for entry in names:
        if isinstance(entry, Mapping):
            tools += _remember(dict(entry), [_agent(dict(entry), kb, principals, facts, model)])
            continue
        if not isinstance(entry, str):
            tools.append(entry)
            continue
        name, _, rest = entry.partition(":")
        if name == "facts":
            tools += _remember(entry, _facts(rest, facts, principals))
            continue
        if name == "kb":
            if kb is None:
                raise UsageError(tr("The tool 'kb' needs a knowledge base: --kb DIR."))
            continue
        if name not in _MADE:
            known = ", ".join(("kb", *_MADE, "facts"))
            raise UsageError(tr("There is no tool {entry!r}. There are: {known}.", entry=entry, known=known))
        tools += _remember(entry, _make(name, rest))
    return tools


def tool_names(tools: Sequence[BaseTool]) -> dict[str, Any]:
    """The names from which `make_tools` would make these tools again; else as the model calls them."""
    found: dict[str, Any] = {"tools": []}
    for tool in tools:
        name = getattr(tool, _NAME, tool.name)
        if isinstance(name, dict) and "kb" in name:
            found |= name
        elif name not in found["tools"]:  # one name may stand for several tools
            found["tools"].append(name)
    return found


def _remember(name: str | dict[str, Any], tools: list[T]) -> list[T]:
    for tool in tools:
        object.__setattr__(tool, _NAME, name)  # a pydantic model takes no other attribute
    return tools


def _knowledge(kb: Any, principals: Sequence[str] | None, k: int) -> list[BaseTool]:
    from nacre.agents.tools.knowledge import knowledge_tool
    from nacre.retrieval.knowledge_base import KnowledgeBase

    base = KnowledgeBase.open(kb, create=False) if isinstance(kb, (str, Path)) else kb
    name = {"kb": base.place, **({} if principals is None else {"principals": list(principals)})}
    return _remember(name, [knowledge_tool(base.retriever(k=k, principals=principals))])


def _agent(data: dict[str, Any], kb: Any, principals: Sequence[str] | None, facts: Any, model: Any) -> BaseTool:
    """An agent as a tool: it searches as its caller does, and keeps facts where its caller does."""
    from nacre.agents.tools.agent import agent_tool
    from nacre.connectors.models import load_model
    from nacre.layers.react import ReAct

    name, told = data.pop("agent", None), data.pop("description", None)
    if not (isinstance(name, str) and isinstance(told, str)):
        raise UsageError(tr("An agent among the tools needs `agent`, its name, and `description`, when to ask it."))
    inner, named = data.pop("model", None) or model, data.pop("tools", [])
    inner = load_model(inner) if inner is None or isinstance(inner, str) else inner
    own = make_tools(named, kb=kb if "kb" in named else None, principals=principals, facts=facts, model=inner)
    return agent_tool(ReAct(inner=inner, tools=own, **data), name=name, description=told)


def _facts(rest: str, facts: FactStore | None, principals: Sequence[str] | None) -> list[BaseTool]:
    from nacre.agents.fact_store import FactStore, owner_of
    from nacre.agents.tools.facts import fact_tools

    if (facts is None) != bool(rest):
        raise UsageError(tr("Write facts:FILE; in a server, which keeps them itself, only facts."))
    return fact_tools(facts or FactStore(rest), owner_of(principals))


def _make(name: str, rest: str) -> list[BaseTool]:
    """The tools of one name; each is imported when it is asked for."""
    match name:
        case "plan":
            from nacre.agents.tools.plan import plan_tool

            return [plan_tool()]
        case "skills":
            from nacre.agents.tools.skills import skill_tool

            return [skill_tool(rest)]
        case "python":
            from nacre.connectors.interpreters import load_interpreter
            from nacre.reasoning.tool import python_tool

            return [python_tool(load_interpreter(rest) if rest else None)]
        case "mcp":
            from nacre.connectors.mcp.tools import MCPServer

            return MCPServer(rest if rest.startswith(("http://", "https://")) else shlex.split(rest)).tools()
    from nacre.connectors.search import tools

    match name:
        case "web":
            from nacre.connectors.search.web_search import WebSearch

            return [tools.web_search_tool(WebSearch(*_providers()))]
        case "wikipedia":
            return tools.wikipedia_tools(rest or "en")
        case "sql":
            from nacre.connectors.search.database import ReadOnlyDatabase

            return [tools.database_tool(ReadOnlyDatabase(rest))]
        case "image":
            from nacre.connectors.search.images import ImageMaker

            base, key = os.environ.get("OPENAI_BASE_URL") or OPENAI, os.environ.get("OPENAI_API_KEY", "")
            return [tools.image_tool(ImageMaker(base, rest or "gpt-image-1", key=key))]
    return [tools.page_reader_tool()]


def _providers() -> list[SearchProvider]:
    """The engines for which the environment has an address or a key, and Wikipedia behind them."""
    from nacre.connectors.search.providers import BingStyle, SearXNG, Tavily
    from nacre.connectors.search.wikipedia import Wikipedia
    from nacre.text.language import user_language

    found: list[SearchProvider] = []
    if address := os.environ.get("SEARXNG_URL"):
        found.append(SearXNG(address))
    if key := os.environ.get("TAVILY_API_KEY"):
        found.append(Tavily(key))
    if (key := os.environ.get("BING_SEARCH_API_KEY")) and (address := os.environ.get("BING_SEARCH_URL")):
        found.append(BingStyle(address, key))
    return [*found, Wikipedia(user_language())]
