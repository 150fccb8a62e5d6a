"""What a model sees and what it would say next: the pieces of a text, and the distribution over the next one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nacre.connectors.models import load_model
from nacre.connectors.models.local_weights import KINDS, load_tokenizer
from nacre.connectors.models.transformers_chat import TransformersChatModel
from nacre.errors import UnsupportedInputError, UsageError
from nacre.extras import need
from nacre.text.hygiene import clean_text
from nacre.text.language import tr


@dataclass(frozen=True)
class Token:
    """A piece of a text as a model reads it; of half a character the tokeniser's own name."""

    id: int
    text: str


@dataclass(frozen=True)
class Candidate:
    """What a model may say next, with its probability after temperature, top-k and top-p (what they leave adds up to 1)
    and before.
    """

    id: int
    text: str
    probability: float
    before: float


def tokens_of(text: str, spec: str | None = None) -> list[Token]:
    """The tokens of a text by a local model, whose tokeniser alone is read; None, or "quote": by our own sentence
    encoder.
    """
    text = clean_text(text)
    if spec is None or spec.strip() == "quote":
        from nacre.connectors.embeddings import checkpoint, e5, locate

        encoder = checkpoint.load_tokenizer(e5.open_e5(locate.E5.path()).folder)
        encoded = encoder.encode(text, add_special_tokens=False)
        return [
            _token(n, encoder.decode([n], skip_special_tokens=False), p)
            for n, p in zip(encoded.ids, encoded.tokens, strict=True)
        ]
    kind, _, name = spec.strip().partition(":")
    if kind.lower() not in KINDS or not name.strip():
        told = tr(
            "The tokeniser of {spec} is on its provider's server. Name a local model: transformers:FOLDER.", spec=spec
        )
        raise UsageError(told)
    tokenizer = load_tokenizer(name.strip())
    return _read(tokenizer, list(tokenizer(text, add_special_tokens=False)["input_ids"]))


def _read(tokenizer: Any, ids: list[int]) -> list[Token]:
    own = tokenizer.convert_ids_to_tokens(ids)
    texts = [tokenizer.decode([n], skip_special_tokens=False, clean_up_tokenization_spaces=False) for n in ids]
    return [_token(n, str(text), name) for n, text, name in zip(ids, texts, own, strict=True)]


def _token(number: int, text: str, own: Any) -> Token:
    name = f"<{number}>" if own is None else str(own)  # a model may have more ids than its tokeniser names
    return Token(int(number), name if "\ufffd" in text or not text else text)


def candidates(
    text: str,
    spec: str,
    *,
    top: int = 10,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    **settings: Any,
) -> list[Candidate]:
    """The likeliest next tokens of a local model behind a text, at most `top`, the likeliest first; temperature, top-k
    and top-p as of `Sampling`, further settings as of the model, such as `adapter`.
    """
    model = load_model(spec, **settings)
    if not isinstance(model, TransformersChatModel):
        told = tr("{spec} does not tell what it would say next; a local model does: transformers:FOLDER.", spec=spec)
        raise UsageError(told)
    torch, weights = need("torch", extra="local"), model.weights
    ids = list(weights.tokenizer(clean_text(text))["input_ids"])
    if not ids:
        raise UsageError(tr("The text is empty. Write the beginning of a sentence."))
    if weights.window is not None and len(ids) > weights.window:
        told = tr("The text has {length} tokens and the window {window}.", length=len(ids), window=weights.window)
        raise UnsupportedInputError(told, model=spec)
    with torch.inference_mode():
        plain = _logits(torch, weights, torch.tensor([ids], device=weights.model.device))
        left = _sampled(plain, temperature, top_k, top_p)
        before, after = plain.softmax(-1)[0], left.softmax(-1)[0]
        order = after.argsort(descending=True, stable=True)[: max(1, top)].tolist()
    texts = [token.text for token in _read(weights.tokenizer, order)]
    found = [Candidate(n, text, float(after[n]), float(before[n])) for n, text in zip(order, texts, strict=True)]
    return [one for one in found if one.probability > 0]


def _logits(torch: Any, weights: Any, ids: Any) -> Any:
    asked: dict[str, Any] = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if weights.prompt is not None:
        asked = weights.prompt(ids)
        if "past_key_values" in asked:  # `forward` takes the new ids alone
            asked["input_ids"] = ids
    return weights.model(**asked).logits[:, -1].float()


def _sampled(logits: Any, temperature: float | None, top_k: int | None, top_p: float | None) -> Any:
    """The logits as transformers' own sampling leaves them."""
    from transformers.generation import logits_process as process

    warpers: list[Any] = []
    if temperature == 0:
        warpers.append(process.TopKLogitsWarper(top_k=1))
    elif temperature is not None:
        warpers.append(process.TemperatureLogitsWarper(float(temperature)))
    if top_k:
        warpers.append(process.TopKLogitsWarper(top_k=top_k))
    if top_p is not None and top_p < 1:
        warpers.append(process.TopPLogitsWarper(top_p=top_p))
    for warper in warpers:
        logits = warper(None, logits)
    return logits
