"""Every method on tiny models of three families: the loss falls, and what is saved answers as it was trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch

import nacre
from nacre.finetuning.encoding import Encoder, messages_of
from nacre.finetuning.plan import Plan
from nacre.finetuning.rows import read_rows
from nacre.finetuning.training import Trained, load_trainable, train

FAMILIES = ("llama", "glm4", "qwen2")
RATES = {
    "lora": 5e-3,
    "prefix": 5e-2,
    "prompt": 5e-2,
    "ptuning": 5e-3,
    "full": 3e-3,
    "dpo": 2e-3,
    "kto": 2e-3,
    "reward": 5e-3,
}
FORMS = {"dpo": "pairs", "kto": "thumbs", "reward": "pairs"}
STEPS = 8

Rows = Callable[..., list[dict[str, Any]]]
Write = Callable[..., Path]


@pytest.fixture
def trained(bases: dict[str, Path], some_rows: Rows, write_rows: Write, tmp_path: Path) -> Callable[..., Trained]:
    def go(family: str, method: str, **settings: Any) -> Trained:
        data = write_rows(some_rows(FORMS.get(method, "answers")))
        plan = {"steps": STEPS, "rate": RATES.get(method), "virtual": 8, "rank": 8, "patience": 0, **settings}
        out = plan.pop("out", str(tmp_path / "out"))
        resume = plan.pop("resume", False)
        return train(Plan(base=str(bases[family]), data=str(data), out=out, method=method, **plan), resume=resume)

    return go


def greedy(folder: Path, adapter: Path | None, row: Any) -> str:
    """The answer by PEFT's own forward, token by token, without a cache."""
    model, tokenizer = load_trainable(str(folder), "lora")
    if adapter:
        model = peft.PeftModel.from_pretrained(model, str(adapter))
    encoder = Encoder.of(model, tokenizer)
    ids, prompt = list(encoder.prompt(row)), len(encoder.prompt(row))
    with torch.inference_mode():
        for _ in range(10):
            x = torch.tensor([ids])
            ids.append(int(model.eval()(input_ids=x, attention_mask=torch.ones_like(x)).logits[0, -1].argmax()))
            if ids[-1] in encoder.stops:
                break
    return str(tokenizer.decode(ids[prompt:], skip_special_tokens=True))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", ["lora", "prefix", "prompt", "ptuning", "full"])
def test_a_method_learns_and_is_served_as_it_was_trained(
    trained: Callable[..., Trained], bases: dict[str, Path], tmp_path: Path, family: str, method: str
) -> None:
    done = trained(family, method)
    assert done.steps == STEPS and done.loss_last < done.loss_first
    out = Path(done.out)
    card = json.loads((out / "nacre.json").read_text())
    assert card["base_model"] == f"transformers:{bases[family]}" and len(card["base_hash"]) == 64
    assert len(card["curves"]) == STEPS and (out / "report.html").read_text().count("<polyline") == 1
    assert not (out / "checkpoints").exists()
    row = read_rows(out / "held_out.jsonl")[0][0]
    if method == "full":
        assert answer(f"transformers:{out}", row) == greedy(out, None, row) != greedy(bases[family], None, row)
        return
    told = answer(f"transformers:{bases[family]}", row, adapter=str(out))
    assert told == greedy(bases[family], out, row)


def answer(spec: str, row: Any, **settings: Any) -> str:
    model = nacre.load_model(spec, temperature=0, max_tokens=10, **settings)
    return model.invoke(messages_of(row.prompt)).text
