"""A reward model: says by a number how good an answer is to what a model was shown."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from langchain_core.messages import BaseMessage

from nacre.connectors.models.local_weights import local_base
from nacre.connectors.models.templates import answer_ids
from nacre.errors import ModelError
from nacre.extras import need
from nacre.text.language import tr

_CARD = "nacre.json"


class RewardModel:
    """A reward model that `nacre finetune train --method reward` has made.

    The weights are loaded at the first score, once.

    Args:
        folder: the adapter; its card names the base model.

    Raises:
        ModelError: there is no reward model, or its base has changed.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            self._card: dict[str, Any] = json.loads((self.folder / _CARD).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise self._not_one() from error
        if not isinstance(self._card, dict) or self._card.get("kind") != "reward":
            raise self._not_one()
        self._loading = threading.Lock()

    def __repr__(self) -> str:
        return f"RewardModel({str(self.folder)!r})"

    def score(self, messages: Sequence[BaseMessage], answers: Sequence[str]) -> list[float]:
        """How good answers are, the higher the better; comparable among answers to the same messages."""
        torch = need("torch", extra="local")
        scores = []
        with self._loading:
            model, tokenizer = self._loaded
            for answer in answers:
                prompt, said = answer_ids(tokenizer, messages, answer, self._card["stops"])
                given = torch.tensor([[*prompt, *said]], device=model.device)
                with torch.inference_mode():
                    scores.append(float(model(input_ids=given, attention_mask=torch.ones_like(given)).logits[0, 0]))
        return scores

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        transformers, peft = need("transformers", extra="local"), need("peft", extra="local")
        base = local_base(str(self._card["base_model"]))
        if base.hash != self._card["base_hash"]:
            told = tr(
                "The reward model {folder} was trained on other weights than {base} holds now (SHA-256 {found}).",
                folder=self.folder,
                base=base.spec,
                found=base.hash[:12],
            )
            raise ModelError(told, model=str(self.folder))
        options = {"trust_remote_code": False, "local_files_only": True}
        tokenizer = transformers.AutoTokenizer.from_pretrained(base.place, **options)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            base.place, num_labels=1, dtype="float32", use_safetensors=True, **options
        )
        model.config.pad_token_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        return peft.PeftModel.from_pretrained(model, str(self.folder)).eval(), tokenizer

    def _not_one(self) -> ModelError:
        told = tr(
            "{folder} is no reward model. Train one: nacre finetune train --method reward --data PAIRS.jsonl …",
            folder=self.folder,
        )
        return ModelError(told, model=str(self.folder))
