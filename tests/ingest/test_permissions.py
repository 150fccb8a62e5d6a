"""Who may see what: before ranking, in both arms, after every change, and never by omission."""

from __future__ import annotations

import random

import pytest

from nacre.errors import UsageError
from nacre.ingest.source import Item, TextSource
from nacre.retrieval.knowledge_base import KnowledgeBase

ARMS = (("words", "vectors"), ("words",), ("vectors",))


def found(base: KnowledgeBase, query: str, principals=None, arms=ARMS[0], k: int = 50) -> set[str]:
    return {hit.uri for hit in base.search(query, k=k, principals=principals, arms=arms)}


@pytest.mark.parametrize("arms", ARMS)
def test_restricted_documents_are_found_by_their_principals_only(base, arms) -> None:
    base.sync(TextSource("open:", [("open:1", "Salary rules for all.")]))
    base.sync(TextSource("hr:", [("hr:1", "Salary table of the board.")]), principals=["hr", "board"])
    assert found(base, "salary", None, arms) == {"open:1"}
    assert found(base, "salary", ["sales"], arms) == {"open:1"}
    assert found(base, "salary", ["sales", "hr"], arms) == {"open:1", "hr:1"}
    assert found(base, "salary", ["board"], arms) == {"open:1", "hr:1"}


@pytest.mark.parametrize("arms", ARMS)
def test_one_visible_document_among_many_like_it_is_found(base, arms) -> None:
    base.sync(
        TextSource("all:", [(f"all:{n}", f"The secret recipe, variant {n}.") for n in range(400)]),
        principals=["others"],
    )
    base.sync(
        TextSource("mine:", [("mine:1", "A recipe with a secret and many more words about kitchens, pots and pans.")]),
        principals=["me"],
    )
    assert found(base, "secret recipe variant", ["me"], arms, k=1) == {"mine:1"}
    assert base.documents()[-1]["principals"] == ["me"]


def test_no_leak_in_random_runs(base) -> None:
    random.seed(3)
    names = [f"p{n}" for n in range(8)]
    rights: dict[str, set[str]] = {}
    for n in range(60):
        who = random.sample(names, random.randint(0, 3))
        rights[f"d{n}:1"] = set(who)
        source = TextSource(
            f"d{n}:", [(f"d{n}:1", " ".join(random.choices(["red", "green", "blue", "cat", "dog", "fish"], k=12)))]
        )
        base.sync(source, principals=who or None)
    for _ in range(300):
        asker = random.sample(names, random.randint(0, 3))
        seen = found(
            base, random.choice(["red", "green", "blue", "cat", "dog", "fish"]), asker or None, random.choice(ARMS)
        )
        assert all(not rights[uri] or rights[uri] & set(asker) for uri in seen)


def test_changed_principals_hold_at_once_without_embedding(base, embedder) -> None:
    source = TextSource("a:", [("a:1", "Plans for the merger.")])
    base.sync(source)
    report = base.sync(source, principals=["board"])
    assert (report.updated, report.embedded) == (1, 0)
    for arms in ARMS:
        assert found(base, "merger", None, arms) == set()
        assert found(base, "merger", ["board"], arms) == {"a:1"}
    base.sync(source, principals=["*"])
    assert found(base, "merger") == {"a:1"}
    assert base.verify() == []


def test_a_reader_with_an_old_index_does_not_leak(base, tmp_path, embedder) -> None:
    source = TextSource("a:", [("a:1", "Plans for the merger.")])
    base.sync(source)
    with KnowledgeBase.open(tmp_path / "kb", embedder) as reader:
        assert found(reader, "merger") == {"a:1"}
        with base.store.writing() as session:
            session.refile(1, audience=session.audience(["board"]))  # the indexes know nothing of it yet
        reader.store.indexes.refresh = lambda: None
        assert found(reader, "merger") == set()


def test_a_later_sync_without_principals_opens_nothing(base) -> None:
    base.sync(TextSource("hr:", [("hr:1", "Salary table.")]), principals=["hr"])
    base.sync(TextSource("hr:", [("hr:1", "Salary table, changed."), ("hr:2", "Salary of the new colleague.")]))
    assert found(base, "salary") == set()
    assert found(base, "salary", ["hr"]) == {"hr:1", "hr:2"}


def test_new_documents_in_a_restricted_folder_stay_restricted(base) -> None:
    base.sync(TextSource("data/hr/", [("data/hr/1", "Salary one.")]), principals=["hr"])
    base.sync(
        TextSource("data/", [("data/hr/1", "Salary one."), ("data/hr/2", "Salary two."), ("data/x", "Salary for all.")])
    )
    assert found(base, "salary") == {"data/x"}
    assert found(base, "salary", ["hr"]) == {"data/x", "data/hr/1", "data/hr/2"}


def test_a_moved_document_is_not_opened_by_the_move(base) -> None:
    hr, public = TextSource("hr/", [("hr/1", "Salary table.")]), TextSource("public/", [])
    base.sync(hr, principals=["hr"])
    report = base.sync(TextSource("hr/", []), TextSource("public/", [("public/1", "Salary table.")]))
    assert report.moved == 1
    assert found(base, "salary") == set()
    base.sync(public)


def test_principals_that_the_source_names_come_first(base) -> None:
    class Named:
        scope = "crm:"

        def items(self):
            yield Item("crm:1", lambda: "Customer Lin.", principals=("sales",))
            yield Item("crm:2", lambda: "Customer Wang.")

    base.sync(Named(), principals=["staff"])
    assert found(base, "customer", ["sales"]) == {"crm:1"}
    assert found(base, "customer", ["staff"]) == {"crm:2"}


def test_visible_agrees_with_search(base) -> None:
    base.sync(TextSource("hr:", [("hr:1", "Salary.")]), principals=["hr"])
    assert base.visible("hr:1", ["hr"]) and not base.visible("hr:1") and not base.visible("hr:2", ["hr"])


@pytest.mark.parametrize("bad", [[], [""], ["a", " "], [3]])
def test_empty_principals_are_an_error_not_everyone(base, bad) -> None:
    with pytest.raises(UsageError, match="principals"):
        base.search("x", principals=bad)
    with pytest.raises(UsageError, match="principals"):
        base.sync(TextSource("a:", []), principals=bad)


def test_a_call_may_narrow_a_retriever_but_not_widen_it(base) -> None:
    base.sync(TextSource("a:", [("a:1", "Words one.")]), principals=["a"])
    base.sync(TextSource("b:", [("b:1", "Words two.")]), principals=["b"])
    fixed = base.retriever(principals=["a"])
    assert [d.metadata["uri"] for d in fixed.invoke("words")] == ["a:1"]
    assert fixed.invoke("words", principals=["b"]) == []
    assert fixed.invoke("words", principals=[]) == []
    free = base.retriever()
    assert free.invoke("words") == []
    assert [d.metadata["uri"] for d in free.invoke("words", principals=["b"])] == ["b:1"]
