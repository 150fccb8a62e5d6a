"""The Chinese edition of the documentation says what the English one says: the same parts, code, names, figures and
pictures.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(page.name for page in DOCS.glob("*.md") if page.name != "benchmarks.md")  # that one is figures
_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def both(name: str) -> tuple[str, str]:
    return (DOCS / name).read_text("utf-8"), (DOCS / "zh" / name).read_text("utf-8")


def prose(text: str) -> str:
    return _CODE.sub("", text)


def test_every_page_has_a_chinese_edition_and_no_chinese_page_stands_alone() -> None:
    assert sorted(page.name for page in (DOCS / "zh").glob("*.md")) == PAGES


@pytest.mark.parametrize("name", PAGES)
def test_both_editions_have_the_same_parts_and_code(name: str) -> None:
    english, chinese = both(name)
    assert _CODE.findall(chinese) == _CODE.findall(english)
    levels = [re.findall(r"^(#+) ", prose(text), re.MULTILINE) for text in (english, chinese)]
    assert levels[0] == levels[1]
    rows = [len(re.findall(r"^\|", prose(text), re.MULTILINE)) for text in (english, chinese)]
    assert rows[0] == rows[1]


def test_both_editions_of_contributing_have_the_same_parts_and_code() -> None:
    english, chinese = ((ROOT / f"CONTRIBUTING{part}.md").read_text("utf-8") for part in ("", ".zh"))
    code = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
    assert code.findall(chinese) == code.findall(english)
    levels = [re.findall(r"^(#+|\d+\.) ", code.sub("", text), re.MULTILINE) for text in (english, chinese)]
    assert levels[0] == levels[1]


@pytest.mark.parametrize("name", PAGES)
def test_both_editions_name_the_same_things_and_figures(name: str) -> None:
    english, chinese = map(prose, both(name))
    for what in (r"`[^`\n]+`", r"(?<![\w.])\d[\d,.]*\d"):
        found = [set(re.findall(what, text, re.ASCII)) for text in (english, chinese)]
        assert found[0] == found[1], found[0] ^ found[1]


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *DOCS.rglob("*.md")], ids=lambda p: f"{p.parent.name}/{p.name}")
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#\s]+)", prose(page.read_text("utf-8"))):
        assert "://" in link or (page.parent / link).exists(), link


@pytest.mark.parametrize(
    "page", [*DOCS.glob("*.md"), *(DOCS / "zh").glob("*.md")], ids=lambda p: f"{p.parent.name}/{p.name}"
)
def test_every_test_that_a_promise_names_exists(page: Path) -> None:
    for file, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page.read_text("utf-8")):
        assert (ROOT / file).exists(), file
        assert not name or f"def {name}(" in (ROOT / file).read_text("utf-8"), f"{file}::{name}"
