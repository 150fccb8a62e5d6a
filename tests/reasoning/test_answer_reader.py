"""What a program, a remote interpreter or a forged answer sends is read within a budget, and what is made of it is
bounded too.
"""

from __future__ import annotations

import datetime
import json
import math
import sys
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nacre import ProgramAided, PythonInterpreter, ScriptedChatModel
from nacre.reasoning.evidence import cells_read
from nacre.reasoning.interpreter import Execution
from nacre.reasoning.results import mentions, plain, result_of, same, sayings, text_of_value, vote
from nacre.reasoning.sandbox.budget import Budget, OutOfBudget, OutOfTime
from nacre.reasoning.sandbox.exchange import Stop
from nacre.reasoning.sandbox.inside.encode import NODES, Encoder
from nacre.reasoning.sandbox.outcome import execution_in
from nacre.reasoning.sandbox.values import decode, decode_places
from nacre.reasoning.tables import tables_of
from nacre.reasoning.tool import observation
from nacre.reasoning.wording import brief
from nacre.text.messages import Source, nacre_of

PRIME = sys.hash_info.modulus  # every multiple of it has the hash 0


def weight(value: Any) -> int:
    """Objects and characters of a value, each counted as often as it stands there."""
    if isinstance(value, dict):
        return 1 + sum(weight(key) + weight(item) for key, item in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return 1 + sum(map(weight, value))
    if isinstance(value, int):
        return 1 + value.bit_length() // 3
    if isinstance(value, Fraction):
        return weight(value.numerator) + weight(value.denominator)
    return 1 + (len(value) if isinstance(value, (str, bytes)) else len(repr(value)))


def goes_through_everything(value: Any) -> None:
    """All that is done with a value behind the reader, which must never raise, and never grow it."""
    size = 64 * (1 + weight(value))
    written = json.dumps(plain(value), allow_nan=False)
    assert json.loads(written) == plain(value) and len(written) <= size
    assert len(text_of_value(value)) <= size and len(text_of_value(value, "zh")) <= size
    assert isinstance(observation(Execution("ok", value)), str)
    assert isinstance(mentions("There are 3 of them, or inf.", value), bool)
    assert all(said in "Is it 3 or nan?" for said in sayings("Is it 3 or nan?", value))
    assert same(value, value) and vote([value, 1])[0] == 0


# --- any tree of tags ---------------------------------------------------------------------------------------------------

TAGS = ["i", "f", "t", "s", "z", "d", "b", "c", "D", "F", "dt", "day", "time", "td", "o", "x"]
leaves = (
    st.none() | st.booleans() | st.integers() | st.integers(-9, 9).map(lambda k: k * PRIME) | st.floats() | st.text(max_size=20)
    | st.sampled_from(["nan", "-inf", "sNaN", "1E+9999", "-1E-9999", "Infinity", "1/3", "7/0", "ff", "-0", "9" * 3000, "f" * 3000, "2024-02-30", "2024-02-29", "12:00:00+01:00"])
)  # fmt: skip
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.builds(lambda tag, content: {tag: content}, st.sampled_from(TAGS), inner | st.lists(inner, max_size=6))
        | st.lists(st.tuples(inner, inner), max_size=4).map(lambda pairs: {"d": pairs})
        | st.fixed_dictionaries({}, optional={"s": inner, "t": inner})
    ),
    max_leaves=40,
)


@settings(max_examples=300)
@given(trees)
@example({"s": [{"s": [{"s": [{"d": [[{"d": []}, {"D": "sNaN"}]]}]}]}]})
@example({"d": [[{"t": [{"d": [[1, [2]]]}, []]}, 0.0], [{"D": "sNaN"}, {"F": "1/" + "3" * 3900}]]})
def test_any_tree_is_a_value_that_goes_through_everything_or_a_value_error(tree: Any) -> None:
    text, budget = json.dumps(tree), Budget()
    try:
        value = decode(text, budget)
    except ValueError:
        return
    assert weight(value) <= 8 * (1 + len(text))
    assert budget.spent <= 64 * (1 + len(text))
    goes_through_everything(value)


# --- every type that there is -------------------------------------------------------------------------------------------

HARD = [
    math.inf, -math.inf, math.nan, [1.0, math.nan], {"a": math.inf}, {math.inf: math.nan}, {math.nan}, 1e-320,
    Decimal("sNaN"), Decimal("NaN123"), Decimal("-Infinity"), Decimal("1E+9999"), Decimal("1E-9999"), Decimal("1E+308"), Decimal("-0E+9"),
    Decimal("0." + "7" * 3900), 10**3900, -(2**12_999), Fraction(10**3900, 3), Fraction(1, 10**3900), Fraction(7**4000, 3**7000),
    {Decimal("1.5"): {Fraction(1, 3)}, (1, ("a", frozenset({2}))): None}, {1, "a", None, 2.5, b"x", (1,)}, complex(math.inf, math.nan), {True, 0},
    datetime.timedelta.max, datetime.datetime.max.replace(tzinfo=datetime.UTC), datetime.date.min, "", b"\xff\x00", [[]] * 50, [[[[]]]], {(): {}},
]  # fmt: skip


@pytest.mark.parametrize("value", HARD, ids=range(len(HARD)))
def test_odd_but_honest_values_survive_and_are_json(value: Any) -> None:
    back = decode(Encoder(1 << 20).text(value))
    assert type(back) in (type(value), str)
    goes_through_everything(value)
    goes_through_everything(back)


def test_numbers_that_no_double_holds_are_text_and_others_are_numbers() -> None:
    assert plain([math.inf, -math.inf, math.nan]) == ["inf", "-inf", "nan"]
    assert plain([Decimal("1E+9999"), Decimal("sNaN"), Decimal("1E-9999")]) == ["1E+9999", "sNaN", "1E-9999"]
    assert plain(10**3900) == "1" + "0" * 3900 and plain(Fraction(10**400, 3)) == "1" + "0" * 400 + "/3"
    assert plain([10**300, Decimal("1E+300"), Fraction(1, 4)]) == [10**300, 10**300, 0.25]


def test_no_limit_on_digits_is_met() -> None:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        goes_through_everything([10**3900, {Fraction(10**3900, 7): 10**3900}])
        assert text_of_value(10**3900) == brief(10**3900, 5000) == "1" + "0" * 3900
        assert decode(Encoder(1 << 20).text(10**9000)) == "1" + "0" * 9000
        assert sys.get_int_max_str_digits() == 640  # nobody has switched it off
    finally:
        sys.set_int_max_str_digits(before)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1." + "2" * 5000), "1." + "2" * 5000), (Decimal("1E+10000"), "1E+10000"), (Fraction(10**4000, 3), "1" + "0" * 4000 + "/3"),
    ],
)  # fmt: skip
def test_numbers_longer_than_the_reader_takes_leave_as_text(value: Any, text: str) -> None:
    assert decode(Encoder(1 << 20).text(value)) == text


def test_what_was_printed_is_a_number_only_while_a_double_holds_it() -> None:
    assert [result_of(Execution("ok", stdout=text)) for text in ("9" * 4350, "1" * 400 + ".5", "12")] == [
        "9" * 4350,
        "1" * 400 + ".5",
        12,
    ]


def test_infinity_is_said_by_nothing_but_itself() -> None:
    assert not mentions("There are 4.", math.inf) and mentions("It is inf.", math.inf)
    assert not same(Decimal("1E+9999"), Decimal("1E+9998")) and not same(math.inf, 5)


def test_sets_compare_whatever_their_order() -> None:
    left, right = {8, 0, "b", (2, 1)}, frozenset([(2, 1), "b", 0, 8])
    assert same(left, right) and plain(left) == plain(right) == [0, 8, "b", [2, 1]]


# --- hashes -------------------------------------------------------------------------------------------------------------

COLLIDING = {
    "integers": lambda k: {"i": f"{k * PRIME:x}"},
    "plain integers": lambda k: k * PRIME,
    "tuples": lambda k: {"t": [{"i": f"{k * PRIME:x}"}, 1]},
    "nested tuples": lambda k: {"t": [{"t": [{"t": [{"i": f"{k * PRIME:x}"}]}]}]},
    "frozensets": lambda k: {"z": [{"i": f"{k * PRIME:x}"}]},
    "sets": lambda k: {"s": [{"i": f"{k * PRIME:x}"}]},
    "decimals": lambda k: {"D": str(k * PRIME)},
    "fractions": lambda k: {"F": f"{k * PRIME}/2"},
    "complex": lambda k: {"c": [float(-1_000_003 * k), float(k)]},
    "lists": lambda k: [{"i": f"{k * PRIME:x}"}],
    "dicts": lambda k: {"d": [[{"i": f"{k * PRIME:x}"}, 0]]},
    "a mixture": lambda k: [{"i": f"{k * PRIME:x}"}, {"D": f"{k * PRIME}"}, {"F": f"{k * PRIME}/3"}][k % 3],
}  # fmt: skip


@pytest.mark.parametrize("container", ["s", "z", "d"])
@pytest.mark.parametrize("name", COLLIDING)
def test_what_shares_a_hash_is_bounded(name: str, container: str) -> None:
    make, count = COLLIDING[name], 3000
    assert len({hash(decode(json.dumps({"z": [make(k)]}))) for k in range(1, 9)}) == 1  # it does share one
    items = [make(k) for k in range(1, count)]
    text = json.dumps({container: [[item, 0] for item in items] if container == "d" else items})
    budget = Budget()
    with pytest.raises(OutOfBudget):
        decode(text, budget)
    few = json.dumps({container: [[item, 0] for item in items[:20]] if container == "d" else items[:20]})
    assert len(decode(few)) == 20


def test_many_small_sets_share_the_one_budget() -> None:
    small = {"s": [{"i": f"{k * PRIME:x}"} for k in range(1, 101)]}
    assert len(decode(json.dumps([small]))[0]) == 100
    with pytest.raises(OutOfBudget):
        decode(json.dumps([small] * 100))


def test_sets_in_sets_pay_for_comparing_what_is_in_them() -> None:
    def nest(depth: int, number: int) -> Any:
        return number * PRIME if depth == 0 else {"z": [nest(depth - 1, 4 * number + k) for k in range(4)]}

    with pytest.raises(OutOfBudget):
        decode(json.dumps(nest(8, 1)))


def test_equal_members_are_one_and_honest_sets_are_as_large_as_ever() -> None:
    assert decode(json.dumps({"s": [{"o": "<thing>"}] * 1000})) == {"<thing>"}
    for value in (set(range(50_000)), {(k, str(k)): k for k in range(30_000)}, {k / 7 for k in range(50_000)}):
        assert decode(Encoder(1 << 24).text(value)) == value


def test_members_that_cannot_be_members_are_their_nearest_kin() -> None:
    tree: Any = {"s": []}
    for _ in range(40):  # their repr() would have 2**40 characters
        tree = {"s": [tree]}
    assert len(brief(decode(json.dumps(tree)), 10_000)) < 1000
    assert decode('{"s":[[1,[2]]]}') == {(1, (2,))}
    assert decode('{"d":[[{"d":[[1,[2]]]},3]]}') == {((1, (2,)),): 3}
    assert decode('{"s":[{"D":"sNaN"}]}') == {"sNaN"}


# --- size, time ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "[" + "0," * NODES * 2 + "0]", "[" + "[]," * NODES * 3 + "0]", '{"t":[' + '{"t":[]},' * (NODES + 9000) + "0]}", "[" * 70 + "]" * 70,
        '{"d":[' + ",".join(["[0,0]"] * NODES) + "]}",
    ],
    ids=range(5),
)  # fmt: skip
def test_more_parts_than_the_encoder_writes_are_refused(text: str) -> None:
    with pytest.raises(OutOfBudget):
        decode(text)


def test_as_many_parts_as_the_encoder_writes_are_read() -> None:
    value = [[()] * (NODES - 2)]
    assert decode(Encoder(1 << 24).text(value)) == value


def test_commas_in_a_text_are_no_parts() -> None:
    value = '[{,\\"' * (2 * NODES)
    assert decode(json.dumps(value)) == value


@pytest.mark.parametrize(
    "text",
    ['{"t":[],"t":[]}', '{"i":"' + "f" * 3252 + '"}', '{"i":"0x1f"}', '{"i":"1_0"}', "1" * 3920, '{"o":[1]}', '{"b":[1]}', '{"c":["1","2"]}',
     '{"c":[1.0]}', '{"td":[1.5]}', '{"td":["1"]}', '{"dt":"' + "2" * 99 + '"}', '{"D":"' + "1" * 4001 + '"}', '{"F":"1/2/3"}', '{"F":"1/0"}', '{"d":[1]}', '{"d":[[1]]}', '{"s":"abc"}'],
)  # fmt: skip
def test_what_the_encoder_never_writes_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        decode(text)


def test_value_and_cells_are_paid_from_one_budget() -> None:
    half = "[" + ",".join(["0"] * (NODES - 100)) + "]"
    assert execution_in(f"ok\n[]\n{half}").status == "ok"  # type: ignore[union-attr]
    cells = "[" + ",".join(['{"t":["t",0,1,"x"]}'] * 5000) + "]"
    run = execution_in(f"ok\n{cells}\n{half}")
    assert run is not None and (run.status, run.limit) == ("error", "value") and "parts" in run.error


def test_reading_ends_with_the_time_of_the_run_or_when_nobody_waits() -> None:
    long = json.dumps(list(range(5000)))
    with pytest.raises(OutOfTime):
        decode(long, Budget(timeout_s=1.0, used_s=2.0))
    run = execution_in(f"ok\n[]\n{long}", Budget(timeout_s=1.0, used_s=2.0))
    assert run is not None and (run.status, run.limit) == ("timeout", "time")
    stop = Stop()
    assert len(decode(long, Budget(60.0, 0.0, lambda: stop.asked))) == 5000
    stop.now()
    with pytest.raises(OutOfTime):
        decode(long, Budget(60.0, 0.0, lambda: stop.asked))


def test_programs_in_the_sandbox_meet_the_same_reader(python: PythonInterpreter) -> None:
    nested = python.run("class H(set):\n    __hash__ = lambda s: 1\nv = H()\nfor _ in range(30):\n    v = H([v])\nv")
    assert nested.status == "ok" and len(brief(nested.value, 10_000)) < 1000
    many = python.run(
        f"class I(int):\n    __hash__ = lambda s: id(s)\nclass S(set): pass\nS([I(k * {PRIME}) for k in range(9000)])"
    )
    assert (many.status, many.limit) == ("error", "value") and "hash" in many.error


# --- from other machines ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": math.nan}, {"seconds": math.inf}, {"seconds": -1}, {"seconds": 10**400}, {"value": 5}, {"value": None}, {"reads": [1]},
        {"reads": None}, {"status": []}, {"limit": 5}, {"value": "{"},
    ],
    ids=range(11),
)  # fmt: skip
def test_a_run_from_elsewhere_is_checked(change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        Execution.from_data({**Execution("ok", 1).to_data(), **change})


def test_a_run_from_elsewhere_has_the_same_budget() -> None:
    text = json.dumps({"s": [k * PRIME for k in range(1, 3000)]})
    run = Execution.from_data({**Execution("ok", 1).to_data(), "value": text})
    assert (run.status, run.limit, run.value) == ("error", "value", None)
    slow = Execution.from_data({**Execution("ok", list(range(5000))).to_data()}, timeout_s=-1.0)
    assert slow.status == "timeout"


def test_a_run_that_cannot_be_written_says_so() -> None:
    run = Execution.from_data(Execution("ok", [[0] * 500] * 500).to_data())
    assert (run.status, run.limit) == ("error", "value") and "parts" in run.error


# --- behind the reader --------------------------------------------------------------------------------------------------


@given(st.sampled_from(HARD) | st.lists(st.sampled_from(HARD)), st.integers(0, 300))
def test_the_brief_form_is_the_beginning_of_repr(value: Any, limit: int) -> None:
    whole = brief(value, 10**6)
    if not any(isinstance(part, Decimal) for part in (value if isinstance(value, list) else [value])):
        assert whole == repr(value)
    assert brief(value, limit) == (whole if len(whole) <= limit else whole[:limit] + "…")


def test_an_observation_of_much_is_short() -> None:
    run = Execution("ok", [["x" * 100] * 1000] * 1000, stdout="y" * 10**6)
    assert len(observation(run)) < 50_000
    assert observation(Execution("ok", {"a": (1, Decimal("2.5")), "b": {3}})) == "{'a': (1, Decimal('2.5')), 'b': {3}}"


def test_a_long_value_is_answered_by_its_beginning_and_kept_whole() -> None:
    class Much:
        def run(self, code: str, timeout_s: float = 5.0, *, inputs: Any = None) -> Execution:
            return Execution("ok", list(range(20_000)))

    reply = ProgramAided(inner=ScriptedChatModel(["```python\nx\n```"]), interpreter=Much()).invoke("How many?")
    assert reply.text.startswith("0, 1, 2") and reply.text.endswith("…") and len(reply.text) < 11_000
    assert nacre_of(reply)["value"] == list(range(20_000))


def test_only_cells_that_exist_are_cited() -> None:
    [table] = tables_of([Source(1, "Town | Sales\nA | 5\nB | 7")])
    places = [("tables", 0, 0, "Town"), ("tables", 0, 2, "Town"), ("tables", 0, -1, "Town"), ("tables", -1, 0, "Town"), ("tables", 1, 0, "Town"),
              ("tables", 0, 1, "Profit"), ("other", 0, 0, "Town"), ("tables", 0, 0, "Town")]  # fmt: skip
    cells = cells_read(Execution("ok", reads=tuple(places)), [table])
    assert [(cell["row"], cell["column"], cell["text"]) for cell in cells] == [(0, "Town", "A")]
    text = json.dumps([{"t": list(place)} for place in places])
    assert set(decode_places(text)) == {place for place in places if place[1] >= 0 and place[2] >= 0}
    assert decode_places('[{"t":["tables",true,0,"x"]}]') == decode_places('{"t":[]}') == ()
