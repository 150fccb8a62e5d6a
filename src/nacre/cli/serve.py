"""serve, mcp, keys, init and trace: the knowledge base for other programs and for people with a browser."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from nacre.cli.output import JsonFlag, ModelOption, OptionalKb, command, folder, principals, print_json, say
from nacre.errors import UsageError
from nacre.extras import need_all
from nacre.text.language import N_, os_reason, tr

if TYPE_CHECKING:
    from nacre.server.settings import Settings

ConfigOption = Annotated[
    Path | None, Option("--config", parser=folder, metavar="<path>", help=tr("A nacre.yaml; `nacre init` writes one."))
]
DataOption = Annotated[
    Path | None, Option("--data", parser=folder, metavar="<path>", help=tr("Where the server keeps keys and uploads."))
]
HostOption = Annotated[str | None, Option("--host", help=tr("Address to listen on."))]
PortOption = Annotated[int | None, Option("--port", min=0, max=65535, help=tr("Port to listen on."))]


@command("serve", N_("Serve an OpenAI-compatible API and a web page."))
def serve(
    kb: OptionalKb = None,
    host: HostOption = None,
    port: PortOption = None,
    model: ModelOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
    who: Annotated[
        str | None, Option("--as", help=tr("As whom to search while there are no keys, comma separated."))
    ] = None,
    trace: Annotated[bool | None, Option("--trace", help=tr("Keep questions and answers."))] = None,
) -> None:
    need_all(uvicorn="serve", fastapi="serve")
    from nacre.server.app import serve as run

    given = {"model": model, "host": host, "port": port, "data": data, "principals": principals(who), "trace": trace}
    run(settings_of(config, kb, **given))


@command("mcp", N_("Serve MCP clients: search, ask, read, compute."))
def mcp(
    kb: OptionalKb = None,
    model: ModelOption = None,
    config: ConfigOption = None,
    transport: Annotated[str, Option("--transport", help=tr("stdio, or http for streamable HTTP."))] = "stdio",
    host: HostOption = None,
    port: PortOption = None,
    who: Annotated[str | None, Option("--as", help=tr("As whom to search, comma separated."))] = None,
) -> None:
    need_all(mcp="mcp", **({"uvicorn": "serve", "fastapi": "serve"} if transport == "http" else {}))
    if transport not in ("stdio", "http"):
        raise UsageError(tr("--transport is {transport!r}; choose stdio or http.", transport=transport))
    settings = settings_of(config, kb, model=model, host=host, port=port, principals=principals(who))
    if transport == "http":
        from nacre.server.app import serve as run

        return run(settings, only_mcp=True)
    from nacre.server.mcp import serve_stdio

    return serve_stdio(settings)


@command("init", N_("Write a nacre.yaml to begin with."))
def init(path: Annotated[Path, Argument(help=tr("Where to write it."))] = Path("nacre.yaml")) -> None:
    from nacre.server.settings import TEMPLATE

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except OSError as error:
        raise UsageError(tr("{path} cannot be written: {reason}.", path=path, reason=os_reason(error))) from error
    say(tr("{path} is written. Start: nacre serve --config {path}", path=path))


@command("trace", N_("Show the server's kept questions and answers."))
def trace(
    request: Annotated[str | None, Argument(help=tr("Id of a request; without it the last ones are listed."))] = None,
    kb: OptionalKb = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonFlag = False,
) -> None:
    from nacre.server.observability.traces import latest
    from nacre.server.records import Records

    with closing(Records(settings_of(config, kb, data=data).store)) as records:
        rows = [row for row in latest(records, 1000 if request else 20) if request in (None, row["request"])]
    if request and not rows:
        raise UsageError(tr("There is no trace of {request!r}. Start the server with --trace.", request=request))
    if as_json:
        return print_json({"traces": rows})
    for row in rows:
        record = row["record"]
        asked = record["messages"][-1]["data"]["content"] if record["messages"] else ""
        say(f"{row['request']}  {row['model']}  {record['status']}  {record['seconds']} s")
        say(f"  ? {asked}\n  {record['answer']}")


@command("keys add", N_("Make a key; it is shown once."))
def add_key(
    name: Annotated[str, Argument(help=tr("Whose key it is."))],
    kb: OptionalKb = None,
    config: ConfigOption = None,
    data: DataOption = None,
    who: Annotated[str | None, Option("--principals", help=tr("As whom it searches, comma separated."))] = None,
    read_only: Annotated[bool, Option("--read-only", help=tr("It may ask, and change nothing."))] = False,
    write_main: Annotated[
        bool, Option("--write-main", help=tr("Its uploads into main are seen by others; else by itself alone."))
    ] = False,
    per_minute: Annotated[int | None, Option("--per-minute", min=1, help=tr("Requests a minute."))] = None,
    tokens_per_day: Annotated[int | None, Option("--tokens-per-day", min=1, help=tr("Tokens a day."))] = None,
    spend_limit: Annotated[
        str | None, Option("--spend-limit", help=tr("Money a day or a month: 5.00/day, in the currency of `prices`."))
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    from nacre.server.auth.keys import Keys, SpendLimit

    named = principals(who)
    settings = settings_of(config, kb, data=data)
    limit = SpendLimit.parse(spend_limit) if spend_limit else None
    if limit and settings.prices is None:
        told = tr(
            "A limit in money needs prices: write `prices` into nacre.yaml (see `nacre init`), and "
            "name it with --config."
        )
        raise UsageError(told)
    with closing(Keys(settings.store)) as keys:
        key = keys.add(
            name, tuple(named) if named else None,
            read_only=read_only, write_main=write_main, per_minute=per_minute,
            tokens_per_day=tokens_per_day, spend_limit=limit,
        )  # fmt: skip
    if as_json:
        return print_json({"name": name, "key": key, "principals": named})
    print(key)
    print(tr("Keep it: it is not shown again."), file=sys.stderr)


@command("keys list", N_("List the keys."))
def list_keys(
    kb: OptionalKb = None, config: ConfigOption = None, data: DataOption = None, as_json: JsonFlag = False
) -> None:
    from nacre.server.auth.keys import Keys

    settings = settings_of(config, kb, data=data)
    with closing(Keys(settings.store)) as keys:
        rows = keys.all()
    if settings.prices is not None:
        _add_spending(rows, settings.store, settings.prices.currency)
    if as_json:
        return print_json({"keys": rows})
    if not rows:
        told = tr(
            "No keys: a server that never had one answers this machine alone, one that had refuses "
            "everybody. Add one: nacre keys add NAME"
        )
        say(told, err=True)
    for row in rows:
        who = ", ".join(row["principals"]) if row["principals"] else tr("public documents")
        shown = f"{row['id']}  {row['name']}  [{who}]" + (tr("  read-only") if row["read_only"] else "")
        shown += tr("  writes into main") if row["write_main"] else ""
        if "spent" in row:
            of = f" / {row['spend_limit']}" if row["spend_limit"] else ""
            shown += tr("  spent ") + f"{row['spent']:.4f} {row['currency']}{of}"
        say(shown)


def _add_spending(rows: list[dict[str, Any]], store: str | Path, currency: str) -> None:
    """What each key has spent in the period of its limit, else this month."""
    from nacre.server.auth.keys import SpendLimit
    from nacre.server.auth.limits import spent
    from nacre.server.records import Records

    with closing(Records(store)) as records:
        for row in rows:
            period = SpendLimit.parse(row["spend_limit"]).period if row["spend_limit"] else "month"
            row |= {"spent": float(spent(records, row["id"], currency, period)), "currency": currency}


@command("keys revoke", N_("Take a key away."))
def revoke_key(
    name: Annotated[str, Argument(help=tr("Name or id of the key."))],
    kb: OptionalKb = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    from nacre.server.auth.keys import Keys

    with closing(Keys(settings_of(config, kb, data=data).store)) as keys:
        found, last = keys.revoke(name), not keys.any()
    if not found:
        raise UsageError(tr("There is no key {name!r}. `nacre keys list` shows them.", name=name))
    if last:
        told = tr(
            "That was the last key: the server refuses everybody until there is another (nacre keys "
            "add NAME), or until `nacre keys open` and a restart."
        )
        print(told, file=sys.stderr)


@command("keys open", N_("Without keys: let this machine ask again, from the next start."))
def open_door(kb: OptionalKb = None, config: ConfigOption = None, data: DataOption = None) -> None:
    from nacre.server.auth.keys import Keys

    with closing(Keys(settings_of(config, kb, data=data).store)) as keys:
        keys.open_door()


def settings_of(config: Path | None, kb: str | None, **given: object) -> Settings:
    """The settings of the server that is meant: of a file, of options, or of a nacre.yaml that lies here."""
    from nacre.server.settings import read_settings
    from nacre.store.places import check_exists

    found = None
    if config is None and kb is None and Path("nacre.yaml").exists():
        config = found = Path("nacre.yaml").absolute()
        print(tr("Settings: {found}", found=found), file=sys.stderr)
    settings = read_settings(config, found=found is not None, kb=kb, **given)
    check_exists(settings.kb)
    return settings


def kept(settings: Settings, table: str) -> Iterator[dict[str, Any]]:
    """The rows of "feedback" or "traces", the oldest first, under the same names."""
    from nacre.server.records import kept_rows

    for row in kept_rows(settings.store, table):
        record = json.loads(row["record"])
        found = {**record, "at": row["at"], "asker": record.get("principals")}
        if table == "feedback":
            yield {**found, "verdict": row["verdict"]}
            continue
        asked = [message["data"]["content"] for message in record["messages"] if message.get("type") == "human"]
        if asked and isinstance(asked[-1], str):
            own = record.get("nacre") or {}
            told = {"question": asked[-1], "request": row["request"], "versions": {"model": row["model"]}}
            yield {**found, **told, "abstained": bool(own.get("abstained")), "sources": own.get("citations") or []}
