"""`/v1/me`: as whom a key asks, so that a page can show it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from nacre.server.dependencies import Reading

router = APIRouter(prefix="/v1")


@router.get("/me")
async def me(context: Reading) -> dict[str, Any]:
    """Who asks, and whose documents they see."""
    user = context.user
    return {
        "object": "asker",
        "name": user.name,
        "principals": list(user.principals) if user.principals else None,
        "read_only": user.read_only,
        "traces": context.state.settings.server.trace,
    }
