"""sync, search, ask and chat: a knowledge base from the command line."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nacre.cli.output import (
    AsOption,
    JsonFlag,
    KbOption,
    ModelOption,
    asked,
    console,
    named,
    place,
    principals,
    print_json,
    progress,
)
from nacre.errors import UsageError
from nacre.text.hygiene import clean_text
from nacre.text.language import tr

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage

    from nacre.ingest.source import Source
    from nacre.layers.rag import RetrievalAugmented
    from nacre.retrieval.knowledge_base import KnowledgeBase

_WEB = re.compile(r"(sitemap:)?https?:", re.IGNORECASE)
StrictFlag = Annotated[bool, typer.Option("--strict", help=tr("Cut every sentence that its source does not support."))]
LinksOption = Annotated[
    bool, typer.Option("--follow-links", help=tr("Also read what links in a folder name outside of it."))
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(help=tr("Bring a knowledge base up to date with files, folders or URLs."))(sync)
    app.command(help=tr("Check that catalog and indexes agree; --repair rebuilds the indexes."))(verify)
    app.command(help=tr("Find passages."))(search)
    app.command(help=tr("Answer a question with citations."))(ask)
    app.command(help=tr("Ask in turns; follow-up questions are understood."))(chat)


def sync(
    sources: Annotated[list[str], typer.Argument(help=tr("Files, folders or URLs."))],
    kb: KbOption,
    who: Annotated[
        str | None, typer.Option("--principals", help=tr("Only these may see the documents, comma separated."))
    ] = None,
    embedder: Annotated[
        str | None,
        typer.Option("--embedder", parser=named, metavar="<name>", help=tr("Embedder for a new knowledge base.")),
    ] = None,
    prune: Annotated[bool, typer.Option("--prune/--no-prune", help=tr("Delete documents whose file is gone."))] = True,
    allow_private: Annotated[
        bool,
        typer.Option(
            "--allow-private",
            help=tr("Let http(s) sources and what they redirect to lie on this machine and in private networks."),
        ),
    ] = False,
    follow_links: LinksOption = False,
    as_json: JsonFlag = False,
) -> int:
    """Sync sources into the knowledge base; exit 2 when nothing of them could be read."""
    began = time.perf_counter()
    base = opened(kb, embedder, create=True)
    with progress(quiet=as_json) as bar:
        task = bar.add_task(tr("Syncing"), total=None)

        def show(step: Any) -> None:
            bar.update(
                task,
                completed=step.done,
                total=step.total or None,
                description=tr("Syncing ") + Path(str(step.uri)).name[:40],
            )

        found = [_with_leave(source, allow_private, follow_links) for source in sources]
        report = base.sync(*found, principals=principals(who), prune=prune, on_progress=show)
    seconds = round(time.perf_counter() - began, 3)
    failed = [{"uri": uri, "reason": reason} for uri, reason in report.failed]
    _show_sync(report, failed, seconds, as_json)
    if not failed or report.added or report.updated or report.deleted or report.unchanged:
        return 0
    first = f"{failed[0]['uri']}: {failed[0]['reason']}"
    more = tr(" ({count} failed)", count=len(failed)) if len(failed) > 1 else ""
    raise UsageError(tr("Nothing could be read. {first}{more}", first=first, more=more))


def _with_leave(source: str, allow_private: bool, follow_links: bool) -> Source:
    """A web source that may lie in a private network, a folder whose links may lead out; any other as it is."""
    from nacre.connectors.sources import resolve
    from nacre.connectors.sources.files import Files

    if allow_private and _WEB.match(source):
        return resolve(source, allow_private=True)
    found = resolve(source)
    if isinstance(found, Files):
        found.follow_links = follow_links
    return found


def _show_sync(report: Any, failed: list[dict[str, str]], seconds: float, as_json: bool) -> None:
    counts = {
        "added": report.added,
        "updated": report.updated,
        "deleted": report.deleted,
        "unchanged": report.unchanged,
    }
    if as_json:
        print_json({**counts, "recut": report.recut, "failed": failed, "embedded": report.embedded, "seconds": seconds})
        return
    out = console()
    names = {"added": tr("added"), "updated": tr("updated"), "deleted": tr("deleted"), "unchanged": tr("unchanged")}
    out.print(
        "  ".join(f"[bold]{n}[/] {names[name]}" for name, n in counts.items())
        + f"  [dim]{report.embedded} {tr('chunks embedded')}, {seconds} s[/]"
    )
    if report.recut:
        out.print(tr("{recut} documents cut anew: chunk_size in settings.json has changed.", recut=report.recut))
    for row in failed:
        out.print(tr("[red]failed[/] "), end="")
        out.print(f"{row['uri']}: {row['reason']}", markup=False)


def verify(
    kb: KbOption,
    repair: Annotated[bool, typer.Option("--repair", help=tr("Rebuild both indexes from the catalog first."))] = False,
    as_json: JsonFlag = False,
) -> int:
    """Check a knowledge base; exit 1 when something is wrong."""
    if repair:
        from nacre.retrieval.knowledge_base import KnowledgeBase

        KnowledgeBase.repair(kb).close()
    base = opened(kb)
    problems = base.verify()
    if as_json:
        print_json({"problems": problems, **base.stats()})
    else:
        out = console()
        for problem in problems:
            out.print(problem, style="red", markup=False)
        stats = base.stats()
        if not problems:
            out.print(
                tr(
                    "Whole: {documents} documents, {chunks} chunks.",
                    documents=stats["documents"],
                    chunks=stats["chunks"],
                )
            )
    return 1 if problems else 0


def search(
    query: Annotated[str, typer.Argument(help=tr("What to look for."))],
    kb: KbOption,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help=tr("How many passages."))] = 10,
    who: AsOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Search the knowledge base."""
    hits = opened(kb).search(asked(query), k=k, principals=principals(who))
    if as_json:
        print_json({"hits": hits})
        return
    out = console()
    if not hits:
        out.print(tr("Nothing found."))
    for n, hit in enumerate(hits, 1):
        out.print(f"[bold]{n}.[/] ", end="")
        out.print(place(hit.title, hit.heading, hit.page), style="cyan", markup=False, end="")
        out.print(f"  [dim]{hit.score:.3f}[/]")
        out.print("   " + " ".join(hit.text.split())[:240], markup=False)
        out.print("   " + hit.uri, style="dim", markup=False)


def ask(
    question: Annotated[str, typer.Argument(help=tr("The question."))],
    kb: KbOption,
    model: ModelOption = None,
    who: AsOption = None,
    strict: StrictFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Answer one question from the knowledge base."""
    began = time.perf_counter()
    question = asked(question)
    rag, name = answering(opened(kb), model, who, strict)
    if as_json:
        message = rag.invoke(question)
        print_json({**answer_data(message), "model": name, "seconds": round(time.perf_counter() - began, 3)})
        return
    show_answer(rag, question)


def chat(kb: KbOption, model: ModelOption = None, who: AsOption = None, strict: StrictFlag = False) -> None:
    """Talk with the knowledge base until an empty line or the end of the input."""
    from nacre.layers.memory import ConversationMemory

    rag, name = answering(opened(kb), model, who, strict)
    remembering = ConversationMemory(inner=rag)
    out = console()
    if sys.stdin.isatty():
        out.print(tr("[dim]{name}. Ask; an empty line ends.[/]", name=name))
    while True:
        try:
            line = input("› " if sys.stdin.isatty() else "")
        except EOFError:
            break
        if not line.strip():
            break
        show_answer(remembering, clean_text(line), session_id="chat")
        out.print()


def answering(base: KnowledgeBase, model: str | None, who: str | None, strict: bool) -> tuple[RetrievalAugmented, str]:
    """A model that answers from a knowledge base, and the name of the model inside."""
    from nacre.connectors.models import default_spec, load_model
    from nacre.layers.rag import RetrievalAugmented
    from nacre.retrieval.retriever import retriever_of

    retriever = retriever_of(base, principals=principals(who))
    return RetrievalAugmented(inner=load_model(model), retriever=retriever, strict=strict), model or default_spec()


def answer_data(message: AIMessage) -> dict[str, Any]:
    """What `ask --json` says of an answer."""
    from nacre.text.messages import nacre_of, text_of

    own = nacre_of(message)
    fields = ("n", "uri", "title", "heading", "page", "start", "end", "quote", "version", "chunk_id", "document_id")
    return {
        "answer": text_of(message),
        "citations": [{name: c[name] for name in fields} for c in own.get("citations") or []],
        "abstained": bool(own.get("abstained")),
    }


def show_answer(model: BaseChatModel, question: str, **options: Any) -> None:
    """Print an answer as it comes, then what it cites."""
    from nacre.text.messages import merge_chunks, text_of

    out = console()
    chunks = []
    for chunk in model.stream(question, **options):
        chunks.append(chunk)
        out.print(text_of(chunk), end="", markup=False)
    out.print()
    seen = set()
    for citation in answer_data(merge_chunks(chunks))["citations"]:
        key = (citation["n"], citation["start"])
        if key in seen:
            continue
        seen.add(key)
        out.print(f"  [{citation['n']}] ", style="bold", markup=False, end="")
        out.print(place(citation["title"], citation["heading"], citation["page"]), style="cyan", markup=False)
        out.print(f"      “{' '.join(citation['quote'].split())[:200]}”", style="italic", markup=False)
        out.print(f"      {citation['uri']}  [{citation['start']}:{citation['end']}]", style="dim", markup=False)


def opened(kb: Path, embedder: str | None = None, *, create: bool = False) -> KnowledgeBase:
    """Open a knowledge base; unless one may be made, there must be one."""
    from nacre.retrieval.knowledge_base import KnowledgeBase

    return KnowledgeBase.open(kb, embedder, create=create)
