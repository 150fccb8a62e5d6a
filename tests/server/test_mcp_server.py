"""The MCP server, asked by the SDK's own client: in stdio by a real process, over HTTP behind keys."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("mcp")
from mcp import Client, StdioServerParameters

from nacre.server.mcp import NacreMCP


def data(result: Any) -> Any:
    assert not result.is_error, result.content
    return json.loads(result.content[0].text) if result.structured_content is None else result.structured_content


async def walk(server: Any) -> None:
    async with Client(server) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"search", "ask", "read_source", "run_python"}
        assert "context" not in json.dumps(tools["search"].input_schema)
        hits = data(await client.call_tool("search", {"query": "When is tea served?"}))["result"]
        assert "Tea is served until five" in hits[0]["text"]
        answer = data(await client.call_tool("ask", {"question": "When does the workshop open?"}))
        assert "nine" in answer["answer"] and answer["citations"][0]["quote"].startswith("The workshop opens")
        citation = answer["citations"][0]
        source = data(await client.call_tool("read_source", {"document": citation["document_id"], "start": citation["start"], "end": citation["end"]}))
        assert source["text"][source["start"] - source["offset"] : source["end"] - source["offset"]] == citation["quote"]
        assert (await client.call_tool("run_python", {"code": "sum(range(101))"})).content[0].text == "5050"
        resources = (await client.list_resources()).resources
        assert [resource.name for resource in resources] == ["Opening hours"]
        content = (await client.read_resource(resources[0].uri)).contents[0]
        assert content.text.startswith("The workshop opens at nine")
        # What only hr may see is not there.
        assert (await client.call_tool("read_source", {"document": citation["document_id"] % 2 + 1})).is_error
        found = data(await client.call_tool("search", {"query": "salary of the director in pearls"}))["result"]
        assert not any("pearls" in hit["text"] for hit in found)
        assert (await client.call_tool("ask", {"question": " "})).is_error


def test_tools_and_resources_in_process(serve):
    state = serve().state
    asyncio.run(walk(NacreMCP(state, state.local)))


def test_nacre_mcp_over_stdio(folder):
    nacre = str(Path(sys.executable).with_name("nacre"))
    asyncio.run(walk(StdioServerParameters(command=nacre, args=["mcp", "--kb", str(folder), "--model", "quote"], env={**os.environ, "NACRE_LANG": "en"})))


def test_over_http_a_key_decides_what_is_found(serve):
    server = serve()
    asyncio.run(walk(f"{server.url}/mcp"))
    keys = {name: server.state.keys.add(name, (name,)) for name in ("hr", "sales")}
    assert httpx.post(f"{server.url}/mcp", json={}).status_code == 401
    for name, sees in (("hr", True), ("sales", False)):
        asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search", "arguments": {"query": "salary of the director"}}}
        headers = {"authorization": f"Bearer {keys[name]}", "accept": "application/json, text/event-stream"}
        answer = httpx.post(f"{server.url}/mcp", json=asked, headers=headers)
        assert answer.status_code == 200, answer.text
        assert ("pearls a year" in answer.text) is sees
