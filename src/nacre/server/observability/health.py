"""`/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse

from nacre.server.context import state_of

router = APIRouter()


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(request: Request) -> dict[str, str]:
    """The knowledge base can be read: `stats` touches its catalog. An error is a 503."""
    await run_in_threadpool(state_of(request).bases.main.stats)
    return {"status": "ready"}


@router.get("/metrics")
async def metrics(request: Request) -> PlainTextResponse:
    """Figures for Prometheus."""
    return PlainTextResponse(state_of(request).metrics.text(), media_type="text/plain; version=0.0.4")
