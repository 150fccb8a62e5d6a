"""What a run gives: values with their types, output, errors that can be acted on, one status for each limit."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from nacre.errors import UsageError
from nacre.reasoning.sandbox import Limits, PythonInterpreter


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("1 + 1", 2),
        ("def solution():\n    return 'a'\n5", "a"),
        ("ans = 3", 3),
        ("ans = 3\nprint(ans)", 3),
        ("x = 1", 1),
        ("pass", None),
        ("", None),
        ("# nothing", None),
        ("\ufeffanswer = '答案'", "答案"),
        ("# -*- coding: latin-1 -*-\n'é'", "é"),
    ],
)
def test_the_value_is_that_of_solution_else_the_last_expression_else_ans(
    python: PythonInterpreter, code: str, value: Any
) -> None:
    run = python.run(code)
    assert (run.status, run.value, run.error) == ("ok", value, "")


VALUES: list[Any] = [
    None, True, 2**53 + 1, -(10**300), 1.5, -0.0, "naïve 答案 \n\x00", [1, [2, (3,)]], {"a": {1: None}}, {(1, 2): {3}}, frozenset({1}),
    b"\x00\xff", 1 + 2j, Decimal("0.10"), Fraction(5, 6), datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 1, 2, 3),
    datetime.time(4, 5), datetime.timedelta(days=-1, seconds=5),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_plain_data_keeps_its_type(python: PythonInterpreter, value: Any) -> None:
    names = "import datetime\nfrom decimal import Decimal\nfrom fractions import Fraction\n"
    back = python.run(names + repr(value)).value
    assert back == value and type(back) is type(value)


def test_floats_that_json_lacks_come_back(python: PythonInterpreter) -> None:
    nan, *rest = python.run("[float('nan'), float('inf'), -float('inf')]").value
    assert math.isnan(nan) and rest == [math.inf, -math.inf]


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("np.int64(3)", 3),
        ("np.arange(4).reshape(2, 2) / 2", [[0.0, 0.5], [1.0, 1.5]]),
        ("np.float64(0.5)", 0.5),
        ("Symbol('x') + 1", "x + 1"),
        ("solve(Eq(Symbol('x') * 3, 2))", [Fraction(2, 3)]),
        ("solve(Symbol('x')**2 - 4)", [-2, 2]),
        ("simplify(Symbol('x') - Symbol('x'))", 0),
        ("x = Symbol('x')\nsolve_it(x * 2 - 6, x)[x]", 3),
        ("x = Symbol('x')\nsolve_it(Eq(0 * x, 1), x)", {"x": None}),
        ("(datetime(2024, 1, 31) + relativedelta(months=1)).strftime('%m/%d/%Y')", "02/29/2024"),
        ("statistics.median([1, 9, 5])", 5),
        ("range(3)", [0, 1, 2]),
        ("{'a': 1}.keys()", ["a"]),
    ],
)
def test_the_names_that_published_programs_use_are_there(python: PythonInterpreter, code: str, value: Any) -> None:
    run = python.run(code)
    assert (run.status, run.value) == ("ok", value), run.error


def test_objects_come_back_as_text_made_inside(python: PythonInterpreter) -> None:
    assert python.run("class A:\n    def __repr__(self): return 'an A'\nA()").value == "an A"


def test_output_and_errors_come_back(python: PythonInterpreter) -> None:
    run = python.run(
        "import sys\nprint('答案：42 😀')\nprint('oops', file=sys.stderr)\ndef f():\n    return 1 / 0\nf()"
    )
    assert run.stdout == "答案：42 😀\n" and run.stderr == "oops\n"
    assert run.status == "error" and "ZeroDivisionError: division by zero" in run.error
    assert 'File "<program>", line 5, in f' in run.error and "return 1 / 0" in run.error
    assert "child.py" not in run.error and "program.py" not in run.error


def test_what_was_printed_before_a_loop_is_kept(python: PythonInterpreter) -> None:
    run = python.run("print('before')\nwhile True: pass", timeout_s=0.5)
    assert (run.status, run.limit, run.stdout) == ("timeout", "time", "before\n")


@pytest.mark.parametrize(
    ("code", "status", "limit", "words"),
    [
        ("while True: pass", "timeout", "time", "0.7 s"),
        ("import time\ntime.sleep(60)", "timeout", "time", ""),
        ("x = [0]\nwhile True: x = x + x", "memory", "memory", "memory"),
        ("import mmap\nk = [mmap.mmap(-1, 1 << 26) for _ in range(99)]", "memory", "memory", "memory"),
        ("while True: print('x' * 10000)", "error", "output", "1048576 bytes"),
        ("'x' * 3_000_000", "error", "value", "larger than"),
        ("x = []\nfor _ in range(9999): x = [x]\nx", "error", "value", "nested deeper"),
        ("x = []\nx.append(x)\nx", "error", "value", "itself"),
        ("list(range(300_000))", "error", "value", ""),
        ("open('a', 'wb').write(b'x' * (20 << 20))", "error", "file_size", "File too large"),
        ("for i in range(9): open(str(i), 'wb').write(b'x' * (8 << 20))", "error", "disk", "No space left"),
        ("for i in range(9999): open(str(i), 'w').close()", "error", "disk", ""),
        ("k = [open('/dev/null') for _ in range(999)]", "error", "files", "Too many open files"),
        ("import threading, time\nfor _ in range(999): threading.Thread(target=time.sleep, args=(9,), daemon=True).start()", "error", "processes", ""),
        ("import socket\nsocket.socket()", "blocked", None, "PermissionError"),
        ("import os\nos.fork()", "blocked", None, "PermissionError"),
        ("import subprocess\nsubprocess.run(['true'])", "blocked", None, ""),
        ("open('/new', 'w')", "blocked", None, ""),
        ("open('/etc/passwd')", "error", None, "No such file"),
        ("def f(): return f()\nf()", "error", None, "RecursionError"),
        ("print 'hello'", "error", None, "SyntaxError"),
        ("def f(:", "error", None, "SyntaxError"),
        ("(" * 9000, "error", None, ""),
        ("a\x00b", "error", None, "null bytes"),
        ("'\ud800' + undefined", "error", None, ""),
        ("import os\nos._exit(3)", "error", None, "exit code 3"),
        ("raise SystemExit('enough')", "error", None, "enough"),
        ("import ctypes\nctypes.string_at(0)", "error", None, "SIGSEGV"),
        ("raise ValueError('x' * 10**6)", "error", None, "ValueError"),
        ("class E(Exception):\n    def __str__(self): return 1 / 0\nraise E()", "error", None, "E"),
    ],
)  # fmt: skip
def test_each_failure_has_its_status_and_says_what_to_do(
    python: PythonInterpreter, code: str, status: str, limit: str | None, words: str
) -> None:
    run = python.run(code, timeout_s=0.7 if status == "timeout" else 5)
    assert (run.status, run.limit) == (status, limit), run
    assert words in run.error and 0 < len(run.error) < 5000
    assert run.value is None


def test_sys_exit_without_a_code_is_a_good_end(python: PythonInterpreter) -> None:
    assert python.run("print('done')\nexit()").status == "ok"


def test_inputs_arrive_and_the_cells_that_are_read_are_told(python: PythonInterpreter) -> None:
    tables = [[{"town": "A", "sales": 3}, {"town": "B", "sales": 4}], [{"other": None}]]
    run = python.run("sum(row['sales'] for row in tables[0]) + base", inputs={"tables": tables, "base": 10})
    assert run.value == 17
    assert run.reads == (("tables", 0, 0, "sales"), ("tables", 0, 1, "sales"))
    assert python.run("[dict(r) for r in tables[1]]", inputs={"tables": tables}).reads == (("tables", 1, 0, "other"),)


def test_a_program_may_use_its_own_files_threads_and_event_loop(python: PythonInterpreter) -> None:
    code = """
import asyncio, concurrent.futures, shutil, tempfile
async def double(x):
    await asyncio.sleep(0)
    return 2 * x
def solution():
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write("12")
    shutil.copy2(file.name, "copy.txt")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        squares = list(pool.map(lambda x: x * x, range(8)))
    return [asyncio.run(double(21)), open("copy.txt").read(), sum(squares)]
"""
    assert python.run(code).value == [42, "12", 140]


@pytest.mark.parametrize("level", ["namespaces", "landlock"])
def test_a_weaker_level_runs_when_it_is_asked_for_by_name(level: Any, python: PythonInterpreter) -> None:
    with PythonInterpreter(level=level) as weaker:
        assert weaker.start()["level"] == level
        assert weaker.run("solve(Eq(Symbol('x'), 2))").value == [2]
        assert weaker.run("open('/etc/passwd')").status in ("blocked", "error")
        scratch = weaker.run("open('a', 'w').write('b')")
        assert scratch.value == 1 if level == "namespaces" else "no scratch files and no threads" in scratch.error


def test_wrong_arguments_are_said_before_anything_runs(python: PythonInterpreter) -> None:
    with pytest.raises(UsageError, match="landlock"):
        PythonInterpreter(level="exec")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="memory"):
        Limits(memory=0)
    for wrong in ({"timeout_s": 0}, {"timeout_s": math.nan}, {"inputs": {"f": open}}):
        with pytest.raises(UsageError):
            python.run("1", **wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        python.run(b"1")  # type: ignore[arg-type]
    assert python.run("#" * (17 << 20)).limit == "program"
