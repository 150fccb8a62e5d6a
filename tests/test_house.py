"""The house keeps its rules: who imports whom, what is public, how long things are, and that words come in pairs."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    file
    for folder in ("src/nacre", "connectors", "prompts", "eval")
    for file in (ROOT / folder).rglob("*.py")
    if "sample_kb" not in file.parts
)

_SPEC = importlib.util.spec_from_file_location("house", ROOT / "scripts" / "house.py")
assert _SPEC and _SPEC.loader
house = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(house)


def module_of(file: Path) -> str:
    return next(name for name, place in house.files().items() if place == file)


def test_floors_and_circles() -> None:
    assert not house.wrong(house.imports())


def test_the_rules_see_what_breaks_them() -> None:
    broken = {
        "nacre.text.a": frozenset({"nacre.retrieval.b"}),
        "nacre.retrieval.b": frozenset({"nacre.connectors.c", "nacre.text.a"}),
        "nacre.connectors.c": frozenset({"nacre.layers.rag"}),
        "nacre.layers.rag": frozenset(),
        "nacre.nowhere.d": frozenset(),
    }
    told = "\n".join(house.wrong(broken))
    assert "nacre.text.a imports nacre.retrieval.b: 'retrieval' is not below 'text'" in told
    assert "nacre.retrieval.b, nacre.text.a import each other" in told and "'nowhere'" in told
    assert "nacre.connectors.c imports nacre.layers.rag" in told and "below `tools`" in told


def test_contributing_shows_the_floors_as_they_are() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert house.written(page, house.drawing(house.imports())) == page, "make house"


def test_importing_nacre_loads_nothing_heavy() -> None:
    code = "import sys, nacre; print([m for m in ('langchain_core', 'pydantic', 'numpy', 'yaml', 'typer') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


@pytest.mark.parametrize(("package", "file"), [("nacre", "src/nacre/__init__.py"), ("nacre.eval", "eval/__init__.py")])
def test_every_public_name_exists_and_the_typed_twin_agrees(package: str, file: str) -> None:
    module = importlib.import_module(package)
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    typed = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("nacre.")
        for alias in node.names
    }
    assert typed == dict(module._WHERE)
    for name, where in module._WHERE.items():
        assert getattr(module, name) is getattr(importlib.import_module(where), name)


def test_evaluation_is_loaded_only_when_it_is_used() -> None:
    code = "import sys, nacre.eval; print([m for m in ('langchain_core', 'numpy', 'nacre.eval.report') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


MODULES = [module_of(file) for file in FILES if not file.name.startswith("_") or file.name == "__init__.py"]


def public_callables(module_name: str) -> Iterator[tuple[str, object, bool]]:
    """(name, object, whether it overrides something that is documented elsewhere) of what a module defines for others."""
    module = importlib.import_module(module_name)
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module_name:
            continue
        if inspect.isfunction(thing):
            yield f"{module_name}.{name}", thing, False
        elif inspect.isclass(thing):
            yield f"{module_name}.{name}", thing, False
            for attribute, member in vars(thing).items():
                function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
                if (
                    not attribute.startswith("_")
                    and inspect.isfunction(function)
                    and function.__module__ == module_name
                    and function.__name__ != "<lambda>"
                ):
                    inherited = any(hasattr(base, attribute) for base in thing.__mro__[1:] if base is not object)
                    yield (
                        f"{module_name}.{name}.{attribute}",
                        member if isinstance(member, property) else function,
                        inherited,
                    )


@functools.cache
def public_names() -> frozenset[str]:
    """Where that is defined which the faces of the package export."""
    packages = [importlib.import_module(name) for name in ("nacre", "nacre.decorator", "nacre.eval", "nacre.testing")]
    things = [getattr(package, name) for package in packages for name in package.__all__]
    return frozenset(f"{thing.__module__}.{thing.__qualname__}" for thing in things if hasattr(thing, "__qualname__"))


def exported(name: str) -> bool:
    """Whether others call it: it, or its class, is exported."""
    return name in public_names() or name.rpartition(".")[0] in public_names()


def complaints(name: str, thing: object, inherited: bool) -> Iterator[str]:
    doc = inspect.getdoc(thing) or ""
    if not doc:
        yield f"{name}: no docstring"
        return
    if inspect.isclass(thing) or inherited or isinstance(thing, property):
        return
    assert inspect.isfunction(thing)
    signature = inspect.signature(thing)
    named = [
        p.name for p in signature.parameters.values() if p.name not in ("self", "cls") and not p.name.startswith("_")
    ]
    if signature.return_annotation is inspect.Signature.empty:
        yield f"{name}: no return type"
    yield from (
        f"{name}: {p.name} has no type"
        for p in signature.parameters.values()
        if p.name not in ("self", "cls") and p.annotation is p.empty
    )
    if not exported(name):
        return
    if named and "Args:" not in doc:
        yield f"{name}: no Args"
    elif missing := [n for n in named if not re.search(rf"^\s*\*{{0,2}}{n}\b", doc, re.MULTILINE)]:
        yield f"{name}: Args lacks {missing}"
    if signature.return_annotation not in ("None", None) and "Returns:" not in doc and "Yields:" not in doc:
        yield f"{name}: no Returns"
    source = inspect.getsource(thing)
    if re.search(r"^\s+raise \w*Error\(", source, re.MULTILINE) and "Raises:" not in doc:
        yield f"{name}: no Raises"


@pytest.mark.parametrize("module", MODULES)
def test_public_callables_are_typed_and_documented(module: str) -> None:
    if ".cli" in module:  # commands are documented by their --help
        return
    assert not [
        line for name, thing, inherited in public_callables(module) for line in complaints(name, thing, inherited)
    ]


def test_no_file_and_no_function_is_too_long() -> None:
    long_files = [
        f"{file.relative_to(ROOT)}: {n}" for file in FILES if (n := len(file.read_text("utf-8").splitlines())) > 400
    ]
    long_functions = []
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                doc = ast.get_docstring(node) or ""
                length = (node.end_lineno or 0) - node.lineno - len(doc.splitlines())
                if length > 60:
                    long_functions.append(f"{file.relative_to(ROOT)}:{node.name}: {length}")
    assert not long_files + long_functions


def test_errors_speak_both_languages() -> None:
    from nacre import errors

    kinds = {
        name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, errors.NacreError)
    }
    wrong = []
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            made = (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds and node.args
            )
            if made and isinstance(node.args[0], (ast.Constant, ast.JoinedStr)):
                wrong.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert not wrong, f"write these messages with nacre.text.language.tr: {wrong}"


def test_every_prompt_has_a_twin_in_the_other_language() -> None:
    from nacre import prompts

    for id in prompts.prompt_ids():
        english, chinese = prompts.load(id, "en"), prompts.load(id, "zh")
        assert english.variables == chinese.variables and english.version == chinese.version
        assert [role for role, _ in english.messages] == [role for role, _ in chinese.messages], id
