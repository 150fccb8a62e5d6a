"""A base moved to another place as it is: nothing is embedded, and numbers and versions stay, so that citations do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from nacre.store.calibration import MEASURED
from nacre.store.places import make_store
from nacre.store.protocol import DocumentStore, Store, WriteSession
from nacre.store.records import DocumentState
from nacre.store.settings import MOST_VERSIONS

_HALF = "half copied"
"""The stamp of a document whose versions are still to come: whoever goes on copies it again."""


def copy_store(
    source: Store, place: str | Path, on_progress: Callable[[int, int], object] | None = None
) -> dict[str, int]:
    """Copy to a place, made if it is missing with the embedder of the source; another embedder's is refused.

    Returns:
        How many documents and chunks the place holds then.
    """
    target = make_store(place, source.embedder)
    try:
        return copy_documents(source, target, on_progress)
    finally:
        target.close()


def copy_documents(
    source: Store, target: Store, on_progress: Callable[[int, int], object] | None = None
) -> dict[str, int]:
    """Bring a store to what another holds. Interrupted, it goes on where it stopped: what is there already stays.

    Args:
        on_progress: told, after each document, how many are done of how many.

    Returns:
        How many documents and chunks the target holds then.
    """
    from_, to = source.catalog, target.catalog
    with target.writing() as session:
        audiences = {number: session.audience(names) for number, names in from_.audiences().items()}
        for scope, names in from_.grants().items():
            session.grant(scope, names)
        there = {state.id: _facts(state, {}) for state in to.states()}
        states = from_.states()
        for number in set(there) - {state.id for state in states}:
            session.delete(number)
        for done, state in enumerate(states, 1):
            if there.get(state.id) != _facts(state, audiences):
                _copy(from_, session, state, audiences)
            if on_progress:
                on_progress(done, len(states))
        for key in MEASURED:
            if (value := from_.meta(key)) is not None:
                session.remember(key, value)
        session.publish()
    target.save_settings(source.settings())
    counts = to.counts()
    return {"documents": counts["documents"], "chunks": counts["chunks"]}


def _copy(source: DocumentStore, session: WriteSession, state: DocumentState, audiences: dict[int, int]) -> None:
    if source.find(state.id) is None:  # it was deleted meanwhile
        return
    document = replace(source.document(state.uri), audience=audiences[state.audience])
    versions = source.versions(state.id)
    stamp = _HALF if versions else document.stamp
    session.restore(replace(document, stamp=stamp), source.chunk_records(state.id))
    for old in versions:
        session.keep_version(state.id, old._replace(audience=audiences[old.audience]), MOST_VERSIONS)
    if versions:
        session.refile(state.id, stamp=document.stamp)


def _facts(state: DocumentState, audiences: dict[int, int]) -> DocumentState:
    """What must be the same for a document not to be copied again."""
    return replace(state, audience=audiences.get(state.audience, state.audience))
