"""why: the stage where an expected passage was lost."""

from __future__ import annotations

from typing import Annotated

import typer

from nacre.cli.knowledge import StrictFlag, answering, opened
from nacre.cli.output import AsOption, JsonFlag, KbOption, ModelOption, asked, console, principals, print_json
from nacre.language import tr


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(
        help=tr(
            "Say where an expected passage was lost, and what brings it back.",
            "说明期望的段落在哪一步丢失，以及如何找回。",
        )
    )(why)


def why(
    question: Annotated[str, typer.Argument(help=tr("The question.", "问题。"))],
    expect: Annotated[
        str,
        typer.Option(
            "--expect",
            help=tr(
                "The text that should have been found, or the address or name of its document.",
                "应当找到的文本，或其文档的地址、文件名。",
            ),
        ),
    ],
    kb: KbOption,
    model: ModelOption = None,
    who: AsOption = None,
    strict: StrictFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Follow a passage through the stack."""
    from nacre.eval.why import diagnose

    stack, _ = answering(opened(kb), model, who, strict)
    found = diagnose(stack, asked(question), expect, principals=principals(who))
    if as_json:
        print_json(vars(found))
        return
    out = console()
    out.print(tr("[bold]Lost at:[/] ", "[bold]丢失环节：[/]") + _NAMES[found.stage]())
    out.print(found.reason, markup=False)
    out.print(tr("[bold]Cure:[/] ", "[bold]解决办法：[/]"), end="")
    out.print(found.cure, markup=False)
    if found.ranks:
        ranks = "  ".join(f"{_NAMES[arm]()} {rank or '–'}" for arm, rank in found.ranks.items() if arm in _NAMES)
        out.print(tr("Ranks: ", "排名：") + ranks, style="dim", markup=False)
    if found.uri:
        out.print(found.uri, style="dim", markup=False)


_NAMES = {
    "source": lambda: tr("the source", "来源"),
    "parse": lambda: tr("parsing", "解析"),
    "permission": lambda: tr("permissions", "权限"),
    "words": lambda: tr("words", "词索引"),
    "vectors": lambda: tr("vectors", "向量"),
    "fusion": lambda: tr("fusion", "融合"),
    "fused": lambda: tr("fused", "融合后"),
    "distinct": lambda: tr("near-duplicates", "去重"),
    "rerank": lambda: tr("reranking", "重排序"),
    "relevance": lambda: tr("the relevance check", "相关性检查"),
    "chunk": lambda: tr("chunking", "切分"),
    "packing": lambda: tr("packing", "装入上下文"),
    "model": lambda: tr("the model", "模型"),
    "citation": lambda: tr("the citation check", "引用检查"),
    "none": lambda: tr("nowhere, it was used", "未丢失，已被使用"),
}
