"""Amounts, durations, options and denials are matched as people mean them, in both languages."""

from __future__ import annotations

import pytest

from nacre.eval.gold import gold_of, parts_of
from nacre.eval.metrics import contains, exact_match, held, normalise, token_f1

SAME = [
    ("twenty days", "20 days"), ("thirty days", "30 days"), ("forty-one", "41"), ("fifty", "50"), ("sixty", "60"), ("seventy", "70"), ("eighty", "80"), ("ninety minutes", "90 min"),
    ("三十五元", "35元"), ("四百人", "400人"), ("六千元", "6000元"), ("七万元", "70000元"), ("八亿元", "8亿元"), ("nineteen hundred", "1900"), ("3 billion", "30亿"),
    ("on 3 September", "9月3日"), ("September 3rd, 2026", "2026-09-03"), ("三万零五元", "30005元"), ("1.50 EUR", "€1.5"),
    ("eleven thousand and twenty-two", "11022"), ("two million three hundred thousand euros", "€2.3 million"),
    ("三亿五千万元", "350,000,000 元"), ("二百零五元", "205元"), ("一千零一十元", "1010元"), ("一万亿元", "1000000000000元"), ("五千零五十人次", "5050人次"), ("5 March", "3月5日"), ("5 March 2026", "3月5日"), ("4 bn dollars", "$4,000,000,000"),
    ("It costs €140 a night.", "140 EUR"), ("up to 140 euros", "140 EUR"), ("140 EUR", "€140"), ("$5", "5 dollars"),
    ("US$ 5.50", "5.5 USD"), ("RMB 1,200", "1200元"), ("¥600", "600元"), ("人民币六百元", "600元"), ("£3", "3 英镑"),
    ("报销六百元", "600 元"), ("600元", "六百元"), ("0.6万元", "6000元"), ("一万二千元", "12000元"), ("3200万", "32,000,000"),
    ("3.2 million", "3200000"), ("ten thousand euros", "10,000 EUR"), ("one hundred and five euros", "€105"),
    ("百分之十二", "12%"), ("12 percent", "12%"), ("12 per cent", "百分之12"), ("six months", "6 months"),
    ("Six months.", "6个月"), ("十二个月", "12 months"), ("the 14-day period", "14 days"), ("三十天", "30天"),
    ("half an hour", "30 minutes"), ("半小时", "30分钟"), ("3 years", "3年"), ("三年", "3 years"), ("one day", "1 day"),
    ("twenty-five days", "25 days"), ("5 km", "5公里"), ("2 kg", "2公斤"), ("-5 °C", "零下5摄氏度"), ("It opens at 07:30", "7:30"),
    ("二〇二六年九月三日", "3 September 2026"), ("2026年9月3日", "2026-09-03"), ("The answer is A.", "A"), ("Option (B) holds", "B"),
    ("A is right", "A"), ("a", "A"), ("not exceeding 140 EUR", "140 EUR"), ("no more than 30 days", "30 days"),
    ("不超过600元", "600元"), ("不得晚于5月3日", "5月3日"), ("room No. 5", "5"), ("It is not refundable", "not refundable"),
    ("不予退款", "不予退款"), ("2 days, not 3 days", "2 days"), ("No, 3 days; not 4 but 3 days", "3 days"),
]  # fmt: skip
OTHER = [
    ("3 September 2025", "3 September 2026"), ("on 3 September", "3 September 2026"), ("三万零五元", "35元"),
    ("not refundable", "refundable"), ("non-refundable", "refundable"), ("It isn't refundable", "refundable"),
    ("It cannot be refunded", "refunded"), ("no longer valid", "valid"), ("rather than 3 days", "3 days"),
    ("2 days, not 3 days", "3 days"), ("unrefundable", "refundable"), ("13天", "3天"), ("十三天", "三天"), ("1130 euros", "130 euros"),
    ("不予退款", "退款"), ("不可以", "可以"), ("无需审批", "审批"), ("而非3天", "3天"), ("没有3天", "3天"), ("-5", "5"), ("minus 5", "5"),
    ("12 EUR", "12%"), ("600美元", "600元"), ("600日元", "600元"), ("6 days", "6 months"), ("A dog is here.", "A"),
    ("rooms four five", "9"), ("rooms four five", "5"), ("one of the best", "1"), ("It is not A", "A"), ("the", "A"), ("B2B", "B"), ("It's John's", "S"), ("v1.20", "1.2"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "gold"), SAME)
def test_the_same_is_the_same(answer: str, gold: str) -> None:
    assert contains(answer, [gold]) == 1, (normalise(answer), normalise(gold))


@pytest.mark.parametrize(("answer", "gold"), OTHER)
def test_another_is_another(answer: str, gold: str) -> None:
    assert contains(answer, [gold]) == 0, (normalise(answer), normalise(gold))


def test_numbers_with_a_tolerance() -> None:
    gold = [gold_of({"number": -3.5, "tolerance": 0.5})]
    assert contains("about -3.2 degrees", gold) == 1 and contains("about 3.2 degrees", gold) == 0
    gold = [gold_of("number: 100 ± 2 EUR")]
    assert (
        contains("102 euros", gold) == 1 and contains("102.01 euros", gold) == 0 and contains("101 dollars", gold) == 0
    )
    assert (
        contains("not 101 euros", gold) == 0
        and exact_match("€101", gold) == 1
        and exact_match("It is €101 a day", gold) == 0
    )
    assert contains("100", [gold_of("number: 100")]) == 1 and contains("1000", [gold_of("number: 100")]) == 0


@pytest.mark.parametrize(
    "text", ["9" * 50_000, "¥" * 50_000, "一" * 50_000, "1 " * 20_000, "half " * 10_000, "not " * 10_000]
)
def test_monotonous_texts_are_read_in_linear_time(text: str) -> None:
    assert contains(text, ["no such thing here"]) == 0


def test_denials_are_spelt_out() -> None:
    assert normalise("It isn't, and you cannot") == "it is not and you can not"


@pytest.mark.parametrize(("answer", "gold"), SAME)
def test_what_contains_finds_shares_words_too(answer: str, gold: str) -> None:
    assert token_f1(answer, [gold]) > 0


@pytest.mark.parametrize(("answer", "gold"), OTHER)
def test_what_contains_denies_is_no_exact_match(answer: str, gold: str) -> None:
    assert exact_match(answer, [gold]) == 0


@pytest.mark.parametrize(
    ("answer", "gold", "f1"),
    [
        ("It is not refundable", "refundable", 0),  # denied
        ("refundable", "refundable", 1),
        ("101 euros", "number: 100 ± 2 EUR", 1),  # what is near enough is what was wanted
        ("105 euros", "number: 100 ± 2 EUR", 0.5),
        ("minus 3.2", "number: -3.5 ± 0.5", 1),
        ("PX-200", r"regex: PX-\d+", 1),
        ("the pump", r"regex: PX-\d+", 0),
        ("二〇二六年九月三日", "date: 2026-09-03", 1),
        ("8 bar, 16 bar", "all: 8 bar && 16 bar", 1),
        ("8 bar", "all: 8 bar && 16 bar", 2 / 3),
    ],
)
def test_all_three_metrics_find_a_gold_answer_the_same_way(answer: str, gold: str, f1: float) -> None:
    assert token_f1(answer, [gold]) == pytest.approx(f1)
    assert contains(answer, [gold]) == float(f1 == 1) == exact_match(answer, [gold])


def test_an_answer_of_several_parts_is_held_by_texts_together() -> None:
    gold = [gold_of({"all": ["8 bar", {"number": 16, "tolerance": 1, "unit": "bar"}]})]
    assert held(["A7: 8 bar", "A9: 16.5 bar"], gold) == 1.0 and held(["A7: 8 bar"], gold) == 0.0
    assert held(["A7: 8 bar", "A9: 18 bar"], gold) == 0.0 and held([], gold) == 0.0
    assert gold_of({"all": ["8 bar"]}) == "8 bar" and parts_of("all: employees") == ["all: employees"]
    for broken in ({"all": "8 bar"}, {"all": ["8 bar", ""]}):
        with pytest.raises(ValueError, match="no gold answer"):
            gold_of(broken)
