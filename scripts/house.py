"""The floors of the house: who may import whom, read from the imports themselves.

python scripts/house.py            what is wrong, a sentence each; exit 1 if anything is
python scripts/house.py --draw     the table of CONTRIBUTING.md, from the code
python scripts/house.py --write    put it there
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOTS = {"nacre": "src/nacre", "nacre.connectors": "connectors", "nacre.prompts": "prompts", "nacre.eval": "eval"}
# Lowest first: the order of the data. A room imports the floors below it; rooms of one floor never import each other.
FLOORS = (
    ("text",),
    ("errors",),
    ("extras", "validation", "system", "prompts"),
    ("decorator",),
    ("documents",),
    ("store",),
    ("ingest",),
    ("grounding",),
    ("retrieval", "reasoning", "agents", "memory", "moderation", "prompting"),
    ("layers",),
    ("tools", "telemetry", "stack_file"),
    ("stack",),
    ("testing",),
    ("eval",),
    ("finetuning",),
    ("server",),
    ("cli",),
)
# Features: each file of these rooms stands alone, so that any can be read, moved or taken away by itself.
APART = ("layers",)
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
# The outside hangs beside the house: connectors serve protocols, and only these rooms ask for a connector by name.
PROTOCOLS = ("errors", "text", "validation", "extras", "system", "prompts", "grounding", "documents", "store", "ingest")
SERVED = ("nacre.reasoning.interpreter", "nacre.reasoning.remote", "nacre.moderation")
SEAMS = ("nacre.store.embedders", "nacre.ingest.sources")
BEGIN, END = "<!-- floors: make house -->", "<!-- /floors -->"

Imports = Mapping[str, frozenset[str]]


def files() -> dict[str, Path]:
    """Every module of the package and its file."""
    found = {}
    for name, folder in ROOTS.items():
        for file in (ROOT / folder).rglob("*.py"):
            if "sample_kb" not in file.parts:
                parts = file.relative_to(ROOT / folder).with_suffix("").parts
                found[".".join([name, *parts]).removesuffix(".__init__")] = file
    return found


def imports() -> Imports:
    """What each module imports of the house: late imports count, and imports for types too."""
    modules = files()
    found = {
        module: frozenset(target for target in _imported(file, modules) if target != module)
        for module, file in modules.items()
    }
    # These faces name all that they show, and load it when it is used.
    return {**found, "nacre": frozenset(), "nacre.eval": frozenset()}


def _imported(file: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield from (name for name in (whole if whole in modules else node.module,) if name in modules)


def room(module: str) -> str:
    """The room that a module stands in: "retrieval" of nacre.retrieval.fusion."""
    return [*module.split("."), ""][1]


def wrong(found: Imports) -> list[str]:
    """What breaks the floors, a sentence each."""
    return sorted({*_upward(found), *_circles(found)})


def _upward(found: Imports) -> Iterator[str]:
    for module, targets in found.items():
        here = room(module)
        if here and here != "connectors" and here not in FLOOR:
            yield f"{module} stands in no room: give {here!r} a floor in scripts/house.py."
            continue
        for target in targets:
            there = room(target)
            if here == there and here in APART:
                yield f"{module} imports {target}: files of {here!r} never import each other."
            if not here or not there or here == there:
                continue
            if here == "connectors":
                if there not in PROTOCOLS and not target.startswith(SERVED):
                    yield f"{module} imports {target}: a connector knows protocols only."
            elif there == "connectors":
                if FLOOR[here] < FLOOR["tools"] and module not in SEAMS:
                    yield f"{module} imports {target}: below `tools` only {' and '.join(SEAMS)} ask for connectors."
            elif FLOOR.get(there, -1) >= FLOOR[here]:
                yield f"{module} imports {target}: {there!r} is not below {here!r}."


def _circles(found: Imports) -> Iterator[str]:
    """Strongly connected modules (Tarjan, 1972), without recursion over the whole house."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []

    def visit(module: str) -> Iterator[str]:
        order[module] = low[module] = len(order)
        path.append(module)
        for target in found[module]:
            if target not in order:
                yield from visit(target)
                low[module] = min(low[module], low[target])
            elif target in path:
                low[module] = min(low[module], order[target])
        if low[module] == order[module]:
            circle = path[path.index(module) :]
            del path[path.index(module) :]
            if len(circle) > 1:
                yield f"{', '.join(sorted(circle))} import each other."

    for module in found:
        if module not in order:
            yield from visit(module)


def drawing(found: Imports) -> str:
    """The floors as a Markdown table, the top one first."""
    modules = files()
    lines = ["| floor | room | what it holds | imports |", "|---|---|---|---|"]
    for height in range(len(FLOORS) - 1, -1, -1):
        for name in FLOORS[height]:
            mine = {module for module in modules if room(module) == name}
            if not mine:
                continue
            below = {room(target) for module in mine for target in found[module]} - {name, ""}
            ordered = sorted(below, key=lambda other: (-FLOOR.get(other, -1), other))
            told = ast.get_docstring(ast.parse(modules[f"nacre.{name}"].read_text("utf-8"))) or ""
            told = " ".join(told.split("\n\n")[0].split())  # its first paragraph, which may take two lines
            lines.append(f"| {height} | `{name}` | {told} | {', '.join(ordered)} |")
    return "\n".join(lines)


def written(page: str, table: str) -> str:
    """CONTRIBUTING.md with the table between its marks."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    everything = imports()
    contributing = ROOT / "CONTRIBUTING.md"
    if "--draw" in sys.argv:
        print(drawing(everything))
    elif "--write" in sys.argv:
        contributing.write_text(written(contributing.read_text("utf-8"), drawing(everything)), "utf-8")
    elif complaints := wrong(everything):
        sys.exit("\n".join(complaints))
