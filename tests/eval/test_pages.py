"""The page of a report for people; the data beside it stays exact."""

from __future__ import annotations

from nacre.eval.pages import html_page

ADDRESS = "[1] file:///srv/%E4%BA%BA%E4%BA%8B/a.md [0:4]"


def test_addresses_are_readable_on_the_page_and_exact_in_the_data() -> None:
    item = {"id": "1", "question": "Open?", "answer": "At nine %E4%BA%BA.", "contains": 1.0, "sources": [ADDRESS]}
    data = {"suite": "answers", "metrics": ["contains"], "items": [{**item, "retrieved": [ADDRESS]}], "contains": 1.0}
    page = html_page({**data, "intervals": {}, "settings": {}, "problems": []})
    assert page.count("file:///srv/人事/a.md") == 2 and "srv/%E4" not in page
    assert "At nine %E4%BA%BA." in page  # an answer is what it was
    assert item["sources"] == [ADDRESS]
