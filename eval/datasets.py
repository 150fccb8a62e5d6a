"""Question sets, read with care: what is missing, doubled or broken is named, counted, and costs only its own row."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nacre.errors import EvaluationError
from nacre.eval.questions import Question as Question
from nacre.eval.questions import json_lines, text_of_file
from nacre.eval.questions import load_questions as load_questions
from nacre.text.hygiene import clean_text
from nacre.text.language import tr


@dataclass(frozen=True)
class Passage:
    """A document of a corpus."""

    id: str
    title: str
    text: str


@dataclass(frozen=True)
class Retrieval:
    """A retrieval set in BEIR layout.

    Args:
        queries: query id -> text, only queries with at least one judged document that is in the corpus.
    """

    corpus: tuple[Passage, ...]
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class RobustnessRow:
    """A row of the RGB benchmark (Chen et al., 2024, arXiv:2309.01431).

    Args:
        wrong: passages with the answer replaced by `fake`; empty in most sets.
    """

    id: str
    question: str
    answers: tuple[tuple[str, ...], ...]
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    wrong: tuple[str, ...] = ()
    fake: tuple[str, ...] = ()


@dataclass
class _Reader:
    problems: list[str] = field(default_factory=list)

    def rows(self, path: Path) -> Iterator[dict[str, Any]]:
        """The objects of a JSON Lines file; a line that is none becomes a problem."""
        for row in json_lines(path.name, self.lines(path), self.problems):
            yield dict(row.cells)

    def lines(self, path: Path) -> list[str]:
        """The lines of a file in any charset."""
        return text_of_file(path, self.problems).splitlines()

    def unique(
        self, rows: Iterator[dict[str, Any]], path: Path, key: str = "_id"
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Rows with their id; those without one, and every second one with the same, become problems."""
        seen: set[str] = set()
        for row in rows:
            id = str(row.get(key, row.get("id", "")))
            if not id or id in seen:
                self.problems.append(f"{path.name}: {tr('no id') if not id else tr('id twice: ') + id}")
                continue
            seen.add(id)
            yield id, row


def load_retrieval(folder: Path) -> Retrieval:
    """Read a retrieval set in BEIR layout."""
    reader = _Reader()
    corpus = tuple(
        Passage(id, clean_text(str(row.get("title") or "")), clean_text(str(row.get("text") or "")))
        for id, row in reader.unique(reader.rows(_file(folder, "corpus.jsonl")), Path("corpus.jsonl"))
    )
    known = {passage.id for passage in corpus}
    texts = {
        id: clean_text(str(row.get("text") or ""))
        for id, row in reader.unique(reader.rows(_file(folder, "queries.jsonl")), Path("queries.jsonl"))
    }
    qrels: dict[str, dict[str, int]] = {}
    for query, document, score in _qrels(_file(folder, "qrels.tsv", "qrels/test.tsv", "qrels/dev.tsv"), reader):
        if document not in known:
            reader.problems.append(f"qrels: {tr('document not in the corpus: ')}{document}")
        elif query not in texts:
            reader.problems.append(f"qrels: {tr('query not in the set: ')}{query}")
        elif score > 0:
            qrels.setdefault(query, {})[document] = score
    queries = {id: text for id, text in texts.items() if id in qrels and text.strip()}
    if not queries:
        raise EvaluationError(tr("{folder} holds no query with a judged document.", folder=folder))
    return Retrieval(corpus, queries, {id: qrels[id] for id in queries}, tuple(reader.problems))


def objects(path: Path) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """Read the objects of a JSON Lines file."""
    reader = _Reader()
    return list(reader.unique(reader.rows(_file(path.parent, path.name)), path, "id")), reader.problems


def load_robustness(path: Path) -> tuple[list[RobustnessRow], list[str]]:
    """Read a file of the RGB benchmark."""
    reader = _Reader()
    rows = []
    for id, row in reader.unique(reader.rows(_file(path.parent, path.name)), path, "id"):
        positive, negative = _texts(row.get("positive")), _texts(row.get("negative"))
        if not str(row.get("question") or "").strip() or not (positive or negative):
            reader.problems.append(f"{path.name}: {tr('no question or no passage in ')}{id}")
            continue
        parts = row.get("answer")
        answers = tuple(_texts(part) for part in (parts if isinstance(parts, list) else [parts]))
        rows.append(
            RobustnessRow(
                id,
                clean_text(str(row["question"])),
                answers,
                positive,
                negative,
                _texts(row.get("positive_wrong")),
                _texts(row.get("fakeanswer")),
            )
        )
    if not rows:
        raise EvaluationError(tr("{path} holds no usable row.", path=path))
    return rows, reader.problems


def read_rows(path: str | Path, fields: Iterable[str]) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file, at least one, each with these fields and an `id` that no other row has."""
    file = Path(path)
    if not file.is_file():
        raise EvaluationError(tr("No such file: {file}. Give a .jsonl file.", file=file), path=str(file))
    rows = list(_checked(file, tuple(fields)))
    if not rows:
        raise EvaluationError(tr("{file} has no rows.", file=file), path=str(file))
    seen: Counter[str] = Counter()
    for position, row in enumerate(rows, 1):
        name = str(row.get("id") or f"row {position}")
        seen[name] += 1
        row["id"] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    return rows


def _checked(file: Path, fields: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise EvaluationError(
                    tr("{file}, line {number}: not JSON ({error}).", file=file, number=number, error=error),
                    path=str(file),
                ) from error
            missing = [field for field in fields if not isinstance(row, dict) or field not in row]
            if missing:
                names = ", ".join(missing)
                raise EvaluationError(
                    tr("{file}, line {number}: missing {names}.", file=file, number=number, names=names), path=str(file)
                )
            yield row


def _file(folder: Path, *names: str) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise EvaluationError(tr("{folder} has no {names}.", folder=folder, names=names[0]))


def _qrels(path: Path, reader: _Reader) -> Iterator[tuple[str, str, int]]:
    for number, line in enumerate(reader.lines(path), 1):
        cells = line.rstrip("\r\n").split("\t")
        if number == 1 and not cells[-1].lstrip("-").isdigit():
            continue
        try:
            yield cells[0], cells[-2], int(cells[-1])
        except (IndexError, ValueError):
            reader.problems.append(f"{path.name}:{number}: {tr('not three columns')}")


def _texts(raw: Any) -> tuple[str, ...]:
    """Strings at any depth of nested lists."""
    if raw is None:
        return ()
    if isinstance(raw, list):
        return tuple(text for item in raw for text in _texts(item))
    text = clean_text(str(raw)).strip()
    return (text,) if text else ()
