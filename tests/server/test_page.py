"""The web page, in a real Chromium."""

from __future__ import annotations

import json
import os
import re
import threading
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest

from nacre import KnowledgeBase
from nacre.connectors.models import load_model
from nacre.ingest.source import TextSource

PAGE = files("nacre.server").joinpath("page")


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
    server = serve(
        lambda messages, n: "Tea is served until five [1]. 𝒩acre **shines**.\n\n- one\n- two\n\n```\nx < 1\n```"
    )
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
    uploads = [
        {"name": "dive.md", "mimeType": "text/markdown", "buffer": b"Divers rest on Mondays."},
        {"name": "bad.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 x"},
    ]
    page.set_input_files("#files", uploads)
    page.wait_for_selector(".upload.completed", timeout=30_000)
    page.wait_for_selector(".upload.failed", timeout=30_000)
    assert "PDF" in page.inner_text(".upload.failed small")
    page.reload()  # the conversation is still there
    page.click("#conversations .row")
    assert page.locator(".message").count() == 2
    assert page.complaints == [] and page.elsewhere == []
    page.close()


def test_the_sample_documents_as_the_picture_of_the_readme_shows_them(serve, browser, tmp_path):
    samples = files("nacre.eval").joinpath("sample_kb", "documents")
    texts = {"Employee Handbook": "en/employee-handbook.md", "员工手册": "zh/staff-handbook.md"}
    with KnowledgeBase.open(tmp_path / "sample", "none") as base:
        base.sync(
            TextSource(
                "file:///srv/documents/",
                [
                    (f"file:///srv/documents/{path}", samples.joinpath(path).read_text("utf-8"), title)
                    for title, path in texts.items()
                ],
            )
        )
    page = visit(browser, serve(load_model("quote"), folder=tmp_path / "sample", trace=True).url)
    ask(page, "How long does the trial period last?")
    ask(page, "员工每周可以居家办公几天？")
    assert "两天" in page.inner_text(".message.assistant >> nth=1")
    page.set_input_files(
        "#files",
        [
            {"name": name, "mimeType": "text/plain", "buffer": content}
            for name, content in (("tea.md", b"Tea at five."), ("scan.pdf", b"%PDF-1.7 x"))
        ],
    )
    page.wait_for_selector(".upload.completed", timeout=30_000)
    page.wait_for_selector(".upload.failed", timeout=30_000)
    page.click(".cite >> nth=0")
    assert page.wait_for_selector("#cited").inner_text() == "The trial period lasts four months."
    page.mouse.move(0, 0)
    shoot(page, "page")
    page.close()


def test_what_a_model_or_a_document_writes_is_never_markup(serve, browser):
    evil = '<img src=x onerror="document.title=1"><script>document.title=2</script> [1] [click](javascript:alert(1))'
    server = serve(lambda messages, n: evil)
    page = visit(browser, server.url)
    ask(page, "When does the workshop open? <b>bold</b>")
    assert page.locator(".message img, .message script, .message b:not(.chip b), .message a").count() == 0
    assert page.title() == "Nacre" and "onerror" in page.inner_text(".message.assistant")
    assert (
        page.evaluate(
            "(async () => { try { await fetch('https://example.org'); return 'out' } catch { return 'blocked' } })()"
        )
        == "blocked"
    )
    page.close()


def test_steps_of_an_agent_are_shown(serve, browser):
    replies = ('Action: search_knowledge_base\nAction Input: {"query": "tea"}', "Final Answer: Until five.")
    page = visit(browser, serve(lambda messages, n: replies[min(n, 1)]).url)
    page.select_option("#model", "nacre-agent")
    ask(page, "When is tea served?")
    assert "search_knowledge_base" in page.text_content(".steps pre")
    assert "Until five." in page.inner_text(".message.assistant")
    page.close()


@pytest.mark.parametrize(("button", "answer"), [("Approve", "It is 42."), ("Decline", "Not run.")])
def test_a_run_that_waits_is_approved_or_declined_by_a_click(serve, browser, button, answer):
    def replies(messages, n):
        if "Observation" not in str(messages[-1].content):
            return "Action: python\nAction Input: print(6 * 7)"
        return f"Final Answer: {'It is 42.' if '42' in str(messages[-1].content) else 'Not run.'}"

    layer = {"use": "react", "tools": ["python"], "approve_tools": ["python"], "protocol": "text"}
    page = visit(browser, serve(replies, stacks={"agent": {"layers": [layer]}}).url)
    page.fill("#question", "What is 6 times 7?")
    page.keyboard.press("Enter")
    waiting = page.locator(".approval")
    waiting.wait_for(timeout=20_000)
    assert "print(6 * 7)" in waiting.inner_text()
    shoot(page, f"approval-{button}")
    waiting.get_by_role("button", name=button, exact=True).click()
    page.wait_for_selector(f".message.assistant:has-text('{answer}')")
    assert page.locator(".approval").count() == 0 and not page.complaints
    page.reload()  # what was decided stays decided
    page.click("#conversations .row")
    page.wait_for_selector(f".message.assistant:has-text('{answer}')")
    assert page.locator(".approval").count() == 0
    page.close()


def test_the_program_of_pal_and_its_result_are_shown(serve, browser):
    page = visit(browser, serve(lambda messages, n: "```python\nans = 6 * 7\n```" if n == 0 else "It is 42.").url)
    page.select_option("#model", "nacre-pal")
    ask(page, "How many hours is the workshop open in a week when it opens at nine?")
    assert "ans = 6 * 7" in page.inner_text(".message.assistant")
    assert page.inner_text(".value").split() == ["Result", "42"]
    page.close()


def test_how_an_answer_came_about_is_shown_to_whoever_asked(serve, browser):
    replies = (
        'Thought: I look.\nAction: search_knowledge_base\nAction Input: {"query": "tea"}',
        "Final Answer: Until five [1].",
    )
    page = visit(browser, serve(lambda messages, n: replies[min(n, 1)], trace=True).url)
    page.select_option("#model", "nacre-agent")
    ask(page, "When is tea served?")
    page.locator("[data-how]").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#how-body .facts")
    assert page.evaluate("document.activeElement.id") == "how-title"
    assert page.locator(".call .head b").all_inner_texts() == [
        "ReAct",
        "ScriptedChatModel",
        "search_knowledge_base",
        "KnowledgeBaseRetriever",
        "ScriptedChatModel",
    ]
    assert all(
        re.fullmatch(r"\d+ ms|\d+\.\d s", text.split("\n")[-1])
        for text in page.locator(".call .head").all_inner_texts()
    )
    assert re.search(r"\d+ \+ \d+ tokens", page.locator(".call").nth(1).inner_text())
    page.locator(".call summary").first.click()
    assert "When is tea served?" in page.locator(".call details[open] pre").first.inner_text()
    assert "I look." in page.inner_text(".walk") and page.locator("#how-body h3").all_inner_texts() == [
        "What was called",
        "Passages found",
        "Steps",
    ]
    shoot(page, "trace")
    page.locator("#how-body > .chips .chip").first.click()
    page.wait_for_selector("#cited")
    page.keyboard.press("Escape")  # back to where the source was opened from
    assert page.locator("#source").is_hidden() and page.locator("#how").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#how").is_hidden()
    assert page.complaints == []
    page.close()
    page = visit(browser, serve().url)
    ask(page, "When does the workshop open?")
    assert page.locator("[data-how]").count() == 0  # no traces are kept
    page.close()


def test_an_error_is_told_in_the_language_of_the_page_and_asked_again(serve, browser):
    server = serve(lambda messages, n: RuntimeError("secret") if n == 0 else "The workshop opens at nine [1].")
    page = visit(browser, server.url, locale="zh-CN")
    ask(page, "When does the workshop open?")
    assert page.inner_text(".message .error").startswith("服务器内部出错")
    assert re.search(r"req_[0-9a-f]{24}", page.inner_text(".message.assistant"))
    page.click("text=重新提问")
    page.wait_for_selector(".cite")
    assert page.locator(".message").count() == 2 and page.locator(".message .error").count() == 0
    page.close()


def test_markdown_of_a_model_is_shown_as_what_it_means(serve, browser):
    said = "# Hours\nThere are two:\n- Monday [1]\n- Tuesday\n\n3. third\n4. fourth\n\n| day | hour |\n|---|---|\n| Monday | nine |"
    page = visit(browser, serve(lambda messages, n: said).url)
    ask(page, "When does the workshop open?")
    answer = page.locator(".message.assistant")
    assert answer.locator("h2").inner_text() == "Hours" and answer.locator("p").first.inner_text() == "There are two:"
    assert answer.locator("ul:not(.chips) li").count() == 2 and answer.locator("ul:not(.chips) .cite").count() == 1
    assert answer.locator("ol").get_attribute("start") == "3" and answer.locator("td").all_inner_texts() == [
        "Monday",
        "nine",
    ]
    page.close()


def test_markdown_as_models_of_both_languages_write_it(serve, browser):
    said = (
        "**注意：**请在周一前提交。2*3*4 = 24, snake_case_name stays.\n\n- out\n  - in `x|y`\n\n> quoted [1]\n\n"
        "| day | hour |\n|---|---|\n| Monday | **nine** | [1]\n\n[1]: Opening hours"
    )
    page = visit(browser, serve(lambda messages, n: said).url)
    ask(page, "When does the workshop open?")
    answer = page.locator(".message.assistant")
    assert answer.locator("p strong").inner_text() == "注意："
    assert "2*3*4 = 24, snake_case_name" in answer.inner_text()
    assert answer.locator("ul ul code").inner_text() == "x|y"
    assert answer.locator("blockquote .cite").count() == 1
    assert answer.locator("td").nth(1).inner_text().split() == ["nine", "1"]  # the marker behind the row is in the cell
    assert "Opening hours" in answer.locator("p").last.inner_text()  # a list of sources is no definition of links
    page.close()


def test_what_is_nested_without_end_is_shown_as_it_is(serve, browser):
    page = visit(browser, serve(lambda messages, n: "> " * 8000 + "deep").url)
    ask(page, "When does the workshop open?")
    assert "deep" in page.inner_text(".message.assistant p:not(.badge)") and page.complaints == []
    page.close()


def slowly(gate: threading.Event):
    """A model whose first answer ends when the gate opens."""

    def reply(messages: list[Any], n: int) -> str:
        assert n or gate.wait(30)
        return "The workshop opens at nine [1]."

    return reply


def test_neither_another_language_nor_another_conversation_deleted_stops_an_answer(serve, browser):
    gate = threading.Event()
    page = visit(browser, serve(slowly(gate)).url, locale="en-US")
    page.evaluate(
        """name => localStorage.setItem(name, JSON.stringify([{title: "old", messages: []}]))""", stored(page)
    )
    page.reload()
    page.wait_for_selector("body[data-ready]")
    page.fill("#question", "When does the workshop open?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".message.assistant .pulse")
    page.click("#language")
    assert page.inner_text(".message.assistant .pulse") == "正在阅读文档……"
    page.click("[aria-label$=old]")
    assert page.get_attribute("#send", "data-label") == "stop" and page.locator("#conversations .row").count() == 1
    gate.set()
    page.wait_for_selector(".message.assistant .cite")
    assert page.locator(".message .error").count() == 0 and page.complaints == []
    page.click("#language")  # and a finished one is worded anew where it stands
    assert page.get_attribute(".message.assistant .cite", "aria-label").startswith("Open source")
    page.close()


def stored(page) -> str:
    """Where the page keeps the conversations of who asks."""
    me = page.evaluate("fetch('/v1/me').then((answer) => answer.json())")
    return f"nacre.conversations:{me['name']}"


def test_a_question_whose_answer_failed_is_not_told_to_the_model_again(serve, browser):
    asked: list[list[str]] = []

    def reply(messages: list[Any], n: int) -> Any:
        asked.append([m.content for m in messages if m.type == "human"])
        return RuntimeError("away") if n == 0 else "The workshop opens at nine [1]."

    page = visit(browser, serve(reply).url)
    ask(page, "When is the workshop on fire?")
    page.locator(".message .error").wait_for()
    with page.expect_request("**/chat/completions") as sent:
        ask(page, "When does the workshop open?")
    assert [message["content"] for message in sent.value.post_data_json["messages"]] == ["When does the workshop open?"]
    with page.expect_request("**/chat/completions") as sent:
        ask(page, "And until when is tea served in the workshop?")
    assert [m["role"] for m in sent.value.post_data_json["messages"]] == ["user", "assistant", "user"]
    page.close()


def test_an_answer_cut_off_by_a_reload_is_told_as_stopped(serve, browser):
    page = visit(browser, serve().url)
    half = [
        {"role": "user", "content": "Open?"},
        {"role": "assistant", "content": "", "question": "Open?", "done": False},
    ]
    page.evaluate(
        "([name, messages]) => localStorage.setItem(name, JSON.stringify([{title: 'half', messages}]))",
        [stored(page), half],
    )
    page.reload()
    page.click("#conversations .row")
    assert page.inner_text(".message .error") == "Stopped."
    page.close()


def test_what_fails_behind_a_button_is_told_beside_it(serve, browser):
    page = visit(browser, serve().url)
    ask(page, "When does the workshop open?")
    page.route(
        "**/v1/feedback", lambda route: route.fulfill(status=503, json={"error": {"message": "the disk is full"}})
    )
    page.click("[data-verdict=down]")
    page.wait_for_selector("text=the disk is full")
    assert "on" not in page.get_attribute("[data-verdict=down]", "class").split()
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")  # as over plain http
    page.click("[aria-label=Copy]")
    page.wait_for_selector("text=Copied")
    page.evaluate("document.execCommand = () => false")
    page.click("[aria-label=Copy]")
    page.wait_for_selector("text=does not let this page copy")
    page.route("**/v1/files", lambda route: route.fulfill(status=413, body="<h1>Too large</h1>"))
    page.set_input_files("#files", [{"name": "a.txt", "mimeType": "text/plain", "buffer": b"a"}])
    page.wait_for_selector("#uploads >> text=Too Large")
    page.route("**/v1/vector_stores/**", lambda route: route.abort())
    page.click("#language")
    page.wait_for_selector("#uploads .error")
    assert [c for c in page.complaints if "Failed to load resource" not in c] == []  # no rejection is left alone
    page.close()


def test_addresses_are_decoded_where_people_read_them(serve, browser, tmp_path):
    with KnowledgeBase.open(tmp_path / "named", "none") as base:
        uri = "file:///srv/%E4%BA%BA%E4%BA%8B/a%20b%0A%E2%80%AE.md"
        base.sync(TextSource("file:///srv/", [(uri, "The workshop opens at nine in the morning.", "Hours")]))
    page = visit(browser, serve(folder=tmp_path / "named").url)
    ask(page, "When does the workshop open?")
    page.click(".cite")
    page.wait_for_selector("#cited")
    assert page.inner_text("#source-place") == "file:///srv/人事/a b%0A%E2%80%AE.md"
    page.close()


def test_two_keys_in_one_browser_do_not_see_each_others_conversations(serve, browser):
    server = serve()
    keys = [server.state.keys.add(name) for name in ("anna", "boris")]
    shared = browser.new_context()
    for key, listed in zip(keys, (0, 0), strict=True):
        page = shared.new_page()
        page.goto(server.url)
        page.fill("#key", key)
        page.keyboard.press("Enter")
        page.wait_for_selector("body[data-ready]")
        assert page.locator("#conversations .row").count() == listed
        ask(page, "When does the workshop open?")
        assert page.locator("#conversations .row").count() == 1
        page.close()
    shared.close()


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
        for pair, least in (
            (("--ink", "--paper"), 7),
            (("--soft", "--card"), 4.5),
            (("--soft", "--paper"), 4.5),
            (("--accent", "--tint"), 4.5),
            (("--on-accent", "--accent"), 4.5),
            (("--bad", "--card"), 4.5),
            (("--good", "--card"), 4.5),
            (("--ink", "--mark"), 4.5),
        ):
            colours = [
                page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('{name}').trim()")
                for name in pair
            ]
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


def test_a_part_of_the_page_is_sent_again_only_when_it_has_changed(serve):
    url = f"{serve().url}/page/style.css"
    first = httpx.get(url)
    assert first.status_code == 200 and first.headers["cache-control"] == "no-cache"
    again = httpx.get(url, headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304 and again.content == b""
    assert httpx.get(url, headers={"if-none-match": '"old"'}).text == first.text


def test_every_text_is_there_in_both_languages_and_nothing_else_is_shown():
    source = PAGE.joinpath("texts.js").read_text("utf-8")
    table = re.search(r"TEXTS = \{\n(.*?)\n\};", source, re.S)[1].splitlines()
    rows = [re.fullmatch(r'  (\w+): \["(.+)", "(.+)"\],', line) for line in table]
    assert all(rows) and all(row[2] != row[3] for row in rows)
    names = {row[1] for row in rows}
    assert len(names) == len(table) > 40
    own = [file for file in PAGE.iterdir() if file.name.endswith((".js", ".html")) and file.name != "marked.js"]
    scripts = "".join(file.read_text("utf-8") for file in own)
    used = set(re.findall(r'data-(?:t|label|placeholder)="(\w+)"', scripts)) | set(
        re.findall(r'\bt\("(\w+)"\)', scripts)
    )
    assert used <= names
    quoted = set(re.findall(r'"(\w+)"', scripts.replace(source, ""))) | {
        "in_progress",
        "cancelled",
        "completed",
        "failed",
        "layer",
        "search",
        "tool",
    }  # and what the server names
    assert names <= quoted, names - quoted  # nothing is left over either
    for name in ("index.html", "source.html"):
        html = PAGE.joinpath(name).read_text("utf-8")
        shown = set(re.sub(r"<[^>]*>", " ", html).split())
        assert {word for word in shown if word.isalpha()} <= {"Nacre", "中"}
        assert not re.search(r"""style=|onclick|(?:src|href)="(?:https?:)?//""", html)
