"""A knowledge base, or any other retriever, as a tool whose documents the answer cites."""

from __future__ import annotations

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import BaseTool, StructuredTool

from nacre.agents.facts import state
from nacre.text.language import tr

Found = tuple[str, list[Document]]


def knowledge_tool(
    retriever: BaseRetriever, *, name: str = "search_knowledge_base", description: str | None = None
) -> BaseTool:
    """Make a tool that searches. Whose eyes it searches with is decided by the retriever, never by the model."""

    def search(query: str) -> Found:
        return _found(retriever.invoke(query))

    async def asearch(query: str) -> Found:
        return _found(await retriever.ainvoke(query))

    told = description or tr("Search the organisation's documents. Gives numbered passages.")
    tool = StructuredTool.from_function(
        search, asearch, name=name, description=told, response_format="content_and_artifact"
    )
    return state(tool, looks_up=True)


def _found(documents: list[Document]) -> Found:
    if not documents:
        return tr("Nothing was found."), []
    return "\n\n".join(document.page_content for document in documents), documents
