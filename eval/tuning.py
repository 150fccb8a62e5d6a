"""Choose settings of a knowledge base on one half of a question set, and say on the other half what the choice is
worth.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel

from nacre.errors import EvaluationError
from nacre.eval.answers import described, reply_of, scored
from nacre.eval.datasets import Question
from nacre.eval.items import Item
from nacre.eval.report import Report
from nacre.eval.running import counted, run_items
from nacre.eval.statistics import bootstrap, paired_losses
from nacre.ingest.source import TextSource
from nacre.layers.cache import ResponseCache
from nacre.layers.rag import RetrievalAugmented
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.stack import build
from nacre.store.copying import copy_store
from nacre.store.encoder import PlainTokeniser
from nacre.store.settings import AUTO, setting_problem
from nacre.text.language import tr

Settings = dict[str, Any]
# What is tried unless told otherwise; a chunk size first, since each needs an index of its own.
GRID: Mapping[str, Sequence[Any]] = {
    "chunk_size": (AUTO, 100, 200),
    "fusion_weight": (AUTO, 0.3, 0.5, 0.9),
    "k": (3, 6, 10),
    "expand": (0, 1),
}
DEFAULT: Mapping[str, Any] = {"chunk_size": AUTO, "fusion_weight": AUTO, "k": 6, "expand": 0, "distinct": True}
# Options of the layer, which stand in a stack and in no settings.json, with what each may be.
OPTIONS: Mapping[str, tuple[float, float]] = {
    "min_relevance": (0, 1),
    "min_support": (0, 1),
    "source_tokens": (1, 10**6),
}
_LEAST = 10  # questions
NOTHING = TextSource("nacre-eval:", [])
SURE = 0.05  # one comparison is made, on questions that were not chosen by


def tune(
    base: KnowledgeBase,
    questions: Sequence[Question],
    model: BaseChatModel,
    *,
    grid: Mapping[str, Sequence[Any]] | None = None,
    write: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Try every combination of a grid on half of the questions, and compare the best one with today's on the other
    half.

    Today's settings stay unless the best ones are significantly better on questions that they were not chosen by
    (paired sign-flip test, p < 0.05).

    Args:
        base: the knowledge base. It is only read, unless `write` is set: settings are tried on copies.
        questions: with gold answers; one without is right when it is refused.
        model: the model that answers. Two settings that show it the same passages cost one call.
        grid: settings of a knowledge base, each with the values to try; None for `GRID`, as far as it applies.
        write: keep the choice in the knowledge base; where the chunk size is another, cut its documents anew at once.
        on_progress: called with (done, all) documents and questions.

    Returns:
        The report over the half that was held back, for the settings chosen: `success`, `evidence`, latency and tokens;
            in
        its figures `chosen`, `present` and `best` settings, `present_success` and `best_success`, their difference
        `gain` with `gain_interval` and `p`, a `verdict` for people, every combination tried on the first half in
        `tried`, and what cutting cost in `indexed`.

    Raises:
        EvaluationError: fewer than ten questions, or a value that this knowledge base cannot take.
        KnowledgeBaseError: it is to be written and may only be read.
    """
    if len(questions) < _LEAST:
        raise EvaluationError(
            tr("{count} questions are too few to tune by; give at least {least}.", count=len(questions), least=_LEAST)
        )
    if write:
        base.store.check_writable()
    values = _fitting(base, grid)
    of_layer = {name: RetrievalAugmented.model_fields[name].default for name in values if name in OPTIONS}
    defaults = {**DEFAULT, **of_layer}
    present = {name: base.settings.get(name, defaults[name]) for name in values}
    dev, held = _halves(questions)
    combinations = [dict(zip(values, some, strict=True)) for some in itertools.product(*values.values())]
    if present not in combinations:  # those of one chunk size stand together
        combinations.insert(0, present)
    cuts = len({settings.get("chunk_size") for settings in combinations}) - 1
    total, done = len(combinations) * len(dev) + 2 * len(held) + cuts * base.stats()["documents"], itertools.count(1)
    once = ResponseCache(inner=model)

    def step(*_: int) -> None:
        if on_progress:
            on_progress(min(total, next(done)), total)

    def ask(some: Sequence[Question], settings: Settings) -> list[Item]:
        copy = trials.at(_for_base(settings))
        judged = partial(_judged, _stack(copy, once, settings), copy)
        return run_items(some, judged, name=attrgetter("id"), on_progress=step)

    with Trials(base, step) as trials:
        tried = [{**settings, **_means(ask(dev, settings))} for settings in combinations]
        # The most right answers; among equals the fewest tokens for the model, then what changes least.
        worth = [(row["success"], -row["tokens_in"], sum(row[n] == v for n, v in present.items())) for row in tried]
        best = {name: tried[worth.index(max(worth))][name] for name in values}
        items = {"present": ask(held, present)}
        items["best"] = items["present"] if best == present else ask(held, best)
        figures = _compared(present, best, items)
        chosen: Settings = figures["chosen"]
        shown = items["best" if chosen == best else "present"]
        copy = trials.at(_for_base(chosen))
        settings = described(_stack(copy, model, chosen), copy)
        indexed = trials.indexed
    figures |= {"tried": tried, "indexed": indexed, **counted(shown, "queries")}
    figures["written"] = write and chosen != present
    if figures["written"]:
        before = base.settings.get("chunk_size", AUTO)
        base.store.save_settings(_for_base(chosen))
        if chosen.get("chunk_size", before) != before:
            base.sync(NOTHING, prune=False)
    return Report(
        "tune", ("success", "evidence"), shown, figures, {**settings, "dev": len(dev), "held_back": len(held)}
    )


class Trials(ExitStack):
    """Knowledge bases with settings that are tried. A context: at its end the copies are gone.

    What is tried stands in the settings file of a copy, so that it is measured as it would be used. Chunks that a copy
    has in common with the original keep their vectors; only others are embedded.
    """

    def __init__(self, base: KnowledgeBase, step: Callable[[], None]) -> None:
        super().__init__()
        self.base, self.step = base, step
        self.indexed: list[dict[str, Any]] = []
        self._copies: dict[Any, KnowledgeBase] = {}
        self._folder = Path(self.enter_context(tempfile.TemporaryDirectory(prefix="nacre-tune-")))

    def at(self, settings: Mapping[str, Any]) -> KnowledgeBase:
        """A knowledge base that is cut and searched as some settings say; one not named is as in the original."""
        size = settings.get("chunk_size", self.base.settings.get("chunk_size", AUTO))
        if size not in self._copies:
            self._copies[size] = self._cut(size)
        self._copies[size].store.save_settings({**self.base.settings, **settings})
        return self._copies[size]

    def _cut(self, size: Any) -> KnowledgeBase:
        began = time.perf_counter()
        copy_store(self.base.store, self._folder / str(size))
        encoder = self.base.encoder.embeddings if self.base.encoder else "none"
        copy = self.enter_context(KnowledgeBase.open(self._folder / str(size), encoder))
        copy.store.save_settings({"chunk_size": size})
        # A sync cuts all documents as is set.
        report = copy.sync(NOTHING, prune=False, on_progress=lambda _: self.step())
        seconds = round(time.perf_counter() - began, 3)
        counts = {"chunks": copy.stats()["chunks"], "recut": report.recut, "embedded": report.embedded}
        self.indexed.append({"chunk_size": size, **counts, "seconds": seconds})
        return copy


def _fitting(base: KnowledgeBase, grid: Mapping[str, Sequence[Any]] | None) -> dict[str, list[Any]]:
    """The grid as far as it applies: no weight where there are no vectors, no chunk that the embedder cannot read."""
    most = (base.encoder or PlainTokeniser()).max_tokens
    values = {name: list(tried) for name, tried in (GRID if grid is None else grid).items()}
    sizes = [size for size in values.get("chunk_size", ()) if size == AUTO or size < most]
    if grid is None:
        values["chunk_size"] = sizes
        if base.encoder is None:
            del values["fusion_weight"]
    elif too_long := [size for size in values.get("chunk_size", ()) if size != AUTO and size > most]:
        told = tr(
            "chunk_size {too_long}: the embedder of this knowledge base reads {most} tokens.",
            too_long=too_long[0],
            most=most,
        )
        raise EvaluationError(told)
    return values


def _halves(questions: Sequence[Question]) -> tuple[list[Question], list[Question]]:
    """Two halves that have nothing to do with the order of the file, the same every time."""
    ordered = sorted(questions, key=lambda q: hashlib.sha256(q.id.encode()).hexdigest())
    half = {q.id for q in ordered[: len(questions) // 2]}
    return [q for q in questions if q.id in half], [q for q in questions if q.id not in half]


def _judged(stack: Any, base: KnowledgeBase, question: Question) -> Item:
    item = scored(question, reply_of(stack, question), base)
    return {**item, "success": item["contains"] if question.answers else item["refusal_recall"]}


def _stack(base: KnowledgeBase, model: BaseChatModel, settings: Settings) -> Any:
    options = {name: value for name, value in settings.items() if name in OPTIONS}
    strict = {"strict": True} if "min_support" in options else {}
    return build({"layers": [{"use": "rag", **strict, **options}]}, kb=base, leaf=model)


def _for_base(settings: Settings) -> Settings:
    return {name: value for name, value in settings.items() if name not in OPTIONS}


def _means(items: Sequence[Item]) -> dict[str, float]:
    means = {}
    for name in ("success", "evidence", "tokens_in"):
        values = [item[name] for item in items if item.get(name) is not None]
        means[name] = round(sum(values) / len(values), 4) if values else 0.0
    return means


def _compared(present: Settings, best: Settings, items: Mapping[str, Sequence[Item]]) -> dict[str, Any]:
    """What the held back half says: the best settings are chosen only where they are surely better."""
    pairs = [
        (a["success"], b["success"])
        for a, b in zip(items["present"], items["best"], strict=True)
        if None not in (a.get("success"), b.get("success"))
    ]
    gains = [b - a for a, b in pairs]
    p = paired_losses([[-gain for gain in gains]])[0] if any(gains) else 1.0
    gain = sum(gains) / len(gains) if gains else 0.0
    sure = p < SURE and gain > 0
    low, high = bootstrap(gains) if gains else (0.0, 0.0)
    changed = ", ".join(f"{name} {present[name]} → {best[name]}" for name in best if best[name] != present[name])
    told = {"n": len(gains), "said": f"{gain:+.3f} [{low:+.3f}, {high:+.3f}], p = {p:.3f}", "change": changed}
    if best == present:
        verdict = tr("Nothing that was tried is better than today's settings; they stay.")
    elif sure:
        verdict = tr("Better on the {n} questions held back ({said}): {change}.", **told)
    else:
        verdict = tr(
            "Not significantly better on the {n} questions held back ({said}): {change}. Today's settings stay.", **told
        )
    return {
        "chosen": best if sure else present,
        "present": present,
        "best": best,
        "present_success": _means(items["present"])["success"],
        "best_success": _means(items["best"])["success"],
        "gain": round(gain, 4),
        "gain_interval": [round(low, 4), round(high, 4)],
        "p": round(p, 4),
        "verdict": verdict,
    }


def read_grid(text: str) -> dict[str, list[Any]]:
    """A grid as it is written on the command line."""
    try:
        grid = json.loads(text)
    except ValueError:
        grid = None
    if (
        not isinstance(grid, dict)
        or not grid
        or not all(isinstance(values, list) and values for values in grid.values())
    ):
        told = tr('--grid is {text!r}; write lists of values: {{"k": [4, 8], "chunk_size": [100, "auto"]}}', text=text)
        raise EvaluationError(told)
    wrong = (_problem(name, value) for name, values in grid.items() for value in values)
    if reasons := list(filter(None, wrong)):
        raise EvaluationError(tr("--grid: {reasons}", reasons=reasons[0]))
    # k and the like have no "auto" of their own: that is what the retriever does without them.
    values = {
        name: [DEFAULT[name] if value == AUTO and name in DEFAULT else value for value in some]
        for name, some in grid.items()
    }
    return dict(sorted(values.items(), key=lambda entry: entry[0] != "chunk_size"))


def _problem(name: str, value: Any) -> str | None:
    if name not in OPTIONS:
        return setting_problem(name, value)
    least, most = OPTIONS[name]
    if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most:
        return None
    return tr("{name} is {said}; write a number from {least} to {most}.", name=name, said=value, least=least, most=most)
