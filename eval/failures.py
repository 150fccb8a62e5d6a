"""All failures of a report, grouped by the stage that lost the answer, each with what brings it back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage

from nacre.eval.answers import PLACE
from nacre.eval.gold import REGEX, parts_of
from nacre.eval.items import went_wrong
from nacre.eval.metrics import plain
from nacre.eval.stages import STAGES, Diagnosis
from nacre.eval.why import diagnose
from nacre.layers.rag import RetrievalAugmented
from nacre.text.language import tr
from nacre.text.messages import with_nacre


@dataclass(frozen=True)
class Failures:
    """Failures that one stage caused."""

    stage: str  # one of `STAGES`, or "answered" (no document says it), "error", "gold" (nothing to look for)
    cure: str  # what brings most of them back, for people
    setting: dict[str, Any]  # that as data, the value that suffices for all of them; empty where no setting helps
    questions: tuple[tuple[str, str, str], ...]  # (id, question, reason) of each


def failures_of(
    report: Mapping[str, Any],
    stack: RetrievalAugmented,
    *,
    principals: Sequence[str] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Failures]:
    """Say of every question of a report that went wrong where its answer was lost.

    Args:
        report: of the answers suite, as from `read_report`.
        stack: retrieval over the knowledge base that was asked. Its model is asked only to try a cure.
        principals: as whom was asked.
        on_progress: called with (done, all).

    Returns:
        The stages, that with most failures first.
    """
    wrong = [item for item in report["items"] if went_wrong(item)]
    found: dict[str, list[tuple[Mapping[str, Any], Diagnosis]]] = {}
    for done, item in enumerate(wrong, 1):
        diagnosis = _diagnosed(item, stack, principals)
        found.setdefault(diagnosis.stage, []).append((item, diagnosis))
        if on_progress:
            on_progress(done, len(wrong))
    groups = [_grouped(stage, cases) for stage, cases in found.items()]
    return sorted(groups, key=lambda group: -len(group.questions))


def _diagnosed(item: Mapping[str, Any], stack: RetrievalAugmented, principals: Sequence[str] | None) -> Diagnosis:
    if "error" in item:
        return Diagnosis("error", str(item["error"]), tr("Run it again: only what failed is asked."))
    golds = [[*map(plain, parts_of(str(g)))] for g in item.get("gold") or () if not str(g).startswith(REGEX)]
    if not item.get("gold"):
        reason = tr("No document says it, and yet it was answered.")
        return Diagnosis("answered", reason, tr("In the stack: a higher min_relevance, or strict: true."))
    if uris := [uri for uri in str(item.get("uri") or "").split("|") if uri]:
        golds.append(uris)
    if not golds:
        return Diagnosis("gold", tr("The gold answer is a pattern."), tr("Give the question its uri."))
    reply = _reply(item)

    def found(expect: str) -> Diagnosis:
        return diagnose(stack, str(item["question"]), expect, principals=principals, reply=reply)

    def stage(diagnosis: Diagnosis) -> int:
        return STAGES.index(diagnosis.stage)

    # Of several ways to say it, and the document, the one that came furthest; of what is needed together, the least.
    best = max((min(map(found, together), key=stage) for together in golds), key=stage)
    if best.stage != "none":
        return best  # "none" means cited, and yet not right
    reason = tr("It was cited, but the answer is not the gold answer.")
    return Diagnosis("model", reason, tr("Look at both: is the gold answer right?"), uri=best.uri)


def _reply(item: Mapping[str, Any]) -> AIMessage:
    """The answer of a report as the stack gave it."""

    def places(name: str) -> list[dict[str, Any]]:
        matches = (re.match(PLACE, str(line)) for line in item.get(name) or ())
        return [
            {"n": int(m["n"]), "uri": m["uri"], "start": int(m["start"]), "end": int(m["end"]), "support": 1.0}
            for m in matches
            if m
        ]

    own = {"abstained": bool(item.get("abstained")), "citations": places("sources"), "hits": places("retrieved")}
    return with_nacre(AIMessage(str(item.get("answer", ""))), **own)


def _grouped(stage: str, cases: Sequence[tuple[Mapping[str, Any], Diagnosis]]) -> Failures:
    settings = [diagnosis.setting for _, diagnosis in cases if diagnosis.setting]
    names = dict.fromkeys(name for setting in settings for name in setting)
    values = {name: [setting[name] for setting in settings if name in setting] for name in names}
    setting = {name: _enough(name, found) for name, found in values.items()}
    cures = [diagnosis.cure for _, diagnosis in cases]
    cure = next((d.cure for _, d in cases if d.setting and d.setting == setting), max(cures, key=cures.count))
    rows = tuple((str(i["id"]), str(i.get("question", "")), d.reason) for i, d in cases)
    return Failures(stage, cure, setting, rows)


def _enough(name: str, values: Sequence[Any]) -> Any:
    """The value that suffices for all: the largest, and of a threshold the least."""
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return values[0]
    return min(values) if name.startswith("min_") else max(values)
