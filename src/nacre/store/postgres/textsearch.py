"""Words by the extension pg_textsearch, where a server has it: it finds the first of many chunks without reading all
that hold a word.

It ranks before it filters, and weighs in shorter numbers. So it names candidates, more than are asked for, which the
postings score; where few may be seen, they answer alone. As an arm elsewhere it follows the truth by generation, and is
asked only where it stands at the very one that a search sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import md5
from typing import Any

from nacre.errors import KnowledgeBaseError
from nacre.store.postgres.database import Database
from nacre.text.language import tr

MARK = "said"
"""The key of `meta` for the generation that the index stands at."""
_THERE = "SELECT count(*) FROM pg_extension WHERE extname = 'pg_textsearch'"
# Our terms, not its own: each is written as a word that no rule of a language changes.
_SAY = """
    INSERT INTO said SELECT chunk, audience, string_agg(repeat('w' || left(md5(word), 12) || ' ', count), '')
    FROM postings {where} GROUP BY chunk, audience
    ON CONFLICT (chunk) DO UPDATE SET audience = excluded.audience, words = excluded.words
"""


def check(db: Database) -> None:
    """Refuse a server that lacks the extension, and does not let us add it."""
    if not db.rows(_THERE)[0][0]:
        try:
            with db.alone() as connection:
                connection.execute("CREATE EXTENSION IF NOT EXISTS pg_textsearch")
        except KnowledgeBaseError as error:
            raise KnowledgeBaseError(
                tr(
                    "{place}: words=textsearch needs the extension pg_textsearch ({why}). Install and preload it, or "
                    "leave words out.",
                    place=db.address.shown,
                    why=error.message,
                ),
                path=db.address.shown,
            ) from None


def follow(db: Any) -> None:
    """Bring the index to the generation of the postings, made where it is missing; nothing without the extension."""
    if not db.execute(_THERE).fetchone()[0]:
        return
    query = "SELECT generation, (SELECT value::bigint FROM meta WHERE key = %s) FROM state"
    generation, since = db.execute(query, (MARK,)).fetchone()
    if since is None:
        db.execute("DROP TABLE IF EXISTS said")
        db.execute("CREATE TABLE said (chunk bigint PRIMARY KEY, audience int NOT NULL, words text NOT NULL)")
        db.execute(_SAY.format(where=""))
    elif since != generation:
        db.execute("LOCK TABLE said IN SHARE ROW EXCLUSIVE MODE")
        new = "chunk IN (SELECT id FROM chunks WHERE generation > %(since)s)"
        gone = "chunk IN (SELECT chunk FROM removed WHERE generation > %(since)s)"
        db.execute(f"DELETE FROM said WHERE {new} OR {gone}", {"since": since})
        db.execute(_SAY.format(where=f"WHERE {new}"), {"since": since})
    db.execute(
        "CREATE INDEX IF NOT EXISTS said_words ON said USING bm25 (words)"
        " WITH (text_config = 'simple', k1 = 1.2, b = 0.75)"
    )
    db.execute(
        "INSERT INTO meta VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (MARK, str(generation)),
    )


def candidates(connection: Any, weights: Mapping[str, float], most: int) -> list[tuple[int, int]] | None:
    """The first chunks about, with their audiences; None where the index is missing or behind.

    Args:
        weights: how much each word counts in the query, in halves.
    """
    current = (
        "SELECT to_regclass('said_words') IS NOT NULL FROM meta, state WHERE key = %s AND value = generation::text"
    )
    if connection.execute(current, (MARK,)).fetchone() != (True,):
        return None
    words = (
        f"w{md5(word.encode('utf-8', 'replace'), usedforsecurity=False).hexdigest()[:12]} " * int(2 * weights[word])
        for word in weights
    )
    rows = connection.execute(
        "SELECT chunk, audience FROM said ORDER BY words <@> to_bm25query(%s, 'said_words') LIMIT %s",
        ("".join(words), most),
        prepare=False,  # in a plan that is kept, the extension scores each row once more
    )
    return rows.fetchall()  # type: ignore[no-any-return]
