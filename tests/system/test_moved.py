"""Names of modules of 0.1 import the modules of today, and say so."""

from __future__ import annotations

import importlib
import sys

import pytest

import nacre  # noqa: F401 - it lets old names be found
from nacre.system.moved import _MOVED


@pytest.mark.parametrize(
    ("old", "new"), [*_MOVED.items(), ("nacre.retrieval.parsing.dispatch", "nacre.documents.dispatch")]
)
def test_an_old_name_is_the_new_module_and_warns(old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (old, old.rpartition(".")[0]):
        if name in _MOVED or name == old:
            monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.warns(DeprecationWarning, match=f"{new} since 0.2"):
        found = importlib.import_module(old)
    assert found is importlib.import_module(new) and found.__name__ == new


def test_what_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("nacre.never")
    with pytest.raises(ModuleNotFoundError, match=r"documents\.never"):
        importlib.import_module("nacre.retrieval.parsing.never")
