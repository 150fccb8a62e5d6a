"""Run an exported encoder: texts in, vectors out, on the cores that it is given, in bounded memory."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

Input = TypeVar("Input")
Output = TypeVar("Output")


def in_parallel(work: Callable[[Input], Output], inputs: Sequence[Input]) -> list[Output]:
    """Do the work for each input, one a core at a time; in the order given."""
    workers = min(cores(), len(inputs))
    if workers <= 1:
        return [work(value) for value in inputs]
    with ThreadPoolExecutor(workers, thread_name_prefix="nacre-encoder") as pool:
        return list(pool.map(work, inputs))


def cores() -> int:
    """The cores of this process, or fewer where OMP_NUM_THREADS says so: Ray gives each of its workers its share."""
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return min(mine, max(1, int(told))) if told.isdecimal() else mine


def open_session(graph: Path | bytes) -> InferenceSession:
    """Open an exported graph; the weights of a file are mapped into memory, not read."""
    # Its Linux wheels report usage to Microsoft and keep a device id in the home directory, unless told not to before.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # every length would get a pattern of its own
    given = graph if isinstance(graph, bytes) else str(graph)
    return onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])


class OnnxEncoder:
    """Texts to vectors."""

    def __init__(self, path: Path) -> None:
        self.session = open_session(path)
        self.dimension: int = self.session.get_outputs()[0].shape[1]

    def encode(self, texts: Sequence[list[int]]) -> NDArray[np.float32]:
        """Vectors of shape (texts, dimension), in the order given; that of a text does not depend on the others.

        Args:
            texts: the tokens of each, with the special ones, no more than the model reads.
        """
        vectors = np.empty((len(texts), self.dimension), np.float32)
        # Longest first, so that no core ends with a long text while the others are idle.
        order = sorted(range(len(texts)), key=lambda n: -len(texts[n]))

        def fill(number: int) -> None:
            feed = {"input_ids": np.array([texts[number]], np.int32)}
            vectors[number] = self.session.run(None, feed)[0][0]

        in_parallel(fill, order)
        return vectors
