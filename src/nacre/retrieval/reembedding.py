"""Give a base the vectors of another embedder: beside the old ones, compared, then in their place."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from nacre.documents.wide import embedded_text
from nacre.errors import NacreError, UsageError
from nacre.store.calibration import calibrate
from nacre.store.embedders import load_encoder, same_embedder
from nacre.store.encoder import Encoder
from nacre.store.protocol import Store
from nacre.text.language import tr
from nacre.text.words import sentences

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

_BATCH = 128  # chunks that are embedded and stored together
_COMPARED = 40  # sentences


def reembed(
    store: Store,
    before: Callable[[], Encoder | None],
    embedder: str | Embeddings | None,
    on_progress: Callable[[int, int], object] | None,
) -> dict[str, Any]:
    """See `KnowledgeBase.reembed`.

    Args:
        before: loads the embedder that is searched with so far.
    """
    began, encoder = time.monotonic(), load_encoder(embedder)
    if encoder is None:
        raise UsageError(tr('Vectors need an embedder; for a base of words only, sync a new one with "none".'))
    found_before = _own_found(store, before)
    if store.embedder and same_embedder(store.embedder, encoder.identity):
        raise UsageError(tr("{folder} has vectors of {name} already.", folder=store.place, name=encoder.identity["id"]))
    with store.writing() as session:
        shadow, total = session.shadow(encoder.identity), store.catalog.counts()["chunks"]
        done = 0
        while some := shadow.lacking(_BATCH):
            matrix = encoder.documents([embedded_text(context, text) for _, context, text in some]).astype("<f4")
            shadow.keep({number: row.tobytes() for (number, _, _), row in zip(some, matrix, strict=True)})
            done += len(some)
            if on_progress:
                on_progress(total - shadow.left(), total)
        session.switch(shadow, encoder.identity)
        with store.view() as view:
            if view.vectors:
                calibrate(store.catalog, session, view.vectors, encoder)
    return {
        "chunks": done,
        "seconds": round(time.monotonic() - began, 3),
        "embedder": encoder.identity["id"],
        "found_before": found_before,
        "found_after": _own_found(store, lambda: encoder),
    }


def undo(store: Store, encoder: Callable[[], Encoder | None]) -> None:
    """See `KnowledgeBase.undo_reembed`. What was measured of the embedder is measured again, where it can be loaded."""
    with store.writing() as session:
        session.undo_switch()
        with suppress(NacreError), store.view() as view:
            if view.vectors and (loaded := encoder()):
                calibrate(store.catalog, session, view.vectors, loaded)


def _own_found(store: Store, encoder: Callable[[], Encoder | None]) -> float | None:
    """The share of sentences, one of each of some chunks, that find their own chunk first by meaning alone."""
    with store.view() as view:
        sample, loaded = store.catalog.sample(_COMPARED), encoder() if view.vectors else None
        if not loaded or not view.vectors or not sample:
            return None
        hits = []
        for number, text in sample:
            start, end = max(sentences(text) or [(0, len(text))], key=lambda span: span[1] - span[0])
            nearest = view.vectors.search(loaded.query(text[start:end]), 1)
            hits.append(bool(nearest) and nearest[0][0] == number)
    return round(float(np.mean(hits)), 3)
