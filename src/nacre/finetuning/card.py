"""The card in an adapter's folder: what it was made from, how, and what was measured of it."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nacre import prompts
from nacre.errors import FinetuningError
from nacre.eval.history import line
from nacre.eval.pages import escaped, frame, table
from nacre.finetuning.plan import CARD, PLAN, Plan
from nacre.finetuning.rows import Row, data_print
from nacre.system.files import atomic_write
from nacre.text.language import tr
from nacre.text.strict_json import to_json

_LIBRARIES = ("torch", "transformers", "peft", "trl", "accelerate", "datasets", "sentence-transformers", "nacre-ai")
_ON_BASE = ("adapter", "model", "reward")
_PROMPTS = ("rag/answer", "rag/refusal")


def facts(rows: Sequence[Row]) -> dict[str, Any]:
    """What a card says of the data, the prompts and the libraries."""
    return {
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "data": {
            "fingerprint": data_print(rows),
            "rows": len(rows),
            "splits": dict(Counter(row.split for row in rows)),
            "kinds": dict(Counter(row.kind or "row" for row in rows)),
        },
        "prompts": {name: prompts.load(name, "en").version for name in _PROMPTS},
        "libraries": {name: found for name in _LIBRARIES if (found := _version(name))},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write a card."""
    atomic_write(folder / CARD, to_json(dict(card), ensure_ascii=False, indent=1, default=str))


def write_curves(folder: Path, curves: Sequence[Mapping[str, float]], plan: Plan) -> None:
    """Write report.html: loss and held-out loss over the steps, and the settings."""
    names = [name for name in ("loss", "eval_loss") if any(name in entry for entry in curves)]
    drawn = "".join(line(name, [entry.get(name) for entry in curves]) for name in names)
    rows = "".join(f"<tr><th>{escaped(name)}<td>{escaped(value)}" for name, value in asdict(plan).items())
    atomic_write(folder / "report.html", frame(folder.name, f"<div class=grid>{drawn}</div>{table((), rows)}"))


def read_card(folder: Path) -> dict[str, Any]:
    """Read a card; a folder without one is nothing that Nacre has trained."""
    try:
        read = json.loads((folder / CARD).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FinetuningError(
            tr("{folder} is no folder that `nacre finetune` has written: it has no {card}.", folder=folder, card=CARD)
        ) from error
    card: dict[str, Any] = read if isinstance(read, dict) else {}
    kind = card.get("kind")
    if not isinstance(kind, str) or (kind in _ON_BASE and not {"base_model", "base_hash"} <= set(card)):
        raise FinetuningError(tr("{card} in {folder} is damaged. Train anew.", card=CARD, folder=folder))
    return card


def found_in(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The cards in a folder and in those one and two below it."""
    for pattern in (CARD, f"*/{CARD}", f"*/*/{CARD}"):
        for file in sorted(folder.glob(pattern)):
            try:
                yield file.parent, read_card(file.parent)
            except FinetuningError:
                continue


def removable(folder: Path) -> Path:
    """A folder that may be removed whole: trained here, or begun, and no link to elsewhere."""
    if folder.is_symlink() or not folder.is_dir():
        raise FinetuningError(tr("{folder} is no folder.", folder=folder))
    if not (folder / PLAN).is_file():
        read_card(folder)
    return folder
