"""Every message of the code has a Chinese twin in the catalogue, with the same slots; a value is never a template."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from nacre.text.language import listed, tr

_SPEC = importlib.util.spec_from_file_location("messages", Path(__file__).parents[2] / "scripts" / "messages.py")
assert _SPEC and _SPEC.loader
catalogue = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(catalogue)


def test_every_message_is_translated_with_the_values_it_is_given() -> None:
    assert not list(catalogue.complaints())
    assert len(catalogue.chinese()) > 500


def test_what_is_missing_stale_or_does_not_fit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "chinese", lambda: {"{a} is here": "{b} 在此", "gone": "已无"})
    said = [("f.py:1", "{a} is here", {"a"}), ("f.py:2", "new", set()), ("f.py:3", "", set())]
    monkeypatch.setattr(catalogue, "messages", lambda: iter(said))
    told = "\n".join(catalogue.complaints())
    assert "f.py:1: slots" in told and "f.py:2: no Chinese" in told and "f.py:3: a message is one literal" in told
    assert "nothing says 'gone'" in told


def test_a_value_is_never_a_template(monkeypatch: pytest.MonkeyPatch) -> None:
    said = tr("{name} is not known", name="{name.__class__} {0} {")
    assert said == "{name.__class__} {0} { is not known"
    assert tr("braces {stay} without values") == "braces {stay} without values"
    assert listed(["a", 1]) == "a, 1"
    monkeypatch.setenv("NACRE_LANG", "zh")
    assert listed(["a", 1]) == "a、1"
