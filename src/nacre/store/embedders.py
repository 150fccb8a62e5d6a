"""The embedder of a knowledge base: given, named, or the one that it was made with; here a store asks the connectors,
late.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from nacre.errors import EmbedderMismatchError
from nacre.store.encoder import Encoder
from nacre.text.language import tr
from nacre.validation import expect

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

_COMPARED = ("id", "weights", "dim", "query_prefix", "document_prefix", "normalised")


def embedder_named(name: str | None) -> Embeddings:
    """The embedder of that name; None is the embedded default."""
    from nacre.connectors.embeddings import load_encoder

    return cast("Embeddings", load_encoder(name))  # like one, and without the time that loading LangChain takes


def load_encoder(embedder: str | Embeddings | None) -> Encoder | None:
    """An embedder as a new knowledge base uses it; None for "none", words only."""
    if embedder is None or isinstance(embedder, str):
        return None if embedder == "none" else Encoder(embedder_named(embedder))
    if not callable(getattr(embedder, "embed_query", None)):
        from langchain_core.embeddings import Embeddings

        expect(embedder, "embedder", str, Embeddings)
    return Encoder(embedder)


def given_encoder(embedder: str | Embeddings | None, made_with: dict[str, Any] | None, place: str) -> Encoder | None:
    """The embedder that is given for a place, checked; None where none is, and the place's own is to be loaded by
    name.
    """
    if embedder is not None:
        encoder = load_encoder(embedder)
        _check(place, made_with, encoder.identity if encoder else None)
        return encoder
    if made_with and not made_with.get("named", True):
        raise _nameless(place, made_with)
    return None


def own_encoder(made_with: dict[str, Any], place: str) -> Encoder:
    """The embedder that a place was made with, by its name."""
    encoder = Encoder(embedder_named(str(made_with["id"])))
    _check(place, made_with, encoder.identity)
    return encoder


def same_embedder(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two identities give vectors that can be compared."""
    return all(one.get(key) == other.get(key) for key in _COMPARED)


def _check(place: str, made_with: dict[str, Any] | None, given: dict[str, Any] | None) -> None:
    """Refuse another embedder than the one that a place was made with."""
    if made_with is None or given is None:
        if made_with is given:
            return
    elif same_embedder(made_with, given):
        return
    old, new = _name(made_with), _name(given)
    raise EmbedderMismatchError(
        tr(
            "{folder} was built with the embedder {old}, not {new}. Open it without naming an "
            "embedder, or change it: nacre reembed --kb {folder} --embedder …",
            folder=place,
            old=old,
            new=new,
        ),
        path=place,
    )


def _nameless(place: str, made_with: dict[str, Any]) -> EmbedderMismatchError:
    """For a place whose embedder was given as an object and has no name to load it by."""
    name = _name(made_with)
    return EmbedderMismatchError(
        tr(
            "{folder} was built with the embedder object {name}, which cannot be loaded by name. "
            "Pass it: KnowledgeBase.open(path, embedder=...).",
            folder=place,
            name=name,
        ),
        path=place,
    )


def _name(identity: dict[str, Any] | None) -> str:
    return "none" if identity is None else f"{identity['id']} (dim {identity.get('dim')})"
