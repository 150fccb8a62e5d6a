"""The calls of one answer: every layer, model, search, tool and program, when it began and how long it took."""

from __future__ import annotations

from typing import Any

from langchain_core.documents import Document
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run

from nacre.text.strict_json import to_json

_LONGEST = 8_000
_SHOWN = 300
_HIT = ("n", "uri", "title", "heading", "page", "start", "end", "document_id", "score", "relevance")
_SANDBOX = "python"
"""The name under which a layer runs a program: see `nacre.layers.pal`."""
_KINDS = {"chain": "layer", "llm": "model", "chat_model": "model", "retriever": "search", "tool": "tool"}


class Calls(BaseTracer):
    """Give it to a stack as a callback for one answer."""

    run_inline = True  # in the order of the calls

    def __init__(self) -> None:
        super().__init__()
        self._outermost: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self._outermost.append(run)

    def rows(self) -> list[dict[str, Any]]:
        """The calls that have ended, each before those that it made.

        Returns:
            Of each `name`, `kind` (layer, model, search, tool, program), `depth`, `began` and `seconds` (since the first began),
            `status` ("ok", or the class of the error), `tokens` read and written, and what it was given and gave.
        """
        rows: list[dict[str, Any]] = []
        for run in self._outermost:
            _add(run, 0, self._outermost[0], rows)
        return rows


def hit_of(facts: dict[str, Any], text: str = "") -> dict[str, Any]:
    """A passage that was found, short enough to be kept."""
    return {
        **{name: facts[name] for name in _HIT if name in facts},
        "text": (text or str(facts.get("text", "")))[:_SHOWN],
    }


def _add(run: Run, depth: int, first: Run, rows: list[dict[str, Any]]) -> tuple[int, int]:
    """Write a call and those inside; a layer's tokens are those of the models inside."""
    ended = run.end_time or run.start_time
    row: dict[str, Any] = {
        "name": run.name,
        "kind": "program" if run.run_type == "chain" and run.name == _SANDBOX else _KINDS.get(run.run_type, "layer"),
        "depth": depth,
        "began": round((run.start_time - first.start_time).total_seconds(), 4),
        "seconds": round((ended - run.start_time).total_seconds(), 4),
        "status": run.error.partition("(")[0] if run.error else "ok",
        **_contents(run),
    }
    rows.append(row)
    read, written = _usage(run)
    for child in run.child_runs:
        inside = _add(child, depth + 1, first, rows)
        read, written = read + inside[0], written + inside[1]
    row["tokens"] = [read, written]
    return read, written


def _usage(run: Run) -> tuple[int, int]:
    usage = _message(run).get("usage_metadata") or {}
    return int(usage.get("input_tokens") or 0), int(usage.get("output_tokens") or 0)


def _message(run: Run) -> dict[str, Any]:
    """The reply of a model as LangChain's tracers hold it."""
    if _KINDS.get(run.run_type) != "model":
        return {}
    generations = (run.outputs or {}).get("generations") or [[]]
    message = generations[0][0].get("message") if generations[0] else None
    return dict(message.get("kwargs") or {}) if isinstance(message, dict) else {}


def _contents(run: Run) -> dict[str, Any]:
    given, gave = run.inputs or {}, run.outputs or {}
    match _KINDS.get(run.run_type):
        case "model":
            message = _message(run)
            calls = [{"name": call["name"], "args": call["args"]} for call in message.get("tool_calls") or []]
            said = "\n".join([_text(message.get("content", "")), *map(_text, calls)]).strip()
            return {"asked": _short("\n\n".join(map(str, given.get("prompts") or []))), "said": _short(said)}
        case "search":
            found = [
                hit_of(dict(document.metadata), document.page_content)
                for document in gave.get("documents") or []
                if isinstance(document, Document)
            ]
            return {"asked": _short(str(given.get("query", ""))), "hits": found}
        case "tool":
            output = gave.get("output", "")
            return {"asked": _short(_text(given)), "said": _short(_text(getattr(output, "content", output)))}
        case _:
            return {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value, ensure_ascii=False, default=str)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} […]"
