"""MCP tools against a real server, over stdio and over streamable HTTP."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.tools import ToolException

from nacre import ReAct, ScriptedChatModel
from nacre.connectors.mcp.tools import MCPServer
from nacre.errors import NacreError, ToolError

pytest.importorskip("mcp")
SERVER = Path(__file__).with_name("mcp_sample_server.py")


@pytest.fixture
def over_stdio() -> Iterator[MCPServer]:
    with MCPServer([sys.executable, str(SERVER)], timeout_s=20) as server:
        yield server


@pytest.fixture(scope="module")
def http_address() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, str(SERVER), str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.wait(10)


def check(server: MCPServer) -> None:
    tools = {tool.name: tool for tool in server.tools()}
    assert set(tools) == {"add", "greet", "fail", "die", "sleep"}
    assert tools["add"].metadata["changes"] is False and tools["greet"].metadata["changes"] is True
    assert set(tools["greet"].args) == {"name", "loud"}
    assert tools["add"].invoke({"a": 2, "b": 3}) == "5"
    assert "你好" in tools["greet"].invoke({"name": "Nora"})
    with pytest.raises(ToolException, match="fail"):
        tools["fail"].invoke({"why": "no coffee"})
    with pytest.raises((ToolException, ToolError)):
        tools["add"].invoke({"a": "many"})


def test_tools_over_stdio(over_stdio: MCPServer) -> None:
    check(over_stdio)


def test_tools_over_http(http_address: str) -> None:
    with MCPServer(http_address, timeout_s=20) as server:
        check(server)


async def test_many_calls_at_once_from_another_event_loop(over_stdio: MCPServer) -> None:
    add = next(tool for tool in await asyncio.to_thread(over_stdio.tools) if tool.name == "add")
    assert await asyncio.gather(*(add.ainvoke({"a": n, "b": 1}) for n in range(20))) == [str(n + 1) for n in range(20)]


def test_a_server_that_dies_mid_call_is_an_error_and_is_started_again(over_stdio: MCPServer) -> None:
    tools = {tool.name: tool for tool in over_stdio.tools()}
    with pytest.raises(ToolError):
        tools["die"].invoke({})
    assert tools["add"].invoke({"a": 1, "b": 1}) == "2"


def test_a_slow_call_ends_at_the_time_limit() -> None:
    with MCPServer([sys.executable, str(SERVER)], timeout_s=4) as server:
        tools = {tool.name: tool for tool in server.tools()}
        begin = time.monotonic()
        with pytest.raises(ToolError):
            tools["sleep"].invoke({"seconds": 30})
        assert time.monotonic() - begin < 25


@pytest.mark.parametrize(
    "server", [["no-such-command-here"], "http://127.0.0.1:9/mcp", [sys.executable, "-c", "print('not mcp')"]]
)
def test_no_server_is_a_clear_error(server: object) -> None:
    with MCPServer(server, timeout_s=5) as missing, pytest.raises(NacreError):
        missing.tools()


def test_an_agent_uses_mcp_tools_and_survives_the_death_of_the_server(over_stdio: MCPServer) -> None:
    script = [
        "Action: die\nAction Input: {}",
        "Action: add\nAction Input: 40, 2",
        "Action: add(40, 2)",
        "Final Answer: 42",
    ]
    reply = ReAct(inner=ScriptedChatModel(script), tools=over_stdio.tools(), approve_tools=["greet"]).invoke(
        "What is 40 + 2?"
    )
    steps = reply.response_metadata["nacre"]["trajectory"]
    assert [step["status"] for step in steps] == ["error", "error", "ok", "final"]
    assert steps[2]["observation"] == "42"


def test_a_tool_that_may_change_something_needs_approval_for_retrieved_values(over_stdio: MCPServer) -> None:
    script = [
        'Action: sleep\nAction Input: {"seconds": 0}',
        'Action: greet\nAction Input: {"name": "awake"}',
        "Final Answer: done",
    ]
    reply = ReAct(inner=ScriptedChatModel(script), tools=over_stdio.tools()).invoke("Say hello.")
    assert reply.response_metadata["nacre"]["trajectory"][1]["status"] == "denied"
