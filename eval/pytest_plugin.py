"""For pytest: the fixture `nacre_eval`, and one test a question by `@pytest.mark.nacre_questions("questions.jsonl")`.

::

    @pytest.mark.nacre_questions("questions.jsonl")
    def test_answers(question, nacre_eval):
        nacre_eval(my_application, [question], contains=1)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "nacre_questions(path): one test for each question of a file")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test with the marker each question, as `question`."""
    marker = metafunc.definition.get_closest_marker("nacre_questions")
    if marker and "question" in metafunc.fixturenames:
        from nacre.eval.questions import as_questions

        path = Path(marker.args[0])
        questions = as_questions(path if path.is_absolute() else metafunc.definition.path.parent / path)
        metafunc.parametrize("question", questions, ids=[question.id for question in questions])


@pytest.fixture
def nacre_eval() -> Any:
    """`nacre.eval.assert_answers`: asks, and fails where a figure is too low."""
    from nacre.eval.answers import assert_answers

    return assert_answers
