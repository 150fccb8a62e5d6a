"""An adapter merged into its base in float32, and kept only where both give the same answers."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacre.connectors.models import load_model
from nacre.connectors.models.local_weights import base_hash
from nacre.errors import FinetuningError
from nacre.extras import need, need_all
from nacre.finetuning.card import read_card, write_card
from nacre.finetuning.encoding import messages_of
from nacre.finetuning.plan import VIRTUAL, new_folder
from nacre.finetuning.quiet import alone
from nacre.finetuning.rows import Row, read_rows
from nacre.finetuning.training import HELD_OUT, checked_base, load_trainable
from nacre.system.files import private_folder
from nacre.text.language import tr

_TOKENS = 48


@dataclass(frozen=True)
class Merged:
    """A merged model.

    Args:
        compared: on how many rows adapter and merged model gave the same greedy answer.
        gguf: how to make a GGUF file of it, by llama.cpp.
    """

    out: str
    compared: int
    gguf: str


def merge(adapter: Path, out: Path) -> Merged:
    """Merge a LoRA adapter.

    Raises:
        FinetuningError: it is none, its base has changed, the place is taken, or the answers differ.
    """
    need_all(torch="finetune", peft="finetune")
    card = read_card(adapter)
    if card["kind"] != "adapter" or card.get("method") in VIRTUAL:
        raise FinetuningError(
            tr(
                "{adapter} cannot be merged: it is {what}, and only a LoRA adapter of a chat model can be added to the "
                "weights of its base. Serve it as it is.",
                adapter=adapter,
                what=f"{card['kind']} {card.get('method', '')}".strip(),
            )
        )
    if out.exists():
        raise FinetuningError(tr("{out} is there already. Take a new folder for --out.", out=out))
    new_folder(out)
    base = checked_base(adapter, card)
    rows = read_rows(adapter / HELD_OUT)[0]
    private_folder(out.parent)
    with alone(), tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as temporary:
        draft = Path(temporary) / "model"
        model, tokenizer = load_trainable(base.place, "lora")
        merged = need("peft", extra="finetune").PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
        merged.save_pretrained(draft)
        tokenizer.save_pretrained(draft)
        told = _answers(base.spec, rows, adapter=str(adapter)), _answers(f"transformers:{draft}", rows)
        differ = [row for row, one, other in zip(rows, *told, strict=True) if one != other]
        if differ:
            raise FinetuningError(
                tr(
                    "Adapter and merged model answer {count} of {all} rows differently, {first!r} among them; nothing "
                    "is kept. Serve the adapter as it is.",
                    count=len(differ),
                    all=len(rows),
                    first=differ[0].asked[:80],
                )
            )
        write_card(draft, {**card, "kind": "model", "merged_from": str(adapter), "weights": base_hash(str(draft))})
        draft.rename(out)
    return Merged(str(out), len(rows), f"python convert_hf_to_gguf.py {out} --outfile {out.name}.gguf")


def _answers(spec: str, rows: Sequence[Row], **settings: Any) -> list[str]:
    model = load_model(spec, temperature=0, max_tokens=_TOKENS, device="cpu", dtype="float32", **settings)
    return [str(model.invoke(messages_of(row.prompt)).text) for row in rows]
