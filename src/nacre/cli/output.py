"""What the commands print: tables and progress for people (progress on stderr), one JSON object for programs."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer import Option

from nacre.errors import UsageError
from nacre.system.files import sure_place
from nacre.text.hygiene import clean_text
from nacre.text.language import tr
from nacre.text.strict_json import to_json
from nacre.text.titles import title_path

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table


T = TypeVar("T", bound=Callable[..., Any])


def folder(text: str | Path) -> Path:
    """A folder that was named on the command line."""
    return Path(named(str(text)))  # a default comes through here too, as a path


def named(text: str) -> str:
    """A name or a place from the command line, which must be one."""
    if not text.strip():
        raise typer.BadParameter(tr("it is empty; is a variable unset?"))
    return text


def folder_to_write(place: Path | None) -> Path | None:
    """A folder of `--out`, refused before any work is done where nothing can be written."""
    if place is not None:
        sure_place(place)
    return place


def file_to_write(place: Path | None) -> Path | None:
    """A file of `--out`, refused in the same way."""
    if place is not None and place.is_dir():
        raise UsageError(tr("{out} is a folder. Name a file.", out=place))
    folder_to_write(place and place.parent)
    return place


JsonFlag = Annotated[bool, Option("--json", help=tr("Print one JSON object on stdout."))]
_TOLD = tr("The knowledge base: a folder, or postgresql://….")
KbOption = Annotated[str, Option("--kb", parser=named, metavar="<place>", help=_TOLD)]
OptionalKb = Annotated[str | None, Option("--kb", parser=named, metavar="<place>", help=_TOLD)]
ModelOption = Annotated[
    str | None,
    Option("--model", parser=named, metavar="<name>", help=tr("Model, e.g. openai:gpt-5, dashscope:qwen-plus, quote.")),
]
WhereOption = Annotated[
    list[str] | None,
    Option(
        "--where",
        metavar="NAME=VALUE",
        help=tr("Only documents with this field, e.g. product=PX-200 or year>=2024; may be given more than once."),
    ),
]
AsOption = Annotated[str | None, Option("--as", help=tr("Search as these principals, comma separated."))]


def console(*, stderr: bool = False) -> Console:
    """A console that knows whether it is a terminal."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=not sys.stdout.isatty())


def say(*pieces: Any, err: bool = False) -> None:
    """Print a line for people as it is, whatever brackets stand in it: texts, with a style each where one is wanted."""
    from rich.text import Text

    console(stderr=err).print(Text.assemble(*pieces))


def warn(line: str) -> None:
    """Print a line of warning."""
    say((f"! {line}", "yellow"), err=True)


def table(*heads: str, **more: Any) -> Table:
    """A table without lines, to be filled and printed."""
    from rich.table import Table

    return Table(*heads, box=None, pad_edge=False, **more)


def tell(as_json: bool, data: dict[str, Any], *pieces: Any) -> None:
    """Print one JSON object, or a line for people."""
    print_json(data) if as_json else say(*pieces)


def command(name: str, told: str) -> Callable[[T], T]:
    """Mark a function as the command of that name; `told` is for its help page, in English."""

    def marked(function: T) -> T:
        vars(function)["command"] = (name, told)
        return function

    return marked


def print_json(data: dict[str, Any]) -> None:
    """Print one JSON object, and nothing else, on stdout; dataclasses and tuples become objects and lists."""
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
        raise UsageError(tr('The list of principals is empty. Leave the option out, or write "*" for everyone.'))
    return names


def asked(text: str) -> str:
    """A question from the command line, made fit to be asked."""
    question = clean_text(text).strip()
    if not question:
        raise UsageError(tr("The question is empty. Write what you want to know."))
    return question


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Progress]:
    """A progress bar with count, rate and time left, on stderr; it leaves nothing behind."""
    from rich import progress as rich

    text = rich.TextColumn("{task.description}", markup=False)  # file names stand in it
    done = rich.BarColumn(), rich.MofNCompleteColumn(), rich.TimeElapsedColumn()
    columns = (text, *done, rich.TextColumn("ETA"), rich.TimeRemainingColumn())
    err = console(stderr=True)
    with rich.Progress(*columns, console=err, transient=True, disable=quiet or not err.is_terminal) as bar:
        yield bar


@contextmanager
def bar(quiet: bool, label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar with the time that is left, on stderr."""
    with progress(quiet=quiet) as shown:
        task = shown.add_task(label, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def place(title: str, heading: Sequence[str], page: int | None) -> str:
    """Where a passage stands, for people: title, headings (without a first one that repeats it), page."""
    return title_path(title, heading) + (tr(", p. {page}", page=page) if page else "")
