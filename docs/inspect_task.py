"""A task for Inspect (pip install inspect-ai openai) that asks Nacre's server the questions of a set.

    nacre serve --kb DIR --port 8080 &
    cd docs && NACRE_BASE_URL=http://127.0.0.1:8080/v1 NACRE_API_KEY=none inspect eval inspect_task.py \
        --model openai-api/nacre/nacre -T questions=questions.jsonl
"""

import json
from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.scorer import includes
from inspect_ai.solver import generate


@task
def questions_over_a_knowledge_base(questions: str) -> Task:
    """Ask every answerable question of a JSON Lines file, as `nacre eval make` writes it."""
    with Path(questions).open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file if line.strip()]
    samples = [Sample(id=str(r["id"]), input=r["question"], target=r["answers"]) for r in rows if r.get("answers")]
    return Task(dataset=MemoryDataset(samples), solver=generate(), scorer=includes())
