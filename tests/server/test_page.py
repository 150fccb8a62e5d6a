"""The web page, in a real Chromium."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
PAGE = files("nacre.server").joinpath("page")


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    sync = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with sync.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


def visit(browser, url: str, **options):
    """A page whose every complaint and every request to elsewhere fails the test that looks at them."""
    page = browser.new_page(viewport={"width": 1280, "height": 800}, **options)
    page.complaints, page.elsewhere = [], []
    page.on("console", lambda message: message.type in ("error", "warning") and page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda request: request.url.startswith(url) or page.elsewhere.append(request.url))
    page.goto(url)
    page.wait_for_selector("body[data-ready]")
    return page


def ask(page, question: str) -> None:
    asked = page.locator(".message.assistant").count()
    page.fill("#question", question)
    page.keyboard.press("Enter")
    page.locator(".message.assistant").nth(asked).locator(".thumbs").wait_for(timeout=20_000)


def shoot(page, name: str) -> None:
    """Keep a picture where the person who runs the tests wants one."""
    if folder := os.environ.get("NACRE_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def test_asking_citing_uploading_and_judging(serve, browser):
    server = serve(lambda messages, n: "Tea is served until five [1]. 𝒩acre **shines**.\n\n- one\n- two\n\n```\nx < 1\n```")
    page = visit(browser, server.url)
    ask(page, "When is tea served?")
    answer = page.locator(".message.assistant")
    assert answer.locator("strong").inner_text() == "shines" and answer.locator("li").first.inner_text() == "one"
    assert answer.locator("pre").inner_text() == "x < 1"
    page.click(".cite")
    assert page.wait_for_selector("#cited").inner_text() == "Tea is served until five."
    assert page.inner_text("#source-title") == "Opening hours"
    shoot(page, "answer")
    with page.expect_popup() as opened:
        page.click("#source-open")
    assert opened.value.wait_for_selector("#cited").inner_text() == "Tea is served until five."
    page.bring_to_front()
    page.keyboard.press("Escape")
    assert page.locator("#source").is_hidden()
    page.click("[data-verdict=up]")
    page.wait_for_selector("text=Noted for the evaluation")
    kept = json.loads(server.state.records.select("feedback")[0]["record"])
    assert kept["question"] == "When is tea served?" and kept["answer"].startswith("Tea is served")
    uploads = [{"name": "dive.md", "mimeType": "text/markdown", "buffer": b"Divers rest on Mondays."}, {"name": "bad.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 x"}]
    page.set_input_files("#files", uploads)
    page.wait_for_selector(".upload.completed", timeout=30_000)
    page.wait_for_selector(".upload.failed", timeout=30_000)
    assert "PDF" in page.inner_text(".upload.failed small")
    page.reload()  # the conversation is still there
    page.click("#conversations .row")
    assert page.locator(".message").count() == 2
    assert page.complaints == [] and page.elsewhere == []
    page.close()


def test_what_a_model_or_a_document_writes_is_never_markup(serve, browser):
    evil = '<img src=x onerror="document.title=1"><script>document.title=2</script> [1] [click](javascript:alert(1))'
    server = serve(lambda messages, n: evil)
    page = visit(browser, server.url)
    ask(page, "When does the workshop open? <b>bold</b>")
    assert page.locator(".message img, .message script, .message b:not(.chip b), .message a").count() == 0
    assert page.title() == "Nacre" and "onerror" in page.inner_text(".message.assistant")
    assert page.evaluate("(async () => { try { await fetch('https://example.org'); return 'out' } catch { return 'blocked' } })()") == "blocked"
    page.close()


def test_steps_of_an_agent_are_shown(serve, browser):
    replies = ('Action: search_knowledge_base\nAction Input: {"query": "tea"}', "Final Answer: Until five.")
    page = visit(browser, serve(lambda messages, n: replies[min(n, 1)]).url)
    page.select_option("#model", "nacre-agent")
    ask(page, "When is tea served?")
    assert "search_knowledge_base" in page.text_content(".steps pre")
    assert "Until five." in page.inner_text(".message.assistant")
    page.close()


def test_the_program_of_pal_and_its_result_are_shown(serve, browser):
    page = visit(browser, serve(lambda messages, n: "```python\nans = 6 * 7\n```" if n == 0 else "It is 42.").url)
    page.select_option("#model", "nacre-pal")
    ask(page, "How many hours is the workshop open in a week when it opens at nine?")
    assert "ans = 6 * 7" in page.inner_text(".message.assistant")
    assert page.inner_text(".value").split() == ["Result", "42"]
    page.close()


def test_keyboard_phone_languages_and_themes(serve, browser):
    page = visit(browser, serve().url, locale="zh-CN", color_scheme="dark")
    assert page.get_attribute("html", "lang") == "zh-CN" and page.get_attribute("html", "data-theme") == "dark"
    assert page.inner_text("#new") == "新问题"
    page.click("#language")
    assert page.inner_text("#new") == "New question" and page.get_attribute("html", "lang") == "en"
    page.click("#theme")
    assert page.get_attribute("html", "data-theme") == "light"
    page.locator("#new").focus()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "question" and page.input_value("#question") == ""
    page.keyboard.type("Line one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("line two")
    assert page.input_value("#question") == "Line one\nline two"
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator("#side").is_hidden()
    page.click("#menu")
    assert page.locator("#side").is_visible() and page.get_attribute("#menu", "aria-expanded") == "true"
    shoot(page, "phone")
    page.close()


def test_every_control_has_a_name_and_every_text_enough_contrast(serve, browser):
    page = visit(browser, serve().url)
    ask(page, "When does the workshop open?")
    nameless = page.evaluate(
        """[...document.querySelectorAll('button, a, input:not([type=file]), textarea, select')].filter(node =>
            !(node.getAttribute('aria-label') || node.textContent.trim() || node.labels?.length)).map(node => node.outerHTML)"""
    )
    assert nameless == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(node => node.id)")
    assert len(ids) == len(set(ids))
    for scheme in ("light", "dark"):
        page.evaluate(f"document.documentElement.dataset.theme = '{scheme}'")
        for pair, least in ((("--ink", "--paper"), 7), (("--soft", "--card"), 4.5), (("--soft", "--paper"), 4.5), (("--accent", "--tint"), 4.5), (("--on-accent", "--accent"), 4.5), (("--bad", "--card"), 4.5), (("--good", "--card"), 4.5), (("--ink", "--mark"), 4.5)):
            colours = [page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('{name}').trim()") for name in pair]
            assert contrast(*colours) >= least, (scheme, pair, contrast(*colours))
    page.close()


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        digits = colour.lstrip("#")
        digits = "".join(d * 2 for d in digits) if len(digits) == 3 else digits
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_a_server_with_keys_asks_for_one_and_shows_the_principals(serve, browser):
    server = serve()
    key = server.state.keys.add("hr", ("hr",))
    page = browser.new_page()
    page.goto(server.url)
    page.wait_for_selector("#key-dialog[open]")
    page.fill("#key", key)
    page.keyboard.press("Enter")
    page.wait_for_selector("body[data-ready]")
    assert page.inner_text("#who") == "Sees as hr"
    page.close()


def test_every_text_is_there_in_both_languages_and_nothing_else_is_shown():
    source = PAGE.joinpath("texts.js").read_text("utf-8")
    english, chinese = re.search(r"en: \{(.*?)\n  \},\n  zh: \{(.*?)\n  \}", source, re.S).groups()
    names = [set(re.findall(r"^    (\w+):", part, re.M)) for part in (english, chinese)]
    assert names[0] == names[1] and len(names[0]) > 40
    scripts = "".join(file.read_text("utf-8") for file in PAGE.iterdir() if file.name.endswith((".js", ".html")))
    used = set(re.findall(r'data-(?:t|label|placeholder)="(\w+)"', scripts)) | set(re.findall(r'\bt\("(\w+)"\)', scripts))
    assert used <= names[0]
    for name in ("index.html", "source.html"):
        html = PAGE.joinpath(name).read_text("utf-8")
        shown = set(re.sub(r"<[^>]*>", " ", html).split())
        assert {word for word in shown if word.isalpha()} <= {"Nacre", "中"}
        assert not re.search(r"""style=|onclick|(?:src|href)="(?:https?:)?//""", html)
