"""A stored number as the sheet shows it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.documents import parse
from nacre.documents.normalise import collapse, join_lines
from nacre.documents.number_formats import BUILT_IN, hides, show, show_text
from nacre.documents.numerals import chinese, counted

ACCOUNTS = '_("€"* #,##0.00_);_("€"* \\(#,##0.00\\);_("€"* "-"??_);_(@_)'


@pytest.mark.parametrize(
    ("raw", "code", "shown"),
    [
        ("0.125", "0.0%", "12.5%"),
        ("1.255", "0.00", "1.26"),
        ("9876.5", "[$€-407]#,##0.00", "€9,876.50"),
        ("-9876.5", ACCOUNTS, "€(9,876.50)"),
        ("7", "0000", "0007"),
        ("8613800138000", "+00 000 0000 0000", "+86 138 0013 8000"),
        ("1.25", "[h]:mm:ss", "30:00:00"),
        ("-0.5", "[h]:mm", "-12:00"),
        ("0.604166666666667", "h:mm AM/PM", "2:30 PM"),
        ("0.604166666666667", "上午/下午h:mm", "下午2:30"),
        ("0.000011574", "[ss].00", "01.00"),
        ("45000", "dd/mm/yyyy", "2023-03-15"),
        ("45000.75", "m/d/yyyy h:mm", "2023-03-15 18:00"),
        ("45000", "dd.mm.yyyy", "15.03.2023"),
        ("45000", "d mmm yyyy", "15 Mar 2023"),
        ("45000", 'yyyy"年"m"月"d"日"', "2023年3月15日"),
        ("45000", "[$-804]aaaa", "星期三"),
        ("45000", '[$-411]ggge"年"', "令和5年"),
        ("1.75", "# ?/?", "1 3/4"),
        ("0.333333333333", "# ??/??", "1/3"),
        ("0.0001234", "0.00E+00", "1.23E-04"),
        ("1234567", '0.0,,"M"', "1.2M"),
        ("23456", '0!.0,"万"', "2.3万"),
        ("3", '[<1]0%;[>=1]0" Stk."', "3 Stk."),
        ("305", "[DBNum2][$-804]General", "叁佰零伍"),
        ("123456789012345678", "0", "123456789012345678"),
        ("1.23456789012346E+17", "General", "123456789012346000"),
        ("0.1000000000000000055", "General", "0.1"),
        ("-0.0004", "0.00", "0.00"),
        ("#N/A", "0.00", "#N/A"),
        ("1e999", "0", "1e999"),
    ],
)
def test_a_number_is_shown_as_its_format_says(raw: str, code: str, shown: str) -> None:
    assert show(raw, code) == shown


def test_days_are_counted_from_1904_where_the_workbook_says_so() -> None:
    assert (show("0", "yyyy-mm-dd", since_1904=True), show("1", "yyyy-mm-dd")) == ("1904-01-01", "1900-01-01")


def test_texts_have_their_prefix_and_some_formats_show_nothing() -> None:
    assert (show_text("17", '"Nr. "@'), show_text("17", "0.00")) == ("Nr. 17", "17")
    assert hides(";;;") and hides(";;") and not hides("0;;") and not hides("")


FIGURES = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**10), max_value=10**10, places=4)


@given(number=FIGURES, places=st.integers(0, 4), thousands=st.booleans())
def test_figures_read_back_are_the_number_rounded(number: Decimal, places: int, thousands: bool) -> None:
    code = ("#,##0" if thousands else "0") + ("." + "0" * places if places else "")
    shown = show(str(number), code)
    assert abs(Decimal(shown.replace(",", "")) - number) <= Decimal(5).scaleb(-places - 1)
    assert ("," in shown) == (thousands and abs(Decimal(shown.replace(",", ""))) >= 1000)


@given(number=FIGURES)
def test_a_per_cent_is_a_hundred_times_the_number(number: Decimal) -> None:
    assert Decimal(show(str(number), "0.00%").removesuffix("%")) == number * 100


@given(
    raw=st.one_of(st.floats().map(repr), st.text(max_size=12)),
    code=st.one_of(
        st.sampled_from(list(BUILT_IN.values())),
        st.lists(
            st.sampled_from(
                [
                    "0",
                    "#",
                    "?",
                    ".",
                    ",",
                    "%",
                    "/",
                    "E+",
                    "@",
                    ";",
                    '"a"',
                    "\\x",
                    "_)",
                    "*-",
                    "[h]",
                    "[>1]",
                    "[DBNum1]",
                    "yyyy",
                    "m",
                    "d",
                    "h",
                    "mm",
                    "ss",
                    ".0",
                    "AM/PM",
                ]
            ),
            max_size=9,
        ).map("".join),
        st.text(max_size=20),
    ),
)
def test_no_format_and_no_number_is_too_odd(raw: str, code: str) -> None:
    assert len(show(raw, code)) < 1000 and len(show_text(raw, code)) < 1000


@given(st.integers(1, 10**12))
def test_chinese_numerals_read_back(number: int) -> None:
    digits = {c: n for n, c in enumerate("零一二三四五六七八九")}
    units, total, part, digit = {"十": 10, "百": 100, "千": 1000}, 0, 0, 0
    said = chinese(number)
    for char in said:
        if char in digits:
            digit = digits[char]
        elif char in units:
            part, digit = part + (digit or 1) * units[char], 0
        else:
            total, part, digit = total + (part + digit) * {"万": 10**4, "亿": 10**8, "兆": 10**12}[char], 0, 0
    assert total + part + digit == number, said


def test_lists_count_in_many_scripts() -> None:
    forms = ["upperRoman", "lowerLetter", "chineseCounting", "decimalEnclosedCircleChinese", "ideographTraditional", "chineseLegalSimplified", "decimalZero", "?"]  # fmt: skip
    assert [counted(12, form) for form in forms] == ["XII", "l", "十二", "⑫", "乙", "壹拾贰", "12", "12"]
    assert [counted(n, "lowerLetter") for n in (26, 27, 28)] == ["z", "aa", "bb"]


def test_white_space_and_numbers_of_both_languages() -> None:
    assert collapse("an  enterprise\nknowledge base 知识\n  库") == "an enterprise knowledge base 知识库"
    assert (join_lines(["first", "second"]), join_lines(["第一行", "第二行"])) == ("first second", "第一行第二行")
    assert [chinese(21), chinese(10050), chinese(2026, counting=False)] == ["二十一", "一万零五十", "二〇二六"]


def test_a_document_is_parsed_in_this_process_too() -> None:
    document = parse("# 标题\n\n正文。".encode("gb18030"), name="a.md")
    assert (document.title, document.encoding) == ("标题", "gb18030")
