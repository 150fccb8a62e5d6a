"""Citations as the OpenAI API carries them, each with an address that opens the source at the quoted place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

_SHOWN = (
    "n",
    "uri",
    "title",
    "heading",
    "page",
    "start",
    "end",
    "quote",
    "version",
    "document_id",
    "answer_start",
    "answer_end",
    "support",
)
# What of `response_metadata["nacre"]` the page and other clients are told.
_OWN = (
    *("abstained", "closest", "uncited", "question", "parts", "suggestions"),
    *("program", "value", "execution", "attempts", "trajectory", "stopped", "cached", "run_id", "pending"),
)


def address(base_url: str, citation: Mapping[str, Any], store: str) -> str:
    """Where a cited place can be read."""
    place = {
        "start": citation["start"],
        "end": citation["end"],
        **({} if store == "main" else {"store": store}),
        **({"version": citation["version"]} if citation.get("version") else {}),
    }
    return f"{base_url}sources/{citation['document_id']}?{urlencode(place)}"


def url_citations(base_url: str, own: Mapping[str, Any], store: str) -> list[dict[str, Any]]:
    """The citations of an answer as OpenAI's annotations have them."""
    return [
        {
            "url": address(base_url, citation, store),
            "title": citation["title"] or citation["uri"],
            "start_index": citation["answer_start"],
            "end_index": citation["answer_end"],
        }
        for citation in own.get("citations") or []
    ]


def extension(base_url: str, own: Mapping[str, Any], store: str) -> dict[str, Any]:
    """What Nacre says of an answer beyond OpenAI's form: the field `nacre` of a response."""
    cited = [
        {**{name: citation[name] for name in _SHOWN if name in citation}, "url": address(base_url, citation, store)}
        for citation in own.get("citations") or []
    ]
    return {"citations": cited, **{name: own[name] for name in _OWN if name in own}}
