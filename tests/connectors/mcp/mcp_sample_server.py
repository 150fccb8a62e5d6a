"""A real MCP server for the tests: over stdio, or over streamable HTTP when given a port."""

import os
import sys
import time

from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations

server = MCPServer("sample")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: int) -> int:
    """Add two whole numbers."""
    return a + b


@server.tool()
def greet(name: str, loud: bool = False) -> str:
    """Greet somebody. 问候某人。"""
    return f"Hello, {name}!".upper() if loud else f"Hello, {name}! 你好！"


@server.tool()
def fail(why: str) -> str:
    """Fail for a reason."""
    raise ValueError(why)


@server.tool()
def die() -> str:
    """End the server in the middle of a call."""
    os._exit(3)


@server.tool()
def sleep(seconds: float) -> str:
    """Take some time."""
    time.sleep(seconds)
    return "awake"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        server.run("stdio")
