"""How much each user may keep here, so that nobody fills the disk: checked in the transaction that writes, so that many
requests at once cannot pass together. Whoever asks without keys owns the machine and has no quota.
"""

from __future__ import annotations

from collections.abc import Sequence

from nacre.server.dependencies import RequestContext
from nacre.server.openai.errors import Problem
from nacre.server.records import Row
from nacre.text.language import tr

_ENDLESS = 1 << 62


def keep_file(context: RequestContext, row: Row) -> None:
    """List an upload."""
    server = context.state.settings.server
    if not _within(context, "files", row, "owner", "bytes", server.max_files, server.files_mb):
        raise _full(
            tr(
                "A key may keep {max_files} uploads of {files_mb} MiB in all. Delete some first.",
                max_files=server.max_files,
                files_mb=server.files_mb,
            )
        )


def keep_store(context: RequestContext, row: Row) -> None:
    """List a vector store."""
    most = context.state.settings.server.max_stores
    if not _within(context, "stores", row, "owner", "0", most, _ENDLESS >> 20):
        raise _full(tr("A key may have {most} vector stores. Delete one first.", most=most))


def keep_feedback(context: RequestContext, row: Row) -> None:
    """Keep a verdict."""
    server = context.state.settings.server
    size = "length(cast(record as blob))"
    if not _within(context, "feedback", row, "asker", size, server.max_feedback, server.feedback_mb):
        raise _full(
            tr(
                "A key may give {max_feedback} verdicts of {feedback_mb} MiB in all. No more are kept.",
                max_feedback=server.max_feedback,
                feedback_mb=server.feedback_mb,
            )
        )


def check_entries(context: RequestContext, files: Sequence[Row]) -> None:
    """Whether files may be read into a store: what is read counts once for each store.

    Args:
        files: rows of the table `files`.
    """
    server = context.state.settings.server
    count, size = context.state.records.db.read(
        "select count(*), coalesce(sum(bytes), 0) from entries where owner = ?", (context.user.id,)
    )[0]
    many, large = count + len(files) > server.max_files, size + sum(f["bytes"] for f in files) > server.files_mb << 20
    if context.user is not context.state.local and (many or large):
        raise _full(
            tr(
                "A key may have {max_files} files of {files_mb} MiB in its vector stores. Take some out first.",
                max_files=server.max_files,
                files_mb=server.files_mb,
            )
        )


def _within(context: RequestContext, table: str, row: Row, owner: str, size: str, most: int, most_mb: int) -> bool:
    """Insert a row if, with it, its owner has no more rows and bytes than may be."""
    if context.user is context.state.local:
        most, most_mb = _ENDLESS, _ENDLESS >> 20
    columns, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
    sql = (
        f"with new({columns}) as (values ({marks})) insert into {table} ({columns}) select {columns} from new"
        f" where (select count(*) from {table} where {owner} = :{owner}) < :most"
        f" and (select coalesce(sum({size}), 0) from {table} where {owner} = :{owner}) + {size} <= :bytes_most"
        " returning 1"
    )
    with context.state.records.db.write() as db:  # nobody else writes meanwhile
        return bool(db.execute(sql, {**row, "most": most, "bytes_most": most_mb << 20}).fetchall())


def _full(message: str) -> Problem:
    return Problem(403, message, "quota_exceeded")
