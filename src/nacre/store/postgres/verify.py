"""Proof that documents, chunks, postings, vectors and tallies agree."""

from __future__ import annotations

from nacre.store.postgres.catalog import PostgresCatalog
from nacre.text.language import tr

_ORPHANS = {
    "chunks": "SELECT count(*) FROM chunks WHERE document NOT IN (SELECT id FROM documents)",
    "postings": "SELECT count(DISTINCT chunk) FROM postings WHERE chunk NOT IN (SELECT id FROM chunks)",
    "vectors": "SELECT count(*) FROM vectors WHERE chunk NOT IN (SELECT id FROM chunks)",
}
_RIGHTS = {
    "postings": "SELECT count(DISTINCT p.chunk) FROM postings p JOIN chunks c ON c.id = p.chunk"
    " JOIN documents d ON d.id = c.document WHERE p.audience <> d.audience",
    "vectors": "SELECT count(*) FROM vectors v JOIN documents d ON d.id = v.document WHERE v.audience <> d.audience",
}
_TALLIES = """
SELECT count(*) FROM (
    SELECT key, sum(n) AS n FROM (SELECT key, total AS n FROM tallies UNION ALL SELECT key, delta FROM tallied) AS told
    GROUP BY key) AS told
FULL JOIN (
    SELECT 'w:' || word AS key, count(*) AS n FROM postings GROUP BY word
    UNION ALL SELECT 'a:' || audience, count(*) FROM chunks c JOIN documents d ON d.id = document GROUP BY audience
    UNION ALL SELECT 'chunks', count(*) FROM chunks
    UNION ALL SELECT 'length', sum(count) FROM postings) AS counted
USING (key) WHERE coalesce(told.n, 0) <> coalesce(counted.n, 0)
"""


def find_problems(catalog: PostgresCatalog, dim: int | None) -> list[str]:
    """Look for everything that should not be: a line each."""
    found = []
    tables = [table for table in _ORPHANS if table != "vectors" or dim]
    for table in tables:
        if count := catalog.db.rows(_ORPHANS[table])[0][0]:
            found.append(tr("{table}: {count} without what they belong to", table=table, count=count))
        if table in _RIGHTS and (count := catalog.db.rows(_RIGHTS[table])[0][0]):
            found.append(tr("{table}: {count} are shown to others than their document", table=table, count=count))
    if dim and (
        count := catalog.db.rows("SELECT count(*) FROM chunks WHERE id NOT IN (SELECT chunk FROM vectors)")[0][0]
    ):
        found.append(tr("{name}: {count} chunks are missing", name="vectors", count=count))
    if count := catalog.db.rows(_TALLIES)[0][0]:
        found.append(tr("tallies: {count} differ from what is there", count=count))
    return found + catalog.misplaced()
