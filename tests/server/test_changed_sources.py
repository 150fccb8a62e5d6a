"""A citation's address opens what it cites, also after the document changed."""

from __future__ import annotations

import httpx

from nacre import KnowledgeBase
from nacre.ingest.source import TextSource


def test_a_citation_opens_the_version_that_it_cites(serve, tmp_path):
    server = serve()
    reply = server.openai().chat.completions.create(
        model="nacre", messages=[{"role": "user", "content": "When does the workshop open?"}]
    )
    url = reply.choices[0].message.annotations[0].url_citation.url.replace("/sources/", "/v1/sources/")
    assert "changed" not in httpx.get(url).json()
    with KnowledgeBase.open(tmp_path / "kb", "none") as base:
        for text in ("The workshop is closed.", "The workshop is sold."):
            base.sync(TextSource("memory:a/", [("memory:a/hours.md", text, "Opening hours")]))
    source = httpx.get(url).json()
    assert (
        source["changed"] == "kept"
        and source["text"].startswith("The workshop opens at nine")
        and source["end"] > source["start"]
    )
    lost = httpx.get(url.replace("version=1", "version=99")).json()
    assert lost["changed"] == "lost" and lost["text"] == "The workshop is sold." and lost["start"] == lost["end"] == 0
