"""The sample knowledge base: where it is, its questions, and the suite over both."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Unpack

from langchain_core.language_models import BaseChatModel

from nacre.eval.answers import ask_all
from nacre.eval.datasets import load_questions
from nacre.eval.report import Report
from nacre.eval.running import Run
from nacre.retrieval.knowledge_base import KnowledgeBase


@contextmanager
def sample_folder() -> Iterator[Path]:
    """The folder of the sample: `documents/` and `questions.jsonl`."""
    with as_file(files("nacre.eval") / "sample_kb") as folder:
        yield folder


def evaluate_sample(model: BaseChatModel, **run: Unpack[Run]) -> Report:
    """Index the sample documents and ask their questions.

    Args:
        model: the model that answers.
        **run: how it is carried out, as in `Run`.

    Returns:
        The report of the answers suite, with `refusal_recall` over the unanswerable questions.
    """
    with sample_folder() as folder, tempfile.TemporaryDirectory(prefix="nacre-eval-") as temporary:
        questions, problems = load_questions(folder / "questions.jsonl")
        base = KnowledgeBase.open(Path(temporary) / "kb")
        base.sync(str(folder / "documents"))
        return ask_all(base, model, questions, problems, "sample", **run)


if __name__ == "__main__":
    from nacre.eval import command_line

    command_line("sample")
