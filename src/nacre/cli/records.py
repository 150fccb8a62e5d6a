"""What a server keeps of its exchanges, as the commands read it that make something of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nacre.errors import UsageError
from nacre.text.language import tr

if TYPE_CHECKING:
    from nacre.server.settings import Settings


def kept(settings: Settings, table: str) -> Iterator[dict[str, Any]]:
    """The rows of "feedback" or "traces", the oldest first, under the same names."""
    from nacre.server.records import Records

    if not (settings.data / "records.sqlite").is_file():
        raise UsageError(tr("{data} holds no records of a server.", data=settings.data))
    records = Records(settings.data)
    try:
        rows = records.select(table, order="at")
    finally:
        records.close()
    for row in rows:
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
