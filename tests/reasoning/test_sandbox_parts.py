"""The parts of the sandbox by themselves: the BPF program, the encoding, and how endings are told apart."""

from __future__ import annotations

import datetime
import errno
import json
import math
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.reasoning.sandbox.exchange import Record
from nacre.reasoning.sandbox.inside.encode import Encoder, Unencodable
from nacre.reasoning.sandbox.limits import Limits
from nacre.reasoning.sandbox.outcome import from_answer, from_exit, from_limit
from nacre.reasoning.sandbox.values import decode
from nacre.reasoning.sandbox.view import PACKAGES, view_of
from nacre.system.confinement import seccomp, syscalls

X86_64, I386, KILL, ALLOW = 0xC000003E, 0x40000003, 0x80000000, 0x7FFF0000


def verdict(
    program: list[seccomp.Instruction], number: int, arguments: tuple[int, ...] = (), arch: int = X86_64
) -> int:
    """Run a filter as the kernel does."""
    data = number.to_bytes(4, "little") + arch.to_bytes(4, "little") + bytes(8)
    data += b"".join((a & (1 << 64) - 1).to_bytes(8, "little") for a in (*arguments, 0, 0, 0, 0, 0, 0)[:6])
    at = accumulator = 0
    while True:
        code, yes, no, k = program[at]
        at += 1
        if code == 0x06:
            return k
        if code == 0x20:
            accumulator = int.from_bytes(data[k : k + 4], "little")
        elif code == 0x54:
            accumulator &= k
        elif code == 0x05:
            at += k
        else:
            at += yes if (accumulator == k if code == 0x15 else accumulator >= k) else no


FULL, ALONE = seccomp.build(syscalls.allowed(None)), seccomp.build(syscalls.allowed(77))


@given(st.integers(0, 1200))
def test_the_filter_answers_as_the_rules_say(number: int) -> None:
    for program, rules in ((FULL, syscalls.allowed(None)), (ALONE, syscalls.allowed(77))):
        rule = rules.get(number, syscalls.Rule())
        if rule.ways in ((), ((),)) and rule.undone in ((), ((),)):
            refused = 0x50000 if rule.undone else 0x50000 | rule.error
            assert verdict(program, number) == (ALLOW if rule.ways else refused)


@pytest.mark.parametrize(
    ("number", "arguments", "allowed"),
    [
        (syscalls.MMAP, (0, 4096, 3), True), (syscalls.MMAP, (0, 4096, 5), True), (syscalls.MMAP, (0, 4096, 7), False), (syscalls.MPROTECT, (0, 1, 6), False),
        (syscalls.CLONE, (0x3D0F00,), True), (syscalls.CLONE, (17,), False), (syscalls.CLONE, (0x10000000 | 0x10100,), False), (syscalls.CLONE, (0x100,), False),
        (syscalls.IOCTL, (1, 0x5401), True), (syscalls.IOCTL, (1, 0x5412), False), (syscalls.FCNTL, (1, 1030), True), (syscalls.FCNTL, (1, 8), False),
        (syscalls.PRCTL, (15,), True), (syscalls.PRCTL, (22,), False), (syscalls.PRLIMIT64, (0,), True), (syscalls.PRLIMIT64, (1,), False),
        (syscalls.SOCKETPAIR, (1, 0o2000001), True), (syscalls.SOCKETPAIR, (1, 2), False), (syscalls.SOCKETPAIR, (2, 1), False),
        (syscalls.SENDTO, (3, 0, 0, 0, 0), True), (syscalls.SENDTO, (3, 0, 0, 0, 1 << 40), False), (syscalls.SENDTO, (3, 0, 0, 0, 8), False),
        (syscalls.MADVISE, (0, 4096, 4), True), (syscalls.MADVISE, (0, 4096, 14), True), (syscalls.MADVISE, (0, 4096, 21), False), (syscalls.MADVISE, (0, 4096, 12), False),
        (syscalls.FUTEX, (8, 0x189), True), (syscalls.FUTEX, (8, 0x81), True), (syscalls.FUTEX, (8, 0x85), True), (syscalls.FUTEX, (8, 1), False), (syscalls.FUTEX, (8, 10), False), (syscalls.MMAP, (0, 4096, 3, 0x40022), False), (syscalls.FUTEX, (8, 6), False), (syscalls.FUTEX, (8, 0x8D), False), (syscalls.FUTEX, (8, 12), False),
        (41, (1, 1), False), (57, (), False), (59, (), False), (101, (), False), (425, (), False), (999, (), False),
    ],
)  # fmt: skip
def test_arguments_decide_where_the_call_does_not(number: int, arguments: tuple[int, ...], allowed: bool) -> None:
    assert (verdict(FULL, number, arguments) == ALLOW) is allowed


@pytest.mark.parametrize(
    ("number", "arguments"),
    [
        (syscalls.FCNTL, (3, 6)),
        (syscalls.FCNTL, (3, 7)),
        (74, (3,)),
        (75, (3,)),
        (26, ()),
        (221, (3,)),
        (syscalls.FUTEX, (8, 0)),
        (syscalls.FUTEX, (8, 0x109)),
    ],
)
def test_locks_and_writing_back_are_answered_and_not_done(number: int, arguments: tuple[int, ...]) -> None:
    assert verdict(FULL, number, arguments) == verdict(ALONE, number, arguments) == 0x50000


@pytest.mark.parametrize("other", [1, 76, 78, 4_000_000, -1, -77, 1 << 31])
@pytest.mark.parametrize(
    "number", [62, 234, syscalls.SCHED_GETAFFINITY, syscalls.PRLIMIT64, 109, 121, 124, 140, 143, 145, 148, 247, 252, 274, 312, 315, 434]
)  # fmt: skip
def test_without_namespaces_no_call_names_another_process(number: int, other: int) -> None:
    assert verdict(ALONE, number, (other, other, 0)) != ALLOW


def test_without_namespaces_no_clock_of_another_process_is_read() -> None:
    for number in (228, 229, 230):
        assert all(verdict(ALONE, number, (clock,)) == ALLOW for clock in range(12))
        assert all(
            verdict(ALONE, number, (~pid << 3 | kind,)) != ALLOW for pid in (1, 77, 4000) for kind in (0, 2, 3, 6)
        )


def test_another_architecture_and_x32_are_killed() -> None:
    assert verdict(FULL, 0, arch=I386) == verdict(FULL, 0x40000000) == verdict(FULL, 0xFFFFFFFF) == KILL
    assert verdict(FULL, syscalls.CLONE3) == 0x50000 | errno.ENOSYS


def test_without_namespaces_signals_go_to_itself_and_there_are_no_threads_or_pairs() -> None:
    assert verdict(ALONE, 62, (77, 9)) == ALLOW
    for target in (-1, 0, 1, 78, -77):
        assert verdict(ALONE, 62, (target, 9)) != ALLOW
    for number, arguments in (
        (syscalls.CLONE, (0x3D0F00,)),
        (syscalls.SOCKETPAIR, (1, 1)),
        (89, ()),
        (90, ()),
        (280, ()),
    ):
        assert verdict(ALONE, number, arguments) != ALLOW


# --- values -----------------------------------------------------------------------------------------------------------

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(exclude_categories=["Cs"])) | st.binary()
    | st.complex_numbers(allow_nan=False) | st.decimals(allow_nan=False, places=3) | st.fractions() | st.datetimes() | st.dates() | st.times() | st.timedeltas()
)  # fmt: skip
hashables = st.recursive(
    scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(hashables, inner, max_size=3) | st.sets(hashables, max_size=3), max_leaves=12
)  # fmt: skip


@given(values)
def test_plain_data_survives_the_encoding(value: Any) -> None:
    back = decode(Encoder(1 << 20).text(value))
    assert repr(back) == repr(value) or (back == value and type(back) is type(value))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("iftszdbcDFo") | st.text(), inner),
    )
)
def test_any_json_is_a_value_or_a_value_error(node: Any) -> None:
    with suppress(ValueError):
        decode(json.dumps(node))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        '{"i":"' + "f" * 5000 + '"}',
        "1" * 5000,
        '{"D":"1e99999999"}',
        '{"F":"1/0"}',
        '{"f":"1"}',
        "NaN",
        '{"b":"zz"}',
        '{"a":1,"b":2}',
    ],
    ids=range(11),
)
def test_hostile_answers_are_value_errors(text: str) -> None:
    with pytest.raises(ValueError):
        decode(text)


class Liar(dict):  # type: ignore[type-arg]
    def items(self) -> Any:
        raise SystemExit

    def __len__(self) -> int:
        return 10**9


class Text(str):
    def __str__(self) -> str:
        return "y" * 10**9

    def encode(self, *_: Any) -> bytes:
        raise KeyboardInterrupt


def test_subclasses_are_read_by_their_base_and_cannot_lie() -> None:
    assert decode(Encoder(1000).text([Liar(a=Text("x"))])) == [{"a": "x"}]


@pytest.mark.parametrize(
    "value",
    ["x" * 2000, [0] * 2000, {n: n for n in range(999)}, b"x" * 2000, 10**9000, [[["x" * 300] * 2] * 2]],
    ids=range(6),
)
def test_a_value_over_the_limit_is_refused_and_not_built(value: Any) -> None:
    with pytest.raises(Unencodable):
        Encoder(1000).text(value)


def test_what_cannot_be_printed_comes_back_printable() -> None:
    assert decode(Encoder(100).text("a\ud800b")) == "a\ufffdb"
    assert decode(Encoder(10**5).text(10**6000)) == "1" + "0" * 6000
    assert math.isnan(decode(Encoder(100).text(math.nan)))
    assert decode(Encoder(999).text([Decimal("1.50"), Fraction(1, 3), datetime.timedelta(1)])) == [
        Decimal("1.50"),
        Fraction(1, 3),
        datetime.timedelta(1),
    ]


# --- endings ----------------------------------------------------------------------------------------------------------


def record(answer: bytes = b"", **fields: Any) -> Record:
    return Record(answer=bytearray(answer), seconds=0.1, **fields)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"s",
        b"sNONCE",
        b"sNONCEwon\n[]\n1",
        b"sWRONGok\n[]\n1",
        b"ok\n[]\n1",
        b"NONCEok\n[]\n1",
        b"sNONCEok:luck\n[]\n1",
        b"\xff" * 50,
    ],
)
def test_an_answer_counts_only_in_the_exact_form(answer: bytes) -> None:
    assert from_answer(record(answer), b"NONCE") is None


def test_a_genuine_answer_counts() -> None:
    run = from_answer(record(b"s" + b'NONCEok\n[{"t":["t",0,1,"x"]}]\n[1]'), b"NONCE")
    assert run is not None and (run.status, run.value, run.reads) == ("ok", [1], (("t", 0, 1, "x"),))
    bad = from_answer(record(b"sNONCEok\n[]\nnonsense"), b"NONCE")
    assert bad is not None and bad.status == "error"
    disk = from_answer(record(b"sNONCEerror:disk\n[]\nfull"), b"NONCE")
    assert disk is not None and (disk.status, disk.limit, disk.error) == ("error", "disk", "full")


@pytest.mark.parametrize(
    ("code", "cpu_s", "status", "limit"),
    [(0, 0, "error", None), (3, 0, "error", None), (-11, 0, "error", None), (-9, 0.1, "memory", "memory"), (-9, 10.5, "timeout", "cpu"), (-24, 11, "timeout", "cpu"), (-31, 0, "blocked", None), (-99, 0, "error", None)],
)  # fmt: skip
def test_how_a_process_ended_tells_which_limit_it_met(code: int, cpu_s: float, status: str, limit: str | None) -> None:
    run = from_exit(record(), code, cpu_s, 11)
    assert (run.status, run.limit) == (status, limit) and run.error


def test_output_over_the_limit_is_cut_to_it() -> None:
    run = from_limit(record(stdout=bytearray(b"x" * 99), ended="output"), 5, Limits(output=10))
    assert (run.status, run.limit, run.stdout) == ("error", "output", "x" * 10)


def test_the_view_holds_python_and_the_named_packages_and_no_site_packages() -> None:
    view = view_of(PACKAGES)
    assert any(path.endswith("/numpy") for path in view.readable)
    assert not any(path.endswith(("site-packages", "dist-packages")) for path in view.readable)
    assert view_of(()).packages == () and len(view_of(()).readable) < len(view.readable)
    assert view_of(("no_such_package",)).readable == view_of(()).readable
