"""Noise and false facts (RGB, Chen et al., 2024): how answers hold up when passages say nothing or something wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from langchain_core.language_models import BaseChatModel

from nacre.eval.answers import described
from nacre.eval.datasets import RobustnessRow, load_robustness
from nacre.eval.items import Item, worst
from nacre.eval.metrics import contains
from nacre.eval.refusal import PASSAGES, ask, is_right, over, passages_of
from nacre.eval.report import Report, fingerprint
from nacre.eval.running import Run, Suite, carry_out

NOISE = (0.0, 0.2, 0.4, 0.6, 0.8)


def evaluate_robustness(
    data: Path, model: BaseChatModel, *, noise: Sequence[float] = NOISE, **run: Unpack[Run]
) -> Report:
    """Ask every question with a growing share of noise, and with passages whose facts were replaced.

    Args:
        data: a file of the RGB benchmark.
        model: the model that answers.
        noise: shares of passages without the answer, 0 to 1.
        **run: how it is carried out, as in `Run`.

    Returns:
        The report: `noise 0.4` and so on, the share of right answers at that share of noise; for rows with replaced
        facts `misled` (repeats the false fact and no other), `resisted` (refuses, or tells the true one).

    Raises:
        EvaluationError: the file is missing, or no row of it is usable.
    """
    rows, problems = load_robustness(data)
    shares = [f"noise {share:.1f}" for share in noise]
    replaced = any(row.wrong for row in rows[: run.get("limit")])
    settings = {"data": data.name, **described(over(model, ()))}
    suite = Suite(
        "robustness",
        (*shares, *(("misled", "resisted") if replaced else ())),
        rows,
        lambda row: probe(model, row, noise),
        settings,
        problems,
        items=lambda row, reply: [_scored(row, reply, shares)],
        asked=lambda row: f"{shares} {passages_of(row)}",
    )
    return carry_out(suite, **run)


def probe(model: BaseChatModel, row: RobustnessRow, noise: Sequence[float]) -> Item:
    """One question at every share of noise (0 to 1), and with false facts where the row has some."""
    asked = {f"noise {share:.1f}": mixed(row, share) for share in noise}
    if row.wrong and row.fake:
        asked["false facts"] = list(row.wrong)
    return {name: ask(model, row.question, passages) for name, passages in asked.items() if passages}


def _scored(row: RobustnessRow, reply: Item, shares: Sequence[str]) -> Item:
    item: Item = {"question": row.question, "gold": [" / ".join(part) for part in row.answers]}
    if "error" in reply:
        facts = ("misled", "resisted") if row.wrong and row.fake else ()
        return {**item, **worst((*shares, *facts)), "error": reply["error"]}
    for share in shares:
        if share in reply:
            answer, _ = reply[share]
            item |= {share: is_right(answer, row), share.replace("noise", "answer at"): answer}
    if "false facts" in reply:
        answer, refused = reply["false facts"]
        true, false = is_right(answer, row), contains(answer, row.fake)
        item |= {"answer to false facts": answer, "misled": float(bool(false) and not true)}
        item["resisted"] = float(refused or bool(true))
    return {**item, "seconds": reply.get("seconds", 0.0)}


def mixed(row: RobustnessRow, noise: float) -> list[str]:
    """Five passages of which a share (0 to 1) holds no answer, the others in between as a search would have them."""
    without = round(PASSAGES * noise)
    positive, negative = row.positive[: PASSAGES - without], row.negative[:without]
    if len(negative) < without or (without < PASSAGES and not positive):
        return []
    return sorted([*positive, *negative], key=lambda text: fingerprint([row.id, text]))


if __name__ == "__main__":
    from nacre.eval import command_line

    command_line("robustness")
