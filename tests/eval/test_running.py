"""An interrupted run goes on where it stopped; a failing question costs only itself."""

from __future__ import annotations

from pathlib import Path

from nacre.errors import ModelError
from nacre.eval.running import run_items


def test_items_keep_their_order_and_errors_stay_with_their_item() -> None:
    def ask(task: int) -> dict[str, object]:
        if task == 2:
            raise ModelError("no answer")
        if task == 3:
            raise RuntimeError("provider")
        return {"value": task}

    items = run_items([1, 2, 3, 4], ask, name=str, workers=3)
    assert items == [
        {"id": "1", "value": 1},
        {"id": "2", "error": "no answer"},
        {"id": "3", "error": "RuntimeError: provider"},
        {"id": "4", "value": 4},
    ]


def test_a_second_run_asks_only_what_is_missing(tmp_path: Path) -> None:
    file, asked = tmp_path / "items.jsonl", []

    def ask(task: int) -> dict[str, object]:
        asked.append(task)
        return {"value": task}

    run_items([1, 2], ask, name=str, done_file=file, key="a")
    with file.open("a") as half:
        half.write('{"key": "a", "item": {"id": "3", "va')
    assert run_items([1, 2, 3], ask, name=str, done_file=file, key="a")[2] == {"id": "3", "value": 3}
    assert asked == [1, 2, 3]
    run_items([1], ask, name=str, done_file=file, key="another stack")
    assert asked == [1, 2, 3, 1]
