"""Thumbs up and down, kept as rows of an evaluation set."""

from __future__ import annotations

import json
import time
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from nacre.server.auth import quotas
from nacre.server.dependencies import Reading

router = APIRouter(prefix="/v1")


class Feedback(BaseModel):
    """What a person thinks of an answer."""

    verdict: Literal["up", "down"]
    question: str = Field(max_length=20_000)
    answer: str = Field(max_length=100_000)
    comment: str = Field(default="", max_length=5_000)


@router.post("/feedback")
def give(context: Reading, body: Feedback) -> dict[str, Any]:
    """Keep a verdict on an answer."""
    record = json.dumps({"question": body.question, "answer": body.answer, "comment": body.comment}, ensure_ascii=False)
    row = {"at": time.time(), "asker": context.user.id, "verdict": body.verdict, "record": record}
    quotas.keep_feedback(context, row)
    return {"object": "feedback", "verdict": body.verdict}


@router.get("/feedback")
def mine(context: Reading) -> dict[str, Any]:
    """The user's own verdicts, as rows for an evaluation."""
    rows = context.state.records.select("feedback", "asker = ?", (context.user.id,))
    return {
        "object": "list",
        "data": [{"verdict": row["verdict"], "at": row["at"], **json.loads(row["record"])} for row in rows],
    }
