"""A long document that a question names is searched first, and in it the tables that the question names."""

from dataclasses import replace

import pytest

from nacre.ingest.source import TextSource
from nacre.retrieval.compound import Finding, search_in_parts
from nacre.retrieval.hit import Hit
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.retrieval.named import captioned, is_name, named, naming, questioned, without_fillers
from nacre.store.bm25 import query_weights

SHEET = "Balance sheet\n\nItem\tAmount\nCash\t{cash}\nTotal assets\t{total}\nTotal liabilities\t{owed}"
FILLER = (
    "The amount of the details and of the information provided by the management, and what is shown in it, is judged "
    "by the board in section {n}. It is the view of the board that this is a fair statement of what it was given. "
)
QUESTION = (
    "What is the amount of the total assets of Acme Tools in FY2022, by the information provided and the details "
    "shown in the balance sheet?"
)


def report(total: int, chatter: int) -> str:
    sections = [f"# Section {n}\n\n{FILLER.format(n=n) * chatter}" for n in range(40)]
    sections.insert(30, "# Figures\n\n" + SHEET.format(cash=3, total=total, owed=7))
    return "\n\n".join(sections)


def hit(number: int, title: str, text: str = "t", score: float = 1.0) -> Hit:
    return Hit(text, score, f"bench:{title}", title, (), None, 0, 1, number, number, 1)


@pytest.fixture
def reports(tmp_path) -> KnowledgeBase:
    made = [
        ("Acme Tools 2021", 411, 3),
        ("Acme Tools 2022", 422, 3),
        ("Borealis 2022", 433, 4),
        ("Cobalt 2022", 444, 4),
    ]
    with KnowledgeBase.open(tmp_path / "kb", embedder="none") as base:
        base.sync(TextSource("test:", [(f"test:{n}", report(total, more), n) for n, total, more in made]))
        yield base


def test_the_report_of_the_company_and_year_that_is_asked_comes_first(reports) -> None:
    hits = reports.search(QUESTION, k=5)
    assert "422" in hits[0].text
    assert hits[0].title == "Acme Tools 2022"
    assert hits == sorted(hits, key=lambda one: -one.score)


def test_a_filter_still_holds(reports) -> None:
    from nacre.store.filters import Filter

    hits = reports.search(QUESTION, k=20, where=Filter(uri_prefix="test:Borealis"))
    assert {one.title for one in hits} == {"Borealis 2022"}


def test_documents_that_one_may_not_see_name_nothing(tmp_path) -> None:
    with KnowledgeBase.open(tmp_path / "kb", embedder="none") as base:
        base.sync(TextSource("a:", [("a:acme", report(422, 3), "Acme Tools 2022")]), principals=["board"])
        base.sync(TextSource("b:", [("b:b", report(433, 3), "Borealis 2022")]))
        assert {one.title for one in base.search(QUESTION, k=20)} == {"Borealis 2022"}
        assert base.search(QUESTION, k=1, principals=["board"])[0].title == "Acme Tools 2022"


def test_a_word_that_others_say_as_well_is_no_name() -> None:
    sample = [hit(n, "Employee handbook" if n < 4 else f"Letter {n}") for n in range(10)]
    assert not is_name("employe", sample)
    assert is_name("employe", sample[:6])
    assert not is_name("employe", [])


def test_names_are_known_however_file_names_write_them() -> None:
    known = {1: frozenset({"bestbuy", "2019"}), 2: frozenset({"mgmresorts", "2019"})}
    assert naming(questioned("What did Best Buy earn?"), known) == {"bestbuy": [1]}
    assert naming(questioned("What did MGM earn in 2019?"), known) == {"mgm*": [2]}
    assert naming(questioned("What is the best way to earn in 2019?"), known) == {}


def test_the_latest_year_tells_which_report_is_meant() -> None:
    known = {year: frozenset({"acme", str(year)}) for year in (2020, 2021, 2022)}
    shares = named(questioned("How did Acme's sales in FY2021 compare to FY20?"), known, ["acme"])
    assert max(shares, key=lambda year: shares[year]) == 2021
    assert shares[2020] == shares[2022] < shares[2021] == 1.0
    assert named(questioned("Sales in FY2021"), known, []) == {}


def test_the_caption_of_a_table_is_compared_and_no_other_line() -> None:
    said = questioned("total assets, as the balance sheet shows")
    assert captioned(said, SHEET) == 1.0
    assert captioned(said, "Consolidated " + SHEET) == pytest.approx(2 / 3)
    assert captioned(said, "The balance sheet is shown below.") == 0.0  # no table
    assert captioned(questioned("sheet"), SHEET) == 0.0


def test_a_query_without_function_words_is_never_empty() -> None:
    assert without_fillers("What is the amount of it?") == "amount"
    assert without_fillers("What is it?") == "What is it?"


def test_a_fiscal_year_is_a_year() -> None:
    assert query_weights("sales FY2022") == {"sale": 1.0, "fy2022": 1.0, "2022": 1.0}
    assert query_weights("sales FY22 and 22 shops")["2022"] == 1.0
    assert query_weights("sales FY22 and 22 shops")["22"] == 1.0


def test_the_pages_of_a_report_do_not_count_as_repetitions() -> None:
    text = " ".join(f"Sentence number {n} asks for a figure in the accounts." for n in range(6))
    pages = [replace(hit(n, "Report", score=9.0 - n / 10), document_id=1, page=n) for n in range(4)]
    other = [replace(hit(10 + n, f"Other {n}", score=6.0), document_id=2 + n) for n in range(4)]
    found = search_in_parts(lambda texts, k: [Finding([*pages, *other][:k])] * len(texts), text, 4)
    assert [one.page for one in found] == [0, 1, 2, 3]
