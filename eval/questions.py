"""Question files, read with care: every mistake is told with its line and its cure, and costs only its own row."""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nacre.documents.delimited import delimiter
from nacre.documents.encodings import decode
from nacre.errors import EvaluationError, ParseError
from nacre.eval.gold import gold_of
from nacre.text.hygiene import clean_text
from nacre.text.language import tr
from nacre.text.vocabulary import vocabulary

_COLUMNS = vocabulary("nacre.eval", "columns")
_NAMES = {said: name for name, words in _COLUMNS["names"].items() for said in words}
_MEANT = {said: name for name, words in _COLUMNS["meant"].items() for said in words}
_YES = {**dict.fromkeys(("true", "yes", "1", "是"), True), **dict.fromkeys(("false", "no", "0", "", "否"), False)}


class Note(str):
    """Something that is told about a file and is no fault of it."""

    __slots__ = ()


@dataclass(frozen=True)
class Question:
    """A question with its gold answers.

    Args:
        id: its id.
        text: the question.
        answers: of which any one is right, as `nacre.eval.gold` reads them; empty when the sources hold no answer.
        uri: the document that holds the answer, where the set says so; several, that hold it together, parted by "|".
        group: questions of one group (paraphrases, turns) count as one where chance is reckoned.
        must: a wrong answer to it fails the gate by itself.
        named: whether the set gives the id; if not, runs are compared by the question itself.
    """

    id: str
    text: str
    answers: tuple[str, ...] = ()
    uri: str = ""
    group: str = ""
    must: bool = False
    named: bool = True

    @property
    def documents(self) -> list[str]:
        """The documents that hold the answer."""
        return [uri for uri in self.uri.split("|") if uri]


@dataclass(frozen=True)
class Row:
    """A row of a file, and where it stands: "q.jsonl:3"."""

    where: str
    cells: Mapping[str, Any]


def load_questions(path: Path) -> tuple[list[Question], list[str]]:
    """Read questions with gold answers.

    Args:
        path: a BEIR folder with queries.jsonl and answers.jsonl, or a file of questions with `question` and `answers`
            (or `answer`), and where wanted `id`, `uri`, `group` and `must`: JSON Lines, a JSON array, or a table (CSV
            with commas, semicolons or tabs; several answers separated by "|"; `[]` where the documents hold none).

    Returns:
        (questions, problems); of the problems those that are a `Note` are no faults.

    Raises:
        EvaluationError: the file is missing or of another kind, or no question is in it.
    """
    problems: list[str] = []
    rows = _joined(path, problems) if path.is_dir() else read(path, problems)
    questions: list[Question] = []
    seen: dict[str, str] = {}
    unknown: set[str] = set()
    for number, row in enumerate(rows, 1):
        found = question_of(row, number, problems, unknown)
        if found is None:
            continue
        if found.id in seen and not found.named:
            found = replace(found, id=f"row {number}")
        if found.id in seen:
            fault = tr(
                "id twice: {id} stands at {other} already; give each row its own.", id=found.id, other=seen[found.id]
            )
            problems.append(f"{row.where}: {fault}")
            continue
        seen[found.id] = row.where
        questions.append(found)
    if not questions:
        why = next((p for p in problems if not isinstance(p, Note)), tr("it is empty."))
        raise EvaluationError(
            tr("{path} holds no question: {why} Wanted: question, answers (id, uri, group, must).", path=path, why=why)
        )
    return questions, problems


def as_questions(given: Sequence[Question | Mapping[str, Any]] | Path | str) -> list[Question]:
    """Questions from a file, or from rows as a file holds them; a mistake in any is an error."""
    if isinstance(given, (str, Path)):
        questions, problems = load_questions(Path(given))
    else:
        problems = []
        rows = [each if isinstance(each, Question) else Row(f"[{n}]", each) for n, each in enumerate(given, 1)]
        made = [question_of(r, n, problems, set()) if isinstance(r, Row) else r for n, r in enumerate(rows, 1)]
        questions = [question for question in made if question]
    if wrong := faults(problems):
        raise EvaluationError(tr("The questions have mistakes: {first}", first=" · ".join(wrong[:3])))
    return questions


def faults(problems: Sequence[str]) -> list[str]:
    """The problems that cost a row or a figure."""
    return [problem for problem in problems if not isinstance(problem, Note)]


def check_faults(path: Path, problems: Sequence[str], rows: int, most: float) -> None:
    """Refuse a file of which a larger share (0 to 1) is wrong than may be, beside the rows that can be used."""
    wrong = faults(problems)
    if len(wrong) > most * (rows + len(wrong)):
        told = tr(
            "{count} mistakes in {path}, nothing was asked: {first} Mend them (nacre eval check lists all), or "
            "allow them with --max-failed.",
            count=len(wrong),
            path=path,
            first=" · ".join(wrong[:3]),
        )
        raise EvaluationError(told)


def strange_uris(questions: Iterable[Question], known: Iterable[str]) -> list[str]:
    """What is wrong with the documents that questions name."""
    known = list(known)
    names = [uri.rsplit("/", 1)[-1] for uri in known]
    found = []
    for question in questions:
        for wanted in question.documents:
            if not any(is_of(wanted, uri) for uri in known):
                close = difflib.get_close_matches(wanted.rsplit("/", 1)[-1], names, n=1, cutoff=0.6)
                near = tr(" Did you mean {near!r}?", near=close[0]) if close else ""
                told = tr("no document has the uri {uri!r}.{near}", uri=wanted, near=near)
                found.append(f"{question.id}: {told}")
    return found


def is_of(wanted: str, uri: str) -> bool:
    """Whether an address is the one that a question names, or ends in it."""
    return f"/{uri}".endswith(f"/{wanted.removeprefix('./').lstrip('/')}")


def question_of(row: Row, number: int, problems: list[str], unknown: set[str]) -> Question | None:
    """The question of a row; None where it cannot be used, which is told."""
    try:
        cells = _cells(row, problems, unknown)
        text = clean_text(str(cells.get("question") or "")).strip()
        if not text:
            raise ValueError(tr("empty question"))
        id, must = str(cells.get("id") or "").strip(), str(cells.get("must") or "").strip().casefold()
        if must not in _YES:
            raise ValueError(tr("must is {must!r}; write true or false.", must=must))
        uris = cells.get("uri") or ""
        uri = "|".join(str(each).strip() for each in (uris if isinstance(uris, list) else str(uris).split("|")))
        group = str(cells.get("group") or "").strip()
        named, answers = bool(id), _answers(cells)
    except ValueError as error:
        problems.append(f"{row.where}: {error}")
        return None
    return Question(id or str(number), text, answers, uri, group, must=_YES[must], named=named)


def _cells(row: Row, problems: list[str], unknown: set[str]) -> dict[str, Any]:
    """The cells that are known, by what they are."""
    found = {_NAMES[name]: value for key, value in row.cells.items() if (name := _plain(key)) in _NAMES}
    for key in row.cells:
        name = _plain(key)
        if name in _NAMES or name in _COLUMNS["remarks"]:
            continue
        meant = _MEANT.get(name) or next(iter(difflib.get_close_matches(name, [*_NAMES], n=1, cutoff=0.7)), "")
        if meant and _NAMES[meant] not in found:
            raise ValueError(tr("unknown key {key!r}. Did you mean {near!r}?", key=key, near=meant))
        if name not in unknown:
            unknown.add(name)
            problems.append(Note(f"{row.where}: {tr('the key {key!r} is not read.', key=key)}"))
    return found


def _plain(key: Any) -> str:
    return str(key).strip().strip("\ufeff\"'").casefold()


def _answers(cells: Mapping[str, Any]) -> tuple[str, ...]:
    if "answers" not in cells:
        raise ValueError(tr('no answers; write "answers": [] where the documents hold none.'))
    raw = cells["answers"]
    if isinstance(raw, str):
        raw = [] if raw.strip() == "[]" else raw.split("|") if "regex:" not in raw else [raw]
        if raw == [""]:
            raw = None
    if raw is None or raw == {} or isinstance(raw, bool):
        told = tr("the answer is {raw}; write a text, or [] where the documents hold none.", raw=json.dumps(raw))
        raise ValueError(told)
    flat = list(_flat(raw))
    if raw and not any(flat):
        raise ValueError(tr("the answer is empty; write a text, or [] where the documents hold none."))
    return tuple(gold for gold in flat if gold)


def _flat(raw: Any) -> Iterator[str]:
    if isinstance(raw, list):
        for each in raw:
            yield from _flat(each)
    else:
        yield gold_of(raw)


# ------------------------------------------------------------------------------------------------------------- files


def read(path: Path, problems: list[str]) -> Iterator[Row]:
    """The rows of a file of any form."""
    text = text_of_file(path, problems)
    begin = text.lstrip().partition("\n")[0].casefold()
    named = begin[:1] not in ("{", "[", "") and ("question" in begin or "问题" in begin)
    if named or path.suffix.lower() in (".csv", ".tsv", ".tab"):
        yield from _table(path, text, problems)
    elif begin.startswith("["):
        yield from _array(path, text, problems)
    else:
        yield from json_lines(path.name, text.splitlines(), problems)


def text_of_file(path: Path, problems: list[str]) -> str:
    """The text of a file in any charset; another one than UTF-8 is told."""
    if not path.is_file():
        raise EvaluationError(tr("There is no file {path}.", path=path))
    data = path.read_bytes()
    try:
        text, charset = decode(data)
    except ParseError as error:
        told = tr("{path}: {error}. Save it as CSV or JSON Lines.", path=path, error=error.message.rstrip("."))
        raise EvaluationError(told) from error
    if charset not in ("utf-8", "utf-8-sig", "ascii"):
        problems.append(Note(f"{path.name}: {tr('read as {charset}.', charset=charset)}"))
    return text.removeprefix("\ufeff")


def json_lines(name: str, lines: Iterable[str], problems: list[str]) -> Iterator[Row]:
    """The objects of JSON Lines; a line that is none becomes a problem."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{name}:{number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            told = tr("not JSON ({error}); each line is one object.", error=error)
            problems.append(f"{where}: {told}")
            continue
        if isinstance(row, dict):
            yield Row(where, row)
        else:
            problems.append(f"{where}: {tr('not an object')}")


def _array(path: Path, text: str, problems: list[str]) -> Iterator[Row]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EvaluationError(tr("{path}: not JSON ({error}).", path=path.name, error=error)) from error
    for number, row in enumerate(rows, 1):
        where = f"{path.name}:[{number}]"
        if isinstance(row, dict):
            yield Row(where, row)
        else:
            problems.append(f"{where}: {tr('not an object')}")


def _table(path: Path, text: str, problems: list[str]) -> Iterator[Row]:
    if text[:4].lower() == "sep=":
        between, text = text[4:5], text.partition("\n")[2]
    else:
        between = delimiter(text)
        between = "," if between == "|" else between  # parts answers
    if between != ",":
        shown = {"\t": tr("tabs")}.get(between, between)
        problems.append(Note(f"{path.name}: {tr('columns are parted by {between}.', between=shown)}"))
    csv.field_size_limit(1 << 24)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=between, skipinitialspace=True)
    try:
        heads = next(rows, [])
        for cells in rows:
            where = f"{path.name}:{rows.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(heads) or len(cells) < len([h for h in heads if h.strip()]):
                told = tr(
                    "{cells} cells for {heads} columns ({names}); put a text that holds the separator in quotes.",
                    cells=len(cells),
                    heads=len(heads),
                    names=", ".join(heads)[:100],
                )
                problems.append(f"{where}: {told}")
                continue
            yield Row(where, {head: cell for head, cell in zip(heads, cells, strict=False) if head.strip()})
    except csv.Error as error:
        problems.append(f"{path.name}:{rows.line_num}: {error}")


def _joined(folder: Path, problems: list[str]) -> Iterator[Row]:
    """The rows of answers.jsonl with their questions from queries.jsonl."""
    for name in ("queries.jsonl", "answers.jsonl"):
        if not (folder / name).is_file():
            raise EvaluationError(tr("{folder} has no {names}.", folder=folder, names=name))
    texts = {
        str(row.cells.get("_id", row.cells.get("id"))): row.cells.get("text")
        for row in read(folder / "queries.jsonl", problems)
    }
    for row in read(folder / "answers.jsonl", problems):
        id = str(row.cells.get("_id", row.cells.get("id", "")))
        if id not in texts:
            problems.append(f"{row.where}: {tr('no question ')}{id}")
        else:
            yield Row(row.where, {"question": texts[id], **row.cells})
