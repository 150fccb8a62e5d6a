"""serve, mcp, keys, init and trace: the knowledge base for other programs and for people with a browser."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nacre.cli.output import JsonFlag, ModelOption, console, folder, principals, print_json
from nacre.errors import UsageError
from nacre.language import os_reason, tr

if TYPE_CHECKING:
    from nacre.server.settings import Settings

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        parser=folder,
        metavar="<path>",
        help=tr("A nacre.yaml; `nacre init` writes one.", "nacre.yaml 文件；可用 `nacre init` 生成。"),
    ),
]
OptionalKb = Annotated[
    Path | None,
    typer.Option("--kb", parser=folder, metavar="<path>", help=tr("Folder of the knowledge base.", "知识库文件夹。")),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        parser=folder,
        metavar="<path>",
        help=tr("Where the server keeps keys and uploads.", "服务器保存密钥和上传文件的位置。"),
    ),
]
HostOption = Annotated[str | None, typer.Option("--host", help=tr("Address to listen on.", "监听地址。"))]
PortOption = Annotated[
    int | None, typer.Option("--port", min=0, max=65535, help=tr("Port to listen on.", "监听端口。"))
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(help=tr("Serve an OpenAI-compatible API and a web page.", "启动 OpenAI 兼容接口与网页。"))(serve)
    app.command(help=tr("Serve MCP clients: search, ask, read, compute.", "为 MCP 客户端提供检索、问答、阅读与计算。"))(
        mcp
    )
    app.command(help=tr("Write a nacre.yaml to begin with.", "生成一份 nacre.yaml。"))(init)
    app.command(help=tr("Show the server's kept questions and answers.", "查看服务器保存的问答记录。"))(trace)
    keys = typer.Typer(help=tr("API keys of the server.", "服务器的 API 密钥。"), no_args_is_help=True)
    keys.command(name="add", help=tr("Make a key; it is shown once.", "创建密钥，仅显示一次。"))(add_key)
    keys.command(name="list", help=tr("List the keys.", "列出密钥。"))(list_keys)
    keys.command(name="revoke", help=tr("Take a key away.", "撤销密钥。"))(revoke_key)
    app.add_typer(keys, name="keys")


def serve(
    kb: OptionalKb = None,
    host: HostOption = None,
    port: PortOption = None,
    model: ModelOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
    who: Annotated[
        str | None,
        typer.Option(
            "--as",
            help=tr("As whom to search while there are no keys, comma separated.", "无密钥时的检索身份，逗号分隔。"),
        ),
    ] = None,
    trace: Annotated[
        bool | None, typer.Option("--trace", help=tr("Keep questions and answers.", "保存问答记录。"))
    ] = None,
) -> None:
    """Serve the knowledge base until interrupted."""
    from nacre.optional import need

    need("uvicorn", extra="serve")
    need("fastapi", extra="serve")
    from nacre.server.run import serve as run

    settings = _settings(
        config, kb, model=model, host=host, port=port, data=data, principals=principals(who), trace=trace
    )
    run(settings)


def mcp(
    kb: OptionalKb = None,
    model: ModelOption = None,
    config: ConfigOption = None,
    transport: Annotated[
        str,
        typer.Option("--transport", help=tr("stdio, or http for streamable HTTP.", "stdio，或 http（可流式 HTTP）。")),
    ] = "stdio",
    host: HostOption = None,
    port: PortOption = None,
    who: Annotated[
        str | None, typer.Option("--as", help=tr("As whom to search, comma separated.", "检索身份，逗号分隔。"))
    ] = None,
) -> None:
    """Serve MCP clients until interrupted."""
    from nacre.optional import need

    need("mcp", extra="mcp")
    if transport not in ("stdio", "http"):
        raise UsageError(
            tr(
                f"--transport is {transport!r}; choose stdio or http.",
                f"--transport 为 {transport!r}；请选 stdio 或 http。",
            )
        )
    settings = _settings(config, kb, model=model, host=host, port=port, principals=principals(who))
    if transport == "http":
        need("uvicorn", extra="serve")
        need("fastapi", extra="serve")
        from nacre.server.run import serve as run

        return run(settings, only_mcp=True)
    from nacre.server.mcp import serve_stdio

    return serve_stdio(settings)


def init(
    path: Annotated[Path, typer.Argument(help=tr("Where to write it.", "写入位置。"))] = Path("nacre.yaml"),
) -> None:
    """Write a nacre.yaml with comments; one that is there is never replaced."""
    from nacre.server.settings import TEMPLATE

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except OSError as error:
        raise UsageError(
            tr(f"{path} cannot be written: {os_reason(error)}.", f"无法写入 {path}：{os_reason(error)}。")
        ) from error
    console().print(
        tr(
            f"{path} is written. Start: nacre serve --config {path}",
            f"已写入 {path}。启动：nacre serve --config {path}",
        ),
        markup=False,
    )


def trace(
    request: Annotated[
        str | None,
        typer.Argument(
            help=tr("Id of a request; without it the last ones are listed.", "请求编号；省略则列出最近的记录。")
        ),
    ] = None,
    kb: OptionalKb = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show traces."""
    from nacre.server.records import Records
    from nacre.server.traces import latest

    records = Records(_settings(config, kb, data=data).data)
    rows = [row for row in latest(records, 1000 if request else 20) if request in (None, row["request"])]
    records.close()
    if request and not rows:
        raise UsageError(
            tr(
                f"There is no trace of {request!r}. Start the server with --trace.",
                f"没有 {request!r} 的记录。请用 --trace 启动服务器。",
            )
        )
    if as_json:
        print_json({"traces": rows})
        return
    for row in rows:
        record = row["record"]
        asked = record["messages"][-1]["data"]["content"] if record["messages"] else ""
        console().print(f"{row['request']}  {row['model']}  {record['status']}  {record['seconds']} s", markup=False)
        console().print(f"  ? {asked}\n  {record['answer']}", markup=False)


def add_key(
    name: Annotated[str, typer.Argument(help=tr("Whose key it is.", "密钥归属。"))],
    kb: OptionalKb = None,
    config: ConfigOption = None,
    data: DataOption = None,
    who: Annotated[
        str | None,
        typer.Option("--principals", help=tr("As whom it searches, comma separated.", "检索身份，逗号分隔。")),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help=tr("It may ask, and change nothing.", "只能提问，不能修改。"))
    ] = False,
    per_minute: Annotated[
        int | None, typer.Option("--per-minute", min=1, help=tr("Requests a minute.", "每分钟请求数。"))
    ] = None,
    tokens_per_day: Annotated[
        int | None, typer.Option("--tokens-per-day", min=1, help=tr("Tokens a day.", "每日 token 数。"))
    ] = None,
    spend_limit: Annotated[
        str | None,
        typer.Option(
            "--spend-limit",
            help=tr(
                "Money a day or a month: 5.00/day, in the currency of `prices`.",
                "每日或每月的金额上限，如 5.00/day，币种见 `prices`。",
            ),
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a key."""
    from nacre.server.keys import Keys, SpendLimit

    named = principals(who)
    settings = _settings(config, kb, data=data)
    limit = SpendLimit.parse(spend_limit) if spend_limit else None
    if limit and settings.prices is None:
        raise UsageError(
            tr(
                "A limit in money needs prices: write `prices` into nacre.yaml (see `nacre init`), and name it with --config.",
                "金额上限需要价格：请在 nacre.yaml 中填写 `prices`（参见 `nacre init`），并用 --config 指定。",
            )
        )
    store = Keys(settings.data)
    key = store.add(
        name, tuple(named) if named else None,
        read_only=read_only, per_minute=per_minute, tokens_per_day=tokens_per_day, spend_limit=limit,
    )  # fmt: skip
    store.close()
    if as_json:
        print_json({"name": name, "key": key, "principals": named})
        return
    print(key)
    print(tr("Keep it: it is not shown again.", "请妥善保存：密钥不会再次显示。"), file=sys.stderr)


def list_keys(
    kb: OptionalKb = None, config: ConfigOption = None, data: DataOption = None, as_json: JsonFlag = False
) -> None:
    """List the keys."""
    from nacre.server.keys import Keys

    settings = _settings(config, kb, data=data)
    store = Keys(settings.data)
    rows = store.all()
    store.close()
    _add_spending(rows, settings)
    if as_json:
        print_json({"keys": rows})
        return
    if not rows:
        console(stderr=True).print(
            tr(
                "No keys: the server asks for none and can be reached from this machine alone. Add one: nacre keys add NAME",
                "没有密钥：服务器不要求密钥，且只能从本机访问。添加：nacre keys add 名称",
            ),
            markup=False,
        )
    for row in rows:
        who = ", ".join(row["principals"]) if row["principals"] else tr("public documents", "公开文档")
        shown = f"{row['id']}  {row['name']}  [{who}]" + (tr("  read-only", "  只读") if row["read_only"] else "")
        if "spent" in row:
            of = f" / {row['spend_limit']}" if row["spend_limit"] else ""
            shown += tr("  spent ", "  已用 ") + f"{row['spent']:.4f} {row['currency']}{of}"
        console().print(shown, markup=False)


def _add_spending(rows: list[dict[str, Any]], settings: Settings) -> None:
    """What each key has spent in the period of its limit, else this month."""
    from nacre.server.keys import SpendLimit
    from nacre.server.records import Records
    from nacre.server.spending import spent

    if settings.prices is None:
        return
    records = Records(settings.data)
    for row in rows:
        period = SpendLimit.parse(row["spend_limit"]).period if row["spend_limit"] else "month"
        row |= {
            "spent": float(spent(records, row["id"], settings.prices.currency, period)),
            "currency": settings.prices.currency,
        }
    records.close()


def revoke_key(
    name: Annotated[str, typer.Argument(help=tr("Name or id of the key.", "密钥的名称或编号。"))],
    kb: OptionalKb = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Take a key away."""
    from nacre.server.keys import Keys

    store = Keys(_settings(config, kb, data=data).data)
    found = store.revoke(name)
    store.close()
    if not found:
        raise UsageError(
            tr(
                f"There is no key {name!r}. `nacre keys list` shows them.",
                f"没有密钥 {name!r}。可用 `nacre keys list` 查看。",
            )
        )


def _settings(config: Path | None, kb: Path | None, **given: object) -> Settings:
    from nacre.server.settings import read_settings

    if config is None and kb is None and Path("nacre.yaml").exists():
        config = Path("nacre.yaml")
    settings = read_settings(config, kb=kb, **given)
    if not (settings.kb / "manifest.json").exists():
        raise UsageError(
            tr(
                f"There is no knowledge base in {settings.kb}. Make one: nacre sync FOLDER --kb {settings.kb}",
                f"{settings.kb} 中没有知识库。请先创建：nacre sync 文件夹 --kb {settings.kb}",
            )
        )
    return settings
