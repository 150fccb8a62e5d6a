"""Fields of documents: where they come from, how they are compared, and that both arms keep to a filter on them."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from nacre import KnowledgeBase
from nacre.cli import run
from nacre.errors import UsageError
from nacre.store.filters import Condition, Filter, condition_of, read_conditions
from nacre.text.fields import read_yaml, tidy_fields

NOTES = {
    "a.md": "---\nproduct: PX-100\nyear: 2023\nreleased: 2023-05-01\ndraft: false\ntags: [fee, north]\n---\n# Fee\n\nThe fee is 10.",
    "b.md": "---\nProduct: PX-200\nyear: 2024\nreleased: 2024-05-01\ndraft: true\ntags: [fee]\n---\n# Fee\n\nThe fee is 20.",
    "c.md": "# Fee\n\nThe fee is 30.",
}


@pytest.fixture
def base(tmp_path: Path) -> KnowledgeBase:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, text in NOTES.items():
        (folder / name).write_text(text)
    kb = KnowledgeBase.open(tmp_path / "kb", DeterministicFakeEmbedding(size=16))
    kb.sync(folder)
    return kb


def names(kb: KnowledgeBase, where: Filter | None, arms: tuple[str, ...] = ("words", "vectors")) -> str:
    return "".join(sorted(hit.uri.rpartition("/")[2][0] for hit in kb.search("fee", where=where, arms=arms)))


@pytest.mark.parametrize("arms", [("words",), ("vectors",), ("words", "vectors")])
@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"product": "PX-200"}, "b"),
        ({"PRODUCT": "PX-100"}, "a"),
        ({"product": ["PX-100", "PX-200"]}, "ab"),
        ({"year": 2024}, "b"),
        ({"year": 2024.0}, "b"),
        ({"year": {"gte": 2023, "lt": 2024}}, "a"),
        ({"draft": True}, "b"),
        ({"draft": False}, "a"),
        ({"tags": "north"}, "a"),
        ({"tags": {"ne": "north"}}, "bc"),
        ({"released": {">": datetime.date(2023, 5, 1)}}, "b"),
        ({"released": {"<=": "2023-05-01"}}, "a"),
        ({"product": "px'; DROP TABLE fields;--"}, ""),
        ({"nothing": "x"}, ""),
        ({"product": "PX-\x00100"}, "a"),
        ({"\ud800": "\ud800"}, ""),
        ({"product": "PX-200", "year": 2023}, ""),
    ],
)
def test_a_filter_on_fields_holds_in_each_arm(
    base: KnowledgeBase, fields: dict[str, object], found: str, arms: tuple[str, ...]
) -> None:
    assert names(base, Filter(fields=fields), arms) == found


def test_conditions_of_a_client_may_be_joined(base: KnowledgeBase) -> None:
    either = {
        "type": "or",
        "filters": [{"type": "eq", "key": "product", "value": "PX-100"}, {"type": "gt", "key": "year", "value": 2023}],
    }
    assert names(base, Filter(condition=condition_of(either))) == "ab"
    both = {"type": "and", "filters": [either, {"type": "nin", "key": "draft", "value": [True]}]}
    assert names(base, Filter(condition=condition_of(both))) == "a"
    assert names(base, read_conditions(["product=PX-100", "product=PX-200", "year>=2024"])) == "b"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Filter(fields={"a": {"like": "x"}}),
        lambda: Filter(fields={"a": object()}),
        lambda: Filter(fields={"": "x"}),
        lambda: Filter(fields={"a": list(range(1000))}),
        lambda: Filter(fields="a=b"),
        lambda: Filter(condition=condition_of({"type": "xor", "filters": []})),
        lambda: Filter(
            condition=condition_of(
                json.loads('{"type":"and","filters":[' * 9 + '{"type":"eq","key":"a","value":1}' + "]}" * 9)
            )
        ),
        lambda: Filter(condition=Condition("and", parts=(Condition("a", "eq", 1),) * 200)),
        lambda: read_conditions(["product"]),
        lambda: read_conditions(["product="]),
    ],
)
def test_what_is_no_condition_is_told(wrong: object) -> None:
    with pytest.raises(UsageError):
        wrong()  # type: ignore[operator]


def test_a_slip_in_the_name_of_a_field_is_told_with_the_nearest_that_the_asker_may_see(
    base: KnowledgeBase, tmp_path: Path
) -> None:
    secret = tmp_path / "hidden"
    secret.mkdir()
    (secret / "s.md").write_text("---\nprodcuts: PX-900\n---\nThe fee is 99.")
    base.sync(secret, principals=["boss"])
    slip = Filter(fields={"prodcut": "PX-200"})
    with pytest.raises(UsageError, match="Did you mean 'product'") as told:
        base.search("fee", where=slip)
    assert "released" in str(told.value) and "prodcuts" not in str(told.value)
    with pytest.raises(UsageError, match="Did you mean 'prodcuts'"):
        base.search("fee", principals=["boss"], where=slip)
    joined = {"type": "and", "filters": [{"type": "eq", "key": "yaer", "value": 2024}]}
    with pytest.raises(UsageError, match="Did you mean 'year'"):
        base.search("fee", where=Filter(condition=condition_of(joined)))


def test_rights_come_before_fields(base: KnowledgeBase, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "s.md").write_text("---\nproduct: PX-200\n---\nThe fee is 99.")
    base.sync(secret, principals=["boss"])
    assert names(base, Filter(fields={"product": "PX-200"})) == "b"
    found = base.search("fee", principals=["boss"], where=Filter(fields={"product": "PX-200"}))
    assert {hit.uri[-4:] for hit in found} == {"b.md", "s.md"}


def test_a_sidecar_gives_fields_and_its_change_is_seen(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "plan.txt").write_text("The fee is 10.")
    (folder / "plan.meta.yaml").write_text("product: PX-100\nyear: 2023\n")
    (folder / "alone.meta.yaml").write_text("just: a file\n")
    kb = KnowledgeBase.open(tmp_path / "kb", embedder="none")
    kb.sync(folder)
    fields = {row["uri"].rpartition("/")[2]: row["fields"] for row in kb.documents()}
    assert fields == {"plan.txt": {"product": "PX-100", "year": 2023}, "alone.meta.yaml": {}}
    (folder / "plan.meta.yaml").write_text("product: PX-200\n")
    report = kb.sync(folder)
    assert (report.updated, report.embedded, report.failed) == (0, 0, [])
    assert [hit.uri[-8:] for hit in kb.search("fee", where=Filter(fields={"product": "PX-200"}))] == ["plan.txt"]
    assert not kb.search("fee", where=Filter(fields={"product": "PX-100"}))
    (folder / "plan.meta.yaml").write_text("a: &x [1]\nb: *x\n")
    [(uri, reason)] = kb.sync(folder).failed
    assert uri.endswith("plan.meta.yaml") and "alias" in reason


def test_fields_are_bounded_whatever_a_document_says() -> None:
    much = tidy_fields({f"n{n}": "x" * 10_000 for n in range(10_000)} | {"l": list(range(10_000))})
    assert len(much) == 64 and all(len(value) <= 512 for value in much.values())
    assert (
        tidy_fields(
            {"a" * 65: 1, "_own": 1, "deep": {"er": {"and": {"so": {"on": 1}}}}, "nan": float("nan"), "o": object()}
        )
        == {}
    )
    assert tidy_fields({"d": "D:20260105093000Z"}, {"m": "Mon, 05 Jan 2026 09:30:00 +0000"}) == {
        "d": "2026-01-05T09:30:00",
        "m": "2026-01-05T09:30:00+00:00",
    }
    for bomb in ("a: " + "[" * 5000, "!!python/object/apply:os.system [id]", "x" * 100_000, "- a list", "a: [&a [*a]]"):
        with pytest.raises(ValueError):
            read_yaml(bomb)


def test_fields_at_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(tmp_path / "kb")
    for name, text in NOTES.items():
        (tmp_path / name).write_text(text)
    assert run(["sync", *(str(tmp_path / name) for name in NOTES), "--kb", place, "--embedder", "none"]) == 0
    capsys.readouterr()

    def data(*arguments: str) -> dict[str, Any]:
        assert run([*arguments, "--kb", place, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    rows = data("ls")["documents"]
    assert rows[0]["fields"] == {
        "product": "PX-100",
        "year": 2023,
        "released": "2023-05-01",
        "draft": False,
        "tags": ["fee", "north"],
    }
    assert [hit["text"][-3:] for hit in data("search", "fee", "--where", "product=PX-200")["hits"]] == ["20."]
    assert "20" in data("ask", "What is the fee?", "--where", "product=PX-200", "--model", "quote")["answer"]
    assert run(["search", "fee", "--kb", place, "--where", "nonsense"]) == 2
