"""search and ask: a knowledge base from the command line."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from typer import Argument, Option

from nacre.cli.output import (
    AsOption,
    JsonFlag,
    KbOption,
    ModelOption,
    WhereOption,
    asked,
    command,
    console,
    place,
    principals,
    print_json,
    say,
)
from nacre.store.filters import Filter, read_conditions
from nacre.text.addresses import readable
from nacre.text.language import N_, tr

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage

    from nacre.layers.rag import RetrievalAugmented
    from nacre.retrieval.knowledge_base import KnowledgeBase

StrictFlag = Annotated[bool, Option("--strict", help=tr("Cut every sentence that its source does not support."))]


@command("search", N_("Find passages."))
def search(
    query: Annotated[str, Argument(help=tr("What to look for."))],
    kb: KbOption,
    k: Annotated[int, Option("-k", min=1, max=1000, help=tr("How many passages."))] = 10,
    who: AsOption = None,
    where: WhereOption = None,
    as_json: JsonFlag = False,
) -> None:
    hits = opened(kb).search(asked(query), k=k, principals=principals(who), where=read_conditions(where or []))
    if as_json:
        return print_json({"hits": hits})
    if not hits:
        say(tr("Nothing found."))
    for n, hit in enumerate(hits, 1):
        say((f"{n}. ", "bold"), (place(hit.title, hit.heading, hit.page), "cyan"), (f"  {hit.score:.3f}", "dim"))
        say("   " + " ".join(hit.text.split())[:240])
        say(("   " + readable(hit.uri), "dim"))


@command("ask", N_("Answer a question with citations."))
def ask(
    question: Annotated[str, Argument(help=tr("The question."))],
    kb: KbOption,
    model: ModelOption = None,
    who: AsOption = None,
    where: WhereOption = None,
    strict: StrictFlag = False,
    as_json: JsonFlag = False,
) -> None:
    began = time.perf_counter()
    question = asked(question)
    base = opened(kb)
    rag, name = answering(base, model, who, strict, read_conditions(where or []))
    stack = rag if where else summarising(rag, base, who)
    if as_json:
        message = stack.invoke(question)
        return print_json({**answer_data(message), "model": name, "seconds": round(time.perf_counter() - began, 3)})
    return show_answer(stack, question)


def answering(
    base: KnowledgeBase, model: str | None, who: str | None, strict: bool, where: Filter | None = None
) -> tuple[RetrievalAugmented, str]:
    """A model that answers from a knowledge base, and the name of the model inside."""
    from nacre.connectors.models import default_spec
    from nacre.stack import build

    layer = {"use": "rag", "strict": strict, **({"where": dict(where.fields)} if where else {})}
    stack = {"model": model, "layers": [layer]}
    rag = build(stack, kb=base, principals=principals(who))
    return cast("RetrievalAugmented", rag), model or default_spec()


def summarising(rag: RetrievalAugmented, base: KnowledgeBase, who: str | None) -> BaseChatModel:
    """The model, before it what summarises whole documents: with `quote` alone, for another would be called often."""
    from nacre.layers.summary import Summary

    quotes = getattr(rag.inner, "extractive", False)
    return Summary(inner=rag, knowledge_base=base, principals=principals(who)) if quotes else rag


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
        where = place(citation["title"], citation["heading"], citation["page"])
        say((f"  [{citation['n']}] ", "bold"), (where, "cyan"))
        say((f"      “{' '.join(citation['quote'].split())[:200]}”", "italic"))
        say((f"      {readable(citation['uri'])}  [{citation['start']}:{citation['end']}]", "dim"))


def opened(kb: str | Path, embedder: str | None = None, *, create: bool = False) -> KnowledgeBase:
    """Open a knowledge base; unless one may be made, there must be one."""
    from nacre.retrieval.knowledge_base import KnowledgeBase

    return KnowledgeBase.open(kb, embedder, create=create)
