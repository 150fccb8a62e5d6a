"""A language model as judge: helpful, honest, harmless, faithful, correct, and which of two answers is better.

Such scores come after the deterministic ones. Each report names the judge, the versions of its prompts and, where there
are labels, how far the judge agrees with people. A judge that fails or answers prose gives no score: never a 0.
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, Unpack

from langchain_core.language_models import BaseChatModel

from nacre import prompts
from nacre.errors import EvaluationError, PromptError
from nacre.eval.answers import usage
from nacre.eval.datasets import objects
from nacre.eval.gate import paired
from nacre.eval.items import Item
from nacre.eval.report import Report, percentile
from nacre.eval.running import Run, Suite, carry_out, counted
from nacre.stack import explain
from nacre.text.language import language_of, listed, tr
from nacre.text.lenient_json import last_object
from nacre.text.messages import Source, render_sources, text_of

CRITERIA = ("helpful", "honest", "harmless", "faithful")
_GOOD = 0.5  # a score above counts as a yes where labels are yes or no
_LABELS = {1: True, 0: False, "1": True, "0": False, "yes": True, "no": False}
_DRAWS = 1000
Judged = tuple[Mapping[str, Any], str]  # a row, and the criterion by which it is judged


def known_criteria() -> list[str]:
    """The criteria that there are: our prompts and those of a folder of one's own, `judge/NAME.en.yaml`."""
    names = (id.removeprefix("judge/") for id in prompts.prompt_ids() if id.startswith("judge/"))
    return [name for name in names if name != "pairwise"]


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
        items: each with `question`, `answer`, and where known `shown` or `sources` (texts), `gold` (texts; for
            `correct`) and `labels` ({criterion: 0 or 1}).
        model: the judge.
        criteria: some of `known_criteria()`.
        name: of what is judged, for the report.
        **run: how it is carried out, as in `Run`.

    Returns:
        The report: a mean from 0 to 1 for each criterion; `unjudged`, how often the judge gave no score, and `prose`,
        how often of these it did reply, but without a score on the scale; with labels `agreement` (share) and `kappa`
        (Cohen, 1960) by criterion, with an interval.

    Raises:
        EvaluationError: there is nothing to judge, a criterion is unknown, or a label is none.
    """
    known = known_criteria()
    if unknown := [name for name in criteria if name not in known]:
        told = tr("Unknown criteria {unknown}; there are {criteria}.", unknown=listed(unknown), criteria=listed(known))
        raise EvaluationError(told)
    rows = [{"id": str(n), **item} for n, item in enumerate(items, 1) if item.get("answer") and item.get("question")]
    rows = rows[: run.pop("limit", None)]
    if not rows:
        raise EvaluationError(tr("There is no answer to judge."))
    _check_labels(rows)
    tasks = [(row, each) for row in rows for each in criteria if each != "correct" or "gold" in row]
    versions = {criterion: prompts.version(f"judge/{criterion}") for criterion in criteria}

    def figures(found: Sequence[Item]) -> dict[str, Any]:
        missing = sum(criterion in item and item[criterion] is None for item in found for criterion in criteria)
        failed = sum(f"{criterion} error" in item for item in found for criterion in criteria)
        spent = [item.get(f"{each} tokens", (0, 0)) for item in found for each in criteria]
        tokens = [{"tokens_in": read, "tokens_out": written} for read, written in spent if read or written]
        costs = counted(tokens, "verdicts", run.get("price")) if tokens else {}
        costs = {name: value for name, value in costs.items() if name in ("tokens_in", "tokens_out", "cost")}
        return {"unjudged": missing, "prose": missing - failed, **costs, **_agreements(found, criteria)}

    suite = Suite[Judged](
        "judge",
        criteria,
        tasks,
        lambda task: _verdict(model, task),
        {"data": name, "judge": explain(model)["model"], **_prompts_of(criteria)},
        name_of=lambda task: f"{task[0]['id']} {task[1]}",
        figures=figures,
        items=_scored,
        asked=lambda task: f"{task[1]} {versions[task[1]]} {sorted(_slots(task[0]).items())}",
        depends=explain(model)["model"],
    )
    return carry_out(suite, **run)


def _prompts_of(criteria: Sequence[str]) -> dict[str, Any]:
    """The versions of the prompts, and fingerprints of their texts."""
    texts = {criterion: prompts.version(f"judge/{criterion}") for criterion in criteria}
    return {"prompts": {name: int(text.split()[0][1:]) for name, text in texts.items()}, "prompt texts": texts}


def _check_labels(rows: Sequence[Mapping[str, Any]]) -> None:
    known = known_criteria()
    for id, name, value in ((row["id"], *label) for row in rows for label in (row.get("labels") or {}).items()):
        if name not in known:
            near = next(iter(difflib.get_close_matches(str(name), known, n=1)), known[0])
            told = tr("{id}: there is no criterion {name!r}. Did you mean {near!r}?", id=id, name=name, near=near)
            raise EvaluationError(told)
        if not isinstance(value, str | int) or _folded(value) not in _LABELS:
            told = tr("{id}: the label {name} is {value!r}; write 1 or 0.", id=id, name=name, value=value)
            raise EvaluationError(told)


def _slots(row: Mapping[str, Any]) -> dict[str, str]:
    """What a prompt of a judge may name."""
    gold = row.get("gold")
    refuse = tr("(none: the sources do not hold it, and saying so is right)")
    return {
        "sources": _sources(_shown(row)),
        "question": str(row["question"]),
        "answer": str(row["answer"]),
        "gold": " / ".join(map(str, gold)) if gold else refuse,
    }


def _verdict(model: BaseChatModel, task: Judged) -> Item:
    row, criterion = task
    prompt = _prompt(f"judge/{criterion}", str(row["question"]))
    slots = {name: text for name, text in _slots(row).items() if name in prompt.variables}
    try:
        reply = model.invoke(prompt.render(**slots))
    except Exception as error:  # a judge that cannot be reached leaves the score open and the answer as it is
        return {"failed": f"{type(error).__name__}: {error}", "incomplete": True}
    told = last_object(text_of(reply))
    score = score_of(told)
    reason = str(told.get("reason", text_of(reply)[:200]))
    return {"score": score, "reason": reason, "incomplete": score is None, **usage(reply)}


def _scored(task: Judged, reply: Item) -> list[Item]:
    row, criterion = task
    kept = {name: row[name] for name in ("question", "answer", "gold", "group", "must") if name in row}
    item = {"id": row["id"], **kept, "labels": row.get("labels") or {}, criterion: reply.get("score")}
    if failed := reply.get("failed") or reply.get("error"):
        return [{**item, f"{criterion} error": failed}]
    tokens = (reply.get("tokens_in", 0), reply.get("tokens_out", 0))
    return [{**item, f"{criterion} reason": reply.get("reason", ""), f"{criterion} tokens": tokens}]


def _prompt(id: str, question: str) -> prompts.Prompt:
    """A prompt in the language of the question, or where it has only one in that."""
    language = language_of(question)
    try:
        return prompts.load(id, language)
    except PromptError:
        return prompts.load(id, "zh" if language == "en" else "en")


def score_of(told: Mapping[str, Any]) -> float | None:
    """A judge's score, told from 1 to 5, on the scale from 0 to 1; None when there is none on the scale."""
    raw = told.get("score")
    try:
        score = float(raw) if isinstance(raw, int | float | str) and not isinstance(raw, bool) else None
    except ValueError:
        return None
    return (score - 1) / 4 if score is not None and 1 <= score <= 5 else None


def _votes(model: BaseChatModel, question: str, answers: tuple[str, str], sources: Sequence[str]) -> list[float | None]:
    """What the judge says in each order, since they favour a place (Zheng et al., 2023); the sources are the same."""
    votes: list[float | None] = []
    for (first, second), worth in ((answers, {"A": 0.0, "B": 1.0}), (answers[::-1], {"A": 1.0, "B": 0.0})):
        prompt = prompts.load("judge/pairwise", language_of(question)).render(
            sources=_sources(sources), question=question, first=first, second=second
        )
        winner = str(last_object(text_of(model.invoke(prompt))).get("winner", "")).strip()
        votes.append(0.5 if winner.casefold() == "tie" else worth.get(winner.upper()))
        if votes[-1] is None:
            return [None]
    return votes


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
        The report: `preferred`, from 0 (always the first run) over 0.5 to 1 (always the second); `inconsistent`, how
        often the judge said another thing in the other order.

    Raises:
        EvaluationError: the runs share no answered question.
    """
    found = paired(before, after).pairs
    pairs = [(id, old, new) for id, (old, new) in found.items() if old.get("answer") and new.get("answer")]
    if not pairs:
        raise EvaluationError(tr("The two runs share no answered question."))

    def ask(pair: Pair) -> Item:
        _, first, second = pair
        if first["answer"] == second["answer"]:
            return {"votes": [0.5, 0.5]}
        answers = str(first["answer"]), str(second["answer"])
        votes = _votes(model, str(second["question"]), answers, _both_shown(pair))
        return {"votes": votes, "incomplete": None in votes}

    def items(pair: Pair, reply: Item) -> list[Item]:
        id, first, second = pair
        item = {"id": id, "question": second["question"], "before": first["answer"], "after": second["answer"]}
        votes = reply.get("votes") or [None]
        if None in votes:
            failed = {"preferred error": reply["error"]} if "error" in reply else {}
            return [{**item, "preferred": None, "inconsistent": None, **failed}]
        agreed = votes[0] == votes[1]
        return [{**item, "preferred": votes[0] if agreed else 0.5, "inconsistent": float(not agreed)}]

    suite = Suite[Pair](
        "judge-pairs",
        ("preferred", "inconsistent"),
        pairs,
        ask,
        {"judge": explain(model)["model"], **_prompts_of(["pairwise"])},
        name_of=itemgetter(0),
        figures=lambda items: {"unjudged": sum(item.get("preferred") is None for item in items)},
        items=items,
        asked=lambda pair: str((pair[2]["question"], pair[1]["answer"], pair[2]["answer"], _both_shown(pair))),
    )
    return carry_out(suite, **run)


Pair = tuple[str, Mapping[str, Any], Mapping[str, Any]]


def _both_shown(pair: Pair) -> list[str]:
    """What either run was shown: an answer must not win for being judged with better sources."""
    return list(dict.fromkeys([*_shown(pair[1]), *_shown(pair[2])]))


def load_labelled(path: Path) -> list[dict[str, Any]]:
    """Read answers that people have judged."""
    return [{**row, "id": id} for id, row in objects(path)[0]]


def kappa(said: Sequence[bool], labelled: Sequence[bool]) -> float | None:
    """Agreement beyond chance (Cohen, 1960): 1 for full agreement; None when both always say the same one thing."""
    n = len(said)
    agreed = sum(a == b for a, b in zip(said, labelled, strict=True)) / n
    yes, wanted = sum(said) / n, sum(labelled) / n
    chance = yes * wanted + (1 - yes) * (1 - wanted)
    return None if chance == 1 else (agreed - chance) / (1 - chance)


def _agreements(items: Sequence[Item], criteria: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for criterion in criteria:
        pairs = [
            (item[criterion] > _GOOD, _LABELS[_folded(item["labels"][criterion])])
            for item in items
            if item.get(criterion) is not None and criterion in item.get("labels", {})
        ]
        if pairs:
            value = kappa(*map(list, zip(*pairs, strict=True)))
            found[f"{criterion}_agreement"] = round(sum(a == b for a, b in pairs) / len(pairs), 4)
            found[f"{criterion}_kappa"] = None if value is None else round(value, 4)
            found[f"{criterion}_kappa_interval"] = _kappa_interval(pairs)
    return found


def _folded(label: Any) -> Any:
    return label.casefold() if isinstance(label, str) else label


def _kappa_interval(pairs: Sequence[tuple[bool, bool]]) -> list[float] | None:
    """The bootstrap 95 % interval, over draws that have a kappa."""
    dice = random.Random(_DRAWS)
    draws = (dice.choices(pairs, k=len(pairs)) for _ in range(_DRAWS))
    values = sorted(v for draw in draws if (v := kappa(*map(list, zip(*draw, strict=True)))) is not None)
    return [round(percentile(values, share), 4) for share in (0.025, 0.975)] if values else None


def _shown(row: Mapping[str, Any]) -> list[str]:
    """What the model was shown; where a report does not say so, what it cited."""
    return [str(text) for text in row.get("shown") or row.get("sources") or ()]


def _sources(texts: Sequence[str]) -> str:
    return render_sources([Source(n, text) for n, text in enumerate(texts, 1)]) if texts else tr("(no sources)")
