"""The house keeps its rules: who imports whom, what is public, how long things are, and that words come in pairs."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOTS = {"nacre": "src/nacre", "nacre.connectors": "connectors", "nacre.prompts": "prompts", "nacre.eval": "eval"}
FILES = sorted(
    file for folder in ROOTS.values() for file in (ROOT / folder).rglob("*.py") if "sample_kb" not in file.parts
)

# Lowest first. A file may import its own room and the rooms below; rooms on one level never import each other.
LEVELS: list[set[str]] = [
    {"text"},
    {"hygiene", "framing"},
    {"errors", "language"},
    {"expect", "optional", "strict_json", "child_process", "confinement", "net", "files"},
    {"sqlite"},
    {"words", "messages", "prompts"},
    {"grounding", "identity", "markers"},
    {"flow", "binding", "events", "citations"},
    {"drivers"},
    {"decorator"},
    {"prompting", "memory", "moderation", "cache", "resilience", "retrieval", "reasoning", "agents"},
    {"tools", "telemetry"},
    {"stack"},
    {"testing"},
    {"eval"},
    {"server"},
    {"cli"},
]
LEVEL = {room: height for height, rooms in enumerate(LEVELS) for room in rooms}
# Connectors know the protocols of the layers that they serve, and nothing else above the decorator.
PROTOCOLS = {
    "nacre.ingest.source",
    "nacre.documents",
    "nacre.reasoning.interpreter",
    "nacre.reasoning.remote",
    "nacre.moderation",
}
# The seams where the core resolves a name (of an embedder, of a source, of a tool) by asking the connectors.
SEAMS = {"retrieval/seams.py", "nacre/tools.py"}


def module_of(file: Path) -> str:
    for name, folder in sorted(ROOTS.items(), key=lambda item: -len(item[1])):
        if file.is_relative_to(ROOT / folder):
            return ".".join([name, *file.relative_to(ROOT / folder).with_suffix("").parts]).removesuffix(".__init__")
    raise AssertionError(file)


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_rooms_import_only_the_rooms_below_them() -> None:
    wrong = []
    for file in FILES:
        module, here = module_of(file), room(module_of(file))
        if here in ("", "connectors"):
            continue
        for target in imports(file):
            there = room(target) if target.startswith("nacre.") else ""
            if not there or there == here or there == "__version__":
                continue
            if there == "connectors":
                if LEVEL[here] < LEVEL["stack"] and not module.replace(".", "/").endswith(
                    tuple(s.removesuffix(".py") for s in SEAMS)
                ):
                    wrong.append(f"{module} imports {target}")
            elif there in LEVEL and LEVEL[there] >= LEVEL[here]:
                wrong.append(f"{module} imports {target}")
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_every_room_has_a_level() -> None:
    rooms = {room(module_of(file)) for file in FILES} - {"", "connectors", "prompts"}
    assert rooms <= set(LEVEL), rooms - set(LEVEL)


def test_connectors_import_nothing_above_the_protocols() -> None:
    wrong = []
    for file in FILES:
        if room(module_of(file)) != "connectors":
            continue
        for target in imports(file):
            there = room(target) if target.startswith("nacre.") else ""
            if (
                there in LEVEL
                and LEVEL[there] >= LEVEL["flow"]
                and not any(target == p or target.startswith(p + ".") for p in PROTOCOLS)
            ):
                wrong.append(f"{module_of(file)} imports {target}")
    assert not wrong, "\n".join(sorted(set(wrong)))


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


def exported(name: str) -> bool:
    """Whether others call it: what `nacre` and `nacre.eval` export, and all of `nacre.decorator` and `nacre.testing`."""
    import nacre
    import nacre.eval

    names = {f"{where}.{public}" for public, where in {**nacre._WHERE, **nacre.eval._WHERE}.items()}
    return name.startswith(("nacre.decorator.", "nacre.testing.")) or any(
        name == public or name.startswith(public + ".") for public in names
    )


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
