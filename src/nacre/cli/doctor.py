"""doctor: what this machine and this installation can do."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from nacre import __version__
from nacre.cli.output import JsonFlag, command, console, named, print_json
from nacre.errors import NacreError, UsageError
from nacre.text.language import N_, tr, user_language

_PACKAGES = (
    "langchain-core faiss-cpu tantivy onnxruntime rapidocr langchain-openai transformers torch mcp fastapi psycopg"
    " qdrant-client ray"
)


@command("doctor", N_("Show what works here: sandbox, models, embedder, versions."))
def doctor(
    kb: Annotated[
        str | None,
        Option(
            "--kb",
            parser=named,
            metavar="<place>",
            help=tr("A folder whose files' permissions to look at, or postgresql://… whose servers."),
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    from nacre.reasoning.sandbox import doctor as sandbox_doctor
    from nacre.store.places import is_postgres, shown
    from nacre.system.files import wide_report

    report: dict[str, Any] = {
        "python": platform.python_version(),
        "language": user_language(),
        "versions": _versions(),
        "model": _model(),
        "embedder": _embedder(),
        "sandbox": sandbox_doctor(),
        "parsers": _parsers(),
    }
    if kb is not None:
        if is_postgres(kb):
            from nacre.store.postgres.doctor import examine

            report["servers"] = examine(kb)
        elif not Path(kb).is_dir():
            raise UsageError(tr("There is no folder {kb}.", kb=shown(kb)))
        else:
            report["files"] = wide_report(Path(kb))
        report["languages"] = _languages(kb)
    if as_json:
        return print_json(report)
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in report.items():
        table.add_row(name, "\n".join(_lines(value)))
    return console().print(table)


def _lines(value: Any) -> list[str]:
    if isinstance(value, dict) and {"name", "active"} <= set(value):  # a protection
        return [
            f"{'✓' if value['active'] else '✗'} {value['name']}"
            + (f" ({value['detail']})" if value.get("detail") else "")
        ]
    if isinstance(value, dict):
        return [line for name, inside in value.items() for line in _entry(name, inside)]
    if isinstance(value, (list, tuple)):
        return [line for inside in value for line in _lines(inside)]
    return [str(value)]


def _entry(name: str, value: Any) -> list[str]:
    """One line where the value is short, else its name and its lines below."""
    lines = _lines(value)
    simple = all(
        isinstance(part, (str, int, float, bool)) for part in (value.values() if isinstance(value, dict) else [0])
    )
    if isinstance(value, dict) and simple:
        return [f"{name}: " + "  ".join(f"{key} {_mark(inside)}" for key, inside in value.items())]
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], dict):
        return [f"{name}:", *(f"  {line}" for line in lines)]
    return [f"{name}: {'  '.join(lines)}"]


def _mark(value: Any) -> str:
    return {True: "✓", False: "✗"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {"nacre": __version__}  # the distribution is called nacre-ai
    for package in _PACKAGES.split():
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def _model() -> dict[str, Any]:
    from nacre.connectors.models import default_spec
    from nacre.connectors.models.providers import PROVIDERS

    keys = {name: bool(provider.key()) for name, provider in PROVIDERS.items() if provider.needs_key}
    return {"default": default_spec(), "keys": keys}


def _embedder() -> dict[str, Any]:
    from nacre.connectors.embeddings import load_embedder

    try:
        return {"available": True, **getattr(load_embedder(None), "identity", {})}
    except NacreError as error:
        return {"available": False, "reason": error.message}


def _parsers() -> list[dict[str, Any]]:
    """The walls around a parser worker, missing ones with what the kernel answers; and whether scans are read."""
    from nacre.documents import ParserPool, ocr

    with ParserPool(workers=1) as pool:
        walls = [{"name": name, "active": not why, "detail": why} for name, why in pool.missing_walls().items()]
    told = "" if ocr.installed() else tr("scans and pictures are not read; {install}", install=ocr.INSTALL)
    return [*walls, {"name": "ocr", "active": ocr.installed(), "detail": told}]


def _languages(kb: str) -> Any:
    """Which languages a knowledge base holds and whether its own embedder reads them."""
    from nacre.retrieval.knowledge_base import KnowledgeBase

    try:
        with KnowledgeBase.open(kb, create=False) as base:
            return [{key: each[key] for key in ("name", "share", "read")} for each in base.languages()]
    except NacreError as error:
        return error.message
