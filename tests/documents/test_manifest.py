"""The real documents: the share that must be found, and hostile ones within their limits (figures: bench/parsing.py)."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from nacre.documents import ParserPool


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).parents[2] / "bench" / "parsing.py"
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location("bench_parsing", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


def manifest(shared_data: Path, kind: str) -> list[dict[str, object]]:
    rows = (json.loads(line) for line in (shared_data / "docs" / "manifest.jsonl").read_text().splitlines())
    return [row for row in rows if row["kind"] == kind]


def test_ordinary_documents_give_what_they_hold(shared_data: Path, bench: ModuleType, pool: ParserPool) -> None:
    results = [
        result for row in manifest(shared_data, "normal") for result in bench.check(row, pool, shared_data / "docs")[0]
    ]
    met = sum(good for _, good, _ in results)
    assert met / len(results) >= 0.97


def test_hostile_documents_are_read_or_refused_with_a_reason(
    shared_data: Path, bench: ModuleType, pool: ParserPool
) -> None:
    for row in manifest(shared_data, "nasty"):
        results, _, _ = bench.check(row, pool, shared_data / "docs")
        assert all(good for _, good, _ in results), row["file"]
    assert pool.peak_bytes() < 1 << 30
