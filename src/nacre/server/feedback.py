"""Thumbs up and down, kept as rows of an evaluation set."""

from __future__ import annotations

import json
import time
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from nacre import __version__
from nacre.server.auth import quotas
from nacre.server.dependencies import Reading

router = APIRouter(prefix="/v1")


class Source(BaseModel):
    """A place that an answer cited."""

    uri: str = Field(max_length=2_000)
    start: int | None = None
    end: int | None = None


class Feedback(BaseModel):
    """What a person thinks of an answer."""

    verdict: Literal["up", "down"]
    question: str = Field(max_length=20_000)
    answer: str = Field(max_length=100_000)
    comment: str = Field(default="", max_length=5_000)
    request: str = Field(default="", max_length=200)
    """The id of the request that was answered, from the header `x-request-id`."""
    sources: list[Source] = Field(default_factory=list, max_length=100)
    """What the answer cited."""
    abstained: bool = False
    model: str = Field(default="", max_length=200)
    consent: bool | None = None
    """Whether the verdict may become a question of an evaluation; None: it was not asked."""


@router.post("/feedback")
def give(context: Reading, body: Feedback) -> dict[str, Any]:
    """Keep a verdict on an answer."""
    versions = {"nacre": __version__, **({"model": body.model} if body.model else {})}
    kept = {
        **body.model_dump(exclude={"verdict", "model"}),
        "versions": versions,
        "principals": context.user.principals,
    }
    record = json.dumps(kept, ensure_ascii=False)
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
