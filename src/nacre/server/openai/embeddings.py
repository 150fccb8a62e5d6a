"""`/v1/embeddings`: the knowledge base's encoder for others."""

from __future__ import annotations

import base64
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, Field

from nacre.server.openai.errors import Problem
from nacre.server.state import Reading
from nacre.text.hygiene import clean_text
from nacre.text.language import tr

router = APIRouter(prefix="/v1")
_MOST_CHARACTERS = 1_000_000  # of one request: some seconds of work


class EmbeddingRequest(BaseModel):
    """The body of `/v1/embeddings`."""

    input: str | list[str] | list[int] | list[list[int]] = Field(min_length=1)
    model: str
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(default=None, ge=1)


@router.post("/embeddings")
def embed(context: Reading, body: EmbeddingRequest) -> dict[str, Any]:
    """Turn texts into vectors."""
    texts, encoder = _texts(body), context.state.bases.main.encoder
    if encoder is None:
        raise Problem(400, tr("This knowledge base has no encoder: it searches by words."), "no_embeddings")
    if body.dimensions not in (None, encoder.dim):
        raise Problem(400, tr("This encoder has {dim} dimensions.", dim=encoder.dim), "invalid_value", "dimensions")
    vectors = encoder.documents(texts)
    tokens = sum(encoder.count_tokens(encoder.fitting(text)) for text in texts)
    return {
        "object": "list",
        "model": body.model,
        "data": [
            {"object": "embedding", "index": n, "embedding": _written(v, body.encoding_format)}
            for n, v in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _texts(body: EmbeddingRequest) -> list[str]:
    texts = [body.input] if isinstance(body.input, str) else body.input
    if len(texts) > 2048 or not all(isinstance(text, str) and text for text in texts):
        told = tr("input must be one to 2048 texts, none of them empty; tokens are not taken.")
        raise Problem(400, told, "invalid_value", "input")
    if sum(len(str(text)) for text in texts) > _MOST_CHARACTERS:
        told = tr(
            "input has more than {most_characters:,} characters; send it in several requests.",
            most_characters=_MOST_CHARACTERS,
        )
        raise Problem(400, told, "input_too_large", "input")
    return [clean_text(str(text)) or " " for text in texts]


def _written(vector: Any, form: str) -> str | list[float]:
    plain = np.asarray(vector, dtype="<f4")
    return base64.b64encode(plain.tobytes()).decode() if form == "base64" else [float(x) for x in plain]
