"""Answers as other tools read them: RAGAS, DeepEval, JUnit, spreadsheets."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from nacre.errors import UsageError
from nacre.eval.answers import PLACE
from nacre.eval.items import went_wrong
from nacre.eval.metrics import plain
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.text.language import listed, tr
from nacre.text.markers import MARKER

_LONG = frozenset({"shown", "retrieved", "trajectory"})
_FORMULA = ("=", "+", "-", "@", "\t")
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# question, answer, gold answer, contexts
COLUMNS: Mapping[str, tuple[str, str, str, str]] = {
    "ragas": ("user_input", "response", "reference", "retrieved_contexts"),
    "deepeval": ("input", "actual_output", "expected_output", "retrieval_context"),
}


def exported(report: Mapping[str, Any], tool: str, base: KnowledgeBase | None = None) -> list[dict[str, Any]]:
    """The answers of a report as rows for another tool; without its knowledge base the contexts are what was cited."""
    if tool not in COLUMNS:
        raise UsageError(tr("--to is {tool!r}; choose from {columns}.", tool=tool, columns=listed(COLUMNS)))
    question, answer, gold, contexts = COLUMNS[tool]
    return [
        {
            question: item.get("question", ""),
            answer: MARKER.sub("", str(item["answer"])).strip(),
            gold: plain(str(next(iter(item.get("gold") or ()), ""))),  # of several the first: joined they are no answer
            contexts: _contexts(item, base),
        }
        for item in report["items"]
        if item.get("answer")
    ]


def table(report: Mapping[str, Any]) -> str:
    """A report as CSV, one row a question; texts cannot become formulas of a spreadsheet."""
    columns = dict.fromkeys(name for item in report["items"] for name in item if name not in _LONG)
    file = io.StringIO()
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(columns)
    rows.writerows([[_cell(item.get(name)) for name in columns] for item in report["items"]])
    return "\ufeff" + file.getvalue()


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    text = " | ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"'{text}" if text[:1] in _FORMULA else text


def junit(report: Mapping[str, Any]) -> str:
    """A report as JUnit XML: a test a question, wrong ones as failures, failed ones as errors."""
    items = report["items"]
    errors = sum("error" in item for item in items)
    wrong = sum(map(went_wrong, items)) - errors
    name = f"nacre.{report['suite']}"
    counts = {"name": name, "tests": len(items), "failures": wrong, "errors": errors}
    suite = ElementTree.Element("testsuite", {key: str(value) for key, value in counts.items()})
    for item in items:
        title = f"{item['id']} {item.get('question', '')}"
        seconds = f"{float(item.get('seconds') or 0):.3f}"
        case = ElementTree.SubElement(suite, "testcase", {"classname": name, "name": _xml(title), "time": seconds})
        if went_wrong(item):
            kind = "error" if "error" in item else "failure"
            said = str(item.get("error") or item.get("answer", ""))
            gold = ", ".join(map(str, item.get("gold") or ())) or tr("a refusal")
            message = said[:200] if kind == "error" else tr("wanted: {gold}", gold=gold[:200])
            ElementTree.SubElement(case, kind, {"message": _xml(message)}).text = _xml(said)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    """A text without the characters that XML cannot hold."""
    return _NO_XML.sub("\ufffd", text)


def _contexts(item: Mapping[str, Any], base: KnowledgeBase | None) -> list[str]:
    if base is None and item.get("shown"):
        return [str(text) for text in item["shown"]]
    lines = item.get("retrieved" if base else "sources") or ()
    places = [match for match in (re.match(PLACE, str(line)) for line in lines) if match]
    if base is None:
        return [str(match["quote"]).strip() for match in places]
    return [base.text(match["uri"])[int(match["start"]) : int(match["end"])] for match in places]
