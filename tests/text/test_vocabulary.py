"""Words as data: what a file says becomes one pattern, in both languages, and every file of the package can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import nacre
import nacre.grounding
import nacre.text
from nacre.text.vocabulary import compiled, one_of, vocabulary

FILES = [file for file in sorted(Path(nacre.__file__).parent.rglob("*.yaml")) if "lists:" in file.read_text("utf-8")]


def test_a_list_stands_for_any_of_its_words_the_longest_first() -> None:
    pattern = compiled(
        [r"\b{towns}\b", "去{places}"], {"towns": ("York", "New_York", "St."), "places": ("北京", "北京市")}
    )
    assert pattern.findall("new york, York and 去北京市") == ["new york", "York", "去北京市"]
    assert one_of(("tool_name", "tool")) == r"tool[ _\-]{0,2}name|tool"


def test_words_are_words_and_not_patterns() -> None:
    ends = compiled([r"{ends}$"], {"ends": ("U.S", "a+b")}, flags=0)
    assert ends.search("the U.S") and ends.search("a+b")
    assert not ends.search("the UxS") and not ends.search("aab") and not ends.search("the u.s")


def test_counts_in_braces_stay_and_a_chinese_character_has_a_name() -> None:
    pattern = compiled([r"{han}{2,3}x{1,}"], {})
    assert pattern.search("知识xx") and not pattern.search("知xx") and pattern.search("㐀𠀀x")


def test_a_list_that_is_missing_is_told() -> None:
    with pytest.raises(KeyError, match="nowhere"):
        compiled(["{nowhere}"], {})


def test_languages_are_joined_in_their_order() -> None:
    data = vocabulary("nacre.grounding", "answer_type")
    assert data["vague"][0] == "one" and data["vague"][-1] == "亿"
    assert set(data["asks"]) == {"time", "number", "person", "place", "reason"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_list_is_used_and_no_word_stands_twice_in_one(file: Path) -> None:
    text = file.read_text("utf-8")
    lists = vocabulary(f"nacre.{file.parent.name}", file.name.split(".")[0])["lists"]
    for name, words in lists.items():
        if re.search(rf"^  {name}:", text, re.M):
            assert "{" + name + "}" in text, f"{file.name}: nothing uses {name}"
            assert len(set(words)) == len(words)
