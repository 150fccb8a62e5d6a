"""Encode texts with sentence-transformers and torch, on request: run inside the peers' environment by bench/encoder.py.

    python st_encoder.py MODEL_FOLDER TEXTS.json VECTORS.npy

First line out: {"import_cpu_s", "load_cpu_s"}. For each line in, a batch size, one line out: {"seconds", "cpu_s"}; the
vectors are saved.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main() -> int:
    """Serve encode requests until the input ends."""
    folder, texts_path, vectors_path = sys.argv[1:]
    start = time.process_time()
    import numpy as np
    from sentence_transformers import SentenceTransformer

    imported = time.process_time()
    model = SentenceTransformer(folder, device="cpu")
    model.encode(["warm up"], show_progress_bar=False)
    report({"import_cpu_s": imported - start, "load_cpu_s": time.process_time() - imported})
    texts = json.loads(Path(texts_path).read_text(encoding="utf-8"))
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        vectors = model.encode(texts, batch_size=int(line), prompt="passage: ", show_progress_bar=False)
        np.save(vectors_path, vectors)
        report({"seconds": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu})
    return 0


def report(row: dict[str, float]) -> None:
    """Print one line that the bench reads."""
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    sys.exit(main())
