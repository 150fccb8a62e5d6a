"""What clients send, written down from their published behaviour: each request is answered, below a prefix too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from nacre.errors import ModelError
from nacre.server.openai.errors import problem_of

Q = "When does the workshop open?"
USER = [{"role": "user", "content": Q}]
CALL = {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": ""}}
TOOL = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}
CLIENTS: dict[str, dict[str, Any]] = {
    "open webui": {
        "stream": True, "messages": USER, "stream_options": {"include_usage": True}, "chat_id": "a", "id": "b",
        "session_id": "s", "features": {"web_search": False}, "variables": {"{{USER}}": "x"}, "model_item": {"id": "nacre"},
        "background_tasks": {"title_generation": True}, "params": {}, "files": None, "filter_ids": [], "tool_servers": [],
        "metadata": {"user_id": "u", "session_id": "s", "variables": {"a": 1}, "features": {}},
    },
    "open webui title": {
        "stream": False, "max_completion_tokens": 1000, "messages": [{"role": "user", "content": f"### Task: title\n{Q}"}],
    },
    "lobechat": {
        "stream": True, "messages": [{"role": "system", "content": "Be brief."}, *USER], "temperature": 1, "top_p": 1,
        "presence_penalty": 0, "frequency_penalty": 0, "stream_options": {"include_usage": True}, "reasoning_effort": None,
    },
    "cherry studio": {
        "stream": True, "messages": [{"role": "user", "content": [{"type": "text", "text": Q}]}], "temperature": None,
        "top_p": None, "max_tokens": None, "tools": [], "keep_alive": "5m", "stream_options": {"include_usage": True},
        "enable_thinking": False,
    },
    "nextchat": {
        "messages": [{"role": "system", "content": "You are helpful."}, *USER], "stream": True, "temperature": 0.5,
        "presence_penalty": 0, "frequency_penalty": 0, "top_p": 1, "max_completion_tokens": None,
    },
    "cursor": {
        "messages": [
            {"role": "system", "content": "You are a coding assistant."},
            {"role": "user", "content": [{"type": "text", "text": Q, "cache_control": {"type": "ephemeral"}}]},
        ],
        "stream": True, "temperature": 0, "user": "abc", "tools": [TOOL], "tool_choice": "auto",
        "stream_options": {"include_usage": True}, "metadata": {"cursorConversationId": "c", "nested": {"a": [1]}},
    },
    "langchain.js": {
        "messages": USER, "temperature": 1, "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0, "n": 1,
        "stream": False, "logit_bias": None, "stop": None, "response_format": {"type": "text"},
    },
    "vercel ai sdk": {
        "messages": [{"role": "developer", "content": "Be brief."}, *USER], "stream": True, "max_tokens": None, "seed": 3,
        "stream_options": {"include_usage": True}, "store": None, "prediction": None, "parallel_tool_calls": None,
    },
    "openai sdk": {"messages": USER, "stream": None, "modalities": ["text"], "verbosity": "low", "service_tier": "auto"},
    "names": {"messages": [{"role": "user", "name": "anna", "content": Q}]},
    "strings as parts": {"messages": [{"role": "user", "content": [Q]}]},
    "input_text": {"messages": [{"role": "user", "content": [{"type": "input_text", "text": Q}]}]},
    "a question in two parts": {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "When does the"}, {"type": "text", "text": "workshop open?"}]}
        ]
    },
    "a part of null": {
        "messages": [{"role": "user", "content": [{"type": "text", "text": Q}, {"type": "text", "text": None}]}]
    },
    "a role in capitals": {"messages": [{"role": "User", "content": Q}]},
    "a result that names no call": {
        "messages": [
            *USER, {"role": "assistant", "content": "", "tool_calls": [CALL]}, {"role": "tool", "content": "ten"}, *USER
        ]
    },
    "a part alone": {"messages": [{"role": "user", "content": {"type": "text", "text": Q}}]},
    "history null": {"messages": [*USER, {"role": "assistant", "content": None}, *USER]},
    "history parts": {"messages": [*USER, {"role": "assistant", "content": []}, *USER]},
    "history reasoning": {
        "messages": [*USER, {"role": "assistant", "content": "x", "reasoning_content": "y", "tool_calls": None}, *USER]
    },
}  # fmt: skip
CLIENTS |= {
    f"history arguments {arguments!r}": {
        "messages": [
            *USER,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{**CALL, "function": {"name": "clock", "arguments": arguments}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "ten"},
            *USER,
        ]
    }
    for arguments in ("", "{}", None, '{"a": ', {"a": 1}, '"x"', "[1]", "null", "{'a': 1}")
}
PATHS = (
    "/v1/chat/completions",
    "/v1/chat/completions/",
    "/chat/completions",
    "/v1/v1/chat/completions",
    "/v1//chat/completions",
    "/api/v1/chat/completions",
    "/nacre/v1/chat/completions",
    "/nacre/chat/completions/",
)
PUBLIC = "https://ask.example.org/nacre/"


@pytest.fixture
def at(serve: Callable[..., Any]) -> str:
    return str(serve(public_url=PUBLIC, allow_origins=["https://chat.example.org"]).url)


def said(response: httpx.Response) -> str:
    if "event-stream" not in response.headers["content-type"]:
        return str(response.json()["choices"][0]["message"]["content"])
    events = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])


def test_every_client_is_answered_at_every_address(at: str) -> None:
    for number, (name, body) in enumerate(CLIENTS.items()):
        path = PATHS[number % len(PATHS)]
        response = httpx.post(at + path, json={"model": "nacre", **body}, timeout=30)
        assert response.status_code == 200, (name, path, response.text)
        assert "nine in the morning" in said(response), (name, path)


def test_head_options_and_models_at_every_address(at: str) -> None:
    for path in ("/v1/models", "/models", "/nacre/v1/models/", "/healthz", "/", "/nacre/", "/v1/models/nacre"):
        whole, head = httpx.get(at + path), httpx.head(at + path)
        assert (whole.status_code, head.status_code, head.content) == (200, 200, b""), path
        assert httpx.options(at + path).status_code == 204
    assert httpx.get(f"{at}/nacre").headers["location"] == "/nacre/"
    assert httpx.head(f"{at}/v1/nothing").status_code == 404


def test_sdks_in_browsers_of_allowed_origins_pass_with_their_headers(at: str) -> None:
    asked = "authorization,content-type,x-stainless-os,x-stainless-retry-count,openai-organization,http-referer"
    head = {"access-control-request-method": "POST", "access-control-request-headers": asked}
    ours = httpx.options(f"{at}/v1/chat/completions", headers={"origin": "https://chat.example.org", **head})
    assert ours.status_code == 200 and ours.headers["access-control-allow-origin"] == "https://chat.example.org"
    assert set(asked.split(",")) <= set(ours.headers["access-control-allow-headers"].replace(" ", "").split(","))
    other = httpx.options(f"{at}/v1/chat/completions", headers={"origin": "https://evil.example", **head})
    assert "access-control-allow-origin" not in other.headers


def test_pages_below_a_prefix_name_their_parts_from_where_they_are(at: str) -> None:
    page = httpx.get(f"{at}/nacre/").text
    assert 'src="page/app.js"' in page and '"/page/' not in page
    source = httpx.get(f"{at}/nacre/sources/1").text
    assert 'src="../page/source.js"' in source and '"/page/' not in source
    assert httpx.get(f"{at}/nacre/page/api.js").status_code == 200


def test_the_openai_sdk_and_langchain_work_below_a_prefix(at: str) -> None:
    openai, langchain = pytest.importorskip("openai"), pytest.importorskip("langchain_openai")
    for base in (f"{at}/v1", f"{at}/nacre/v1", f"{at}/nacre"):
        client = openai.OpenAI(base_url=base, api_key="k", max_retries=0)
        assert "nine" in client.chat.completions.create(model="nacre", messages=USER).choices[0].message.content
        model = langchain.ChatOpenAI(model="nacre", base_url=base, api_key="k", max_retries=0)
        assert "nine" in model.invoke(Q).content


def test_errors_tell_no_folders_of_the_server(tmp_path: Path) -> None:
    model = tmp_path / "models" / "small.gguf"
    model.parent.mkdir()
    told = problem_of(ModelError(f"transformers:{model} failed; see '{model}' or https://example.org/a/b.")).message
    assert told == "transformers:small.gguf failed; see 'small.gguf' or https://example.org/a/b."
    assert problem_of(ModelError("POST /v1/nowhere/x failed")).message == "POST /v1/nowhere/x failed"
