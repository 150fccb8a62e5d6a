"""Web search: providers against a server that speaks as they do, back-off, order, cache, and the tools made of them."""

from __future__ import annotations

import pytest

from nacre import ReAct, ScriptedChatModel
from nacre.connectors.search.images import ImageMaker
from nacre.connectors.search.providers import BingStyle, SearXNG, Tavily
from nacre.connectors.search.results import ProviderError, WebResult
from nacre.connectors.search.tools import image_tool, web_search_tool, wikipedia_tools
from nacre.connectors.search.web_search import WebSearch
from nacre.connectors.search.wikipedia import Wikipedia, WikipediaReader
from nacre.errors import MissingKeyError, ToolError, UsageError


def test_searxng(outside) -> None:
    found = SearXNG(outside.url).search("pearl & 贝壳", 5)
    assert [result.url for result in found] == [f"https://example.org/{n}" for n in range(3)]
    assert outside.asked[0][1] == {"q": "pearl & 贝壳", "format": "json", "language": "zh-CN"}


def test_tavily_and_bing_send_their_keys(outside) -> None:
    assert Tavily("k", url=f"{outside.url}/tavily").search("q", 3)[0].text == "From Tavily"
    assert BingStyle(f"{outside.url}/bing", "k").search("q", 3)[0].text == "From Bing"
    with pytest.raises(MissingKeyError):
        Tavily("")


@pytest.mark.parametrize(
    "page",
    [
        (200, {}, b"<html>not json"),
        (200, {}, b"[]"),
        (200, {}, b'{"results": "none"}'),
        (202, {}, b"{}"),
        (500, {}, b""),
    ],
)
def test_answers_that_are_no_answers(outside, page) -> None:
    outside.pages["/search"] = page
    with pytest.raises(ProviderError):
        SearXNG(outside.url).search("q", 3)


def test_the_next_provider_answers_and_the_failing_one_rests_longer_each_time(outside) -> None:
    now = [0.0]
    search = WebSearch(SearXNG(outside.url), Tavily("k", url=f"{outside.url}/tavily"), cache_s=0, clock=lambda: now[0])
    outside.fail["/search"] = 429

    def asked() -> list[str]:
        paths = [path for path, _, _ in outside.asked]
        outside.asked.clear()
        return paths

    assert search.search("q")[0].text == "From Tavily" and asked() == ["/search", "/tavily"]
    search.search("q")
    assert asked() == ["/tavily"]
    now[0] = 21
    search.search("q")
    assert asked() == ["/search", "/tavily"]
    now[0] = 50
    search.search("q")
    assert asked() == ["/tavily"]
    now[0] = 62
    outside.fail.clear()
    assert search.search("q")[0].text == "Snippet 0"


def test_when_all_fail_the_reasons_are_told(outside) -> None:
    outside.fail = {"/search": 500}
    search = WebSearch(SearXNG(outside.url))
    with pytest.raises(ToolError, match="500"):
        search.search("q")
    with pytest.raises(ToolError, match="resting"):
        search.search("q")
    with pytest.raises(UsageError):
        WebSearch()


def test_equal_queries_are_asked_once(outside) -> None:
    now = [0.0]
    search = WebSearch(SearXNG(outside.url), cache_s=60, cache_size=1, clock=lambda: now[0])
    for query in ("A b", "a  B", "a b"):
        search.search(query)
    assert len(outside.asked) == 1
    now[0] = 61
    search.search("a b")
    search.search("c")
    search.search("a b")
    assert len(outside.asked) == 4


def test_wikipedia_search_and_lookup_as_in_the_paper(outside) -> None:
    reader = WikipediaReader(Wikipedia("en", url=f"{outside.url}/w/api.php"))
    with pytest.raises(ToolError):
        reader.lookup("Warsaw")
    opened = reader.search("Madame Curie")
    assert opened.title == "Marie Curie" and opened.text.endswith("She studied radioactivity.")
    assert reader.lookup("warsaw").text == "(Result 1 / 2) She was born in Warsaw."
    assert reader.lookup("Warsaw").text == "(Result 2 / 2) Warsaw has a museum about her."
    with pytest.raises(ToolError, match="No more results"):
        reader.lookup("Warsaw")
    assert "Similar: Marie Curie" in reader.search("nobel").text
    with pytest.raises(ToolError):
        reader.search("quasar")


def test_wikipedia_in_chinese(outside) -> None:
    reader = WikipediaReader(Wikipedia("zh", url=f"{outside.url}/w/api.php"))
    page = reader.search("居里夫人")
    assert page.text.startswith("玛丽·居里是物理学家。") and page.url.startswith("https://zh.wikipedia.org/wiki/%E5")
    assert "诺贝尔奖" in reader.lookup("诺贝尔").text


def test_an_agent_cites_what_it_found(outside) -> None:
    tools = [
        web_search_tool(WebSearch(SearXNG(outside.url))),
        *wikipedia_tools(wikipedia=Wikipedia(url=f"{outside.url}/w/api.php")),
    ]
    script = [
        "Action: web_search[Curie]",
        "Action: wikipedia_search[Marie Curie]",
        "Final Answer: She was born in Warsaw [4]. She liked tea [9].",
    ]
    reply = ReAct(inner=ScriptedChatModel(script), tools=tools).invoke("Where was Marie Curie born?")
    (citation,) = reply.response_metadata["nacre"]["citations"]
    assert (
        citation["quote"] == "She was born in Warsaw."
        and citation["uri"] == "https://en.wikipedia.org/wiki/Marie_Curie"
    )
    assert reply.text == "She was born in Warsaw [4]. She liked tea."
    annotation = next(block for block in reply.content_blocks if block["type"] == "text")["annotations"][0]
    assert annotation["cited_text"] == citation["quote"]
    assert tools[0].metadata == {"cost": "network", "changes": False, "looks_up": True}


def test_a_provider_of_ones_own() -> None:
    class Own:
        name, cost = "own", "paid"

        def search(self, query: str, k: int) -> list[WebResult]:
            return [WebResult("T", "https://example.org", query)] * k

    tool = web_search_tool(WebSearch(Own()), k=2)
    assert tool.metadata["cost"] == "paid" and tool.invoke("x").count("https://example.org") == 2


def test_pictures_are_saved(outside, tmp_path) -> None:
    made = image_tool(ImageMaker(f"{outside.url}/v1", "picture-1", folder=tmp_path / "new")).invoke("a shell")
    assert made.endswith(".png") and (tmp_path / "new").joinpath(made.rpartition("/")[2]).read_bytes().startswith(
        b"\x89PNG"
    )
    outside.pages["/v1/images/generations"] = (200, {}, b'{"data": [{"b64_json": "PGh0bWw+"}]}')
    with pytest.raises(ToolError):
        ImageMaker(f"{outside.url}/v1", "m", folder=tmp_path).make("x")
