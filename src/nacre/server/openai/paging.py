"""Lists in OpenAI's form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import Depends, Query

Order = Literal["asc", "desc"]


class Page:
    """Which part of a list is wanted: the query parameters `limit`, `order`, `after` and `before`."""

    def __init__(
        self,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 20,
        order: Order = "desc",
        after: str | None = None,
        before: str | None = None,
    ) -> None:
        self.limit, self.order, self.after, self.before = limit, order, after, before

    def of(self, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """That part."""
        rows = list(items if self.order == "asc" else reversed(items))
        ids = [row["id"] for row in rows]
        if self.after in ids:
            rows = rows[ids.index(self.after) + 1 :]
        if self.before in ids:
            rows = rows[: ids.index(self.before)]
        shown = rows[: self.limit]
        return {
            "object": "list",
            "data": shown,
            "first_id": shown[0]["id"] if shown else None,
            "last_id": shown[-1]["id"] if shown else None,
            "has_more": len(rows) > len(shown),
        }


Paged = Annotated[Page, Depends(Page)]
