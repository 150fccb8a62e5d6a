"""What an address shows: everything but its passwords, wherever they were written and however wrongly."""

from __future__ import annotations

import pytest

from nacre.cli import run
from nacre.errors import KnowledgeBaseError, UsageError
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.store.places import shown, within
from nacre.store.postgres.address import parse_address
from nacre.store.postgres.database import Database

SPLIT = [
    "postgresql://nacre:S3cr/et@h:5/db?base=x",
    "postgresql://nacre:S3cr#et@h/db?base=x",
    "postgresql://nacre:S3cr?et@h/db?base=x",
    "postgresql://nacre:S3cr?e=t@h/db?base=x",
    "postgresql://nacre:12/S3cret@h/db",
    "postgresql://nacre:12?S3cret@h/db",
    "postgresql://nacre:12?S3cret=@h/db",
    "postgresql://nacre:S3cr@et@h/db",
    "postgresql://nacre:[S3cret@h/db",
    "postgresql://h/db?read=postgresql://u:S3cr/et@h/db",
    "postgresql://h/db?read=postgresql://u:S3cr@et@h/db",
    "postgresql://h/db?read=host%3Dh%20password%3DS3cret",
]


@pytest.mark.parametrize("place", SPLIT)
def test_an_address_that_its_password_splits_is_refused_unseen(place, capsys):
    with pytest.raises(UsageError, match="percent-encoded") as caught:
        parse_address(place)
    assert "S3c" not in repr(caught.value) and caught.value.__cause__ is None
    assert run(["ls", "--kb", place, "--json"]) == 2
    said = capsys.readouterr()
    assert "S3c" not in said.out + said.err and said.err.count("\n") == 1


@pytest.mark.parametrize(
    "place",
    [
        "postgresql://nacre:S3cret@127.0.0.1:1/db?base=x",
        "postgresql://nacre:S3cr:et@127.0.0.1:1/db?base=x",
        "postgresql://nacre:S3cr%zzet@127.0.0.1:1/db",
        "postgresql://nacre:S3cret@127.0.0.1:1,127.0.0.1:2/db",
        "postgresql://127.0.0.1:1/db?user=n&password=S3cret",
        "postgresql://127.0.0.1:1/db?Password=S3cret",
        "postgresql://127.0.0.1:1/db?pasword=S3cret",
        "postgresql://127.0.0.1:1/db?sslpassword=S3cret",
        "postgresql://127.0.0.1:1/db?read=postgresql://u:S3cret@127.0.0.1:1/db",
        "postgresql://127.0.0.1:1/db?read=postgresql://127.0.0.1:1/db%3Fpassword%3DS3cret",
    ],
)
def test_no_password_is_shown(place, capsys):
    with pytest.raises(KnowledgeBaseError) as caught:
        KnowledgeBase.open(place, "none")
    told = [str(caught.value), repr(caught.value), repr(vars(caught.value)), shown(place), repr(parse_address(place))]
    assert not any("S3c" in each for each in told) and "127.0.0.1:1" in told[0]
    assert run(["doctor", "--kb", place, "--json"]) == 0
    said = capsys.readouterr()
    assert "S3c" not in said.out + said.err and "127.0.0.1:1" in said.out


def test_the_other_form_of_libpq_is_no_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for place in ("host=h password=S3cret dbname=x", "dbname=x", " password = 'S3cret'"):
        with pytest.raises(UsageError, match="postgresql://USER@HOST"):
            KnowledgeBase.open(place, "none")
        assert "S3c" not in shown(place) and run(["doctor", "--kb", place]) == 2
    assert "S3c" not in capsys.readouterr().err and list(tmp_path.iterdir()) == []


def test_several_hosts_are_read_and_what_may_be_seen_stays():
    place = "postgresql://nacre@one:5432,[::1]:7,three/db?target_session_attrs=read-write&options=-cx%3D1&base=b"
    found = parse_address(place)
    assert found.primary == place.removesuffix("&base=b").replace("%3D", "%3D")
    assert found.shown == "postgresql://nacre@one:5432,[::1]:7,three/db?target_session_attrs=read-write&base=b"


@pytest.mark.parametrize("arms", ["qdrant+http://h:6333/mine", "qdrant+http://h", "qdrant+file:///folder"])
def test_each_base_beside_another_has_arms_of_its_own(arms):
    place = f"postgresql://h/db?base=main&index=hnsw&arms={arms}"
    one, two = (parse_address(within(place, name)) for name in ("one", "two"))
    assert (one.schema, one.arms.collection, two.arms.collection) == ("nacre_one", "nacre_one", "nacre_two")
    assert one.arms.url == parse_address(place).arms.url and one.index == "hnsw"


def test_of_several_hosts_the_one_that_is_there_answers(postgres, place):
    several = place.replace("127.0.0.1", "127.0.0.1:1,127.0.0.1")
    database = Database(parse_address(several))
    assert database.rows("SELECT 1") == [(1,)]
    database.close()
