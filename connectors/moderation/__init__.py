"""Moderators that ask a server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from nacre.errors import ModelError, ModelUnavailableError
from nacre.extras import keyless, need
from nacre.moderation import Verdict
from nacre.text.language import tr

_KEY = "OPENAI_API_KEY"


class OpenAIModerator:
    """The moderation endpoint of OpenAI, or of a server that speaks as it does (POST /moderations).

    Args:
        model: the moderation model.
        base_url: where the server answers; None takes `OPENAI_BASE_URL`, else OpenAI.
        api_key: the key; None takes `OPENAI_API_KEY`.
        timeout_s: seconds to wait for an answer.
        retries: how often a failed request is repeated.
        piece: the most characters judged in one piece; longer texts are judged in overlapping pieces.

    Raises:
        MissingKeyError: there is no key.
        MissingExtraError: the `openai` package is not installed.
    """

    def __init__(
        self,
        model: str = "omni-moderation-latest",
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        retries: int = 2,
        piece: int = 8000,
    ) -> None:
        key = api_key or os.environ.get(_KEY)
        if not key:
            told = tr(
                "The moderation endpoint needs a key: set {key}, or pass api_key. For rules without a "
                "server use RuleModerator.",
                key=_KEY,
            )
            raise keyless(told, "openai", extra="openai", variable=_KEY, model=model)
        self._openai = need("openai", extra="openai")
        self.model = model
        self.piece = piece
        self._client: Any = self._openai.OpenAI(api_key=key, base_url=base_url, timeout=timeout_s, max_retries=retries)

    @property
    def identity(self) -> dict[str, str]:
        """What its verdicts depend on."""
        return {"model": self.model, "url": str(self._client.base_url)}

    def check(self, text: str) -> Verdict:
        """Judge a text.

        Args:
            text: any text.

        Returns:
            Flagged when the server flags any piece; the categories that it names, sorted.

        Raises:
            ModelUnavailableError: the server cannot be reached, is overloaded, or does not answer in time.
            ModelError: it refuses the request, or answers in another form.
        """
        url = str(self._client.base_url)
        try:
            answer = self._client.moderations.create(model=self.model, input=list(self._pieces(text)))
        except self._openai.APIError as error:
            status = getattr(error, "status_code", 503)  # a server that cannot be reached says none
            if status == 429 or status >= 500:
                told = tr(
                    "The moderation endpoint at {url} does not answer ({error}). Try again, or use RuleModerator.",
                    url=url,
                    error=error,
                )
                raise ModelUnavailableError(told, model=self.model, uri=url) from error
            told = tr(
                "{base_url} refused the moderation request ({status_code}): {message_}. Check the key "
                "and the model {model!r}.",
                base_url=url,
                status_code=status,
                message_=error.message,
                model=self.model,
            )
            raise ModelError(told, model=self.model) from error
        try:
            results = [result.model_dump(by_alias=True) for result in answer.results]
            names = {name for r in results for name, hit in (r["categories"] or {}).items() if hit}
            flags = [r["flagged"] for r in results]
            if not flags or not all(isinstance(flag, bool) for flag in flags):
                raise ValueError(flags)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            told = tr("{base_url} gave no moderation verdict. Does it serve /moderations?", base_url=url)
            raise ModelError(told, model=self.model) from error
        return Verdict(any(flags), tuple(sorted(names)))

    def _pieces(self, text: str) -> Iterator[str]:
        # What is cut apart at the end of one piece stands whole at the beginning of the next.
        step = self.piece - self.piece // 8
        for start in range(0, max(1, len(text) - self.piece // 8), step):
            yield text[start : start + self.piece]
