"""Proof that truth and indexes agree."""

from __future__ import annotations

import numpy as np

from nacre.store.folder.catalog import Catalog
from nacre.store.folder.indexes import Indexes
from nacre.store.folder.vector_index import FaissIndex
from nacre.text.language import tr


def find_problems(catalog: Catalog, indexes: Indexes) -> list[str]:
    """Look for everything that should not be."""
    found = [tr("catalog: {row}", row=row[0]) for row in catalog.db.read("PRAGMA quick_check") if row[0] != "ok"]
    found += _texts(catalog)
    truth = set(catalog.changed(-1))
    with indexes.view() as view:
        found += _difference(tr("word index"), truth, view.words.ids())
        if view.vectors is not None:
            found += _difference(tr("vector index"), truth, view.vectors.ids.tolist())
            found += _vectors(catalog, view.vectors)
    return found


def _texts(catalog: Catalog) -> list[str]:
    found = []
    orphans = catalog.db.read("SELECT count(*) FROM chunks WHERE document NOT IN (SELECT id FROM documents)")[0][0]
    if orphans:
        found.append(tr("catalog: {orphans} chunks without a document", orphans=orphans))
    return found + catalog.misplaced()


def _difference(name: str, truth: set[int], index: list[int]) -> list[str]:
    found = []
    ghosts, missing = set(index) - truth, truth - set(index)
    if ghosts:
        found.append(tr("{name}: {count} chunks that were deleted", name=name, count=len(ghosts)))
    if missing:
        found.append(tr("{name}: {count} chunks are missing", name=name, count=len(missing)))
    if len(index) != len(set(index)):
        found.append(tr("{name}: {count} chunks stand in it twice", name=name, count=len(index) - len(set(index))))
    return found


def _vectors(catalog: Catalog, index: FaissIndex) -> list[str]:
    matrix, ids = index.matrix(), index.ids
    wrong = 0
    for at in range(0, len(ids), 2000):
        some = ids[at : at + 2000].tolist()
        vectors = {number: vector for number, _, _, vector, _ in catalog.vectors(some)}
        for place, number in enumerate(some, at):
            truth = vectors.get(number)
            wrong += truth is not None and not np.array_equal(np.frombuffer(truth, "<f4"), matrix[place])
    return [tr("vector index: {wrong} vectors differ from the catalog's", wrong=wrong)] if wrong else []
