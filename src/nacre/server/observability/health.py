"""`/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from nacre.server.dependencies import Reading

router = APIRouter()


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(context: Reading) -> dict[str, str]:
    """The knowledge base and the server's records can be read; a 503 says that they cannot."""
    context.state.bases.main.stats()
    context.state.records.db.read("select 1")
    return {"status": "ready"}


@router.get("/metrics")
async def metrics(context: Reading) -> PlainTextResponse:
    """Figures for Prometheus."""
    return PlainTextResponse(context.state.metrics.text(), media_type="text/plain; version=0.0.4")
