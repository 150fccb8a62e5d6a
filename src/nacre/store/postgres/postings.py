"""The words of chunks as rows, and what is counted of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nacre.store import bm25
from nacre.store.postgres.keyword_index import CHUNKS, LENGTH, audience_key, kept_length, kept_word, word_key
from nacre.store.records import ChunkRecord


def write_words(db: Any, audience: int, chunks: Sequence[ChunkRecord]) -> None:
    """Write the words of chunks, and count them."""
    said = [Counter((*bm25.terms(chunk.context), *bm25.terms(chunk.text))) for chunk in chunks]
    lengths = [kept_length(words.total()) for words in said]
    with db.cursor() as cursor, cursor.copy("COPY postings (word, chunk, count, length, audience) FROM STDIN") as copy:
        for chunk, words, length in zip(chunks, said, lengths, strict=True):
            for word, count in words.items():
                copy.write_row((kept_word(word), chunk.id, count, length, audience))
    holding = Counter(word_key(word) for words in said for word in words)
    tally(
        db,
        {
            **holding,
            CHUNKS: len(chunks),
            LENGTH: sum(words.total() for words in said),
            audience_key(audience): len(chunks),
        },
    )


def tally(db: Any, deltas: Mapping[str, int]) -> None:
    """Count what comes and goes, by key."""
    with db.cursor() as cursor, cursor.copy("COPY tallied (key, delta) FROM STDIN") as copy:
        for key, delta in deltas.items():
            if delta:
                copy.write_row((key, delta))


def move(db: Any, document: int, before: int, now: int, dim: int | None) -> None:
    """Give the chunks of a document to another audience, in every index."""
    mine = "chunk IN (SELECT id FROM chunks WHERE document = %s)"
    db.execute(f"UPDATE postings SET audience = %s WHERE {mine}", (now, document))
    if dim:
        db.execute("UPDATE vectors SET audience = %s WHERE document = %s", (now, document))
    count = db.execute("SELECT count(*) FROM chunks WHERE document = %s", (document,)).fetchone()[0]
    tally(db, {audience_key(before): -count, audience_key(now): count})


def fold_tallies(db: Any) -> None:
    """Add up what came since the last time."""
    db.execute(
        "WITH gone AS (DELETE FROM tallied RETURNING key, delta), sums AS (SELECT key, sum(delta)::bigint AS n"
        " FROM gone GROUP BY key HAVING sum(delta) <> 0)"
        " INSERT INTO tallies SELECT key, n FROM sums ORDER BY key"
        " ON CONFLICT (key) DO UPDATE SET total = tallies.total + excluded.total"
    )
