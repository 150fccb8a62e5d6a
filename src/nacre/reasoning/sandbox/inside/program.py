"""Run a program in this process and write down how it ended. Nothing here protects: the process is locked down."""

from __future__ import annotations

import ast
import base64
import builtins
import errno
import gc
import inspect
import io
import linecache
import sys
import traceback
import types
from typing import Any

from . import rlimits
from .encode import Encoder, Unencodable
from .recording import Place, recorded

_NAME = "<program>"
_READS_LIMIT = 1 << 18
_MOST_CHARTS, _LARGEST_CHART = 4, 300_000
_ANSWERS = ("ans", "answer", "final_answer")
_PRINTS = ("print", "display", "pprint")
_GUARDS = ("__name__ == '__main__'", "'__main__' == __name__")
_SOLVES = ("main", "solve", "answer", "calculate", "compute")
_SETTING = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)
_LIMIT_OF_ERRNO = {
    errno.ENOSPC: "disk",
    errno.EDQUOT: "disk",
    errno.EFBIG: "file_size",
    errno.EMFILE: "files",
    errno.ENFILE: "files",
}
_FORBIDDEN = (errno.EPERM, errno.EACCES, errno.EROFS)


def main_module(names: dict[str, Any]) -> types.ModuleType:
    """The `__main__` of a program, with builtins that are a copy: what the program does to them, it does to itself."""
    module = types.ModuleType("__main__")
    own_builtins = types.ModuleType("builtins")
    vars(own_builtins).update(vars(builtins), exit=sys.exit, quit=sys.exit)
    vars(module).update(names, __builtins__=own_builtins)
    return module


def prepare(main: types.ModuleType) -> dict[str, Any]:
    """Do before the program arrives what does not depend on it."""
    space = vars(main)
    sys.modules.update(__main__=main, builtins=space["__builtins__"])
    for part in _compile("abs(0)\n0"):
        exec(part, {})  # brings the pages of the compiler into this process
    return space


def run(request: dict[str, Any], space: dict[str, Any]) -> str:
    """Run one program.

    Args:
        request: "code", "inputs" (more names), "value_limit" (characters of the encoded value), "lacks" (what to tell a
            program that was refused).

    Returns:
        Three parts, a line each: the status, "ok", "error", "memory" or "blocked", with a limit after a colon where one
        was reached ("error:disk"); the cells of tables that it read and, behind a tab, charts as PNG in base64, parted
        by blanks; and the value as JSON, or the text of the error.
    """
    inputs, reads = recorded(request["inputs"])
    space.update(inputs)
    status, text = _outcome(request, space)
    charts = _charts() if status == "ok" else ""
    if request["lacks"] and status in ("blocked", "error:processes"):
        text += f"\n{request['lacks']}"
    return f"{status}\n{_reads(reads)}\t{charts}\n{text}"


def _outcome(request: dict[str, Any], space: dict[str, Any]) -> tuple[str, str]:
    try:
        notes: dict[str, str] = {}
        code = _compile(request["code"], notes)
    except MemoryError:  # what CPython's parser raises for a program nested too deeply
        return "error", "SyntaxError: the program is nested too deeply"
    except BaseException as error:
        return "error", _describe(error)
    try:
        result = _execute(code, space, notes["last"])
        _flush()
        return "ok", Encoder(request["value_limit"]).text(result)
    except Unencodable as error:
        return "error:value", f"ValueError: {error}"
    except BaseException as error:
        return _failure(error)


def _reads(reads: set[Place]) -> str:
    try:
        return Encoder(_READS_LIMIT).text(sorted(reads))
    except BaseException:  # it is a courtesy; the value matters more
        return "[]"


def _charts() -> str:
    """The open figures of matplotlib, where the program has drawn any."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return ""
    found = []
    try:
        for number in pyplot.get_fignums()[:_MOST_CHARTS]:
            drawn = io.BytesIO()
            pyplot.figure(number).savefig(drawn, format="png", dpi=100)
            if len(drawn.getvalue()) <= _LARGEST_CHART:
                found.append(base64.b64encode(drawn.getvalue()).decode())
    except BaseException:  # the value matters more
        return ""
    return " ".join(found)


def _compile(source: str, notes: dict[str, str] | None = None) -> list[types.CodeType]:
    """The statements and, when the program ends in one, its last expression; `notes` hears what name it sets last."""
    source = source.removeprefix("\ufeff")
    linecache.cache[_NAME] = (len(source), None, source.splitlines(keepends=True), _NAME)
    tree = ast.parse(source, _NAME)
    _open_ended(tree)
    if notes is not None:
        notes["last"] = _last_name(tree)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    parts = [compile(tree, _NAME, "exec", dont_inherit=True)]
    if isinstance(last, ast.Expr):
        parts.append(compile(ast.Expression(last.value), _NAME, "eval", dont_inherit=True))
    return parts


def _open_ended(tree: ast.Module) -> None:
    """What a program ends with as statements of its own: `return x` stands for x, and what a guard runs is run."""
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.If) and ast.unparse(last.test) in _GUARDS:
        tree.body[-1:] = last.body
    elif isinstance(last, ast.Return) and last.value is not None:
        tree.body[-1] = ast.copy_location(ast.Expr(last.value), last)


def _last_name(tree: ast.Module) -> str:
    """The name that a program sets last, as its result: "" where it prints, or ends in something else."""
    end = tree.body[-1] if tree.body else None
    if isinstance(end, ast.FunctionDef) and all(isinstance(n, _SETTING) for n in tree.body):
        # Nothing but definitions: what solves, calculate_total say, is to be called.
        return end.name if end.name.partition("_")[0] in _SOLVES else ""
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    if not tree.body or any(isinstance(called, ast.Name) and called.id in _PRINTS for called in calls):
        return ""
    last = tree.body[-1]
    if isinstance(last, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Expr):
        return ""
    names = [
        node.id
        for part in ast.walk(last)
        if isinstance(part, ast.Assign | ast.AugAssign | ast.AnnAssign)
        for node in (part.targets if isinstance(part, ast.Assign) else [part.target])
        if isinstance(node, ast.Name)
    ]
    return names[-1] if names else ""


def open_streams() -> None:
    """Make `sys.stdout` and `sys.stderr` anew, for what will stand behind descriptors 1 and 2: now something like a
    pipe.
    """
    for name, fd in (("stdout", 1), ("stderr", 2)):
        raw = io.FileIO(fd, "w", closefd=False)
        stream = io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", "backslashreplace", line_buffering=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()  # type: ignore[union-attr]
        except Exception:
            continue  # the program replaced or closed it


def _execute(parts: list[types.CodeType], space: dict[str, Any], last_name: str = "") -> Any:
    """The value: what was given to `final_answer()`, else what `solution()` returns, the last expression, `ans`, or
    the name that was set last.
    """
    given: list[Any] = []
    space["final_answer"] = lambda value=None: given.append(value)
    preset = {name: space.get(name) for name in _ANSWERS}
    exec(parts[0], space)
    last = eval(parts[1], space) if len(parts) > 1 else None
    if given:
        return given[-1]
    if callable(space.get("solution")) and not _needs_arguments(space["solution"]):
        return space["solution"]()
    if last is not None:
        return last
    named = next((space[name] for name in _ANSWERS if space.get(name) is not preset[name]), None)
    if named is not None or not last_name:
        return named
    result = space.get(last_name)
    if isinstance(result, types.FunctionType) and not _needs_arguments(result):
        return result()
    return None if callable(result) or isinstance(result, types.ModuleType) else result


def _needs_arguments(function: Any) -> bool:
    """Whether a function cannot be called as it is: the program has called it itself, or nobody can."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return any(p.default is p.empty and p.kind not in optional for p in parameters)


def _failure(error: BaseException) -> tuple[str, str]:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        error.__traceback__ = None  # it holds the frames, and they hold what filled the memory
        gc.collect()
        rlimits.allow_answer()
        return "memory:memory", "MemoryError: the program needs more memory than a run may have"
    _flush()
    if isinstance(error, SystemExit):
        if error.code in (None, 0):
            return "ok", "null"
        return "error", f"SystemExit: the program ended itself with {error.code!r}"[:500]
    text = _describe(error)
    if isinstance(error, OSError) and error.errno in _FORBIDDEN:
        return "blocked", text
    if isinstance(error, OSError) and error.errno in _LIMIT_OF_ERRNO:
        return f"error:{_LIMIT_OF_ERRNO[error.errno]}", text
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return "error:processes", text
    return "error", text


def _describe(error: BaseException) -> str:
    """The traceback without the frames of this file, cut to what a reader can use."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename != _NAME:
        frames = frames.tb_next
    try:
        lines = traceback.format_exception(type(error), error, frames, limit=-8, chain=False)
        text = "".join(lines).strip()
    except BaseException:
        text = f"{type.__getattribute__(type(error), '__name__')}: the error cannot be shown"
    return text if len(text) <= 4000 else text[:1500] + "\n…\n" + text[-2500:]
