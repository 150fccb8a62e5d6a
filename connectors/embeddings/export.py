"""A model folder → an ONNX file in the cache, exact or in 8 bits, whichever the probe set recommends."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nacre.connectors.embeddings.cache import adopt, cache_root, draft_folder, file_hash, read_json, write_first
from nacre.connectors.embeddings.checkpoint import WEIGHTS
from nacre.text.strict_json import to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import ModelProto

    from nacre.connectors.embeddings.graph import Precision
    from nacre.connectors.embeddings.probe import Verdict

_FORMAT = "3"  # count up whenever the graphs change
_MODEL = "model.onnx"
_SMALL = 4096  # bytes; smaller constants stay in the graph

Choice = Literal["auto", "fp32", "int8"]


def cache_place(folder: Path, variant: str) -> Path:
    """Where the exported files of a model lie.

    Returns:
        A folder named by the hashes of the weights and of the small files that shape the graph.
    """
    digest = hashlib.sha256(f"{_FORMAT} {variant}".encode())
    for weights in sorted(folder.rglob(WEIGHTS)):
        digest.update(file_hash(weights).encode())
    for small in [folder / "config.json", folder / "modules.json", *sorted(folder.glob("*/config.json"))]:
        digest.update(small.read_bytes() if small.is_file() else b"")
    return cache_root() / "encoders" / digest.hexdigest()[:32]


def exported(
    place: Path, precision: Choice, build: Callable[[Precision], ModelProto], judge: Callable[[Path, Path], Verdict]
) -> tuple[Path, Precision]:
    """The exported graph, written on first use."""
    chosen: Precision = _chosen(place, build, judge) if precision == "auto" else precision
    if not (place / chosen / _MODEL).is_file():
        with draft_folder(place) as draft:
            _save(build(chosen), draft / chosen)
            adopt(draft / chosen, place / chosen)
    return place / chosen / _MODEL, chosen


def _chosen(place: Path, build: Callable[[Precision], ModelProto], judge: Callable[[Path, Path], Verdict]) -> Precision:
    note = place / f"choice-{_machine()}.json"
    known = _noted(note)
    if known is None:
        with draft_folder(place) as draft:
            note.unlink(missing_ok=True)  # damaged
            for precision in ("fp32", "int8"):
                _save(build(precision), draft / precision)
            verdict = judge(draft / "fp32" / _MODEL, draft / "int8" / _MODEL)
            write_first(note, to_json(verdict.as_dict()))
            known = _noted(note) or verdict.precision
            adopt(draft / known, place / known)
    return known


def _noted(note: Path) -> Precision | None:
    precision = (read_json(note) or {}).get("precision")
    return precision if precision in ("fp32", "int8") else None


def _save(model: ModelProto, folder: Path) -> None:
    import onnx

    folder.mkdir()
    # Weights beside the graph are mapped into memory at load: 20 ms instead of 100, and shared between processes.
    onnx.save_model(
        model,
        str(folder / _MODEL),
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location="weights.bin",
        size_threshold=_SMALL,
    )


def _machine() -> str:
    """A short name for this kind of processor and this onnxruntime: another may have other 8-bit instructions."""
    from importlib.metadata import version

    info = Path("/proc/cpuinfo")
    name = platform.machine()
    if info.is_file():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        name += "".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
    return hashlib.sha256(f"{name} {version('onnxruntime')}".encode()).hexdigest()[:16]
