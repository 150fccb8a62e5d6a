"""The MCP server, asked by the SDK's own client: in stdio by a real process, over HTTP behind keys."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("mcp")
import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from nacre import KnowledgeBase
from nacre.ingest.source import TextSource
from nacre.server import mcp as served_mcp
from nacre.server.auth.keys import Keys
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
        source = data(
            await client.call_tool(
                "read_source", {"document": citation["document_id"], "start": citation["start"], "end": citation["end"]}
            )
        )
        assert (
            source["text"][source["start"] - source["offset"] : source["end"] - source["offset"]] == citation["quote"]
        )
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
    asyncio.run(
        walk(
            StdioServerParameters(
                command=nacre,
                args=["mcp", "--kb", str(folder), "--model", "quote"],
                env={**os.environ, "NACRE_LANG": "en"},
            )
        )
    )


async def seen(url: str, key: str) -> dict[str, str]:
    """What a key's documents are called, and what is in them, as the SDK's client gets it over streamable HTTP."""
    http = httpx2.AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=30)
    async with http, Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client:
        listed = (await client.list_resources()).resources
        texts = {resource.name: (await client.read_resource(resource.uri)).contents[0].text for resource in listed}
        found = data(await client.call_tool("search", {"query": "salary of the director"}))["result"]
        assert any("pearls a year" in hit["text"] for hit in found) == ("Salaries" in texts)
        asked = data(await client.call_tool("ask", {"question": "What is the salary of the director?"}))
        assert {citation["title"] for citation in asked["citations"]} <= set(texts)
        for number in (1, 2, 3, -1):
            if not any(str(resource.uri).endswith(f"/{number}") for resource in listed):
                with pytest.raises(MCPError):
                    await client.read_resource(f"nacre://documents/{number}")
        return texts


def test_over_http_each_key_lists_and_reads_its_own_documents(serve):
    server = serve()
    asyncio.run(walk(f"{server.url}/mcp"))
    keys = {name: server.state.keys.add(name, (name,)) for name in ("hr", "sales")}
    assert httpx.post(f"{server.url}/mcp", json={}).status_code == 401

    async def both() -> list[dict[str, str]]:
        return list(await asyncio.gather(*(seen(server.url, keys[name]) for name in ("hr", "sales", "hr"))))

    hr, sales, again = asyncio.run(both())  # at once: no message may be answered as another's sender
    assert set(hr) == set(again) == {"Opening hours", "Salaries"} and "pearls a year" in hr["Salaries"]
    assert set(sales) == {"Opening hours"}
    server.state.keys.revoke("hr")
    with pytest.raises(Exception):  # noqa: B017 - the SDK wraps a 401 in groups of its own
        asyncio.run(seen(server.url, keys["hr"]))


def test_stdio_serves_whoever_started_it_as_whom_they_said(folder):
    nacre = str(Path(sys.executable).with_name("nacre"))

    async def names(*who: str) -> set[str]:
        command = StdioServerParameters(
            command=nacre, args=["mcp", "--kb", str(folder), "--model", "quote", *who], env={**os.environ}
        )
        async with Client(command) as client:
            return {resource.name for resource in (await client.list_resources()).resources}

    assert asyncio.run(names()) == {"Opening hours"}
    assert asyncio.run(names("--as", "hr")) == {"Opening hours", "Salaries"}


def test_long_lists_come_in_pages_of_what_may_be_seen(folder, serve, monkeypatch):
    monkeypatch.setattr(served_mcp, "_LISTED", 3)
    with KnowledgeBase.open(folder) as base:
        for group in ("hr", "sales"):
            texts = [(f"memory:{group}/{n}.md", f"Note {n} of {group}.", f"{group} {n}") for n in range(5)]
            base.sync(TextSource(f"memory:{group}/", texts), principals=[group])
    server = serve(folder=folder)

    async def pages() -> list[list[str]]:
        found, cursor = [], None
        async with Client(
            NacreMCP(server.state, server.state.keys.find(server.state.keys.add("sales", ("sales",))))
        ) as client:
            while True:
                page = await client.list_resources(cursor=cursor)
                found.append([resource.name for resource in page.resources])
                if (cursor := page.next_cursor) is None:
                    return found

    found = asyncio.run(pages())
    assert [len(page) for page in found] == [3, 3]
    assert {name for page in found for name in page} == {"Opening hours", *(f"sales {n}" for n in range(5))}


def test_nacre_mcp_over_http_serves_mcp_and_the_sources_of_its_answers_alone(folder):
    keys = Keys(folder / "server")
    key = keys.add("hr", ("hr",))
    keys.close()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    url = f"http://127.0.0.1:{port}"
    command = [
        str(Path(sys.executable).with_name("nacre")),
        "mcp",
        "--transport",
        "http",
        "--kb",
        str(folder),
        "--model",
        "quote",
        "--port",
        port,
    ]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "NACRE_LANG": "en"}
    ) as process:
        try:
            assert process.stderr is not None and f"{url}/mcp" in process.stderr.readline()
            for _ in range(100):
                try:
                    if httpx.get(f"{url}/healthz").status_code == 200:
                        break
                except httpx.TransportError:
                    time.sleep(0.1)
            assert set(asyncio.run(seen(url, key))) == {"Opening hours", "Salaries"}
            headers = {"authorization": f"Bearer {key}"}
            assert httpx.get(f"{url}/sources/1").status_code == 200
            assert httpx.get(f"{url}/v1/sources/1", headers=headers).status_code == 200
            for method, path in (
                ("GET", "/"),
                ("GET", "/v1/models"),
                ("POST", "/v1/chat/completions"),
                ("POST", "/v1/files"),
                ("GET", "/v1/vector_stores"),
            ):
                assert httpx.request(method, url + path, headers=headers).status_code == 404, path
        finally:
            process.terminate()
