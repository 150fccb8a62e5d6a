"""Whether tuning helped: base, tuned model and `quote` over the same held-out rows, and a gate against losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document

from nacre.connectors.models import load_model
from nacre.connectors.models.adapters import used_by
from nacre.errors import FinetuningError
from nacre.eval import gate
from nacre.eval.answers import ask_all, described, usage
from nacre.eval.datasets import Question, RobustnessRow
from nacre.eval.metrics import contains, exact_match, token_f1
from nacre.eval.refusal import METRICS as REFUSAL
from nacre.eval.refusal import ask_twice
from nacre.eval.report import Item, Report
from nacre.eval.running import Suite, carry_out
from nacre.eval.sample import evaluate_sample
from nacre.finetuning.building import Shown
from nacre.finetuning.card import read_card, write_card
from nacre.finetuning.quiet import patient_threads
from nacre.finetuning.rows import Row, read_rows
from nacre.finetuning.training import checked_base
from nacre.grounding.citations import statements
from nacre.layers.rag import RetrievalAugmented
from nacre.text.language import listed, tr
from nacre.text.messages import nacre_of, parse_sources, text_of

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from nacre.retrieval.knowledge_base import KnowledgeBase

SUITES = ("answers", "refusal", "sample")
METRICS = ("contains", "em", "f1", "form", "source_right", "chance", "false_refusals", "refusal_recall")
_TOKENS = 96


@dataclass
class Checked:
    """What was found.

    Args:
        reports: by suite and then by "base", "tuned" and "quote".
        losses: what got surely worse against the base, "suite: metric".
        against_quote: what is surely worse than `quote`, which costs nothing.
    """

    reports: dict[str, dict[str, Report]]
    losses: list[str]
    against_quote: list[str]

    @property
    def passed(self) -> bool:
        """Whether nothing got surely worse."""
        return not self.losses


def check(
    adapter: Path,
    data: Path,
    *,
    suites: Sequence[str] = SUITES,
    kb: KnowledgeBase | None = None,
    limit: int | None = None,
    out: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Checked:
    """Measure a tuned model beside its base and `quote`, and write the figures into its card.

    Args:
        data: the rows; those of the split test are asked, else those of valid.
        suites: some of `SUITES`: held-out answers, the same with the passage taken out, and the questions of the
            sample, against forgetting.
        kb: ask the held-out questions over it too, as the suite "kb".
        limit: questions a suite.
        out: the folder of the reports; None is `check` in the adapter's.
    """
    patient_threads()
    card = read_card(adapter)
    if card["kind"] not in ("adapter", "model"):
        why = tr("{adapter} is {kind}, no chat model; nothing can be asked of it.", adapter=adapter, kind=card["kind"])
        raise FinetuningError(f"{why} {used_by(adapter, card['kind'])}".rstrip())
    rows = held_out(data)
    if unknown := set(suites) - set(SUITES):
        raise FinetuningError(
            tr("There is no suite {name}; there are {known}.", name=min(unknown), known=listed(SUITES))
        )
    chosen = [suite for suite in suites if suite != "refusal" or pairs_of(rows)] + (["kb"] if kb else [])
    run: dict[str, Any] = {"limit": limit, "on_progress": on_progress}
    found: dict[str, dict[str, Report]] = {suite: {} for suite in chosen}
    for who, model in _models(adapter, card):
        for suite in chosen:
            report = _measured(suite, model, rows, kb, run)
            report.write((out or adapter / "check") / suite / who)
            found[suite][who] = report
    checked = Checked(found, _losses(found, "base"), _losses(found, "quote"))
    figures = {suite: {who: _means(report) for who, report in each.items()} for suite, each in found.items()}
    told = {"passed": checked.passed, "losses": checked.losses, "against_quote": checked.against_quote}
    write_card(adapter, {**card, "suites": figures, "gate": told})
    return checked


def held_out(data: Path) -> list[Row]:
    """The rows that no training has seen: those of test, else of valid."""
    rows = read_rows(data)[0]
    for split in ("test", "valid"):
        if found := [row for row in rows if row.split == split and row.sources]:
            return found
    raise FinetuningError(
        tr(
            "{data} holds no rows of the split test or valid with their sources. Make some: "
            "nacre finetune data --kb KB",
            data=data,
        )
    )


def _models(adapter: Path, card: Mapping[str, Any]) -> Iterator[tuple[str, BaseChatModel]]:
    settings: dict[str, Any] = {"temperature": 0, "max_tokens": _TOKENS}
    base = checked_base(adapter, card).spec
    yield "quote", load_model("quote")
    yield "base", load_model(base, **settings)
    if card["kind"] == "model":
        yield "tuned", load_model(f"transformers:{adapter}", **settings)
    else:
        yield "tuned", load_model(base, adapter=str(adapter), **settings)


def _measured(
    suite: str, model: BaseChatModel, rows: Sequence[Row], kb: KnowledgeBase | None, run: Mapping[str, Any]
) -> Report:
    if suite == "sample":
        return evaluate_sample(model, **run)
    if suite == "kb":
        assert kb is not None
        asked = {
            row.asked: Question(f"q{n}", row.asked, row.answers, row.document)
            for n, row in enumerate(rows)
            if row.answers
        }
        return ask_all(kb, model, list(asked.values()), (), "held out", **run)
    layer = RetrievalAugmented(inner=model, retriever=Shown(documents=[]))
    settings = {"data": "held out", **described(layer)}
    if suite == "refusal":
        return carry_out(Suite("refusal", REFUSAL, pairs_of(rows), partial(ask_twice, model), settings), **run)
    named = [(f"r{n}", row) for n, row in enumerate(rows, 1)]
    return carry_out(
        Suite("answers", METRICS, named, partial(_answered, model), settings, name_of=lambda task: str(task[0])), **run
    )


def pairs_of(rows: Sequence[Row]) -> list[RobustnessRow]:
    """Questions with the passages that answer them, and with those that do not."""
    positive = {row.asked: row for row in rows if row.answers}
    negative = {row.asked: row for row in rows if not row.answers}
    return [
        RobustnessRow(f"q{n}", asked, (row.answers,), row.sources, negative[asked].sources)
        for n, (asked, row) in enumerate(positive.items(), 1)
        if asked in negative
    ]


def _answered(model: BaseChatModel, task: tuple[str, Row]) -> Item:
    """One row, asked over its own sources."""
    row = task[1]
    sources = parse_sources(row.prompt[-1]["content"])[0]
    shown = [Document(s.text, metadata={"uri": f"source:{s.n}", "title": s.title, "start": 0}) for s in sources]
    reply = RetrievalAugmented(inner=model, retriever=Shown(documents=shown)).invoke(row.asked)
    text, refused = text_of(reply), bool(nacre_of(reply).get("abstained"))
    item: Item = {"question": row.asked, "answer": text, "gold": list(row.answers), **usage(reply)}
    said = [numbers for _, _, _, numbers in statements(text)]
    item["form"] = float(refused or (bool(said) and all(said)))
    if not row.answers:
        return {**item, "refusal_recall": float(refused)}
    item |= {"false_refusals": float(refused), **_scores(text, row.answers)}
    numbers = {n for each in said for n in each if n <= len(row.sources)}
    if numbers and not refused:
        right = [n for n, source in enumerate(row.sources, 1) if contains(source, row.answers)]
        item |= {"source_right": float(numbers <= set(right)), "chance": len(right) / len(row.sources)}
    return item


def _scores(text: str, answers: Sequence[str]) -> dict[str, float]:
    plain = text.split("[", 1)[0]
    return {"contains": contains(text, answers), "em": exact_match(plain, answers), "f1": token_f1(plain, answers)}


def _losses(found: Mapping[str, Mapping[str, Report]], other: str) -> list[str]:
    lost = []
    for suite, reports in found.items():
        before, after = (reports[who].data() for who in (other, "tuned"))
        lost += [f"{suite}: {change.metric}" for change in gate.compare(before, after) if change.loss]
    return lost


def _means(report: Report) -> dict[str, Any]:
    told = report.summary()
    names = [name for name in report.metrics if told.get(name) is not None]
    return {name: [told[name], *told["intervals"][name]] for name in names}
