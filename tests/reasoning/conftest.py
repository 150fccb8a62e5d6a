"""One sandbox for all tests of this folder; machines without what it needs skip them, saying so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nacre.errors import SandboxUnavailableError
from nacre.reasoning.sandbox import PythonInterpreter
from nacre.reasoning.sandbox.limits import LEVELS


@pytest.fixture(scope="session")
def python() -> Iterator[PythonInterpreter]:
    with PythonInterpreter(level="full") as interpreter:
        try:
            interpreter.start()
        except SandboxUnavailableError as error:
            pytest.skip(str(error))
        yield interpreter


@pytest.fixture(scope="module", params=LEVELS)
def level(request: pytest.FixtureRequest, python: PythonInterpreter) -> Iterator[PythonInterpreter]:
    """One sandbox of each level."""
    if request.param == "full":
        yield python
        return
    with PythonInterpreter(level=request.param) as weaker:
        yield weaker
