"""axe-core over every view of the page, in a real Chromium: light and dark, English and Chinese, desk and phone."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

axe_playwright = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python"
)
AGENT = (
    'Thought: I look it up.\nAction: search_knowledge_base\nAction Input: {"query": "tea"}',
    "Final Answer: Tea is served **until five** [1].\n\n# Hours\n- one\n- two\n\n| day | hour |\n|---|---|\n| Monday | 5 |\n\n```\nx = 1\n```",
)
PAL = ("```python\nans = 6 * 7\n```", "It is 42 [1].")
SIZES = {"desk": {"width": 1280, "height": 800}, "phone": {"width": 360, "height": 740}}
VIEWS = list(itertools.product(("light", "dark"), ("en-GB", "zh-CN"), SIZES))


def replies(messages: list[Any], n: int) -> Any:
    """An agent, a program, and a model that breaks, by what the last question is about."""
    said = str(messages[-1].content)
    if "broken" in said:
        return RuntimeError("broken")
    if "in a week" in str(messages):
        return PAL[0] if "42" not in str(messages) else PAL[1]
    return AGENT["until five" in str(messages)]


def audit(page: Any, view: str) -> None:
    """Fail on anything that axe-core finds, and on texts that are missing."""
    assert "undefined" not in page.inner_text("body"), view
    found = axe_playwright.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    told = [f"{one['id']} ({one['impact']}): {[node['html'][:200] for node in one['nodes']]}" for one in found]
    assert not told, f"{view}: " + "\n".join(told)


def ask(page: Any, question: str, model: str) -> None:
    asked = page.locator(".message.assistant").count()
    page.select_option("#model", model)
    page.fill("#question", question)
    page.keyboard.press("Enter")
    page.locator(".message.assistant").nth(asked).locator(".thumbs").wait_for(timeout=20_000)


@pytest.fixture(scope="module")
def opened(browser):
    """Pages by scheme, language and size."""

    def start(url: str, scheme: str, locale: str, size: str) -> Any:
        page = browser.new_page(viewport=SIZES[size], color_scheme=scheme, locale=locale)
        page.goto(url)
        return page

    return start


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "locale", "size"), VIEWS)
def test_axe_finds_nothing_in_any_view(serve, opened, scheme, locale, size):
    server = serve(replies, trace=True)
    page = opened(server.url, scheme, locale, size)
    page.wait_for_selector("body[data-ready]")
    audit(page, "empty")
    files = {"dive.md": b"Divers rest on Mondays.", "bad.pdf": b"%PDF-1.7 x"}
    page.set_input_files("#files", [{"name": name, "mimeType": "text/plain", "buffer": files[name]} for name in files])
    ask(page, "When is tea served?", "nacre-agent")
    page.locator("details.steps summary").click()
    audit(page, "an agent's answer with its steps")
    page.locator("[data-how]").first.click()
    page.locator("#how-body .facts").wait_for()
    for summary in page.locator("#how-body summary").all():
        summary.click()
    audit(page, "how the answer came about")
    page.keyboard.press("Escape")
    page.locator(".cite").first.click()
    page.wait_for_selector("#cited")
    audit(page, "a source at the cited words")
    with page.expect_popup() as alone:
        page.click("#source-open")
    alone.value.wait_for_selector("#cited")
    audit(alone.value, "a source on a page of its own")
    page.bring_to_front()
    page.keyboard.press("Escape")
    ask(page, "How many hours is the workshop open in a week when it opens at nine?", "nacre-pal")
    ask(page, "When does the broken workshop open?", "nacre")
    audit(page, "a program with its result, and an error")
    if size == "phone":
        page.click("#menu")
    page.wait_for_selector(".upload.completed", timeout=30_000)
    page.wait_for_selector(".upload.failed", timeout=30_000)
    audit(page, "conversations and uploads")
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "locale", "size"), VIEWS[::3])
def test_axe_finds_nothing_in_the_question_for_a_key(serve, opened, scheme, locale, size):
    server = serve()
    server.state.keys.add("someone")
    page = opened(server.url, scheme, locale, size)
    page.wait_for_selector("#key-dialog[open]")
    audit(page, "the question for a key")
    page.close()


def test_axe_would_find_something(serve, opened):
    page = opened(serve().url, "light", "en-GB", "desk")
    page.wait_for_selector("body[data-ready]")
    page.evaluate(
        "document.getElementById('send').removeAttribute('aria-label'); document.getElementById('send').removeAttribute('title'); document.getElementById('send').textContent = ''"
    )
    with pytest.raises(AssertionError, match="button-name"):
        audit(page, "a button without a name")
    page.close()
