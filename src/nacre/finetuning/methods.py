"""The methods: PEFT's configuration, TRL's trainer and the rows as ids of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nacre.extras import need
from nacre.finetuning.encoding import Encoder
from nacre.finetuning.plan import Plan
from nacre.finetuning.rows import Row

_EXTRA = "finetune"


@dataclass(frozen=True)
class Method:
    """How one method is trained.

    Args:
        trainer: the name of TRL's trainer; its settings are named alike.
        examples: rows as the columns that the trainer reads, already ids.
        settings: of the trainer, beside those of all.
    """

    trainer: str
    examples: Callable[[Sequence[Row], Encoder], list[dict[str, Any]]]
    settings: Callable[[Plan], dict[str, Any]] = lambda plan: {}


def _whole(rows: Sequence[Row], encoder: Encoder) -> list[dict[str, Any]]:
    """For a reward: each answer with its prompt."""
    found = [encoder.compared(row) for row in rows]
    return [{name: p["prompt_ids"] + p[name] for name in ("chosen_ids", "rejected_ids")} for p in found]


def _thumbs(rows: Sequence[Row], encoder: Encoder) -> list[dict[str, Any]]:
    """Each answer with its verdict, and beside it the answer of the row before, from which KTO estimates the drift."""
    examples: list[dict[str, Any]] = []
    for row in rows:
        told = [(row.answer, row.label is not False), *([(row.rejected, False)] if row.rejected else [])]
        for text, good in told:
            prompt, said = encoder.pair(row, text)
            examples.append({"prompt_ids": prompt, "completion_ids": said, "label": good})
    others = [example["completion_ids"] for example in (examples[-1], *examples[:-1])]
    return [{**e, "KL_completion_ids": other} for e, other in zip(examples, others, strict=True)]


def _asked(rows: Sequence[Row], encoder: Encoder) -> list[dict[str, Any]]:
    """For GRPO: prompts, with what its rewards look at."""
    from nacre.finetuning.rewards import facts_of, prompts_as_served

    return [{"prompt": prompts_as_served(row, encoder), **facts_of(row)} for row in rows]


def _grpo(plan: Plan) -> dict[str, Any]:
    return {"num_generations": plan.batch, "max_completion_length": 64, "temperature": 1.0, "beta": 0.0}


_SFT = Method(
    "SFT",
    lambda rows, encoder: list(map(encoder.trained, rows)),
    lambda plan: {"dataset_kwargs": {"skip_prepare_dataset": True}, "packing": False},
)
METHODS: Mapping[str, Method] = {
    **dict.fromkeys(("lora", "prefix", "prompt", "ptuning", "full"), _SFT),
    "dpo": Method("DPO", lambda rows, encoder: list(map(encoder.compared, rows))),
    "kto": Method("KTO", _thumbs),
    "reward": Method("Reward", _whole),
    "grpo": Method("GRPO", _asked, _grpo),
}


def adapter(plan: Plan) -> Any:
    """PEFT's configuration of a method; None where all weights are trained."""
    peft = need("peft", extra=_EXTRA)
    virtual = {"num_virtual_tokens": plan.virtual, "task_type": "CAUSAL_LM"}
    if plan.method == "full":
        return None
    if plan.method == "prefix":
        return peft.PrefixTuningConfig(**virtual)
    if plan.method == "ptuning":
        return peft.PrefixTuningConfig(**virtual, prefix_projection=True, encoder_hidden_size=512)
    if plan.method == "prompt":
        return peft.PromptTuningConfig(**virtual)
    kind = (
        {"task_type": "SEQ_CLS", "modules_to_save": ["score"]}
        if plan.method == "reward"
        else {"task_type": "CAUSAL_LM"}
    )
    return peft.LoraConfig(r=plan.rank, lora_alpha=2 * plan.rank, lora_dropout=0.0, target_modules="all-linear", **kind)


def answers_loss(
    self: Any, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
) -> Any:
    """The loss of the answers' tokens alone. TRL's own, where there is no Triton, puts every position of the prompt
    to the whole vocabulary: 23 seconds of processor time a step instead of 15.
    """
    torch = need("torch", extra=_EXTRA)
    labels = inputs.pop("labels")[:, 1:]
    # Counted from the end, for an adapter may put tokens in front.
    at = (labels != -100).any(0).nonzero()[:, 0] - labels.shape[1]
    outputs = model(**inputs, logits_to_keep=at - 1, use_cache=False)
    learnt = labels[:, at].flatten()
    total = torch.nn.functional.cross_entropy(outputs.logits.float().flatten(0, 1), learnt, reduction="sum")
    if num_items_in_batch is None:
        loss = total / (learnt != -100).sum()
    else:  # of all processes, whose gradients are averaged
        loss = total / num_items_in_batch * self.accelerator.num_processes
    return (loss, outputs) if return_outputs else loss


def trainer_class(method: Method) -> Any:
    """TRL's trainer, which neither makes ids of its own, nor writes a card of its own, nor sends a word anywhere."""
    trl = need("trl", extra=_EXTRA)
    parent = getattr(trl, f"{method.trainer}Trainer")
    own: dict[str, Any] = {
        "_send_telemetry": lambda self: None,
        "create_model_card": lambda self, *args, **kwargs: None,
    }
    if method.trainer in ("DPO", "KTO"):
        own["_prepare_dataset"] = lambda self, dataset, *args, **kwargs: dataset
    if method.trainer == "SFT" and not need("torch", extra=_EXTRA).accelerator.is_available():
        own["compute_loss"] = answers_loss
    return type(f"Nacre{method.trainer}Trainer", (parent,), own)
