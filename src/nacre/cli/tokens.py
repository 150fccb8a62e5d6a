"""tokens and next: what a model sees of a text, and what it would say next."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from nacre.cli.output import JsonFlag, ModelOption, command, print_json, say
from nacre.errors import UsageError
from nacre.text.language import N_, tr

_COLOURS = ("black on bright_cyan", "black on bright_yellow", "black on bright_green", "black on bright_magenta")


@command("tokens", N_("Show the tokens of a text: what a model sees of it."))
def tokens(text: str, model: ModelOption = None, as_json: JsonFlag = False) -> None:
    from nacre.connectors.models.next_token import tokens_of

    found = tokens_of(text, model)
    if as_json:
        return print_json({"tokens": found, "count": len(found)})
    say(*((token.text.replace("\n", "⏎"), _COLOURS[at % len(_COLOURS)]) for at, token in enumerate(found)))
    say((" ".join(str(token.id) for token in found), "dim"))
    say(tr("{count} tokens", count=len(found)))


@command("next", N_("Show what a local model would say next, and what sampling leaves of it."))
def next_token(
    text: str,
    model: ModelOption = None,
    top: Annotated[int, Option("--top", min=1, max=1000, help=tr("How many candidates."))] = 10,
    temperature: Annotated[float | None, Option("--temperature", min=0)] = None,
    top_k: Annotated[int | None, Option("--top-k", min=1)] = None,
    top_p: Annotated[float | None, Option("--top-p", min=0, max=1)] = None,
    adapter: Annotated[str | None, Option("--adapter", help=tr("Folder of an adapter."))] = None,
    as_json: JsonFlag = False,
) -> None:
    from nacre.connectors.models import default_spec

    spec = model or default_spec()
    if spec.partition(":")[0].lower() not in ("transformers", "hf", "huggingface"):
        raise UsageError(tr("Only a local model tells what it would say next: add --model transformers:FOLDER."))
    from nacre.connectors.models.next_token import candidates

    settings = {} if adapter is None else {"adapter": adapter}
    found = candidates(text, spec, top=top, temperature=temperature, top_k=top_k, top_p=top_p, **settings)
    if as_json:
        return print_json({"candidates": found})
    for candidate in found:
        bar = "█" * max(1, round(candidate.probability * 40))
        say(f"{candidate.probability:7.2%}  {candidate.text!r:<16} {bar}")
