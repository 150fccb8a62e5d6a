"""Every example in the READMEs, the documentation and the docstrings runs as it is written."""

from __future__ import annotations

import doctest
import importlib
import re
import shlex
import shutil
from pathlib import Path
from textwrap import dedent

import pytest

from nacre.cli import run

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("README*.md"), *ROOT.glob("CONTRIBUTING*.md"), *(ROOT / "docs").glob("*.md")])
# ```python is run; an example that needs a key, a server or a package of its own is fenced ```py.
_BLOCK = re.compile(r"^ *```(python|sh)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str]]:
    return [(kind, dedent(code)) for kind, code in _BLOCK.findall(page.read_text("utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_a_page(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copytree(ROOT / "eval" / "sample_kb" / "documents", tmp_path / "eval" / "sample_kb" / "documents")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("builtins.input", lambda prompt="": "")
    names: dict[str, object] = {"__name__": "__main__"}
    for kind, code in blocks(page):
        if kind == "python":
            exec(compile(code, str(page), "exec"), names)
            continue
        for line in code.splitlines():
            if line.startswith("nacre ") and page.name.startswith("README"):
                assert run(shlex.split(line)[1:]) == 0, capsys.readouterr().err
                if line.startswith("nacre ask"):  # a newcomer's first question is answered, and with its source
                    assert "[1]" in capsys.readouterr().out


def modules_with_examples() -> list[str]:
    roots = {"nacre": "src/nacre", "nacre.connectors": "connectors", "nacre.prompts": "prompts", "nacre.eval": "eval"}
    found = []
    for name, folder in roots.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            if ">>> " in file.read_text("utf-8"):
                found.append(
                    ".".join([name, *file.relative_to(ROOT / folder).with_suffix("").parts]).removesuffix(".__init__")
                )
    return found


@pytest.mark.parametrize("module", modules_with_examples())
def test_docstring_examples(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(
        importlib.import_module(module), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    assert not result.failed
