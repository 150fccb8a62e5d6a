"""How every suite is carried out: some questions at a time; replies are kept, and scored afresh on every run."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar, Unpack

from nacre.errors import EvaluationError, NacreError
from nacre.eval.items import Item, worst
from nacre.eval.report import Report, fingerprint, percentile
from nacre.system.files import private_file, private_folder
from nacre.text.language import tr
from nacre.text.strict_json import to_json

T = TypeVar("T")
MAX_FAILED = 0.05


class Run(TypedDict, total=False):
    """How a suite is carried out, whatever it asks: the keywords that every suite takes.

    Args:
        limit: how many questions, the first; None takes all.
        workers: how many questions at a time.
        out: folder where replies are kept, so that an interrupted run goes on. One run at a time may write there.
        price: of a million tokens read and of a million written, in any currency; None leaves the cost out.
        repeat: how often each question is asked; the repeats of one count as one in every test.
        max_failed: the share of rows of a question file that may be unusable (0 to 1).
        on_progress: called with (done, all) after each question.
    """

    limit: int | None
    workers: int
    out: Path | None
    price: tuple[float, float] | None
    repeat: int
    max_failed: float
    on_progress: Callable[[int, int], None] | None


@dataclass(frozen=True)
class Suite(Generic[T]):
    """What is asked, and what is counted of the answers.

    A reply with an `error` goes through `items` too, and what is scored of it counts as wrong.
    """

    name: str
    metrics: Sequence[str]
    tasks: Sequence[T]
    ask: Callable[[T], Item]  # what costs, and is kept; an `incomplete` one is asked again by the next run
    settings: Mapping[str, Any]  # what is measured: data set, stack, documents
    problems: Sequence[str] = ()  # what was wrong with the data
    name_of: Callable[[T], str] = attrgetter("id")
    unit: str = "questions"  # what the report calls the questions
    figures: Callable[[Sequence[Item]], Mapping[str, Any]] = lambda items: {}  # beside those of every suite
    resumes: bool = True  # not where our own code is measured: it is in no fingerprint
    items: Callable[[T, Item], Sequence[Item]] | None = None  # scores a reply afresh on every run; None: it is one
    asked: Callable[[T], str] = str  # what of a task a reply depends on, without gold answers
    depends: Any = None  # what replies depend on beside; None for the settings


def carry_out(suite: Suite[T], **run: Unpack[Run]) -> Report:
    """Ask the questions of a suite and report on them."""
    tasks, out, times = suite.tasks[: run.get("limit")], run.get("out"), range(max(1, run.get("repeat", 1)))
    repeated = [(task, n) for n in times for task in tasks]
    settings = {name: value for name, value in suite.settings.items() if name != "data"}  # a file may be renamed
    depends = settings if suite.depends is None else suite.depends
    with only_writer(out):
        replies = run_items(
            repeated,
            partial(timed, lambda each: suite.ask(each[0])),
            name=lambda each: _named(suite.name_of(each[0]), each[1]),
            workers=run.get("workers", 1),
            done_file=out / "items.jsonl" if out and suite.resumes else None,
            key=f"{suite.name} {depends}",
            asked=lambda each: _named(suite.asked(each[0]), each[1]),
            on_progress=run.get("on_progress"),
        )
    found: dict[str, Item] = {}
    for each, reply in zip(repeated, replies, strict=True):
        for item in _scored(suite, each, reply):
            found.setdefault(item["id"], {}).update(item)
    items = list(found.values())
    figures = {**counted(items, suite.unit, run.get("price")), **suite.figures(items)}
    questions = fingerprint(map(str, tasks))
    return Report(
        suite.name, tuple(suite.metrics), items, figures, {**suite.settings, "questions": questions}, suite.problems
    )


def _named(name: str, n: int) -> str:
    return name if n == 0 else f"{name} #{n + 1}"


def _scored(suite: Suite[T], each: tuple[T, int], reply: Item) -> Iterator[Item]:
    """The items of a reply; where it failed, every figure has its worst value."""
    task, n = each
    reply = {name: value for name, value in reply.items() if name != "id"}
    own = {**worst(suite.metrics), **reply} if "error" in reply else reply
    for item in suite.items(task, reply) if suite.items else [own]:
        id = str(item.get("id", suite.name_of(task)))
        again = {"group": item.get("group", id)} if n else {}
        yield {**item, "id": _named(id, n), **again}


def run_items(
    tasks: Sequence[T],
    ask: Callable[[T], Item],
    *,
    name: Callable[[T], str],
    workers: int = 1,
    done_file: Path | None = None,
    key: str = "",
    asked: Callable[[T], str] = str,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Item]:
    """Run every task once, in order; one that fails becomes an item with an `error`. Of `done_file`, JSON Lines, a
    reply with the same `key` to the same that was `asked` is taken over.
    """
    names = [name(task) for task in tasks]
    if twice := next((id for id, times in Counter(names).items() if times > 1), None):
        raise EvaluationError(tr("Two questions have the id {id!r}. Give each one of its own.", id=twice))
    keys = {id: fingerprint([key, "asked " + asked(task)]) for id, task in zip(names, tasks, strict=True)}
    kept = _kept(done_file) if done_file else {}
    # Of the replies to the same question that under the same id, else any: rows without ids are counted.
    same = {id: kept[keys[id]] for id in names if keys[id] in kept}
    found = {id: {**(said.get(id) or next(iter(said.values()))), "id": id} for id, said in same.items()}
    open_tasks = {id: task for id, task in zip(names, tasks, strict=True) if id not in found}
    pool = ThreadPoolExecutor(max_workers=max(1, workers))
    try:
        waiting = {pool.submit(attempted, ask, task): id for id, task in open_tasks.items()}
        for count, done in enumerate(as_completed(waiting), len(found) + 1):
            id = waiting[done]
            item = {"id": id, **done.result()}
            incomplete = item.pop("incomplete", False)
            found[id] = item
            if done_file and "error" not in item and not incomplete:
                _keep(done_file, keys[id], item)
            if on_progress:
                on_progress(count, len(tasks))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)  # Ctrl-C waits for what is being asked, and asks no more
    return [found[id] for id in names]


def attempted(ask: Callable[[T], Item], task: T) -> Item:
    """What asking gives; a failure is an item with an `error`."""
    try:
        return ask(task)
    except NacreError as error:
        return {"error": error.message}
    except Exception as error:  # a provider's own error: the question is lost, the run is not
        return {"error": f"{type(error).__name__}: {error}"}


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


@contextmanager
def only_writer(out: Path | None) -> Iterator[None]:
    """The only run in a folder; an earlier report is taken away, so that none outlives a run that was killed."""
    if out is None:
        yield
        return
    private_folder(out)
    with ExitStack() as opened:
        lock = os.open(out, os.O_RDONLY)  # the folder itself: nothing is left lying about
        opened.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            told = tr("Another run is writing into {out}. Wait for it, or give another --out.", out=out)
            raise EvaluationError(told) from None
        for name in ("report.json", "report.md", "report.html"):
            (out / name).unlink(missing_ok=True)
        yield


def _keep(file: Path, key: str, item: Item) -> None:
    """Add a reply, after whatever a killed run left half written."""
    if not file.exists():
        private_file(file)
    line = to_json({"key": key, "item": item}, ensure_ascii=False, default=str) + "\n"
    with file.open("ab+") as end:
        if end.seek(0, os.SEEK_END):
            end.seek(-1, os.SEEK_END)
            line = line if end.read(1) == b"\n" else "\n" + line
        end.write(line.encode("utf-8", "replace"))


def _kept(file: Path) -> dict[str, dict[str, Item]]:
    """Replies by their keys and ids; the last one counts."""
    kept: dict[str, dict[str, Item]] = {}
    if not file.exists():
        return kept
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                row: Any = json.loads(line)
            except (ValueError, RecursionError):
                continue  # the line that an interrupted run left half written
            if isinstance(row, dict) and isinstance(row.get("item"), dict):
                kept.setdefault(str(row.get("key")), {})[str(row["item"].get("id"))] = row["item"]
    return kept
