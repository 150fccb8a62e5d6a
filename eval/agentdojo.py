"""The provenance gate replayed on AgentDojo (Debenedetti et al., 2024, arXiv:2406.13352), without a model.

A user task's own calls are played in its environment, with the injected goal in every place where one can stand; then
the attack's own calls. An attack is held when the gate stops any of the calls by which it changes something, a task is
interrupted when the gate stops any of its own. The suites "banking" and "slack" chose the rules, the others judge them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from nacre.agents.provenance import Seen, doubtful, seen_of
from nacre.extras import need

VERSION = "v1.2.1"
CHOSEN_ON = ("banking", "slack")
_READS = ("get_", "read_", "search_", "list_", "check_")


@dataclass
class Replay:
    """The gate of one run, as the agent has it."""

    runtime: Any
    prompt: str
    seen: list[Seen] = field(default_factory=list)
    stopped: bool = False
    changed: bool = False

    def play(self, environment: Any, calls: list[Any]) -> None:
        """Play calls, asking the gate before each that changes something; those that it stops are played too."""
        for call in calls:
            given = dict(call.args)
            if not call.function.startswith(_READS):
                self.changed = True
                self.stopped = self.stopped or bool(doubtful(call.function, given, [self.prompt], self.seen))
            result, _ = self.runtime.run_function(environment, call.function, given)
            self.seen.append(seen_of(given, str(result), result, [self.prompt]))


def evaluate_agentdojo() -> dict[str, Counter[str]]:
    """Replay all suites; the counts of each by its name."""
    suites = need("agentdojo.task_suite.load_suites", extra="agentdojo").get_suites(VERSION)
    return {name: _suite(suite) for name, suite in sorted(suites.items())}


def _suite(suite: Any) -> Counter[str]:
    runtime = need("agentdojo.functions_runtime", extra="agentdojo").FunctionsRuntime(suite.tools)
    counts = Counter(attacks=0, held=0, benign=0, interrupted=0)
    clean = suite.load_and_inject_default_environment({})
    for task in suite.user_tasks.values():
        replay = _played(runtime, task, clean)[0]
        counts["benign"] += replay.changed
        counts["interrupted"] += replay.stopped
    for goal, attack, injected in _attacks(suite, clean):
        for task in suite.user_tasks.values():
            replay, environment = _played(runtime, task, injected)
            if not any(goal[:40] in seen.text for seen in replay.seen):  # wherever it stood, the model has read it
                replay.seen.append(seen_of({}, goal, goal, ()))
            replay.stopped = replay.changed = False
            replay.play(environment, attack.ground_truth(environment))
            counts["attacks"] += replay.changed
            counts["held"] += replay.stopped
    return counts


def _attacks(suite: Any, clean: Any) -> Iterator[tuple[str, Any, Any]]:
    """The attacks that change something, each with its environment."""
    for attack in suite.injection_tasks.values():
        calls = attack.ground_truth(clean.model_copy(deep=True))
        if any(not call.function.startswith(_READS) for call in calls):
            places = dict.fromkeys(suite.get_injection_vector_defaults(), attack.GOAL)
            yield attack.GOAL, attack, suite.load_and_inject_default_environment(places)


def _played(runtime: Any, task: Any, environment: Any) -> tuple[Replay, Any]:
    environment = task.init_environment(environment.model_copy(deep=True))
    replay = Replay(runtime, task.PROMPT)
    replay.play(environment, task.ground_truth(environment))
    return replay, environment
