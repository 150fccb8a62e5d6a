"""How much each user may keep here, so that nobody fills the disk: checked in the transaction that writes, so that many
requests at once cannot pass together. Whoever asks without keys owns the machine and has no quota.
"""

from __future__ import annotations

from collections.abc import Sequence

from nacre.server.openai.errors import Problem
from nacre.server.records import Row
from nacre.server.state import RequestContext
from nacre.text.language import N_, tr

# Of each table: whose a row is, its bytes, the settings that bound both (every vector store is as large as its files).
_QUOTAS = {
    "files": ("owner", "bytes", "max_files", "files_mb"),
    "stores": ("owner", "0", "max_stores", "files_mb"),
    "feedback": ("asker", "length(cast(record as blob))", "max_feedback", "feedback_mb"),
}
_FULL = {
    "files": N_("A key may keep {max_files} uploads of {files_mb} MiB in all. Delete some first."),
    "stores": N_("A key may have {max_stores} vector stores. Delete one first."),
    "feedback": N_("A key may give {max_feedback} verdicts of {feedback_mb} MiB in all. No more are kept."),
    "entries": N_("A key may have {max_files} files of {files_mb} MiB in its vector stores. Take some out first."),
}


def keep(context: RequestContext, table: str, row: Row) -> None:
    """Insert a row if, with it, its owner has no more rows and bytes than may be."""
    owner, size, most, room = _QUOTAS[table]
    limits = vars(context.state.settings.server)
    bounds = {"most": limits[most], "bytes_most": limits[room] << 20}
    if context.user is context.state.local:
        bounds = dict.fromkeys(bounds, 1 << 62)
    columns, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
    sql = (
        f"with new({columns}) as (values ({marks})) insert into {table} ({columns}) select {columns} from new"
        f" where (select count(*) from {table} where {owner} = :{owner}) < :most"
        f" and (select coalesce(sum({size}), 0) from {table} where {owner} = :{owner}) + {size} <= :bytes_most"
        " returning 1"
    )
    with context.state.records.db.write() as db:  # nobody else writes meanwhile
        if not db.execute(sql, {**row, **bounds}).fetchall():
            raise _full(context, table)


def check_entries(context: RequestContext, files: Sequence[Row]) -> None:
    """Whether files may be read into a store: what is read counts once for each store."""
    server = context.state.settings.server
    count, size = context.state.records.db.read(
        "select count(*), coalesce(sum(bytes), 0) from entries where owner = ?", (context.user.id,)
    )[0]
    many, large = count + len(files) > server.max_files, size + sum(f["bytes"] for f in files) > server.files_mb << 20
    if context.user is not context.state.local and (many or large):
        raise _full(context, "entries")


def _full(context: RequestContext, what: str) -> Problem:
    return Problem(403, tr(_FULL[what], **vars(context.state.settings.server)), "quota_exceeded")
