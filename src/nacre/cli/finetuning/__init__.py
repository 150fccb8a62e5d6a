"""finetune: rows, training, encoders, and what is done with what came of it; one file a command."""

from __future__ import annotations

import typer

from nacre.cli.finetuning.adapters import check, listing, merge, remove
from nacre.cli.finetuning.data import data
from nacre.cli.finetuning.encoder import encoder
from nacre.cli.finetuning.train import train
from nacre.text.language import tr


def register(app: typer.Typer) -> None:
    """Add the group `nacre finetune`."""
    told = tr(
        "Teach a small model manner (citations, refusals, house style), or an encoder words. "
        "Facts stay in the knowledge base."
    )
    group = typer.Typer(help=told, no_args_is_help=True)
    group.command(help=tr("Make rows from a knowledge base, feedback and question sets."))(data)
    group.command(help=tr("Train an adapter, all weights or a reward model; here, or by a service."))(train)
    group.command(help=tr("Tune the encoder of a knowledge base; kept only where search surely gains."))(encoder)
    group.command(help=tr("Base, tuned model and quote side by side; exit 1 on a significant loss."))(check)
    group.command(help=tr("Merge a LoRA adapter into its base, and compare both before it is kept."))(merge)
    group.command("list", help=tr("What has been trained in a folder."))(listing)
    group.command(help=tr("Remove what has been trained."))(remove)
    app.add_typer(group, name="finetune")
