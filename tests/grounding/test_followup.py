"""A follow-up is made whole by rules, and a new topic left as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.grounding.followup import Turn, leans, whole

ROW = "| Boat | Skipper | Berth | Draught |\n| --- | --- | --- | --- |\n| Tern | Ida Moe | 14 | 2 m [1] |"
ZH_ROW = "| 部门 | 预算 | 负责人 |\n| --- | --- | --- |\n| 客服部 | 12 | 马越 [1] |"


@pytest.mark.parametrize(
    ("asked", "before", "answer", "expected"),
    [
        ("And Bergen?", "When does the Oslo office open?", "", "When does the Bergen office open?"),
        ("And in Bergen?", "When does the shop in Oslo open?", "", "When does the shop in Bergen open?"),
        ("And of the KR-40?", "What is the price of the KR-20?", "", "What is the price of the KR-40?"),
        ("And the one in Bergen?", "When does the shop in Oslo open?", "", "When does the shop in Bergen open?"),
        ("And that of the mast?", "What is the price of the keel?", "", "What is the price of the mast?"),
        ("Same for Bergen?", "When does the shop in Oslo open?", "", "When does the shop in Bergen open?"),
        ("And the small one?", "How long does the kiln fire?", "", "How long does the kiln fire (the small one)?"),
        ("And sick leave?", "How many days of annual leave do I get?", "", "How many days of sick leave do I get?"),
        ("What berth does it use?", "Who skippers the ferry to Moss?", ROW, "What berth does the Tern use?"),
        ("And the draught?", "Who skippers the Tern?", ROW, "What is the draught of Tern?"),
        ("Can it be extended?", "How long is the trial period?", "30 days [1].", "Can the trial period be extended?"),
        ("ok, explain that more", "When does the Oslo office open?", "", "When does the Oslo office open?"),
        ("I meant of the KR-40", "What is the price of the KR-20?", "", "What is the price of the KR-40?"),
        ("No, I mean the one in Bergen", "When does the shop open?", "", "When does the shop open in Bergen?"),
        ("How old is he?", "Who founded the yard?", "It was Ida Moe. [1]", "How old is Ida Moe?"),
        ("Should I use them together?", "What is the KR-20 filter?", "", "Should I use KR-20 filter together?"),
        ("And the Studio plan?", "How much does the Plus plan cost?", "", "How much does the Studio plan cost?"),
        ("And invoices?", "How long are contracts kept?", "", "How long are invoices kept?"),
        ("And children?", "How much do adults pay?", "", "How much do children pay?"),
        ("And parents?", "How many days do full-time staff have?", "", "How many days do parents have?"),
        ("And when does it close?", "Who leads Porto?", "", "when does Porto close?"),
        ("And where is it?", "Who leads Porto?", "", "where is Porto?"),
        ("How fast is support for it?", "How much is the Studio plan?", "", "How fast is support for Studio plan?"),
        ("And 2023?", "What was the revenue in 2024?", "", "What was the revenue in 2023?"),
        ("And now?", "How high was the bonus in 2024?", "", "How high was the bonus now?"),
        ("And Porto?", "成都门店几点开门？", "", "Porto门店几点开门？"),
        ("那X7呢？", "X5的保修期是多久？", "", "X7的保修期是多久？"),
        ("那昆明呢？", "西安店长是谁？", "", "昆明店长是谁？"),
        ("那商务套餐呢？", "云帆家庭套餐多少钱？", "", "云帆商务套餐多少钱？"),
        ("空间有多大？", "云帆家庭套餐多少钱？", "", "云帆家庭套餐空间有多大？"),
        ("有折扣吗？", "云帆家庭套餐多少钱？", "", "云帆家庭套餐有折扣吗？"),
        ("需要提前多久申请？", "年假有几天？", "", "年假需要提前多久申请？"),
        ("2024年呢？", "门店补贴是多少？", "", "2024年门店补贴是多少？"),
        ("现在呢？", "2024年门店补贴是多少？", "", "现在门店补贴是多少？"),
        ("谁负责？", "客服部的预算是多少？", ZH_ROW, "客服部谁负责？"),
        ("研发部呢？", "客服部的预算是多少？", ZH_ROW, "研发部的预算是多少？"),
        ("它的价格是多少？", "X7的重量是多少？", "", "X7的价格是多少？"),
    ],
)
def test_what_a_follow_up_leaves_out_is_carried_over(asked: str, before: str, answer: str, expected: str) -> None:
    said = whole(asked, [Turn(before, answer)])
    assert said.replace("the Tern", "Tern") == expected.replace("the Tern", "Tern")


@pytest.mark.parametrize(
    "asked",
    ["How long is the trial period?", "Who signs the invoices?", "Is there a gym?", "Thanks!", "竞业限制期是多长时间？", "谢谢",
     "There is no fee for a berth?", "Does the Prince of Wales have his own boat?", "And who was Edwin Hubble?",
     "Can staff keep their laptops?", "密码多久更换一次？", "How much does it cost to park?", "", "x" * 5000],
)  # fmt: skip
def test_a_new_topic_is_left_as_it_is(asked: str) -> None:
    assert whole(asked, [Turn("When does the Oslo office open?", "At nine. [1]")]) == asked.strip()
    assert not leans(asked)


def test_this_thing_that_nobody_spoke_of_is_left_as_it_is() -> None:
    past = [Turn("When does the Oslo office open?", "At nine. [1]")]
    assert whole("Who plays in this series?", past) == "Who plays in this series?"


def test_the_thing_is_carried_through_several_turns() -> None:
    past = [Turn("When does the Oslo office open?", "At 8. [1]"), Turn("And Bergen?", "At 9. [1]")]
    assert whole("And when does it close?", past) == "when does Bergen office close?"


@given(st.text(max_size=60), st.lists(st.tuples(st.text(max_size=60), st.text(max_size=80)), max_size=4))
def test_any_history_gives_a_question(asked: str, past: list[tuple[str, str]]) -> None:
    assert isinstance(whole(asked, [Turn(*turn) for turn in past]), str)
