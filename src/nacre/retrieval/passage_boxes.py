"""Where passages that OCR read stand on the pictures of their pages."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

from nacre.retrieval.hit import Hit
from nacre.store.protocol import DocumentStore
from nacre.store.records import PlaceRecord


def boxed(hits: Sequence[Hit], catalog: DocumentStore) -> list[Hit]:
    """The hits, those of scans with the boxes of their lines."""
    places_of = functools.cache(catalog.places)
    return [
        replace(hit, boxes=tuple(place._asdict() for place in places_of(hit.uri) if _shares(place, hit)))
        if places_of(hit.uri)
        else hit
        for hit in hits
    ]


def _shares(place: PlaceRecord, hit: Hit) -> bool:
    return place.start < hit.end and hit.start < place.end
