"""One sandbox for all tests of this folder; machines without what it needs skip them, saying so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nacre.errors import SandboxUnavailableError
from nacre.reasoning.sandbox import PythonInterpreter


@pytest.fixture(scope="session")
def python() -> Iterator[PythonInterpreter]:
    with PythonInterpreter(level="full") as interpreter:
        try:
            interpreter.start()
        except SandboxUnavailableError as error:
            pytest.skip(str(error))
        yield interpreter
