"""What share of small faults in `eval/` its fast tests find: `python bench/mutants.py [--count 300] [--only gate …]`.

A fault turns a comparison round, moves a number by one, swaps `and` with `or`, a sum with a difference, or drops a
condition; texts for people are left alone. Each runs in a process of its own, forked from one that has loaded what is
heavy, with the tests that concern its module.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.util
import io
import os
import random
import resource
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 60  # of the processor: a fault may make a loop endless
# The tests of a module, the quickest first.
TESTS = {
    "metrics": ("test_matching", "test_metrics", "test_questions"),
    "canonical": ("test_matching", "test_metrics"),
    "gold": ("test_questions", "test_matching"),
    "questions": ("test_questions", "test_datasets"),
    "datasets": ("test_datasets", "test_running"),
    "statistics": ("test_verdict", "test_gate"),
    "gate": ("test_verdict", "test_gate", "test_findings"),
    "verdict": ("test_verdict", "test_gate", "test_findings"),
    "items": ("test_scores", "test_verdict", "test_findings"),
    "report": ("test_scores", "test_gate", "test_running", "test_findings"),
    "running": ("test_scores", "test_running", "test_findings"),
    "answers": ("test_scores", "test_findings", "test_running"),
    "chat": ("test_scores", "test_findings"),
    "judge": ("test_scores", "test_judge", "test_findings"),
    "refusal": ("test_scores", "test_running"),
    "robustness": ("test_scores", "test_running"),
    "production": ("test_scores", "test_production"),
    "history": ("test_scores", "test_running"),
    "exports": ("test_scores", "test_findings"),
    "targets": ("test_scores", "test_findings"),
    "failures": ("test_scores", "test_findings"),
    "making": ("test_making",),
    "made": ("test_making",),
    "compositions": ("test_making",),
}
_TURNED = {ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
           ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}  # fmt: skip
_SWAPPED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}


def faults(tree: ast.AST) -> Iterator[str]:
    """Make one fault after the other in a tree, each taken back before the next; gives where it is."""
    for node in _code(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Compare(ops=[op]) if type(op) in _TURNED:
                node.ops = [_TURNED[type(op)]()]
                yield f"{line}: {ast.unparse(node)}"
                node.ops = [op]
            case ast.BoolOp(op=op):
                node.op = ast.And() if isinstance(op, ast.Or) else ast.Or()
                yield f"{line}: {ast.unparse(node)}"
                node.op = op
            case ast.BinOp(op=op) if type(op) in _SWAPPED and not isinstance(node.left, ast.JoinedStr):
                node.op = _SWAPPED[type(op)]()
                yield f"{line}: {ast.unparse(node)}"
                node.op = op
            case ast.Constant(value=bool() as value):
                node.value = not value
                yield f"{line}: {node.value}"
                node.value = value
            case ast.Constant(value=int() | float() as value):
                node.value = value + 1
                yield f"{line}: {value} + 1"
                node.value = value
            case ast.IfExp(test=test) | ast.If(test=test):
                node.test = ast.UnaryOp(ast.Not(), test)
                yield f"{line}: not ({ast.unparse(test)})"
                node.test = test


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a tree, without annotations, messages, `__main__` and what only types need."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id in ("tr", "N_"):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "__name__ == '__main__'"):
            continue
        if isinstance(child, (ast.arg, ast.Import, ast.ImportFrom)):
            continue
        if isinstance(child, ast.ClassDef):
            child = ast.Module(child.body, [])  # what stands at a class, such as frozen=True, is a declaration
        yield child
        yield from _code(child)


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from another source."""

    def __init__(self, module: str, source: str, file: Path) -> None:
        self.module, self.source, self.file = module, source, file

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        """The module that is mutated, and no other."""
        return importlib.util.spec_from_file_location(name, self.file, loader=self) if name == self.module else None

    def exec_module(self, module) -> None:  # type: ignore[no-untyped-def]
        """Run the other source."""
        exec(compile(self.source, str(self.file), "exec"), module.__dict__)


def killed(name: str, source: str) -> bool:
    """Whether the tests of a module fail on another source of it; taking too long counts."""
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        status = 1
        try:
            import pytest

            sys.meta_path.insert(0, Mutated(f"nacre.eval.{name}", source, ROOT / "eval" / f"{name}.py"))
            files = [str(ROOT / "tests" / "eval" / f"{test}.py") for test in TESTS[name]]
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                status = int(pytest.main(["-x", "-q", "-m", "not slow", "--assert=plain", "-p", "no:xdist", *files]))
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] != 0


def main() -> int:
    """Print what survived and the share that was killed; exit 1 below nine of ten."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=TESTS, default=list(TESTS))
    given = parser.parse_args()

    import nacre.layers.rag
    import nacre.retrieval.knowledge_base
    import nacre.testing  # noqa: F401

    os.chdir(ROOT)
    trees = {name: ast.parse((ROOT / "eval" / f"{name}.py").read_text("utf-8")) for name in given.only}
    places = [(name, n) for name, tree in trees.items() for n, _ in enumerate(faults(tree))]
    chosen = random.Random(given.seed).sample(places, min(given.count, len(places)))
    if sick := [
        name for name in {name for name, _ in chosen} if killed(name, (ROOT / "eval" / f"{name}.py").read_text("utf-8"))
    ]:
        sys.exit(f"The tests fail without any fault: {', '.join(sick)}.")
    dead = 0
    for count, (name, wanted) in enumerate(chosen, 1):
        where, source = next((w, ast.unparse(trees[name])) for n, w in enumerate(faults(trees[name])) if n == wanted)
        trees[name] = ast.parse((ROOT / "eval" / f"{name}.py").read_text("utf-8"))
        found = killed(name, source)
        dead += found
        if not found:
            print(f"survived: {name}.py:{where[:140]}", flush=True)
        if count % 20 == 0:
            print(f"{dead} of {count} killed", flush=True)
    print(f"{dead} of {len(chosen)} killed: {dead / len(chosen):.3f} (of {len(places)} faults that could be made)")
    return int(dead < 0.9 * len(chosen))


if __name__ == "__main__":
    sys.exit(main())
