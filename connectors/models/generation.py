"""One generation of a local model: in its own thread, piece by piece, and stopped the moment nobody listens."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from nacre.connectors.models.local_weights import Weights
from nacre.connectors.models.stops import StopCutter
from nacre.extras import need
from nacre.text.reasoning import THINK_PAIRS

# Torch draws from one random state a process; a seed holds only while nobody else draws.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Sampling:
    """How to choose the next token.

    Args:
        max_tokens: the longest answer, in tokens.
        temperature: 0 takes the likeliest token; None leaves it to the model's own settings.
        top_k: choose among so many tokens.
        top_p: choose among the likeliest tokens that together have this probability.
        repetition_penalty: above 1 makes tokens that were used less likely.
    """

    max_tokens: int
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    stop: Sequence[str] = ()

    def options(self) -> dict[str, Any]:
        """These settings as transformers names them."""
        named = {"top_k": self.top_k, "top_p": self.top_p, "repetition_penalty": self.repetition_penalty}
        options = {key: value for key, value in named.items() if value is not None}
        if self.temperature == 0:
            # The neutral values keep transformers from warning about settings that a greedy choice ignores.
            neutral = {"do_sample": False, "temperature": 1.0, "top_p": 1.0, "top_k": 50}
            return {**options, **neutral, "max_new_tokens": self.max_tokens}
        if self.temperature is not None:
            options |= {"do_sample": True, "temperature": self.temperature}
        elif self.top_k is not None or self.top_p is not None or self.seed is not None:
            options["do_sample"] = True
        return {**options, "max_new_tokens": self.max_tokens}


@dataclass(frozen=True)
class Finish:
    """The end of a generation."""

    reason: str = "stop"
    tokens: int = 0
    error: Exception | None = None


class Generation:
    """Generates in a thread of its own. `seen` is what the model is given of images."""

    def __init__(
        self,
        weights: Weights,
        ids: Sequence[int],
        sampling: Sampling,
        emit: Callable[[str | Finish], None],
        seen: Mapping[str, Any] | None = None,
    ) -> None:
        self._seen = seen or {}
        self._weights, self._ids, self._sampling, self._emit = weights, ids, sampling, emit
        self._cancelled = threading.Event()
        self._pieces = Pieces(weights.tokenizer, sampling.stop, emit, self._cancelled, skip=len(ids))
        self._thread = threading.Thread(target=self._run, name="nacre-generation", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Stop before the next token. What has been emitted stays; nothing more comes."""
        self._cancelled.set()

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()

    def _run(self) -> None:
        try:
            with _one_at_a_time:
                if not self._cancelled.is_set():
                    self._generate()
            self._pieces.flush()
            self._emit(self._finish())
        except Exception as error:  # whatever happens here, the listener must hear of it
            self._emit(Finish(error=error))

    def _generate(self) -> None:
        torch, transformers = need("torch", extra="local"), need("transformers", extra="local")

        def cancelled(input_ids: Any, scores: Any, **kwargs: Any) -> Any:
            return torch.full(
                (input_ids.shape[0],), self._cancelled.is_set(), device=input_ids.device, dtype=torch.bool
            )

        model, tokenizer = self._weights.model, self._weights.tokenizer
        config = transformers.GenerationConfig(**{**model.generation_config.to_dict(), **self._sampling.options()})
        config.pad_token_id = config.pad_token_id if config.pad_token_id is not None else tokenizer.pad_token_id
        if config.eos_token_id is None:
            config.eos_token_id = tokenizer.eos_token_id
        prompt = torch.tensor([list(self._ids)], device=model.device)
        seed = self._sampling.seed
        with torch.inference_mode(), nullcontext() if seed is None else torch.random.fork_rng():
            if seed is not None:
                torch.manual_seed(seed)
            asked = {"input_ids": prompt, "attention_mask": torch.ones_like(prompt)}
            if self._weights.prompt is not None:
                asked = self._weights.prompt(prompt)
            asked |= {name: data.to(model.device) for name, data in self._seen.items()}
            model.generate(**asked, generation_config=config, streamer=self._pieces, stopping_criteria=[cancelled])

    def _finish(self) -> Finish:
        ids = self._pieces.ids
        ends = self._weights.model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends, self._weights.tokenizer.eos_token_id]
        by_itself = self._pieces.stopped or (bool(ids) and ids[-1] in ends)
        return Finish("length" if len(ids) >= self._sampling.max_tokens and not by_itself else "stop", len(ids))


class Pieces:
    """Transformers' streamer: turns token ids into text that is whole, characters and stop strings alike. `skip` is the
    length of the prompt in tokens; `cancelled` is set when a stop string has come, and nothing more is emitted then.
    """

    def __init__(
        self,
        tokenizer: Any,
        stop: Sequence[str],
        emit: Callable[[str | Finish], None],
        cancelled: threading.Event,
        *,
        skip: int,
    ) -> None:
        self.ids: list[int] = []
        self._dropped = _dropped(tokenizer)
        self._tokenizer, self._emit, self._cancelled = tokenizer, emit, cancelled
        self._cutter = StopCutter(stop)
        self._prompt_left = skip
        self._said_from, self._said_to = 0, 0

    @property
    def stopped(self) -> bool:
        """Whether a stop string has come."""
        return self._cutter.stopped

    def put(self, value: Any) -> None:
        """Take the prompt, and then each new token, as tensors."""
        ids = value.reshape(-1).tolist()
        if self._prompt_left:  # the first call hands over the prompt
            self._prompt_left = 0
            return
        if self._cancelled.is_set():
            return
        self.ids += ids
        # A token may hold half a character, and a word piece reads differently at the start of a text:
        # decode from the last whole piece, and wait while the end is not a character yet.
        before = self._decode(self.ids[self._said_from : self._said_to])
        now = self._decode(self.ids[self._said_from :])
        if len(now) > len(before) and not now.endswith("\ufffd"):
            self._said_from, self._said_to = self._said_to, len(self.ids)
            self._say(self._cutter.push(now[len(before) :]))
        if self._cutter.stopped:
            self._cancelled.set()

    def end(self) -> None:
        """Asked for by transformers; the end is said by the generation itself."""

    def flush(self) -> None:
        """Emit what was held back."""
        if not self.stopped:
            before = self._decode(self.ids[self._said_from : self._said_to])
            rest = self._decode(self.ids[self._said_from :])[len(before) :]
            self._say(self._cutter.push(rest) + self._cutter.flush())

    def _decode(self, ids: list[int]) -> str:
        ids = [token for token in ids if token not in self._dropped]
        return str(self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _say(self, text: str) -> None:
        if text:
            self._emit(text)


# Control tokens by which reasoning and calls are known; others are no part of a text.
_KEPT = re.compile(
    r"(?i)tool|think|thought|python_|channel|constrain|\|call|action|plugin|args|call_id|dsml|function|invoke|parameter"
    r"|<\|(?:message|start|end|\"|start_response|end_response)\|>|escape"
)


def _dropped(tokenizer: Any) -> frozenset[int]:
    """The ids that are never shown."""
    ends = {tokenizer.eos_token_id, tokenizer.pad_token_id, getattr(tokenizer, "bos_token_id", None)}
    special = zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True)
    kept = {token for token, text in special if _KEPT.search(text)}
    return frozenset((set(tokenizer.all_special_ids) - kept) | ends) - {None}


def opens_thought(tokenizer: Any, ids: Sequence[int]) -> bool:
    """Whether a prompt ends in a thought that it has opened."""
    end = str(tokenizer.decode(list(ids[-16:]))).rstrip()
    return any(end.endswith(opening) for opening, _ in THINK_PAIRS)
