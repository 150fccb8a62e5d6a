"""What `nacre doctor` says of the servers of a place."""

from __future__ import annotations

import json

import pytest

from nacre.cli import run
from nacre.ingest.source import TextSource
from nacre.retrieval.knowledge_base import KnowledgeBase


@pytest.fixture
def doctor(capsys):
    def look(place):
        assert run(["doctor", "--kb", place, "--json"]) == 0
        rows = json.loads(capsys.readouterr().out)["servers"]
        return {row["name"]: (row["active"], row["detail"]) for row in rows}

    return look


def test_before_there_is_a_base_the_servers_are_looked_at(postgres, place, doctor):
    found = doctor(f"{place}&read={postgres.url}&arms=qdrant+http://127.0.0.1:1")
    assert found["PostgreSQL"][0] and found["pgvector"][0] and found["role"] == (True, "nacre") and found["session"][0]
    assert not found["base"][0] and "nacre sync" in found["base"][1]
    assert found["read"][0] and "no replica" in found["read"][1]
    assert not found["arms"][0]


def test_a_role_that_may_not_write_and_a_base_are_told(postgres, place, doctor):
    with KnowledgeBase.open(place, "none") as base:
        base.sync(TextSource("p:", [("p:1", "A pearl.")]))
        schema, role = base.store.address.schema, f"r_{base.store.address.base}"
    postgres.execute(f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {schema} TO {role}")
    postgres.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}")
    try:
        found = doctor(place.replace("nacre@", f"{role}@"))
        assert not found["role"][0] and role in found["role"][1] and found["base"][0]
    finally:
        postgres.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
    postgres.execute(f"UPDATE {schema}.state SET tables = 99")
    assert "99" in doctor(place)["PostgreSQL"][1]


def test_arms_that_are_behind_are_told(postgres, place, doctor, tmp_path):
    pytest.importorskip("qdrant_edge")
    with KnowledgeBase.open(f"{place}&arms=qdrant+file://{tmp_path}", "none") as base:
        base.sync(TextSource("p:", [("p:1", "A pearl.")]))
    assert doctor(f"{place}&arms=qdrant+file://{tmp_path}")["arms"][0]
    with KnowledgeBase.open(place, "none") as base:
        base.sync(TextSource("q:", [("q:1", "A shell.")]))
    found = doctor(f"{place}&arms=qdrant+file://{tmp_path}")["arms"]
    assert not found[0] and "behind" in found[1]
