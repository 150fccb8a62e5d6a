"""What a server keeps of its exchanges, as the commands read it that make something of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nacre.server.settings import Settings


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
