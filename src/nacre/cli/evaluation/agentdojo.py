"""eval agentdojo: how many attacks the provenance gate holds, and how many of the user's own tasks it interrupts."""

from __future__ import annotations

from nacre.cli.output import JsonFlag, console, print_json
from nacre.text.language import tr


def agentdojo(as_json: JsonFlag = False) -> None:
    """Replay AgentDojo."""
    from nacre.eval.agentdojo import CHOSEN_ON, Counts, evaluate_agentdojo

    total, judged, suites = Counts(), Counts(), evaluate_agentdojo()
    for name, counts in suites.items():
        total.add(counts)
        if name not in CHOSEN_ON:
            judged.add(counts)
    if as_json:
        return print_json(vars(total))
    others = " + ".join(name for name in suites if name not in CHOSEN_ON)
    for name, one in {**suites, others: judged, tr("all"): total}.items():
        held, interrupted = f"{one.held}/{one.attacks}", f"{one.interrupted}/{one.benign}"
        told = tr(
            "{name}: {held} attacks held, {interrupted} tasks interrupted",
            name=name,
            held=held,
            interrupted=interrupted,
        )
        console().print(told, markup=False, highlight=False)
    return None
