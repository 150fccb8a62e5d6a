"""Asking many questions: some at a time, in order, with what is done kept, so that an interrupted run goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from nacre.errors import NacreError
from nacre.system.files import private_file, private_folder
from nacre.text.strict_json import to_json

T = TypeVar("T")
Item = dict[str, Any]


def run_items(
    tasks: Sequence[T],
    ask: Callable[[T], Item],
    *,
    name: Callable[[T], str],
    workers: int = 1,
    done_file: Path | None = None,
    key: str = "",
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Item]:
    """Run every task once; one that fails becomes an item with an `error` and no scores.

    Args:
        ask: makes an item of a task; a `NacreError`, or an error of a model, costs this item only.
        done_file: JSON Lines of finished items; those with the same `key` are not asked again.
        key: what the items depend on (stack, corpus); items of another key are left aside.

    Returns:
        One item a task, in the order of the tasks; each has its `id`.
    """
    kept = _kept(done_file, key) if done_file else {}
    open_tasks = [task for task in tasks if name(task) not in kept]
    if done_file:
        private_folder(done_file.parent)
        private_file(done_file)
        _end_line(done_file)
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        for count, item in enumerate(pool.map(lambda task: _attempt(task, ask, name(task)), open_tasks), len(kept) + 1):
            kept[item["id"]] = item
            if done_file and "error" not in item:
                with done_file.open("a", encoding="utf-8") as file:
                    file.write(to_json({"key": key, "item": item}, ensure_ascii=False, default=str) + "\n")
            if on_progress:
                on_progress(count, len(tasks))
    return [kept[name(task)] for task in tasks]


def _attempt(task: T, ask: Callable[[T], Item], id: str) -> Item:
    try:
        return {"id": id, **ask(task)}
    except NacreError as error:
        return {"id": id, "error": error.message}
    except Exception as error:  # a provider's own error: the question is lost, the run is not
        return {"id": id, "error": f"{type(error).__name__}: {error}"}


def _kept(file: Path, key: str) -> dict[str, Item]:
    kept: dict[str, Item] = {}
    if not file.exists():
        return kept
    for line in file.read_text("utf-8", errors="replace").splitlines():
        try:
            row: Any = json.loads(line)
        except json.JSONDecodeError:
            continue  # the line that an interrupted run left half written
        item = row.get("item") if isinstance(row, dict) and row.get("key") == key else None
        if isinstance(item, dict) and "id" in item:
            kept[str(item["id"])] = item
    return kept


def _end_line(file: Path) -> None:
    """After a line that was left half written the next item begins a line of its own."""
    if file.exists() and (written := file.read_bytes()) and not written.endswith(b"\n"):
        with file.open("ab") as end:
            end.write(b"\n")
