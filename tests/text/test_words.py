"""Index terms and sentence spans of both languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.text.words import identifiers, located_words, only_names, sentences, stem, words


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("符合GB/T22239-2019要求", "GB/T 22239-2019"),
        ("Install v3.9.1 today", "v3.9.1"),
        ("raises ERR_404 at once", "err_404"),
        ("写信给 Wang.Li@Example.COM。", "wang.li@example.com"),
        ("ＡＢＣ－１２３型", "abc-123"),
        ("C++ and C# are languages", "c++"),
    ],
)
def test_an_identifier_is_one_term_however_it_is_written(written: str, asked: str) -> None:
    assert words(asked)[0] in words(written)


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("Spare part KR-7700/C", "kr7700"),
        ("Spare part KR7700", "KR-7700"),
        ("order 12-345-67", "1234567"),
        ("call 01062345678", "010-6234-5678"),
        ("Fehler F2051", "f-2051"),
        ("用 Qwen2-VL 模型", "qwen2vl"),
        ("a Blu-ray drive", "bluray"),
        ("costs $2,450.00 a year", "2450"),
        ("价格￥2,450元", "2450"),
        ("Preis 2'450 CHF", "2,450"),
        ("length 3.50 m", "3.5"),
        ("발열은 정상이다", "발열"),
        ("제주도에서 열린다", "제주도"),
        ("サーバーを再起動", "サーバ"),
        ("done ✅ today", "✅"),
        ("Fehler E\u20111042", "e1042"),
        ("Fehler E\u20131042", "E-1042"),
        ("用 GPT\u22124o 模型", "gpt4o"),
        ("The fee is RMB12,500.", "12500"),
        ("costs USD10,000 a year", "usd10000"),
        ("a dose of 1,500mg", "1500mg"),
        ("유급휴가", "휴가"),
        ("정기회의", "회의가"),
        ("책을 읽는다", "책"),
        ("พนักงานใหม่มีวันลาพักร้อนกี่วัน", "วันลา"),
    ],
)
def test_other_spellings_of_one_thing_share_a_term(written: str, asked: str) -> None:
    assert set(words(written)) & set(words(asked))


@pytest.mark.parametrize(
    ("one", "other"),
    [("軟體授權與發票", "软体授权与发票"), ("増値税", "增值税"), ("裡面", "里面"), ("衞生署", "卫生署")],
)
def test_traditional_and_regional_characters_are_the_simplified_ones(one: str, other: str) -> None:
    assert words(one) == words(other)


def test_numbers_that_only_share_digits_stay_apart() -> None:
    assert "1200" not in words("parts 5,1,200") and words("ISO 9001,200")[-1] == "200"
    assert not set(words("2024-11-23")) & set(words("20241123"))
    assert "3.1" not in words("3.12") and words("v3.10")[:1] == ["v3.10"]


@pytest.mark.parametrize("asked", ["M8×40", "m8*40", "M8x40"])
def test_a_size_is_one_term_with_any_sign_for_times(asked: str) -> None:
    assert words(asked) == words("M8X40") == ["m8x40", "m8", "40"]
    assert set(words("100×200 mm")) >= {"100", "200"} and words("0x40") == ["0x40"]


def test_dates_and_years_from_to_are_not_joined() -> None:
    assert "20192020" not in words("2019-2020") and "20240501" not in words("2024-05-01")
    assert "1052024" not in words("1-05-2024") and "1020" not in words("10-20")


@pytest.mark.parametrize(
    ("text", "wholes"),
    [
        ("E1042 是什么错误？", ["e1042"]),
        ("第4.3.2条和 GB/T 22239-2019", ["4.3.2", "gb/t22239-2019"]),
        ("QX-4471, v2.14 and M8×40", ["qx-4471", "v2.14", "m8x40"]),
        ("order 4500012345 or 12-345-67", ["4500012345", "12-345-67"]),
        ("in 2023, the mid-1990s, FY2022, FY 22, FY2023Q1, Q3, CUP 2022, AD 43, 2019-2020", []),
        ("a 3rd of 10kg, 3.5 mm, 20-year-old, 5G, 10-K, 12:30, 10,000, 50000元, 4.3", []),
        ("2023-05-01, 2023/5/1, 1.5.2023", []),
    ],
)
def test_identifiers_are_no_years_dates_or_quantities(text: str, wholes: list[str]) -> None:
    assert [terms[0] for terms in identifiers(text)] == wholes


@pytest.mark.parametrize(
    ("text", "names"),
    [("E1042", True), ("¥5,000, GPT-4o 👍", True), ("税", False), ("5000 元", False), ("gate 5", False), ("？", False)],
)
def test_what_every_writing_has_are_numbers_identifiers_and_pictures(text: str, names: bool) -> None:
    assert only_names(text) is names


def test_the_parts_of_an_identifier_are_found_too() -> None:
    assert {"22239", "2019"} <= set(words("GB/T 22239-2019"))
    assert {"err", "404"} <= set(words("ERR_404"))
    assert "3.9.1" in words("v3.9.1")
    assert {"a", "b", "com"} <= set(words("a.b@example.com"))


def test_chinese_gives_words_and_the_words_inside_them() -> None:
    assert words("信息安全")[-1] == "信息安全"
    assert "信息" in words("信息安全")


@pytest.mark.parametrize("asked", ["多少天年假", "12天年假", "有多少天年假？"])
def test_a_number_of_days_is_cut_off_from_the_leave_that_it_counts(asked: str) -> None:
    assert {"天", "年", "假"} <= set(words(asked)) and "天年" not in words(asked)
    assert "天文学家" in words("有多少天文学家？")
    assert located_words("共12天年假")[-3:] == [("天", 3), ("年", 4), ("假", 5)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("policies", "policy"),
        ("families", "family"),
        ("supplied", "supply"),
        ("used", "use"),
        ("running", "runs"),
        ("Beyoncé's", "Beyonce"),
        ("1,250", "1250"),
        ("classes", "class"),
    ],
)
def test_inflections_meet_in_one_term(one: str, other: str) -> None:
    assert words(one) == words(other)


def test_stemming_keeps_different_words_apart() -> None:
    assert stem("sing") != stem("s")
    assert stem("red") == "red"
    assert len({stem(w) for w in ("general", "generate", "generation")}) == 3


def test_a_decimal_number_is_one_term() -> None:
    assert words("3.5 %") == ["3.5"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Lin came. She left at 5 p.m. with Mr. Wu.", ["Dr. Lin came.", "She left at 5 p.m. with Mr. Wu."]),
        ("It costs 3.5 yuan. Version 2.0.1 is out!", ["It costs 3.5 yuan.", "Version 2.0.1 is out!"]),
        ("He moved to the U.S. in May. J. R. Smith stayed.", ["He moved to the U.S. in May.", "J. R. Smith stayed."]),
        ('She said "Stop." Then she left.', ['She said "Stop."', "Then she left."]),
        ("他问：“去吗？”我答：“去。”然后走了。", ["他问：“去吗？”", "我答：“去。”", "然后走了。"]),
        ("价格3.5元；卡万.肖特说不贵……好吧！", ["价格3.5元；", "卡万.肖特说不贵……", "好吧！"]),
        ("# Leave\n\n- ten days\n- two more. Ask HR.\n", ["# Leave", "- ten days", "- two more.", "Ask HR."]),
        ("| Role | Limit |\n| Staff | 200. Then ask |\n", ["| Role | Limit |", "| Staff | 200. Then ask |"]),
        ("1. First step. 2. Second step.", ["1. First step.", "2. Second step."]),
        ("e.g. this one, i.e. that one", ["e.g. this one, i.e. that one"]),
        ("", []),
        ("...", ["..."]),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text: str, expected: list[str]) -> None:
    assert cut(text) == expected


def test_a_wrapped_line_goes_on_and_a_short_one_does_not() -> None:
    wrapped = "The committee met on Tuesday and decided that the budget\nof the coming year is raised.\n"
    assert len(cut(wrapped)) == 1
    assert cut("Travel policy\nValid from May") == ["Travel policy", "Valid from May"]


@given(st.text(alphabet=st.sampled_from("ab Z.!?。！？；…”\"') \n|-1234#\t,\ud800信息安全é½"), max_size=120))
def test_sentences_cover_every_visible_character_once_and_in_order(text: str) -> None:
    last = 0
    for start, end in sentences(text):
        assert last <= start < end <= len(text)
        assert not text[last:start].strip()
        assert text[start:end] == text[start:end].strip()
        last = end
    assert not text[last:].strip()


@given(st.text(max_size=200))
def test_words_never_fail_and_never_hold_white_space(text: str) -> None:
    assert all(word and not any(c.isspace() for c in word) for word in words(text))


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", max_size=20))
def test_a_stem_is_never_longer_than_needed_and_never_empty(word: str) -> None:
    assert len(stem(word)) <= len(word) + 1
    assert bool(stem(word)) == bool(word)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Tea ........ 3 crowns\nBread ....... 2 crowns", ["Tea ........ 3 crowns", "Bread ....... 2 crowns"]),
        ("牛肉面……38元\n他说……走吧。", ["牛肉面……38元", "他说……", "走吧。"]),
        ("She waited.... Then she left.", ["She waited....", "Then she left."]),
    ],
)
def test_dots_that_lead_to_a_value_end_no_sentence(text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in sentences(text)] == found


def test_lines_with_wide_gaps_are_not_wrapped_ones() -> None:
    text = f"{'Classic back massage':<40}25          48\n{'Classic full massage':<40}50          85"
    assert [text[start:end] for start, end in sentences(text)] == text.split("\n")
