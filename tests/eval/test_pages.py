"""The page of a report for people; the data beside it stays exact."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nacre.eval import Report, gated
from nacre.eval.comparison import headline, page, write_comparison
from nacre.eval.history import history
from nacre.eval.history import page as history_page
from nacre.eval.pages import html_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

ADDRESS = "[1] file:///srv/%E4%BA%BA%E4%BA%8B/a.md [0:4]"


def test_addresses_are_readable_on_the_page_and_exact_in_the_data() -> None:
    item = {"id": "1", "question": "Open?", "answer": "At nine %E4%BA%BA.", "contains": 1.0, "sources": [ADDRESS]}
    data = {"suite": "answers", "metrics": ["contains"], "items": [{**item, "retrieved": [ADDRESS]}], "contains": 1.0}
    page = html_page({**data, "intervals": {}, "settings": {}, "problems": []})
    assert page.count("file:///srv/人事/a.md") == 2 and "srv/%E4" not in page
    assert "At nine %E4%BA%BA." in page  # an answer is what it was
    assert item["sources"] == [ADDRESS]


def run(right: int, **more: Any) -> Report:
    """Twenty questions of which the first few are right; one has an answer that would be a tag."""
    items = [
        {
            "id": f"q{n}",
            "question": f"When does shop {n} open?",
            "answer": f"At {n}. <img src=x onerror=boom()>",
            "gold": [f"{n}"],
            "contains": float(n < right),
            "f1": (n % 10) / 10,
            "seconds": 0.1 * (n % 7),
            "sources": [f"[1] file:///shops/{n}.md [0:4] At {n}"],
            "shown": ["x"],
        }
        for n in range(20)
    ]
    return Report("answers", ("contains", "f1"), items, {"queries": 20, "errors": 0}, {"data": "q.jsonl", **more})


def test_the_first_sentence_of_a_comparison_has_figures() -> None:
    worse, same = gated(run(4).data(), run(18).data()), gated(run(18).data(), run(18).data())
    assert headline(worse).startswith("✗ Worse: contains 0.900 → 0.200 (14 questions worse, 0 better")
    assert headline(same).startswith("✓ No significant loss over 20 questions. contains 0.900 → 0.900.")


def test_worse_and_better_are_told_in_words_each_with_both_answers() -> None:
    before, after = run(18).data(), run(4).data()
    text = page(before, after, gated(after, before))
    assert text.count("<b>✗ worse</b>") == 14 and "contains 1.000 → 0.000" in text and "LOSS" in text
    assert text.count("<h3>before</h3>") == 14 and "<img" not in text and text.count("data-wrong") >= 14


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with sync.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    before, after = run(10), run(4, k=3)
    before.write(folder)
    after.write(folder)
    write_comparison(before.data(), after.data(), gated(after.data(), before.data()), folder)
    (folder / "history.html").write_text(history_page(history([folder])), "utf-8")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(360, 740), (1280, 800)])
@pytest.mark.parametrize("name", ["report", "compare", "history"])
def test_pages_read_on_a_phone_and_axe_finds_nothing(
    browser: Any, pages: Path, name: str, size: tuple[int, int], scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python")
    shown = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    errors: list[Any] = []
    shown.on("pageerror", lambda error: errors.append(error))
    shown.goto((pages / f"{name}.html").as_uri())
    for summary in shown.locator("details.item summary").all()[:2]:
        summary.click()
    assert shown.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert any(c.isdigit() for c in shown.inner_text(".verdict").split(". ")[0])
    found = axe.Axe().run(shown, options={"resultTypes": ["violations"]}).response["violations"]
    told = [f"{one['id']}: {[node['html'][:200] for node in one['nodes']]}" for one in found]
    assert not told and not errors
    shown.close()


@pytest.mark.slow
def test_questions_are_found_filtered_ordered_and_linked(browser: Any, pages: Path) -> None:
    shown = browser.new_page(viewport={"width": 360, "height": 740})
    shown.goto((pages / "report.html").as_uri() + "#q-q19")
    items = shown.locator("details.item")
    assert shown.locator("#q-q19").get_attribute("open") is not None and items.count() == 20
    shown.fill("#find", "shop 12 ")
    assert shown.locator("details.item:visible").count() == 1
    shown.fill("#find", "")
    shown.check("#wrong")
    assert shown.locator("details.item:visible").count() == 16
    shown.select_option("#order", "2")
    assert items.first.get_attribute("data-seconds") == "0.600"
    shown.select_option("#order", "1")
    assert items.first.get_attribute("id") == "q-q0"
    shown.goto((pages / "compare.html").as_uri())
    shown.check("#wrong")
    assert shown.locator("details.item:visible").count() == 6  # those that went worse
    shown.select_option("#order", "2")
    assert shown.locator("section").first.locator("details.item").count() == 6  # and each stays below its own heading
    shown.close()
