"""Question sets, read with care: what is missing, doubled or broken is named, counted, and costs only its own row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacre.errors import EvaluationError
from nacre.eval.questions import Question as Question
from nacre.eval.questions import faults, json_lines, text_of_file
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
    """A retrieval set in BEIR layout."""

    corpus: tuple[Passage, ...]
    queries: Mapping[str, str]  # texts by id, only of those with a judged document in the corpus
    qrels: Mapping[str, Mapping[str, int]]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class RobustnessRow:
    """A row of the RGB benchmark (Chen et al., 2024, arXiv:2309.01431)."""

    id: str
    question: str
    answers: tuple[tuple[str, ...], ...]
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    wrong: tuple[str, ...] = ()  # passages with the answer replaced by `fake`; empty in most sets
    fake: tuple[str, ...] = ()


def _unique(path: Path, problems: list[str], key: str = "id") -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a file with their ids; those without one, and every second one with the same, become problems."""
    seen: set[str] = set()
    for row in json_lines(path.name, text_of_file(path, problems).splitlines(), problems):
        id = str(row.cells.get(key, row.cells.get("id", "")))
        if not id or id in seen:
            problems.append(f"{row.where}: {tr('no id') if not id else tr('id twice: ') + id}")
            continue
        seen.add(id)
        yield id, dict(row.cells)


def load_retrieval(folder: Path) -> Retrieval:
    """Read a retrieval set in BEIR layout."""
    problems: list[str] = []
    corpus = tuple(
        Passage(id, clean_text(str(row.get("title") or "")), clean_text(str(row.get("text") or "")))
        for id, row in _unique(_file(folder, "corpus.jsonl"), problems, "_id")
    )
    known = {passage.id for passage in corpus}
    rows = _unique(_file(folder, "queries.jsonl"), problems, "_id")
    texts = {id: clean_text(str(row.get("text") or "")) for id, row in rows}
    qrels: dict[str, dict[str, int]] = {}
    for query, document, score in _qrels(_file(folder, "qrels.tsv", "qrels/test.tsv", "qrels/dev.tsv"), problems):
        if document not in known:
            problems.append(f"qrels: {tr('document not in the corpus: ')}{document}")
        elif query not in texts:
            problems.append(f"qrels: {tr('query not in the set: ')}{query}")
        elif score > 0:
            qrels.setdefault(query, {})[document] = score
    queries = {id: text for id, text in texts.items() if id in qrels and text.strip()}
    if not queries:
        raise EvaluationError(tr("{folder} holds no query with a judged document.", folder=folder))
    return Retrieval(corpus, queries, {id: qrels[id] for id in queries}, tuple(problems))


def objects(path: Path) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """The objects of a JSON Lines file with their ids, and what is wrong with others."""
    problems: list[str] = []
    return list(_unique(_file(path.parent, path.name), problems)), problems


def load_robustness(path: Path) -> tuple[list[RobustnessRow], list[str]]:
    """Read a file of the RGB benchmark."""
    found, problems = objects(path)
    rows = []
    for id, row in found:
        positive, negative = _texts(row.get("positive")), _texts(row.get("negative"))
        if not str(row.get("question") or "").strip() or not (positive or negative):
            problems.append(f"{path.name}: {tr('no question or no passage in ')}{id}")
            continue
        parts = row.get("answer")
        answers = tuple(_texts(part) for part in (parts if isinstance(parts, list) else [parts]))
        wrong, fake = _texts(row.get("positive_wrong")), _texts(row.get("fakeanswer"))
        rows.append(RobustnessRow(id, clean_text(str(row["question"])), answers, positive, negative, wrong, fake))
    if not rows:
        raise EvaluationError(tr("{path} holds no usable row.", path=path))
    return rows, problems


def read_rows(path: str | Path, fields: Iterable[str]) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file, at least one, each with these fields and an `id` that no other row has."""
    problems: list[str] = []
    lines = text_of_file(Path(path), problems).splitlines()
    seen: Counter[str] = Counter()
    found = []
    for position, row in enumerate(json_lines(Path(path).name, lines, problems), 1):
        if missing := [field for field in fields if field not in row.cells]:
            problems.append(f"{row.where}: {tr('missing {names}.', names=', '.join(missing))}")
        name = str(row.cells.get("id") or f"row {position}")
        seen[name] += 1
        found.append({**row.cells, "id": name if seen[name] == 1 else f"{name} ({seen[name]})"})
    if wrong := faults(problems):
        raise EvaluationError(wrong[0], path=str(path))
    if not found:
        raise EvaluationError(tr("{file} has no rows.", file=path), path=str(path))
    return found


def _file(folder: Path, *names: str) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise EvaluationError(tr("{folder} has no {names}.", folder=folder, names=names[0]))


def _qrels(path: Path, problems: list[str]) -> Iterator[tuple[str, str, int]]:
    for number, line in enumerate(text_of_file(path, problems).splitlines(), 1):
        cells = line.rstrip("\r\n").split("\t")
        if number == 1 and not cells[-1].lstrip("-").isdigit():
            continue
        try:
            yield cells[0], cells[-2], int(cells[-1])
        except (IndexError, ValueError):
            problems.append(f"{path.name}:{number}: {tr('not three columns')}")


def _texts(raw: Any) -> tuple[str, ...]:
    """Strings at any depth of nested lists."""
    if raw is None:
        return ()
    if isinstance(raw, list):
        return tuple(text for item in raw for text in _texts(item))
    text = clean_text(str(raw)).strip()
    return (text,) if text else ()
