"""`/v1/me`: as whom a key asks, so that a page can show it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from nacre.server.context import asker_of, state_of

router = APIRouter(prefix="/v1")


@router.get("/me")
async def me(request: Request) -> dict[str, Any]:
    """Who asks, and whose documents they see."""
    asker = asker_of(request)
    return {
        "object": "asker",
        "name": asker.name,
        "principals": list(asker.principals) if asker.principals else None,
        "read_only": asker.read_only,
        "traces": state_of(request).settings.server.trace,
    }
