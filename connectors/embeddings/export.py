"""A model folder → an ONNX file in the cache, exact or in 8 bits."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from nacre.connectors.embeddings.cache import file_hash, opened
from nacre.connectors.embeddings.checkpoint import WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import ModelProto

    from nacre.connectors.embeddings.graph import Precision

_FORMAT = "6"  # count up whenever the graphs change
_MODEL = "model.onnx"
_CPU = Path("/proc/cpuinfo")
_SMALL = 4096  # bytes; smaller constants stay in the graph

Opened = TypeVar("Opened")
Choice = Literal["auto", "fp32", "int8"]


def choose_precision(choice: Choice) -> Precision:
    """ "auto" is int8 where the processor has 8-bit dot products, else fp32.

    Without them 8 bits are hardly faster, and on x86 two products saturate in 16 bits. The loss is a property of
    the graphs, not of the machine: `bench/encoder.py` measures it.
    """
    if choice != "auto":
        return choice
    if _CPU.is_file():
        flags = _CPU.read_text(encoding="utf-8", errors="replace")
        return "int8" if "vnni" in flags or "asimddp" in flags else "fp32"  # x86; ARM
    return "int8" if platform.machine().lower() in ("arm64", "aarch64") else "fp32"


def cache_name(folder: Path, variant: str, weights: str | None = None) -> str:
    """Where the exported graphs of a model lie below the cache folder: named by all that shapes them. `weights` is a
    hash; None: of those in the folder.
    """
    digest = hashlib.sha256(f"{_FORMAT} {variant}".encode())
    digest.update((weights or file_hash(folder / WEIGHTS)).encode())
    for small in [folder / "config.json", folder / "modules.json", *sorted(folder.glob("*/config.json"))]:
        digest.update(small.read_bytes() if small.is_file() else b"")
    return f"encoders/{digest.hexdigest()[:32]}"


def exported(
    folder: Path,
    variant: str,
    precision: Precision,
    build: Callable[[Precision], ModelProto],
    read: Callable[[Path], Opened],
    weights: str | None = None,
    notice: str = "",
) -> Opened:
    """What `read` opens of the file of an exported graph, written on first use by `build`; `notice` is the licence of
    its weights.
    """
    name = f"{cache_name(folder, variant, weights)}/{precision}"
    return opened(name, lambda draft: _save(build(precision), draft, notice), lambda folder: read(folder / _MODEL))


def _save(model: ModelProto, folder: Path, notice: str) -> None:
    import onnx

    folder.mkdir()
    if notice:
        (folder / "NOTICE").write_text(notice, encoding="utf-8")
    # Weights beside the graph are mapped into memory at load: 20 ms instead of 100, and shared between processes.
    beside: dict[str, Any] = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": _SMALL}
    onnx.save_model(model, str(folder / _MODEL), all_tensors_to_one_file=True, **beside)
