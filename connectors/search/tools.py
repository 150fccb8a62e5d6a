"""The connectors of this folder as tools for agents, each stating its cost and whether it may change something."""

from __future__ import annotations

from typing import Any

from langchain_core.documents import Document
from langchain_core.tools import BaseTool, StructuredTool

from nacre.connectors.search.database import ReadOnlyDatabase
from nacre.connectors.search.images import ImageMaker
from nacre.connectors.search.page_reader import PageReader
from nacre.connectors.search.web_search import WebSearch
from nacre.connectors.search.wikipedia import Page, Wikipedia, WikipediaReader
from nacre.text.language import tr

Found = tuple[str, list[Document]]


def web_search_tool(search: WebSearch, *, k: int = 5) -> BaseTool:
    """Make a tool of a web search; its results can be cited."""

    def web_search(query: str) -> Found:
        """Search the web."""
        results = search.search(query, k)
        if not results:
            return tr("No results."), []
        documents = [
            Document(page_content=result.text or result.title, metadata={"uri": result.url, "title": result.title})
            for result in results
        ]
        return "\n\n".join(f"{result.title} ({result.url})\n{result.text}" for result in results), documents

    cost = "paid" if any(provider.cost == "paid" for provider in search.providers) else "network"
    return _tool(web_search, tr("Search the web. Gives titles, addresses and snippets."), cost, looks_up=True)


def wikipedia_tools(language: str = "en", *, wikipedia: Wikipedia | None = None) -> list[BaseTool]:
    """Make the two tools of the ReAct paper. Both share the page that is open: make a pair for every agent."""
    reader = WikipediaReader(wikipedia or Wikipedia(language))

    def wikipedia_search(entity: str) -> Found:
        """Open the encyclopedia page on an entity."""
        return _cited(reader.search(entity))

    def wikipedia_lookup(keyword: str) -> Found:
        """Find the next sentence with a keyword on the open page."""
        return _cited(reader.lookup(keyword))

    found = tr("Next sentence with a keyword on the encyclopedia page that was opened last.")
    lookup = _tool(wikipedia_lookup, found, "network", repeatable=True)
    return [_tool(wikipedia_search, tr("Open the encyclopedia page on a person, place or thing."), "network"), lookup]


def page_reader_tool(reader: PageReader | None = None) -> BaseTool:
    """Make a tool that reads web pages."""
    pages = reader or PageReader()

    def read_page(url: str, part: int = 1) -> Found:
        """Read a web page."""
        page = pages.read(url, part)
        more = tr(" (part {part} of {parts})", part=page.part, parts=page.parts) if page.parts > 1 else ""
        return _cited(Page(page.title + more, page.url, page.text))

    return _tool(read_page, tr("Read the text of a web page; a long one has several parts."), "network")


def database_tool(database: ReadOnlyDatabase) -> BaseTool:
    """Make a tool that asks a database; its description lists the tables."""

    def query_database(statement: str) -> str:
        """Ask the database."""
        return database.query(statement)

    told = tr(
        "Run one SELECT statement ({dialect}). Tables: {database}", dialect=database.dialect, database=database.schema()
    )
    return _tool(query_database, told, "free", "content")


def image_tool(maker: ImageMaker) -> BaseTool:
    """Make a tool that makes pictures."""

    def make_image(description: str) -> str:
        """Make a picture."""
        return str(maker.make(description))

    return _tool(make_image, tr("Make a picture from a description. Gives the file."), "paid", "content")


def _tool(function: Any, description: str, cost: str, gives: Any = "content_and_artifact", **more: Any) -> BaseTool:
    told = {"cost": cost, "changes": False, **more}
    return StructuredTool.from_function(function, description=description, response_format=gives, metadata=told)


def _cited(page: Page) -> Found:
    if not page.url:
        return page.text, []
    return page.text, [Document(page_content=page.text, metadata={"uri": page.url, "title": page.title})]
