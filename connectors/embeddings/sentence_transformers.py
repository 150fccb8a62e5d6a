"""Models that the exporter does not know, run by sentence-transformers itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from nacre.connectors.embeddings.prefixes import PrefixedEncoder, prefixes_for
from nacre.extras import need

_FALLBACK_TOKENS = 512


class SentenceTransformersEmbeddings(PrefixedEncoder, Embeddings):
    """Embeddings by sentence-transformers (and torch); an index calls the model by `name`, its settings are those of
    `load_embedder`.
    """

    def __init__(
        self,
        model: str,
        name: str | None = None,
        *,
        query_prefix: str | None = None,
        document_prefix: str | None = None,
        device: str | None = None,
    ) -> None:
        package = need("sentence_transformers", extra="sentence-transformers")
        self._model = package.SentenceTransformer(model, device=device)
        prompts = {key: text for key, text in (self._model.prompts or {}).items() if text}
        self.name = name or model
        known = prefixes_for(self.name, prompts)
        self.query_prefix, self.document_prefix = known.override(query_prefix, document_prefix)

    def _facts(self) -> dict[str, Any]:
        return {"dim": len(self.embed_query("nacre")), "max_tokens": self.max_tokens}

    @cached_property
    def max_tokens(self) -> int:
        """The most tokens (as `count_tokens` counts) a passage may have without being cut."""
        special = int(self._model.tokenizer.num_special_tokens_to_add())
        return int(self._model.max_seq_length or _FALLBACK_TOKENS) - special - self.count_tokens(self.document_prefix)

    def count_tokens(self, text: str) -> int:
        """Count the tokens of a text; special tokens and prefix are not counted."""
        ids: list[int] = self._model.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return len(ids)

    def _encode(self, texts: Sequence[str], prefix: str) -> NDArray[np.float32]:
        # An empty prompt keeps the model from adding its default one a second time.
        vectors: NDArray[np.float32] = self._model.encode(
            list(texts), prompt=prefix, normalize_embeddings=True, show_progress_bar=False
        )
        return vectors
