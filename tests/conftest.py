"""What all tests share: a language, a place for measuring data, and no traces outside the test's own folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run: a red test is somebody's change, never the dice. HYPOTHESIS_PROFILE=explore throws them.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages are English unless a test says otherwise; keys of the person who runs the tests are not used."""
    monkeypatch.setenv("NACRE_LANG", "en")
    for name in list(os.environ):
        if name.endswith("_API_KEY") or name in ("OPENAI_BASE_URL", "NACRE_MODEL", "OPENAI_MODEL"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Public measuring data (see docs/evaluation.md); tests that need it skip where it is not."""
    folder = Path(os.environ.get("NACRE_SHARED") or Path(__file__).parents[2] / "shared") / "data"
    if not folder.is_dir():
        pytest.skip(f"no measuring data in {folder}; set NACRE_SHARED")
    return folder
