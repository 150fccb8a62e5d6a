"""A base moved to another place as it is: nothing is embedded, and numbers and versions stay, so that citations do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from nacre.store.protocol import Store
from nacre.store.records import DocumentState


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
                document = replace(from_.document(state.uri), audience=audiences[state.audience])
                session.restore(document, from_.chunk_records(state.id))
            if on_progress:
                on_progress(done, len(states))
        for key in ("coverage",):
            if (value := from_.meta(key)) is not None:
                session.remember(key, value)
        session.publish()
    target.save_settings(source.settings())
    counts = to.counts()
    return {"documents": counts["documents"], "chunks": counts["chunks"]}


def _facts(state: DocumentState, audiences: dict[int, int]) -> DocumentState:
    """What must be the same for a document not to be copied again."""
    return replace(state, audience=audiences.get(state.audience, state.audience))
