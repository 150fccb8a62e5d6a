"""What the commands print: tables and progress for people (progress on stderr), one JSON object for programs."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nacre.errors import UsageError
from nacre.hygiene import clean_text
from nacre.language import tr
from nacre.strict_json import to_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


def folder(text: str | Path) -> Path:
    """A folder that was named on the command line."""
    return Path(named(str(text)))  # a default comes through here too, as a path


def named(text: str) -> str:
    """A name or a place from the command line, which must be one."""
    if not text.strip():
        raise typer.BadParameter(tr("it is empty; is a variable unset?", "值为空；是否有变量未设置？"))
    return text


JsonFlag = Annotated[
    bool, typer.Option("--json", help=tr("Print one JSON object on stdout.", "在标准输出打印一个 JSON 对象。"))
]
KbOption = Annotated[
    Path,
    typer.Option("--kb", parser=folder, metavar="<path>", help=tr("Folder of the knowledge base.", "知识库文件夹。")),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        parser=named,
        metavar="<name>",
        help=tr(
            "Model, e.g. openai:gpt-5, dashscope:qwen-plus, quote.",
            "模型，如 openai:gpt-5、dashscope:qwen-plus、quote。",
        ),
    ),
]
AsOption = Annotated[
    str | None,
    typer.Option("--as", help=tr("Search as these principals, comma separated.", "以这些主体的身份检索，逗号分隔。")),
]


def console(*, stderr: bool = False) -> Console:
    """A console that knows whether it is a terminal."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=not sys.stdout.isatty())


def print_json(data: dict[str, Any]) -> None:
    """Print one JSON object, and nothing else, on stdout."""
    text = to_json(data, ensure_ascii=False, default=_plain)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # a terminal without UTF-8, or a file name that is not
        text = to_json(data, default=_plain)
    sys.stdout.write(text + "\n")


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return str(value)


def principals(value: str | None) -> list[str] | None:
    """Read the comma separated list of `--as` and `--principals`."""
    names = None if value is None else [name.strip() for name in value.split(",") if name.strip()]
    if names == []:
        raise UsageError(
            tr(
                'The list of principals is empty. Leave the option out, or write "*" for everyone.',
                '主体列表为空。请省略该选项，或写 "*" 表示所有人。',
            )
        )
    return names


def asked(text: str) -> str:
    """A question from the command line, made fit to be asked."""
    question = clean_text(text).strip()
    if not question:
        raise UsageError(tr("The question is empty. Write what you want to know.", "问题为空。请写下您想知道的内容。"))
    return question


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Progress]:
    """A progress bar with count, rate and time left, on stderr; it leaves nothing behind."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),  # file names stand in it
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    err = console(stderr=True)
    with Progress(*columns, console=err, transient=True, disable=quiet or not err.is_terminal) as bar:
        yield bar


def place(title: str, heading: Sequence[str], page: int | None) -> str:
    """Where a passage stands, for people: title, headings, page.

    Args:
        page: 1-based, or None.
    """
    parts = [title, *heading[1:]] if heading and heading[0] == title else [title, *heading]
    return " › ".join(part for part in parts if part) + (tr(f", p. {page}", f"，第 {page} 页") if page else "")
