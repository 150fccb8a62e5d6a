"""Rows of training data: one JSON line each, read with care, written so that every other tool reads them too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from nacre.errors import FinetuningError
from nacre.eval.items import write_rows
from nacre.finetuning.importing import as_row, form_of
from nacre.text.language import tr
from nacre.text.strict_json import to_json

Split = Literal["train", "valid", "test", ""]
FORMS = ("answers", "pairs", "thumbs")
_ROLES = {"system", "user", "assistant"}
_FACTS = ("document", "kind", "split", "origin", "question", "answers", "sources")


@dataclass(frozen=True)
class Row:
    """One row.

    Args:
        prompt: what the model is shown: turns of `{"role", "content"}`, the last of them the user's.
        answer: what it is to say; of a pair, the better answer.
        rejected: of a pair, the worse answer.
        label: of a thumb, whether the answer is a good one.
        document: the address of the document that it was made from.
        kind: "answer", "refusal", "follow-up", …
        sources: the texts of the sources in the prompt, in their order.
    """

    prompt: tuple[Mapping[str, str], ...]
    answer: str
    rejected: str | None = None
    label: bool | None = None
    document: str = ""
    kind: str = ""
    split: Split = ""
    origin: str = ""
    question: str = ""
    answers: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def form(self) -> str:
        """Which of `FORMS` it has."""
        return "pairs" if self.rejected is not None else "thumbs" if self.label is not None else "answers"

    @property
    def asked(self) -> str:
        """The question, without the sources around it where it is known."""
        return self.question or self.prompt[-1]["content"]

    def to_dict(self) -> dict[str, Any]:
        """As it is written: the messages as everyone has them, and beside them what only we know."""
        said = {"role": "assistant", "content": self.answer}
        if self.rejected is not None:
            told: dict[str, Any] = {
                "messages": list(self.prompt),
                "chosen": said,
                "rejected": {**said, "content": self.rejected},
            }
        else:
            told = {"messages": [*self.prompt, said], **({} if self.label is None else {"label": self.label})}
        return {**told, **{name: value for name in _FACTS if (value := getattr(self, name))}}


def read_rows(path: Path) -> tuple[list[Row], list[str]]:
    """Read rows of one form: ours, alpaca, sharegpt, OpenAI's, DashScope's or TRL's.

    Returns:
        (rows, problems); a line that is no row becomes a problem, and costs only itself.

    Raises:
        FinetuningError: there is no such file, no row in it, or rows of several forms.
    """
    rows: list[Row] = []
    problems: list[str] = []
    forms: dict[Any, int] = {}
    for number, data in _objects(path, problems):
        try:
            row = _row(as_row(data))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problems.append(tr("{name}, row {number}: {error}", name=path.name, number=number, error=_reason(error)))
            continue
        forms.setdefault((form_of(data), row.form), number)
        rows.append(row)
    if len(forms) > 1:
        told = ", ".join(f"{name} {form} ({tr('row')} {number})" for (name, form), number in forms.items())
        raise FinetuningError(
            tr("{path} mixes forms of rows: {told}. Put each into a file of its own.", path=path, told=told)
        )
    if not rows:
        more = f" ({problems[0].rstrip('.。')})" if problems else ""
        raise FinetuningError(
            tr(
                "{path} has no rows{more}. Make some: nacre finetune data --kb KB --out ROWS.jsonl",
                path=path,
                more=more,
            )
        )
    return rows, problems


def save_rows(rows: Sequence[Row], path: Path) -> None:
    """Write rows as JSON Lines, for their owner alone."""
    write_rows(path, (row.to_dict() for row in rows))


def data_print(rows: Sequence[Row]) -> str:
    """A short name for the content of rows, the same in any order."""
    each = sorted(to_json(row.to_dict(), ensure_ascii=False, sort_keys=True) for row in rows)
    return hashlib.sha256("\n".join(each).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def with_split(row: Row, split: Split) -> Row:
    """The row on another side."""
    return replace(row, split=split)


def _objects(path: Path, problems: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file with their numbers: JSON Lines, or one JSON list as alpaca's files are."""
    if not path.is_file():
        raise FinetuningError(
            tr("There is no file {path}. Make rows: nacre finetune data --kb KB --out ROWS.jsonl", path=path)
        )
    text = path.read_text("utf-8-sig", errors="replace")
    if text.lstrip().startswith("["):
        try:
            listed = list(enumerate(json.loads(text), 1))
        except ValueError as error:
            raise FinetuningError(tr("{path} is no JSON: {error}", path=path, error=error)) from error
    else:
        listed = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    for number, item in listed:
        try:
            data = json.loads(item) if isinstance(item, str) else item
            if not isinstance(data, dict):
                raise ValueError(tr("no object of JSON."))
        except (ValueError, RecursionError) as error:
            problems.append(tr("{name}, row {number}: {error}", name=path.name, number=number, error=error))
        else:
            yield number, data


def _row(data: Mapping[str, Any]) -> Row:
    """A row of our own form, checked."""
    turns, fields = list(data["messages"]), {name: data[name] for name in _FACTS if name in data}
    if "chosen" in data or "rejected" in data:
        fields |= {"answer": _said(data["chosen"]), "rejected": _said(data["rejected"])}
    elif turns and turns[-1].get("role") == "assistant":
        fields |= {"answer": _said(turns.pop()), "label": data.get("label")}
    else:
        raise ValueError(tr("the last message is not the assistant's; end each row with the answer to learn."))
    if not turns or turns[-1].get("role") != "user":
        raise ValueError(tr("no question before the answer; the message before the last is to be the user's."))
    if strangers := {str(turn.get("role")) for turn in turns} - _ROLES:
        raise ValueError(tr("the role {role!r} is unknown; there are system, user, assistant.", role=min(strangers)))
    if fields.get("label") not in (None, True, False):
        raise ValueError(tr("label is neither true nor false."))
    for name in ("answers", "sources"):
        fields[name] = tuple(map(str, fields.get(name) or ()))
    prompt = tuple({"role": str(turn["role"]), "content": _text(turn["content"])} for turn in turns)
    return Row(prompt=prompt, **fields)


def _said(message: Any) -> str:
    text = _text(message["content"] if isinstance(message, Mapping) else message)
    if not text.strip():
        raise ValueError(tr("an answer is empty."))
    return text


def _text(content: Any) -> str:
    if not isinstance(content, str):
        raise ValueError(tr("a message is no text; images and calls of tools cannot be trained on here."))
    return content


def _reason(error: Exception) -> str:
    return tr("{field} is missing", field=error) if isinstance(error, KeyError) else str(error)
