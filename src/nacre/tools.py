"""Tools for agents by name, as the command line and stacks give them: the place that composes tools.

python[:WHERE]    programs in the sandbox, or in an interpreter elsewhere, "jupyter:http://HOST:PORT"
kb                the knowledge base that is at hand
web               web search: the engines that the environment names, then Wikipedia
wikipedia[:zh]    search and lookup, as in the ReAct paper
page              read a web page
sql:URL           a database, read-only
image:MODEL       pictures, from the OpenAI-compatible interface at OPENAI_BASE_URL
mcp:ADDRESS       all tools of an MCP server: an http(s) address, or a command
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nacre.errors import UsageError
from nacre.text.language import tr

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from nacre.connectors.search.results import SearchProvider

OPENAI = "https://api.openai.com/v1"
_NAME = "_nacre_name"  # an attribute of its own: a tool's metadata goes to every tracer, and a name may hold a password
T = TypeVar("T")


def make_tools(
    names: Sequence[str | Any], *, kb: Any = None, principals: Sequence[str] | None = None, k: int = 6
) -> list[BaseTool]:
    """Make tools from their names.

    Args:
        names: see above; what is no text is taken as a tool already. A knowledge base needs no mention.
    """
    tools: list[Any] = _knowledge(kb, principals, k) if kb is not None else []
    for entry in names:
        if not isinstance(entry, str):
            tools.append(entry)
            continue
        name, _, rest = entry.partition(":")
        if name == "kb":
            if kb is None:
                raise UsageError(tr("The tool 'kb' needs a knowledge base: --kb DIR."))
            continue
        if name not in _MAKERS:
            known = ", ".join(("kb", *_MAKERS))
            raise UsageError(tr("There is no tool {entry!r}. There are: {known}.", entry=entry, known=known))
        tools += _remember(entry, _MAKERS[name](rest))
    return tools


def tool_names(tools: Sequence[BaseTool]) -> dict[str, Any]:
    """The names from which `make_tools` would make these tools again.

    Args:
        tools: any tools; one that was not made by `make_tools` gives the name that the model calls it by.
    """
    found: dict[str, Any] = {"tools": []}
    for tool in tools:
        name = getattr(tool, _NAME, tool.name)
        if isinstance(name, dict):
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


def _python(rest: str) -> list[BaseTool]:
    from nacre.connectors.interpreters import load_interpreter
    from nacre.reasoning.tool import python_tool

    return [python_tool(load_interpreter(rest) if rest else None)]


def _web(rest: str) -> list[BaseTool]:
    from nacre.connectors.search.tools import web_search_tool
    from nacre.connectors.search.web_search import WebSearch

    return [web_search_tool(WebSearch(*_providers()))]


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


def _wikipedia(rest: str) -> list[BaseTool]:
    from nacre.connectors.search.tools import wikipedia_tools

    return wikipedia_tools(rest or "en")


def _page(rest: str) -> list[BaseTool]:
    from nacre.connectors.search.tools import page_reader_tool

    return [page_reader_tool()]


def _sql(rest: str) -> list[BaseTool]:
    from nacre.connectors.search.database import ReadOnlyDatabase
    from nacre.connectors.search.tools import database_tool

    return [database_tool(ReadOnlyDatabase(rest))]


def _image(rest: str) -> list[BaseTool]:
    from nacre.connectors.search.images import ImageMaker
    from nacre.connectors.search.tools import image_tool

    base = os.environ.get("OPENAI_BASE_URL") or OPENAI
    return [image_tool(ImageMaker(base, rest or "gpt-image-1", key=os.environ.get("OPENAI_API_KEY", "")))]


def _mcp(rest: str) -> list[BaseTool]:
    from nacre.connectors.mcp.tools import MCPServer

    return MCPServer(rest if rest.startswith(("http://", "https://")) else shlex.split(rest)).tools()


_MAKERS: dict[str, Callable[[str], list[BaseTool]]] = {
    "python": _python,
    "web": _web,
    "wikipedia": _wikipedia,
    "page": _page,
    "sql": _sql,
    "image": _image,
    "mcp": _mcp,
}
