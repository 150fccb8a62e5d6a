"""The SDKs of JavaScript themselves against the server: `make check-js` installs them, elsewhere this is skipped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage

HERE = Path(__file__).parent
SDKS = Path(os.environ.get("NACRE_JS_SDKS") or HERE.parents[2] / ".bench" / "js")
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not NODE or not (SDKS / "node_modules").is_dir(), reason="no node, or no SDKs: make check-js"),
]


def weather_man(messages, n):
    """Answers in JSON, or calls the caller's tool first."""
    asked = "\n".join(str(message.content) for message in messages)
    if "sunny" in asked:
        return "It is sunny in Oslo."
    if "As an object." in asked:
        return '{"city": "Oslo"}'
    return AIMessage("", tool_calls=[{"name": "weather", "args": {"city": "Oslo"}, "id": f"call_{n}"}])


@pytest.mark.parametrize("below", ["/v1", "/nacre/v1"])
def test_sdks_of_javascript(serve, below):
    def replies(messages, n):
        if any("opens at nine" in str(message.content) for message in messages):
            return "The workshop opens at nine in the morning [1]."
        return weather_man(messages, n)

    stacks = {"nacre": {"layers": ["rag"]}, "tools": {"layers": []}}
    server = serve(replies, stacks=stacks, public_url="https://ask.example.org/nacre/")
    done = subprocess.run(
        [NODE, "--input-type=module", "-", server.url + below, "When does the workshop open?"],
        input=(HERE / "clients.mjs").read_text(encoding="utf-8"),
        cwd=SDKS,
        capture_output=True,
        text=True,
        timeout=250,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told.pop("openai models") == "nacre,tools"
    assert len(told) == 26
    wanted = {"tools": "It is sunny in Oslo.", "object": "Oslo"}
    opens = "The workshop opens at nine in the morning [1]."
    wrong = {
        name: text
        for name, text in told.items()
        if text != next((wanted[w] for w in name.split() if w in wanted), opens)
    }
    assert not wrong
