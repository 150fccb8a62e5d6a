"""`/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from nacre.server.context import state_of

router = APIRouter()


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(request: Request) -> dict[str, str]:
    """The knowledge base can be read; a 503 says that it cannot."""
    state_of(request).bases.main.stats()
    return {"status": "ready"}


@router.get("/metrics")
async def metrics(request: Request) -> PlainTextResponse:
    """Figures for Prometheus."""
    return PlainTextResponse(state_of(request).metrics.text(), media_type="text/plain; version=0.0.4")
