"""How models end their programs: each of these gives 42; and what is drawn comes back as an image."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest

from nacre import ProgramAided, PythonInterpreter, ScriptedChatModel
from nacre.reasoning.extraction import program_in
from nacre.reasoning.results import result_of

PROGRAMS = {
    "ans": "ans = 6 * 7",
    "answer": "answer = 6 * 7",
    "result": "result = 6 * 7",
    "any name": "price = 6\ntotal = price * 7",
    "augmented": "total = 0\nfor _ in range(6):\n    total += 7",
    "annotated": "n: int = 6 * 7",
    "in a branch": "if True:\n    value = 42\nelse:\n    value = 0",
    "in a try": "try:\n    value = 6 * 7\nexcept ValueError:\n    value = 0",
    "in a while": "n = 0\nwhile n < 42:\n    n += 1",
    "with": "import contextlib\nwith contextlib.suppress(ValueError):\n    value = 42",
    "expression": "6 * 7",
    "printed": "print(6 * 7)",
    "printed last": "x = 1\nprint('working')\nprint(42)",
    "printed, then set": "print(42)\nx = 1",
    "final_answer()": "final_answer(6 * 7)",
    "final_answer(name)": "result = 6 * 7\nfinal_answer(result)",
    "final_answer in a function": "def main():\n    final_answer(42)\nmain()",
    "final_answer =": "final_answer = 6 * 7",
    "a function that is not called": "from math import prod\nSIZES = [6, 7]\ndef solve():\n    return prod(SIZES)",
    "a function that calculates": "import math\ndef calculate_eggs(boxes=6):\n    return boxes * 7",
    "a guard without a print": "def main():\n    return 6 * 7\nif __name__ == '__main__':\n    main()",
    "return": "n = 6\nreturn n * 7",
    "solution()": "def solution():\n    return 42",
    "solution printed": "def solution():\n    return 42\nprint(solution())",
    "solution(n) printed": "def solution(n):\n    return n * 7\nprint(solution(6))",
    "solution(n) called": "def solution(n):\n    return n * 7\nsolution(6)",
    "solution(n) set": "def solution(n):\n    return n * 7\nresult = solution(6)",
    "solution(n=6)": "def solution(n=6):\n    return n * 7",
    "solution(*n)": "def solution(*n):\n    return 42",
    "solution that prints": "def solution():\n    print(42)",
    "main guard": "def solution():\n    return 42\nif __name__ == '__main__':\n    print(solution())",
    "main()": "def main():\n    print(42)\nmain()",
}
REPLIES = {
    "fence": "```python\nans = 42\n```",
    "fence in capitals": "```Python\nans = 42\n```",
    "two fences": "```python\nx = 6\n```\nthen\n```python\nans = x * 7\n```",
    "unclosed fence": "```python\nans = 42\n",
    "fence with an end tag": "```py\nfinal_answer(42)\n```<end_code>",
    "code tag": "<code>\nans = 42\n</code>",
    "code tag in a line": "<code>ans = 42</code>",
    "code tag cut": "<code>\nans = 42\n</code",
    "html": "<code>ans = 42 if 1 &lt; 2 else 0</code>",
    "execute tag": "<execute>\nans = 42\n</execute>",
    "json": '{"code": "ans = 42"}',
    "json program": '{"thought": "easy", "program": "x = 6\\nans = x * 7"}',
    "thought first": "<think>```python\nans = 1\n```</think>\n```python\nans = 42\n```",
    "shell first": "```bash\npip install x\n```\n```python\nans = 42\n```",
    "prompts": "```python\n>>> 6 * 7\n42\n```",
    "bare": "ans = 42",
}


@pytest.fixture(scope="module")
def python() -> Iterator[PythonInterpreter]:
    with PythonInterpreter() as interpreter:
        yield interpreter


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_gives_its_answer_however_it_ends(name: str, python: PythonInterpreter) -> None:
    run = python.run(PROGRAMS[name], timeout_s=20)
    assert (run.status, result_of(run)) == ("ok", 42)


@pytest.mark.parametrize("name", REPLIES)
def test_a_program_is_found_however_it_is_written(name: str, python: PythonInterpreter) -> None:
    model = ProgramAided(inner=ScriptedChatModel([REPLIES[name], "It is 42."]), interpreter=python)
    assert model.invoke("How much is six times seven?").response_metadata["nacre"]["value"] == 42


def test_functions_and_modules_are_no_answers(python: PythonInterpreter) -> None:
    for code in ("f = lambda x: x", "import math", "def f():\n    return 42", "class A:\n    x = 42"):
        assert result_of(python.run(code, timeout_s=20)) is None
    assert program_in("The answer is 42.") is None


def test_a_package_that_is_not_here_is_answered_with_those_that_are(python: PythonInterpreter) -> None:
    run = python.run("import requests", timeout_s=20)
    assert run.status == "error" and "numpy" in run.error.rpartition("\n")[2]


@pytest.mark.timeout(120)
@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed")
def test_what_a_program_draws_comes_back_as_an_image(python: PythonInterpreter) -> None:
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nans = 42"
    run = python.run(code, timeout_s=60)
    assert run.value == 42 and len(run.charts) == 1
    assert run.charts[0].startswith(b"\x89PNG") and run.chart_urls[0].startswith("data:image/png;base64,")
