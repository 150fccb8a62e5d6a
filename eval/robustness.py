"""Noise and false facts (RGB, Chen et al., 2024): how answers hold up when passages say nothing or something wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from nacre.eval.answers import described
from nacre.eval.datasets import RobustnessRow, load_robustness
from nacre.eval.metrics import contains
from nacre.eval.refusal import PASSAGES, ask, over
from nacre.eval.report import Item, Report, fingerprint
from nacre.eval.running import Run, Suite, carry_out

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

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
    metrics = [f"noise {share:.1f}" for share in noise]
    if any(row.wrong for row in rows[: run.get("limit")]):
        metrics += ["misled", "resisted"]
    settings = {"data": data.name, **described(over(model, ()))}
    suite = Suite("robustness", metrics, rows, lambda row: probe(model, row, noise), settings, problems)
    return carry_out(suite, **run)


def probe(model: BaseChatModel, row: RobustnessRow, noise: Sequence[float]) -> Item:
    """One question at every share of noise, and with false facts where the row has some.

    Args:
        noise: shares, 0 to 1.
    """
    item: Item = {"question": row.question, "gold": [" / ".join(part) for part in row.answers]}
    for share in noise:
        passages = mixed(row, share)
        if passages:
            answer, _ = ask(model, row.question, passages)
            item |= {f"noise {share:.1f}": float(all(contains(answer, part) for part in row.answers))}
            item |= {f"answer at {share:.1f}": answer}
    if row.wrong and row.fake:
        answer, refused = ask(model, row.question, row.wrong)
        true, false = all(contains(answer, part) for part in row.answers), contains(answer, row.fake)
        item |= {"answer to false facts": answer, "misled": float(bool(false) and not true)}
        item["resisted"] = float(refused or true)
    return item


def mixed(row: RobustnessRow, noise: float) -> list[str]:
    """Five passages of which a share holds no answer, the others in between as a search would have them.

    Args:
        noise: 0 to 1.
    """
    without = round(PASSAGES * noise)
    positive, negative = row.positive[: PASSAGES - without], row.negative[:without]
    if len(negative) < without or (without < PASSAGES and not positive):
        return []
    return sorted([*positive, *negative], key=lambda text: fingerprint([row.id, text]))


if __name__ == "__main__":
    from nacre.eval import command_line

    command_line("robustness")
