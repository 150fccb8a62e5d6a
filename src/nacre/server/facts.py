"""What agents remember of whoever asks: to be read, and to be deleted, by nobody else."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from nacre.server.dependencies import Reading
from nacre.server.openai.errors import not_found

router = APIRouter(prefix="/v1")


@router.get("/facts")
def mine(context: Reading) -> dict[str, Any]:
    """The user's own facts, the newest first."""
    return {"object": "list", "data": context.state.served.facts.all(context.user.id)}


@router.delete("/facts/{fact}")
def delete(context: Reading, fact: str) -> dict[str, Any]:
    """Forget one."""
    if not context.state.served.facts.delete(context.user.id, fact):
        raise not_found(fact)
    return {"id": fact, "object": "fact", "deleted": True}
