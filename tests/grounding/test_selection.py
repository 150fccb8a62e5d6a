"""The row and the sentences that a question names, and none beside them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.grounding.parts import plain_question
from nacre.grounding.quotes import shown
from nacre.grounding.selection import select, to_compare
from nacre.text.messages import Source

GRADES = Source(
    1,
    "Grade\tLease ceiling\tClass\nT4\tEUR 480\tcompact\nT5\tEUR 610\tmid-size\nT6\tEUR 850\testate\nT7\tEUR 1,150\tlarge",
    "Cars",
)
PLANS = Source(
    2,
    "# Plans\n\n| Plan | Monthly | Yearly |\n|---|---|---|\n| Reef | 9 | 90 |\n| Bay | 19 | 190 |\n| Ocean | 49 | 490 |\n",
    "Plans",
)
BUDGET = Source(
    3,
    "| 部门 | 一季度 | 二季度 | 负责人 |\n|---|---|---|---|\n| 研发部 | 31 | 36 | 高岚 |\n| 客服部 | 12 | 15 | 马越 |\n",
    "预算",
)
PUMPS = [
    Source(4, "The pump is built for laboratories. Flow 25 litres per minute, noise 41 dB.", "Data sheet KR-20"),
    Source(5, "The pump is built for laboratories. Flow 61 litres per minute, noise 55 dB.", "Data sheet KR-40"),
]
RESULT = Source(6, "Revenue rose by 8 % to 31 million euros; the net profit was 2.7 million euros.", "Results")


def said(question: str, *sources: Source) -> str:
    return "\n".join(shown(select(question, sources).quotes, sources))


@pytest.mark.parametrize(
    ("question", "row"),
    [
        ("What is the lease ceiling for grade T7?", "| T7 | EUR 1,150 | large [1] |"),
        ("Which class belongs to EUR 610?", "| T5 | EUR 610 | mid-size [1] |"),
        ("What class of car does T4 get?", "| T4 | EUR 480 | compact [1] |"),
        ("What does Ocean cost per month?", "| Ocean | 49 | 490 [2] |"),
        ("客服部二季度的预算是多少？", "| 客服部 | 12 | 15 | 马越 [3] |"),
    ],
)
def test_the_row_that_is_named_is_quoted_under_the_names_of_its_columns(question: str, row: str) -> None:
    lines = said(question, GRADES, PLANS, BUDGET).splitlines()
    assert lines[2:] == [row]
    assert set(lines[1]) <= set("|- ")


@pytest.mark.parametrize(
    ("question", "rows"),
    [
        ("Compare the monthly price of Reef and Ocean.", ["Reef", "Ocean"]),
        ("Is the ceiling of T4 or of T6 higher?", ["T4", "T6"]),
        ("研发部和客服部谁的二季度预算高？", ["研发部", "客服部"]),
    ],
)
def test_a_comparison_quotes_every_row_that_it_needs(question: str, rows: list[str]) -> None:
    lines = said(question, GRADES, PLANS, BUDGET).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == rows


def test_a_comparison_of_two_documents_quotes_both() -> None:
    assert "25 litres" in said("Which has the larger flow, KR-20 or KR-40?", *PUMPS)
    assert "61 litres" in said("Which has the larger flow, KR-20 or KR-40?", *PUMPS)
    assert said("What is the flow of the KR-40?", *PUMPS).startswith("Flow 61 litres")


def test_half_a_sentence_counts_as_its_own() -> None:
    assert said("What was the net profit?", RESULT) == "the net profit was 2.7 million euros. [6]"


def test_a_half_is_quoted_with_what_turns_it_round() -> None:
    source = Source(1, "Dogs may be brought into the office on Fridays; except into the kitchen, for hygiene.", "Pets")
    assert said("May I bring dogs into the office?", source).endswith("for hygiene. [1]")


def test_each_part_of_a_compound_question_is_answered() -> None:
    text = said("What is the monthly rate of the Bay plan, and what was the net profit?", PLANS, RESULT)
    assert "| Bay | 19 | 190 [2] |" in text
    assert "2.7 million" in text


NOTES = Source(1, "# Notes\n\n## 4.1.0 (3 May)\n\n- New: night mode.\n\n## 4.0.0 (1 March)\n\n- New: maps.", "Notes")


@pytest.mark.parametrize(("asked", "number"), [("Which version brought night mode?", "4.1.0"), ("maps", "")])
def test_a_heading_that_holds_the_number_is_quoted_too(asked: str, number: str) -> None:
    assert (number or "##") in said(asked, NOTES) if number else "##" not in said(asked, NOTES)


def test_a_measure_is_asked_by_its_noun() -> None:
    source = Source(1, "The pump is used in laboratories. Its weight is 9 kg. Its height is 30 cm.", "Pump")
    assert "9 kg" in said("How heavy is the pump?", source)
    assert "30 cm" in said("How tall is the pump?", source)
    assert "2 千克" in said("主机有多重？", Source(1, "主机一台，支架一副。\n主机重量：2 千克。", "说明书"))


def test_what_leads_up_to_a_question_does_not_hide_it() -> None:
    source = Source(1, "Barbecues are allowed on the beach until ten. Dogs are not.", "Park rules")
    asked = (
        "My uncle Sam never pays his share, as you know, and we love grilled fish. Are barbecues allowed on the beach?"
    )
    assert said(asked, source).startswith("Barbecues are allowed")


def test_passages_of_a_base_are_judged_by_their_relevance_titled_or_not() -> None:
    source = Source(1, "A sandbox is a network of its own. It costs nothing.")
    assert select("What is a sandbox?", [source], relevance=0.9).sure == "answer"
    assert select("What is the fee for a mooring in June?", [source], relevance=0.02).sure == "nothing"


ABROAD = Source(1, "The pump is used in laboratories. The warranty is 36 months.", "KR-40")


@pytest.mark.parametrize(("relevance", "sure"), [(0.9, "answer"), (0.4, "closest"), (0.01, "nothing")])
def test_a_source_in_another_writing_answers_by_its_meaning(relevance: float, sure: str) -> None:
    places = to_compare("保修期是多久？", [ABROAD])
    assert [text for *_, text in places][-1] == "The warranty is 36 months."
    near = [(n, start, 4.0 if at else 1.0, relevance) for at, (n, start, _) in enumerate(places)]
    found = select("保修期是多久？", [ABROAD], nearness=near)
    assert found.sure == sure
    assert [ABROAD.text[quote.start : quote.end] for quote in found.quotes] == ["The warranty is 36 months."] * (
        sure != "nothing"
    )


def test_where_the_words_tell_or_the_writing_is_the_same_no_meaning_is_looked_at() -> None:
    assert to_compare("How long is the warranty?", [ABROAD]) == []
    assert to_compare("Who sweeps the yard?", [ABROAD]) == []


@pytest.mark.parametrize(("nearness", "sure"), [(4.2, "answer"), (2.6, "closest"), (1.4, "nothing")])
def test_in_a_small_base_the_meaning_counts_without_a_relevance(nearness: float, sure: str) -> None:
    near = [
        (n, start, nearness if at else 0.0, None) for at, (n, start, _) in enumerate(to_compare("保修期？", [ABROAD]))
    ]
    assert select("保修期？", [ABROAD], nearness=near).sure == sure


def test_a_row_is_compared_with_its_heading_and_the_names_of_its_columns() -> None:
    table = Source(1, "# 停车\n\n## 收费标准\n| 车场 | 白天 | 夜间 |\n|---|---|---|\n| 东门 | 8 | 3 |\n", "停车")
    compared = [text for *_, text in to_compare("What does the east gate cost?", [table])]
    assert compared == ["收费标准: 东门: 白天 8, 夜间 3"]


def test_a_title_and_a_thing_of_another_code_are_not_compared() -> None:
    note = Source(1, "AX-7 水泵说明\n水泵须每月清洗一次。", "水泵")
    assert [text for *_, text in to_compare("How often is the pump cleaned?", [note])] == ["水泵须每月清洗一次。"]
    assert to_compare("How often is the BX-9 cleaned?", [note]) == []


@pytest.mark.parametrize(
    ("question", "text", "quoted"),
    [
        (
            "Who has to sign for night shifts?",
            "Night shifts are paid double in winter; they need the signature of a foreman.",
            "Night shifts are paid double in winter; they need the signature of a foreman.",
        ),
        ("仓库钥匙谁保管？", "仓库钥匙共有两把；其中一把由门卫保管。", "仓库钥匙共有两把；其中一把由门卫保管。"),
    ],
)
def test_half_a_sentence_that_leans_on_the_other_stays_with_it(question: str, text: str, quoted: str) -> None:
    assert said(question, Source(1, text, "Rules")) == f"{quoted} [1]"


def test_a_title_tells_no_value() -> None:
    text = "海螺 5 型（Conch 5）安装说明\n海螺 5 型须由两人安装，每台约需 40 分钟。"
    assert said("海螺 5 型多少钱一台？", Source(1, text, "")).startswith("海螺 5 型须由两人") or not said(
        "海螺 5 型多少钱一台？", Source(1, text, "")
    )


def test_the_row_that_the_question_names_goes_before_a_sentence_beside_the_table() -> None:
    text = (
        "## 补助\n| 岗位 | 夜班（元） | 白班（元） |\n|---|---|---|\n| 司机 | 90 | 40 |\n| 保安 | 70 | 30 |\n\n"
        "每次值夜班可以领取一份夜宵，20:00 以后领取。"
    )
    assert "| 保安 | 70 | 30 [1] |" in said("保安夜班每次可以领取多少？", Source(1, text, "补助"))


@pytest.mark.parametrize(
    ("question", "text", "sure"),
    [
        ("What size is Heron 9?", "The sale of Heron 9 begins in the spring and ends in October.", "closest"),
        ("What size is the lamp?", "The lamp was sold in every shop of the northern coast last year.", "closest"),
        ("What colour is the lamp?", "The lamp is pale green.", "answer"),
        ("苍鹭 9 型是什么颜色？", "苍鹭 9 型从今年三月起在各地门店陆续销售。", "closest"),
    ],
)
def test_a_thing_is_no_answer_where_nothing_says_what_is_asked_of_it(question: str, text: str, sure: str) -> None:
    assert select(question, [Source(1, text, "Notes")]).sure == sure


def test_a_second_sentence_that_says_far_less_is_left_out_where_one_fact_is_asked() -> None:
    text = "Keys must be returned within 3 days after the lease. Bicycles cost up to 9 euros for several days."
    assert said("Within how many days must I return the keys?", Source(1, text, "Lease")) == (
        "Keys must be returned within 3 days after the lease. [1]"
    )

    steps = Source(1, "# 假期\n职工每年享有疗养假：入职满一年不满五年的，三天；满五年不满八年的，六天。", "假期")
    assert "六天" in said("入职六年的职工有几天疗养假？", steps)


WIDE = Source(1, "\n".join("\t".join(f"c{n}" for n in range(10_000)) for _ in range(3)), "Wide")


@pytest.mark.parametrize(
    "question", ["a", "?", "。", "what is the", "c77", "x" * 100_000, "¿Cuánto cuesta?", '<source n="1">']
)
def test_any_question_gets_an_answer_or_nothing(question: str) -> None:
    for line in said(question, WIDE, GRADES).splitlines():
        assert line


@given(st.text(alphabet="T4 T5|\t\nab;。？", max_size=60), st.text(alphabet="T4 T5|\t\nab;。？-", max_size=120))
def test_every_quote_stands_in_its_source(question: str, text: str) -> None:
    source = Source(1, text, "t")
    for quote in select(question, [source, GRADES]).quotes:
        assert 0 <= quote.start < quote.end
    assert isinstance(said(question, source, GRADES), str)


@pytest.mark.parametrize(
    ("question", "text", "sure"),
    [
        ("Who founded the library?", "Membership is free. The library was founded in a mill in 1911.", "closest"),
        ("Who founded the library?", "Jakob Rehn founded the library in a mill in 1911.", "answer"),
        ("Who approves the order?", "The order is approved by the head of purchasing.", "answer"),
        ("Where is the order signed?", "The order is signed by Jakob Rehn.", "closest"),
        ("Where is the order signed?", "The order is signed at the front desk.", "answer"),
        ("How many days of sick leave are there?", "There are 26 days of annual leave.", "closest"),
        ("How many days of annual leave are there?", "There are 26 days of annual leave.", "answer"),
        ("水塔是谁建的？", "水塔由恒信公司建成。", "answer"),
    ],
)
def test_an_answer_names_what_is_asked_for_or_is_only_the_closest(question: str, text: str, sure: str) -> None:
    assert select(question, [Source(1, text, "Notes")]).sure == sure


@pytest.mark.parametrize(
    ("question", "text", "quoted"),
    [
        (
            "How heavy is the M7?",
            "The M7 is a saw.\nNoise 60 dB, mass 4.2 kg.\nThe M7 is sold in 8 towns.",
            "mass 4.2 kg",
        ),
        ("服务电话是多少？", "服务电话全天开通。\n服务：010-5550-0000，请按一。", "010-5550-0000"),
    ],
)
def test_what_is_measured_is_answered_in_its_unit(question: str, text: str, quoted: str) -> None:
    assert quoted in said(question, Source(1, text, "M7 服务"))


def test_of_sentences_that_lie_close_the_one_that_means_it_is_chosen() -> None:
    lines = [f"The ferry of the {name} line stops here." for name in ("red", "blue", "green")]
    source = Source(1, " ".join(lines), "Ferries")
    places = to_compare("Which ferry stops here at night?", [source])
    assert [text for *_, text in places] == lines
    nearness = [(n, start, float(text == lines[2]) * 4, None) for n, start, text in places]
    chosen = select("Which ferry stops here at night?", [source], 1, nearness=nearness).quotes
    assert [source.text[quote.start : quote.end] for quote in chosen] == [lines[2]]


@pytest.mark.parametrize(
    ("question", "quoted"),
    [
        ("What is the rated flow of the KR-20?", "The rated flow of the unit is 25 litres"),
        ("What are the rated flows of the KR-20 and the KR-40?", "The rated flow of the unit is 61 litres"),
    ],
)
def test_an_identifier_counts_as_one_word_however_many_spellings_it_has(question: str, quoted: str) -> None:
    text = (
        "The pump {} is made for laboratories. It is packed with a cable, two clamps and a manual. Keep it dry. "
        "The rated flow of the unit is {} litres per minute. Send it back in its box."
    )
    sheets = [Source(n, text.format(f"KR-{n}0", flow), f"Sheet KR-{n}0") for n, flow in ((2, 25), (4, 61))]
    chosen = select(question, sheets)
    assert chosen.sure == "answer"
    assert quoted in "\n".join(shown(chosen.quotes, sheets))
    assert "packed" not in "\n".join(shown(chosen.quotes, sheets))


@pytest.mark.parametrize(
    ("question", "source"),
    [
        ("人事部一季度的预算是多少？", BUDGET),
        ("What does the Lagoon plan cost monthly?", PLANS),
        ("what does the lagoon plan cost monthly", PLANS),
        ("翡翠套餐的月费是多少？", Source(1, "套餐\t月费\n珊瑚\t29\n琥珀\t59", "套餐")),
        ("What is the meal rate for 2031?", Source(1, "The meal rate is 31 euros.", "Rates 2030")),
        ("2031年的餐补标准是多少？", Source(1, "餐补标准为每日66元。", "餐补标准（2030年）")),
    ],
)
def test_rows_and_years_of_others_are_no_answer(question: str, source: Source) -> None:
    assert select(question, [source]).sure == "nothing"


def test_what_is_measured_needs_no_word_of_the_question() -> None:
    text = "The G-12 weighs 31 kg and takes 230 volts. The G-14 weighs 44 kg and takes 400 volts."
    chosen = select("How heavy is the G-14?", [Source(1, text, "Grinders")], 1)
    assert chosen.sure == "answer"
    assert "44 kg" in text[chosen.quotes[0].start : chosen.quotes[0].end]


def test_an_answer_is_compared_behind_the_question_that_it_answers() -> None:
    text = "# 常见问题\n\n## 可以带狗进办公室吗？\n\n不可以。\n"
    assert (1, text.index("不可以"), "可以带狗进办公室吗？ 不可以。") in to_compare(
        "Are dogs allowed?", [Source(1, text, "常见问题")]
    )


@pytest.mark.parametrize(
    ("question", "text", "sure"),
    [
        (
            "Who signs an order of 7,000 euros?",
            "Orders of up to 3,000 euros are signed by the clerk, others by the head.",
            "answer",
        ),
        ("订单9000元由谁签字？", "订单4000元以内由店员签字，4000元以上由店长签字。", "answer"),
        ("Which car was sold for 7,000 euros?", "The red car was sold for 3,000 euros.", "closest"),
    ],
)
def test_an_amount_between_bounds_is_not_missing(question: str, text: str, sure: str) -> None:
    assert select(question, [Source(1, text, "Orders")]).sure == sure


def test_where_the_words_are_sure_their_meaning_is_not_looked_at() -> None:
    assert to_compare("How long is the warranty?", [ABROAD], relevance=0.99) == []
    assert to_compare("Who tunes the organ?", [ABROAD], relevance=0.001) == []


def test_how_likely_the_other_writing_answers_is_not_told_by_ones_own() -> None:
    own = Source(2, "陪产假为20天。婚假为15天。丧假为3天。", "休假")
    near = [(n, start, 3.4, 0.97 if n == 2 else 0.4) for n, start, _ in to_compare("保修期是多久？", [ABROAD, own])]
    assert select("保修期是多久？", [ABROAD, own], nearness=near).sure == "closest"


@pytest.mark.parametrize(
    ("asked", "plain"),
    [
        ("I am sorry. I want to know if the pier is open.", "the pier is open."),
        ("Could you please tell me when the pier opens?", "when the pier opens?"),
        ("你好，请问你能告诉我码头几点开门吗？", "码头几点开门吗？"),
        ("No smoking areas on the pier?", "No smoking areas on the pier?"),
        ("我想问题解决方案", "我想问题解决方案"),
        ("Do you know it?", "Do you know it?"),
    ],
)
def test_what_leads_up_to_a_question_is_not_searched_for(asked: str, plain: str) -> None:
    assert plain_question(asked) == plain
    assert plain_question(asked + "a" * 100_000).endswith("a" * 100_000)


def test_tables_below_each_other_have_each_its_own_head() -> None:
    bands = [[["Town", f"rain index {n}", f"noise index {n}"], *([t, f"{t[0]}{n}", f"{t[0]}{n}0"] for t in TOWNS)]
             for n in range(7, 12)]  # fmt: skip
    text = "\n\n".join("\n".join("\t".join(row) for row in band) for band in bands)
    assert "B9 " in said("What is the rain index 9 of Basel?", Source(1, text, "Towns"))
    spaced = text.replace("\n", "\n\n").replace("\n\n\n\n", "\n\n")  # a table whose rows lie apart stays one
    assert "B7 " in said("What is the rain index 7 of Basel?", Source(1, spaced, "Towns"))


TOWNS = ("Arles", "Basel", "Como")


@pytest.mark.parametrize("word", ["a", "7", "Ab", "a1", "年", "x-", "1.,"])
def test_an_endless_word_costs_no_more_than_its_length(word: str) -> None:
    source, endless = Source(1, "The hotel limit is 600 yuan.", "Travel"), word * (100_000 // len(word))
    begun = time.process_time()
    select(endless, [source])
    select(f"What is the hotel limit? {endless}", [source])
    to_compare(endless, [source])
    assert "600" in said("What is the hotel limit?", Source(1, f"{endless} The hotel limit is 600 yuan.", "Travel"))
    assert time.process_time() - begun < 15  # it was minutes
