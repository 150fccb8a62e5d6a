"""The tools of any MCP server as LangChain tools."""

from __future__ import annotations

from collections.abc import Mapping
from operator import methodcaller
from pathlib import Path
from typing import Any, Self

from langchain_core.tools import BaseTool, StructuredTool, ToolException

from nacre.connectors.mcp.connection import Connection
from nacre.system import child_process
from nacre.text.hygiene import clean_text
from nacre.text.strict_json import to_json

DESCRIPTION = 1000
MAX_PAGES = 50


class MCPServer:
    """An MCP server whose tools an agent may call.

    Args:
        cwd: the folder that a command starts in, `/` by default: a stranger's folder must not lend it modules. Write
            files of the current folder as `./file`.
        headers: sent with every HTTP request, such as `{"Authorization": "Bearer …"}`.
        timeout_s: seconds for connecting, and for each call.

    Example:
        >>> with MCPServer(["python", "server.py"]) as server:  # doctest: +SKIP
        ...     agent = ReAct(inner=model, tools=server.tools())
    """

    def __init__(
        self,
        server: Any,
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | Path = child_process.FOLDER,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
        prefix: str = "",
    ) -> None:
        self.connection = Connection(server, env or {}, cwd, headers or {}, timeout_s)
        self.prefix = prefix

    def tools(self) -> list[BaseTool]:
        """List the server's tools.

        Returns:
            One LangChain tool for each, for synchronous and asynchronous use. A tool that the server does not mark as
            reading only counts as one that may change something.
        """
        listed: list[Any] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = self.connection.request(methodcaller("list_tools", cursor=cursor))
            listed += page.tools
            cursor = page.next_cursor
            if not cursor:
                break
        return [self._tool(tool) for tool in listed]

    def close(self) -> None:
        """Disconnect; a command that was started is ended."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _tool(self, tool: Any) -> BaseTool:
        name = str(tool.name)

        def call(**arguments: Any) -> str:
            return _text(self.connection.request(lambda client: client.call_tool(name, arguments)))

        async def acall(**arguments: Any) -> str:
            return _text(await self.connection.arequest(lambda client: client.call_tool(name, arguments)))

        hints = tool.annotations
        return StructuredTool(
            name=self.prefix + name,
            description=clean_text(tool.description or tool.title or name)[:DESCRIPTION],
            args_schema={"title": name, "type": "object", "properties": {}, **tool.input_schema},
            func=call,
            coroutine=acall,
            metadata={
                "cost": "network",
                "changes": not (hints and hints.read_only_hint),
                "repeatable": not (hints and hints.read_only_hint),
                "server": self.connection.label,
            },
        )


def _text(result: Any) -> str:
    """What a call gave, as text."""
    parts = [_block(block) for block in result.content]
    text = "\n".join(part for part in parts if part)
    if not text and result.structured_content is not None:
        text = to_json(result.structured_content, ensure_ascii=False)
    if result.is_error:
        raise ToolException(text or "error")
    return text


def _block(block: Any) -> str:
    kind = getattr(block, "type", "")
    if kind == "text":
        return str(block.text)
    if kind == "resource":
        return str(getattr(block.resource, "text", "") or f"[{block.resource.uri}]")
    if kind == "resource_link":
        return f"[{block.name}: {block.uri}]"
    return f"[{kind}: {getattr(block, 'mime_type', '')}, {len(getattr(block, 'data', '') or '')} characters of base64]"
