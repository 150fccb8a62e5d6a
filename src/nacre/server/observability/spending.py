"""What the answers cost: every call of a model is priced as it ends, and kept, so that keys can be limited in money."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from nacre.errors import UsageError
from nacre.server.auth.keys import Asker
from nacre.server.openai.errors import Problem
from nacre.text.language import tr
from nacre.text.tokens import estimate, estimate_messages

if TYPE_CHECKING:
    from nacre.server.observability.metrics import Metrics
    from nacre.server.records import Records
    from nacre.server.settings import Price, Prices

# Money is counted in whole billionths, so that sums are exact.
NANOS = 10**9
# It copies words out of the sources, and no model is asked.
_FREE = "quotechatmodel:quote"


@dataclass
class _Asked:
    name: str
    price: Price | None
    messages: list[BaseMessage]
    said: str = ""


class Meter(BaseCallbackHandler):
    """Prices the model calls of one request.

    A model that is broken off, or that counts no tokens, is charged by an estimate.

    Args:
        prices: of the models; None for no prices at all.
    """

    raise_error = True  # a call that may not be made must not be made
    run_inline = True

    def __init__(self, prices: Prices | None, asker: Asker, records: Records, metrics: Metrics) -> None:
        self._prices, self._asker, self._records, self._metrics = prices, asker, records, metrics
        self._asked: dict[UUID, _Asked] = {}

    def on_chat_model_start(
        self,
        serialized: Any,
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A model is about to be asked; without a price it is not, where the key's money is limited."""
        name = _named(metadata or {})
        price = find(self._prices, name)
        if price is None and name != _FREE and self._asker.spend_limit is not None:
            raise unpriced([name])
        self._asked[run_id] = _Asked(name, price, messages[0])

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A piece of an answer came."""
        if asked := self._asked.get(run_id):
            asked.said += token if isinstance(token, str) else str(token)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """It answered."""
        if asked := self._asked.pop(run_id, None):
            generation = response.generations[0][0] if response.generations and response.generations[0] else None
            message = generation.message if isinstance(generation, ChatGeneration) else None
            usage = getattr(message, "usage_metadata", None)
            if usage:
                self._charge(asked, usage["input_tokens"], usage["output_tokens"])
            else:
                self._estimate(asked, message.text if message else "")

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """It failed, which is free, or was broken off, which is not: what it had said by then was made."""
        asked = self._asked.pop(run_id, None)
        if asked and (asked.said or not isinstance(error, Exception)):
            self._estimate(asked, asked.said)

    def close(self) -> None:
        """Charge the calls that were broken off without a word, as LangChain does where a whole answer is cancelled."""
        for run_id in list(self._asked):
            asked = self._asked.pop(run_id)
            self._estimate(asked, asked.said)

    def _estimate(self, asked: _Asked, said: str) -> None:
        self._charge(asked, estimate_messages(asked.messages), estimate(said))

    def _charge(self, asked: _Asked, read: int, written: int) -> None:
        if asked.price is None or self._prices is None:
            return
        nanos = cost(asked.price, read, written)
        row = {"at": time.time(), "asker": self._asker.id, "model": asked.name, "currency": self._prices.currency}
        self._records.journal.add("spend", {**row, "input": read, "output": written, "nanos": nanos})
        self._metrics.spent(asked.name, self._prices.currency, nanos)


def cost(price: Price, read: int, written: int) -> int:
    """What a call costs.

    Args:
        price: for a million tokens.
        read: tokens of the question.
        written: tokens of the answer.

    Example:
        >>> from nacre.server.settings import Price
        >>> cost(Price(input="0.25", output="2"), 1_000_000, 500_000) / NANOS
        1.25
    """
    return round((price.input * read + price.output * written) * NANOS / 1_000_000)


def find(prices: Prices | None, name: str) -> Price | None:
    """The price of a model.

    Returns:
        That under its whole name, else that under the model's alone; None where there is none.
    """
    models = prices.models if prices else {}
    return models.get(name) or models.get(name.partition(":")[2])


def spent(records: Records, asker: str, currency: str, period: str) -> Decimal:
    """What a key has spent."""
    return Decimal(records.total("spend", "nanos", asker, period_began(period), currency=currency)) / NANOS


def period_began(period: str, now: float | None = None) -> float:
    """When a period began.

    Args:
        now: seconds since 1970; None is now.

    Returns:
        Seconds since 1970, at midnight in UTC.
    """
    moment = time.time() if now is None else now
    days = 1 if period == "day" else time.gmtime(moment).tm_mday
    return moment - moment % 86_400 - (days - 1) * 86_400


def period_ends(period: str, now: float | None = None) -> float:
    """When a period ends.

    Args:
        now: seconds since 1970; None is now.

    Returns:
        Seconds since 1970, at midnight in UTC.
    """
    began = period_began(period, now)
    if period == "day":
        return began + 86_400
    return period_began("month", began + 32 * 86_400)


def without_price(models: list[BaseChatModel], prices: Prices | None) -> list[str]:
    """Models that have no price.

    Args:
        prices: of the models; None for no prices at all.
    """
    names = {_named(dict(leaf._get_ls_params())) for model in models for leaf in _leaves(model)}
    return sorted(name for name in names if name != _FREE and find(prices, name) is None)


def check_prices(models: list[BaseChatModel], prices: Prices | None, limited: list[str]) -> None:
    """Whether keys that are limited in money can be served."""
    if limited and (names := without_price(models, prices)):
        keys, missing = ", ".join(limited), ", ".join(names)
        raise UsageError(
            tr(
                "Keys with a limit in money ({keys}) need the price of every model; none is given for: "
                "{missing}. Add it to `prices` in nacre.yaml (0 for a model of your own).",
                keys=keys,
                missing=missing,
            )
        )


def unpriced(names: list[str]) -> Problem:
    """The refusal of a model that has no price to a key whose money is limited."""
    missing = ", ".join(names)
    return Problem(
        403,
        tr(
            "This key has a limit in money, and there is no price for {missing}. The server's owner "
            "can add one to `prices` in nacre.yaml.",
            missing=missing,
        ),
        "model_without_price",
    )


def _named(facts: dict[str, Any]) -> str:
    return f"{facts.get('ls_provider', '')}:{facts.get('ls_model_name', '')}"


def _leaves(model: BaseChatModel) -> Iterator[BaseChatModel]:
    """The models inside all layers, those of a fallback among them."""
    inner = getattr(model, "inner", None)
    if not isinstance(inner, BaseChatModel):
        yield model
        return
    for one in [inner, *(getattr(model, "others", None) or ())]:
        yield from _leaves(one)
