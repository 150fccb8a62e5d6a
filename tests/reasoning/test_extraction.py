"""Programs are found in whatever a model wrote, and foreign text can neither hang nor crash the search."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.reasoning.extraction import fenced_blocks, program_in

ONE = "def solution():\n    return 1"
FORMS = {
    "fenced": (f"```python\n{ONE}\n```", ONE),
    "no language": (f"```\n{ONE}\n```", ONE),
    "tildes": (f"~~~py\n{ONE}\n~~~", ONE),
    "capital": (f"```Python\n{ONE}\n```", ONE),
    "prose around": (f"Let me think.\n\n```python\n{ONE}\n```\nThat gives 1.", ONE),
    "never closed": (f"Sure:\n```python\n{ONE}", ONE),
    "bare": (ONE, ONE),
    "bare in prose": (f"Here is the program:\n\n{ONE}\n\nIt returns one.", ONE),
    "bare in Chinese prose": (f"程序如下：\n{ONE}\n这就是答案。", ONE),
    "in a list": ("1. First\n   ```python\n   a = 1\n   a + 1\n   ```", "a = 1\na + 1"),
    "quoted": ("> ```python\n> a = 1\n> ```", "a = 1"),
    "windows lines": ("```python\r\na = 1\r\nb = a\r\n```", "a = 1\nb = a"),
    "indented": ("    a = 1\n    a", "a = 1\na"),
    "doctest": (">>> a = 2\n>>> a * 2\n4", "a = 2\na * 2"),
    "doctest with output in a fence": ("```python\n>>> for i in range(2):\n...     print(i)\n0\n1\n```", "for i in range(2):\n    print(i)"),
    "word processor quotes": ("```python\nprint(“hi”)\n```", 'print("hi")'),
    "no-break spaces": ("```python\nif True:\n\u00a0\u00a0\u00a0\u00a0x = 1\n```", "if True:\n    x = 1"),
    "thinking first": ("<think>```python\nwrong\n```</think>```python\nright = 1\n```", "right = 1"),
    "with its output": (f"```python\n{ONE}\n```\n```output\n1\n```", ONE),
    "several parts": ("```python\nx = 2\n```\nNow:\n```python\nans = x * 3\n```", "x = 2\nans = x * 3"),
    "a correction": (f"```python\n{ONE}\n```\nWait.\n```python\ndef solution():\n    return 2\n```", "def solution():\n    return 2"),
    "only an expression": ("(3 + 4) * 2", "(3 + 4) * 2"),
    "Python 2": ('print "hello"', 'print "hello"'),
    "fence inside a string": ("````python\ns = '''\n```\n'''\n````", "s = '''\n```\n'''"),
    "a tag that says more": ('<code lang="python">\nans = 3\n</code>', "ans = 3"),
    "multi-line call": ("x = [\n  1,\n  2,\n]\nprint(sum(x))", "x = [\n  1,\n  2,\n]\nprint(sum(x))"),
    "in one line": ("```python a = 1```", "a = 1"),
    "closed at the end of a line": ("```python\na = 1\nb = a```", "a = 1\nb = a"),
    "argument of a call": ('{"name": "python", "arguments": {"code": "a = 1"}}', "a = 1"),
    "lines of a notebook": ("```python\n%matplotlib inline\n!pip install tide\na = 7 % 2\n```", "a = 7 % 2"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_usual_form_is_found(form: str) -> None:
    text, program = FORMS[form]
    assert program_in(text) == program


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "The answer is 42.",
        "Paris",
        "答案是 42。",
        "```json\n{}\n```",
        "```output\n3\n```",
        "I have 3 apples - 2 pears.",
        "well-known",
        "In 2020 - 2021 it rose.",
    ],
)
def test_prose_is_no_program(text: str) -> None:
    assert program_in(text) is None


@given(st.text())
def test_any_text_is_searched_without_an_error(text: str) -> None:
    found = program_in(text)
    assert found is None or isinstance(found, str)


@given(st.text(alphabet="ab=1\n ()'\"#:", min_size=1).map(str.strip).filter(lambda code: "`" not in code and code))
def test_what_stands_in_a_fence_is_what_comes_out_but_for_margins(code: str) -> None:
    [block] = fenced_blocks(f"text\n```python\n{code}\n```\ntext")
    assert block == code.rstrip("\n")


@pytest.mark.parametrize(
    "piece", ["(", "a", "[0]", "1+", "a.", "a=", "`", "> ", "```\n", "a\n", "<think>", "-", "x = [\n"]
)
@pytest.mark.timeout(60)
def test_long_hostile_text_is_searched_at_once(piece: str) -> None:
    program_in(piece * 30_000)  # a quadratic search takes minutes
