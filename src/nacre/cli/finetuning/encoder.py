"""finetune encoder: an encoder that knows the words of a knowledge base."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nacre.cli.evaluation.reports import bar
from nacre.cli.finetuning.data import given
from nacre.cli.knowledge import opened
from nacre.cli.output import JsonFlag, KbOption, console, folder_to_write, print_json
from nacre.text.language import tr


def encoder(
    kb: KbOption,
    out: Annotated[Path, typer.Option("--out", callback=folder_to_write, help=tr("Folder of the encoder."))],
    steps: Annotated[int | None, typer.Option("--steps", min=1, help=tr("Without it, one pass."))] = None,
    base: Annotated[str | None, typer.Option("--base", help=tr("Encoder to begin with."))] = None,
    questions: Annotated[
        list[Path] | None, typer.Option("--questions", help=tr("Written questions beside the made ones."))
    ] = None,
    seed: Annotated[int, typer.Option("--seed")] = 7,
    as_json: JsonFlag = False,
) -> None:
    """Tune an encoder."""
    from nacre.finetuning.encoder import pairs_of, tune_encoder

    pairs = pairs_of(opened(kb), given(questions), seed)
    with bar(as_json, tr("Training")) as show:
        done = tune_encoder(
            pairs, out, embedder=base, steps=steps, seed=seed, on_progress=lambda step, all, *_: show(step, all)
        )
    if as_json:
        print_json(vars(done))
        return
    low, high = done.interval
    figures = f"nDCG@10 {done.ndcg_before:.3f} → {done.ndcg_after:.3f} [{low:+.3f}, {high:+.3f}]"
    told = (
        tr("Kept: {out}. Use it: nacre reembed --kb {kb} --embedder {out}", out=out, kb=kb)
        if done.kept
        else tr("Search does not surely gain on documents held out; nothing is kept.")
    )
    console().print(f"{figures} ({done.questions}). {told}", markup=False)
