"""A language model as judge: helpful, honest, harmless, faithful, and which of two answers is better.

Such scores come after the deterministic ones. Each report names the judge, the versions of its prompts and, where there
are labels, how far the judge agrees with people. A judge that fails or answers prose gives no score: never a 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from nacre import prompts
from nacre.errors import EvaluationError
from nacre.eval.datasets import objects
from nacre.eval.report import Item, Report
from nacre.eval.running import Run, Suite, carry_out
from nacre.text.language import language_of, tr
from nacre.text.lenient_json import last_object
from nacre.text.messages import Source, render_sources, text_of

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

CRITERIA = ("helpful", "honest", "harmless", "faithful")
_GOOD = 0.5  # a score above counts as a yes where labels are yes or no


def judge_answers(
    items: Sequence[Mapping[str, Any]],
    model: BaseChatModel,
    *,
    criteria: Sequence[str] = CRITERIA,
    name: str = "",
    **run: Unpack[Run],
) -> Report:
    """Let a model judge answers.

    Args:
        items: each with `question`, `answer`, and where known `sources` (texts) and `labels` ({criterion: 0 or 1}).
        model: the judge.
        criteria: some of `CRITERIA`.
        name: of what is judged, for the report.
        **run: how it is carried out, as in `Run`.

    Returns:
        The report: a mean from 0 to 1 for each criterion; `unjudged`, how often the judge gave no score, and `prose`,
            how
        often of these it did reply, but without a score on the scale; with labels
        `agreement` (share) and `kappa` (Cohen, 1960) by criterion.

    Raises:
        EvaluationError: there is nothing to judge, or a criterion is unknown.
    """
    if unknown := set(criteria) - set(CRITERIA):
        raise EvaluationError(
            tr("Unknown criteria {unknown}; there are {criteria}.", unknown=sorted(unknown), criteria=CRITERIA)
        )
    rows = [{"id": str(n), **item} for n, item in enumerate(items, 1) if item.get("answer") and item.get("question")]
    if not rows:
        raise EvaluationError(tr("There is no answer to judge."))
    versions = {criterion: prompts.load(f"judge/{criterion}", "en").version for criterion in criteria}
    settings = {"data": name, "judge": _name(model), "prompts": versions}

    def judged(row: Mapping[str, Any]) -> Item:
        item: Item = {"question": row["question"], "answer": row["answer"], "labels": row.get("labels") or {}}
        for criterion in criteria:
            item |= _verdict(model, criterion, row)
        return item

    def figures(found: Sequence[Item]) -> dict[str, Any]:
        missing = sum(item.get(criterion) is None for item in found for criterion in criteria)
        failed = sum(f"{criterion} error" in item for item in found for criterion in criteria)
        return {"unjudged": missing, "prose": missing - failed, **_agreements(found, criteria)}

    return carry_out(Suite("judge", criteria, rows, judged, settings, name_of=_id, figures=figures), **run)


def _id(row: Mapping[str, Any]) -> str:
    return str(row["id"])


def _verdict(model: BaseChatModel, criterion: str, row: Mapping[str, Any]) -> Item:
    language = language_of(str(row["question"]))
    prompt = prompts.load(f"judge/{criterion}", language).render(
        sources=_sources(row), question=str(row["question"]), answer=str(row["answer"])
    )
    try:
        reply = text_of(model.invoke(prompt))
    except Exception as error:  # a judge that cannot be reached leaves the score open and the answer as it is
        return {criterion: None, f"{criterion} error": f"{type(error).__name__}: {error}"}
    told = last_object(reply)
    return {criterion: score_of(told), f"{criterion} reason": str(told.get("reason", reply[:200]))}


def score_of(told: Mapping[str, Any]) -> float | None:
    """A judge's score on the scale from 0 to 1.

    Args:
        told: the object that the judge wrote; `score` from 1 to 5.

    Returns:
        0 to 1; None when there is no score on the scale.
    """
    raw = told.get("score")
    try:
        score = float(raw) if isinstance(raw, int | float | str) and not isinstance(raw, bool) else None
    except ValueError:
        return None
    return (score - 1) / 4 if score is not None and 1 <= score <= 5 else None


def prefer(model: BaseChatModel, question: str, first: str, second: str, sources: Sequence[str] = ()) -> float | None:
    """Which of two answers is better, asked in both orders, since judges favour a place (Zheng et al., 2023).

    Returns:
        1 for the second, 0 for the first, 0.5 for a tie or when the order decided; None without a verdict.
    """
    language = language_of(question)
    votes = []
    for answers, worth in (((first, second), {"A": 0.0, "B": 1.0}), ((second, first), {"A": 1.0, "B": 0.0})):
        prompt = prompts.load("judge/pairwise", language).render(
            sources=_sources({"sources": sources}), question=question, first=answers[0], second=answers[1]
        )
        winner = str(last_object(text_of(model.invoke(prompt))).get("winner", "")).strip()
        if winner.casefold() != "tie" and winner.upper() not in worth:
            return None
        votes.append(worth.get(winner.upper(), 0.5))
    return votes[0] if votes[0] == votes[1] else 0.5


def judge_pairs(
    before: Mapping[str, Any], after: Mapping[str, Any], model: BaseChatModel, **run: Unpack[Run]
) -> Report:
    """Let a model say which of two runs answered better, question by question.

    Args:
        before: a report with answers.
        after: another.
        model: the judge.
        **run: how it is carried out, as in `Run`.

    Returns:
        The report: `preferred`, from 0 (always the first run) over 0.5 to 1 (always the second).

    Raises:
        EvaluationError: the runs share no answered question.
    """
    old = {str(item["id"]): item for item in before["items"]}
    pairs = [
        (old[str(i["id"])], i) for i in after["items"] if old.get(str(i["id"]), {}).get("answer") and i.get("answer")
    ]
    if not pairs:
        raise EvaluationError(tr("The two runs share no answered question."))

    def judged(pair: tuple[Item, Item]) -> Item:
        first, second = pair
        question, sources = str(second["question"]), second.get("sources") or ()
        preferred = (
            0.5
            if first["answer"] == second["answer"]
            else prefer(model, question, first["answer"], second["answer"], sources)
        )
        return {"question": question, "before": first["answer"], "after": second["answer"], "preferred": preferred}

    def figures(items: Sequence[Item]) -> dict[str, Any]:
        return {"unjudged": sum(item.get("preferred") is None for item in items)}

    settings = {"judge": _name(model), "prompts": {"pairwise": prompts.load("judge/pairwise", "en").version}}
    suite = Suite(
        "judge-pairs", ("preferred",), pairs, judged, settings, name_of=lambda pair: _id(pair[1]), figures=figures
    )
    return carry_out(suite, **run)


def load_labelled(path: Path) -> list[dict[str, Any]]:
    """Read answers that people have judged."""
    return [{**row, "id": id} for id, row in objects(path)[0]]


def kappa(said: Sequence[bool], labelled: Sequence[bool]) -> float:
    """Agreement beyond chance (Cohen, 1960).

    Returns:
        1 for full agreement, 0 for what chance gives; 1 when both always say the same one thing.
    """
    n = len(said)
    agreed = sum(a == b for a, b in zip(said, labelled, strict=True)) / n
    yes, wanted = sum(said) / n, sum(labelled) / n
    chance = yes * wanted + (1 - yes) * (1 - wanted)
    return 1.0 if chance == 1 else (agreed - chance) / (1 - chance)


def _agreements(items: Sequence[Item], criteria: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for criterion in criteria:
        pairs = [
            (item[criterion] > _GOOD, bool(item["labels"][criterion]))
            for item in items
            if item.get(criterion) is not None and criterion in item.get("labels", {})
        ]
        if pairs:
            said, labelled = [a for a, _ in pairs], [b for _, b in pairs]
            found[f"{criterion}_agreement"] = round(sum(a == b for a, b in pairs) / len(pairs), 4)
            found[f"{criterion}_kappa"] = round(kappa(said, labelled), 4)
    return found


def _sources(row: Mapping[str, Any]) -> str:
    texts = [str(text) for text in row.get("sources") or ()]
    return render_sources([Source(n, text) for n, text in enumerate(texts, 1)]) if texts else tr("(no sources)")


def _name(model: BaseChatModel) -> Any:
    from nacre.stack import explain

    return explain(model)["model"]
