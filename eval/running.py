"""How every suite is carried out: some questions at a time, in order; what is done is kept and counted here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar, Unpack

from nacre.errors import NacreError
from nacre.eval.report import Item, Report, fingerprint, percentile
from nacre.system.files import private_file, private_folder
from nacre.text.strict_json import to_json

T = TypeVar("T")


class Run(TypedDict, total=False):
    """How a suite is carried out, whatever it asks: the keywords that every suite takes.

    Args:
        limit: how many questions, the first; None takes all.
        workers: how many questions at a time.
        out: folder where finished items are kept, so that an interrupted run goes on.
        price: of a million tokens read and of a million written, in any currency; None leaves the cost out.
        on_progress: called with (done, all) after each question.
    """

    limit: int | None
    workers: int
    out: Path | None
    price: tuple[float, float] | None
    on_progress: Callable[[int, int], None] | None


def _nothing_more(items: Sequence[Item]) -> dict[str, Any]:
    """No figures of its own."""
    return {}


@dataclass(frozen=True)
class Suite(Generic[T]):
    """What is asked, and what is counted of the answers.

    Args:
        name: "retrieval".
        metrics: as in `Report`.
        tasks: the questions; what is read of them decides whether one is asked again.
        ask: makes an item of a task; one that has `turns` stands for these items.
        settings: what is measured: data set, stack, documents; an item of other settings is not taken over.
        problems: what was wrong with the data.
        name_of: the id of a task.
        unit: what the report calls the questions.
        figures: of all items, beside those that every suite has.
        resumes: whether finished items are taken over. Not where our own code is measured: it is in no fingerprint.
    """

    name: str
    metrics: Sequence[str]
    tasks: Sequence[T]
    ask: Callable[[T], Item]
    settings: Mapping[str, Any]
    problems: Sequence[str] = ()
    name_of: Callable[[T], str] = attrgetter("id")
    unit: str = "questions"
    figures: Callable[[Sequence[Item]], Mapping[str, Any]] = _nothing_more
    resumes: bool = True


def carry_out(suite: Suite[T], **run: Unpack[Run]) -> Report:
    """Ask the questions of a suite and report on them."""
    tasks, out = suite.tasks[: run.get("limit")], run.get("out")
    found = run_items(
        tasks,
        partial(timed, suite.ask),
        name=suite.name_of,
        workers=run.get("workers", 1),
        done_file=out / "items.jsonl" if out and suite.resumes else None,
        key=str(dict(suite.settings)),
        on_progress=run.get("on_progress"),
    )
    items = [turn for item in found for turn in item.get("turns", [item])]
    figures = {**counted(items, suite.unit, run.get("price")), **suite.figures(items)}
    settings = {**suite.settings, "questions": fingerprint(map(str, tasks))}
    return Report(suite.name, tuple(suite.metrics), items, figures, settings, suite.problems)


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
    """Run every task once, in order; one that fails becomes an item with an `error` and no scores.

    Args:
        done_file: JSON Lines of finished items; one with the same `key` and the same task is not asked again.
    """
    keys = {name(task): fingerprint([key, str(task)]) for task in tasks} if done_file else {}
    kept = _kept(done_file, keys) if done_file else {}
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
                    file.write(to_json({"key": keys[item["id"]], "item": item}, ensure_ascii=False, default=str) + "\n")
            if on_progress:
                on_progress(count, len(tasks))
    return [kept[name(task)] for task in tasks]


def timed(ask: Callable[[T], Item], task: T) -> Item:
    """An item with the `seconds` that it took."""
    began = time.perf_counter()
    return {**ask(task), "seconds": round(time.perf_counter() - began, 6)}


def counted(items: Sequence[Item], unit: str, price: tuple[float, float] | None = None) -> dict[str, Any]:
    """Counts, latency, tokens and cost, as far as the items tell them."""
    figures: dict[str, Any] = {unit: len(items), "errors": sum("error" in item for item in items)}
    if waits := [item["seconds"] for item in items if "seconds" in item]:
        figures |= {"seconds_p50": percentile(waits, 0.5), "seconds_p95": percentile(waits, 0.95)}
    if price or any("tokens_in" in item for item in items):
        figures |= {name: sum(item.get(name, 0) for item in items) for name in ("tokens_in", "tokens_out")}
    if price:
        figures["cost"] = round((figures["tokens_in"] * price[0] + figures["tokens_out"] * price[1]) / 1e6, 6)
    return figures


def replayed(report: Report) -> dict[str, Any]:
    """A replay as one flat object: its means, its figures, and the rows that disagree with what was published."""
    means = {name: sum(report.values(name)) / max(1, len(report.values(name))) for name in report.metrics}
    disagreements = [item["id"] for item in report.items if item.get("agreement") == 0]
    return {**means, **report.figures, "disagreements": disagreements}


def _attempt(task: T, ask: Callable[[T], Item], id: str) -> Item:
    try:
        return {"id": id, **ask(task)}
    except NacreError as error:
        return {"id": id, "error": error.message}
    except Exception as error:  # a provider's own error: the question is lost, the run is not
        return {"id": id, "error": f"{type(error).__name__}: {error}"}


def _kept(file: Path, keys: Mapping[str, str]) -> dict[str, Item]:
    kept: dict[str, Item] = {}
    if not file.exists():
        return kept
    for line in file.read_text("utf-8", errors="replace").splitlines():
        try:
            row: Any = json.loads(line)
        except json.JSONDecodeError:
            continue  # the line that an interrupted run left half written
        item = row.get("item") if isinstance(row, dict) else None
        if isinstance(item, dict) and row.get("key") == keys.get(str(item.get("id")), ""):
            kept[str(item["id"])] = item
    return kept


def _end_line(file: Path) -> None:
    """After a line that was left half written the next item begins a line of its own."""
    if file.exists() and (written := file.read_bytes()) and not written.endswith(b"\n"):
        with file.open("ab") as end:
            end.write(b"\n")
