"""One training from rows to an adapter with its card, by TRL's trainers; a stopped one goes on where it was."""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from nacre.connectors.models.local_weights import Base, load_weights, local_base
from nacre.errors import FinetuningError, NacreError
from nacre.extras import need, need_all
from nacre.finetuning.card import facts, write_card, write_curves
from nacre.finetuning.encoding import Encoder, fitting
from nacre.finetuning.methods import METHODS, adapter, trainer_class
from nacre.finetuning.plan import PASSES, PLAN, VIRTUAL, Plan
from nacre.finetuning.quiet import alone, patient_threads
from nacre.finetuning.rows import Row, read_rows, save_rows
from nacre.finetuning.splitting import interleaved, leaks, split_rows
from nacre.finetuning.watching import Progress, claimed, explained, last_checkpoint, out_of_memory, watcher
from nacre.text.language import listed, tr

HELD_OUT = "held_out.jsonl"
_FEW = 32
_LOOKED_AT = 32  # held-out rows whose loss is looked at
_KEPT = 8  # of them stand beside the adapter, for `merge`


@dataclass
class Trained:
    """What came of a training."""

    steps: int
    loss_first: float
    loss_last: float
    seconds: float
    out: str
    curves: list[dict[str, float]]
    problems: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, card: Mapping[str, Any], out: str) -> Trained:
        """As a card tells it."""
        losses = [entry["loss"] for entry in card["curves"] if "loss" in entry] or [math.nan]
        return cls(card["steps"], losses[0], losses[-1], card["seconds"], out, card["curves"])


@dataclass
class Prepared:
    """Rows that can be trained on, and what was wrong with others."""

    train: list[Row]
    valid: list[Row]
    rows: list[Row]
    problems: list[str]


def prepare(plan: Plan, exclude: Sequence[str] = ()) -> Prepared:
    """Read, check and split the rows of a plan; no model is needed.

    Args:
        exclude: questions of evaluation sets; one of them among the rows to train on is an error.

    Raises:
        FinetuningError: there are no rows, or of another form, or they ask what is measured.
    """
    rows, problems = read_rows(Path(plan.data))
    if rows[0].form not in plan.forms:
        raise FinetuningError(
            tr(
                "{method} learns from {forms}, and {data} holds {form}. Make them: nacre finetune data --form {first}",
                method=plan.method,
                forms=listed(plan.forms),
                first=plan.forms[0],
                data=plan.data,
                form=rows[0].form,
            )
        )
    rows = split_rows(rows, plan.seed)
    train = interleaved([row for row in rows if row.split == "train"], plan.seed)[: plan.rows]
    if not train:
        raise FinetuningError(
            tr("{data} has no row of the split train. Mark some so, or leave out the field of all.", data=plan.data)
        )
    held_out = [row for row in rows if row.split != "train"]
    found = leaks(train, [*exclude, *(row.asked for row in held_out if row.question)])
    if found:
        raise FinetuningError(
            tr(
                "{count} questions to train on stand also in what is measured: {first!r}. Take them out of {data}.",
                count=len(found),
                first=found[0].asked[:80],
                data=plan.data,
            )
        )
    return Prepared(train, [row for row in rows if row.split == "valid"], rows, [*problems, *_warnings(train)])


def _warnings(train: Sequence[Row]) -> list[str]:
    told = []
    if len(train) < _FEW:
        told.append(tr("Only {count} rows to train on; from {few} on something is learnt.", count=len(train), few=_FEW))
    if any(row.kind for row in train) and not any(row.kind == "refusal" for row in train):
        told.append(tr("No refusals among the rows: the model will forget to refuse. Add some with --refusals."))
    return told


def train(
    plan: Plan,
    *,
    resume: bool = False,
    exclude: Sequence[str] = (),
    on_progress: Progress | None = None,
    on_problem: Callable[[str], object] | None = None,
) -> Trained:
    """Train an adapter and write it, with its card and its curves.

    Args:
        resume: go on from the last whole checkpoint.
        exclude: as in `prepare`.
        on_problem: called with a line for each row that is left out, and each warning, before anything is trained.

    Raises:
        FinetuningError: the rows, the base or the folder are wrong, the loss is no number, or memory or disk are full.
    """
    patient_threads()
    need_all(torch="finetune", peft="finetune", trl="finetune", datasets="finetune", accelerate="finetune")
    prepared = prepare(plan, exclude)
    if (count := need("torch", extra="finetune").cuda.device_count()) > 1 and "WORLD_SIZE" not in os.environ:
        raise FinetuningError(
            tr(
                "This machine has {count} GPUs: train on all by --launch CONFIG, or on one: CUDA_VISIBLE_DEVICES=0 "
                "nacre finetune train …",
                count=count,
            )
        )
    if METHODS[plan.method].trainer == "SFT" and not need("torch", extra="finetune").accelerator.is_available():
        # Rows side by side gain a processor nothing, and cost it padding and memory; the step stays the same.
        plan = replace(plan, batch=1, accumulation=plan.batch * plan.accumulation)
    tell = on_problem or (lambda line: None)
    with alone(), explained(plan):
        base = local_base(plan.base)
    for problem in prepared.problems:
        tell(problem)
    plan.claim(resume)
    with alone(), claimed(plan, resume), explained(plan):
        try:
            run = _Run(plan, base, prepared, on_progress)
            for problem in run.misfits:
                tell(problem)
            run.go(resume)
        except Exception as error:
            if not out_of_memory(error) or plan.batch == 1:
                raise
            smaller = replace(plan, batch=plan.batch // 2, accumulation=2 * plan.accumulation)
            run = _Run(smaller, base, prepared, on_progress)
            run.go(bool(last_checkpoint(plan.checkpoints)))
        return run.finish()


class _Run:
    """One trainer, built from a plan."""

    def __init__(self, plan: Plan, base: Base, prepared: Prepared, on_progress: Progress | None) -> None:
        method = METHODS[plan.method]
        self.base, self.prepared, self.began = base, prepared, time.monotonic()
        model, tokenizer = load_trainable(base.place, plan.method)
        width = model.config.get_text_config().hidden_size
        self.plan = plan = replace(plan, rate=plan.learning_rate(width))
        virtual = plan.virtual if plan.method in VIRTUAL else 0
        self.encoder = Encoder.of(model, tokenizer, virtual)
        rows, self.misfits = fitting(prepared.train, self.encoder)
        valid = [row for row in prepared.valid if self.encoder.fits(row)][:_LOOKED_AT] if plan.patience else []
        self.held_out = [*valid, *rows][:_KEPT]
        self.watch = watcher(plan, on_progress)
        self.tokenizer = tokenizer
        trl, datasets = need("trl", extra="finetune"), need("datasets", extra="finetune")
        examples = method.examples(rows, self.encoder)
        looked_at = method.examples(valid, self.encoder) if valid and method.trainer != "GRPO" else []
        together = plan.batch * plan.accumulation * int(os.environ.get("WORLD_SIZE", "1"))
        steps = plan.steps or PASSES * math.ceil(len(examples) / together)
        config = getattr(trl, f"{method.trainer}Config")
        settings = {**_settings(plan, steps, bool(looked_at), model), **method.settings(plan)}
        own: dict[str, Any] = {"reward_funcs": _rewards()} if method.trainer == "GRPO" else {}
        self.trainer = trainer_class(method)(
            model=model,
            args=config(**settings),
            train_dataset=datasets.Dataset.from_list(examples),
            processing_class=tokenizer,
            peft_config=adapter(plan),
            callbacks=[self.watch, *_early(plan, bool(looked_at))],
            **({"eval_dataset": datasets.Dataset.from_list(looked_at)} if looked_at else {}),
            **own,
        )
        self.trainer.remove_callback(need("transformers", extra="finetune").PrinterCallback)

    def go(self, resume: bool) -> None:
        """Train, from the last whole checkpoint if that is wanted and there is one."""
        last = last_checkpoint(self.plan.checkpoints) if resume else None
        self.trainer.train(resume_from_checkpoint=str(last) if last else None)

    def finish(self) -> Trained:
        """Write the adapter, its card and its curves; the checkpoints are of no use any more."""
        plan, trainer = self.plan, self.trainer
        curves = [_numbers(entry) for entry in trainer.state.log_history if "loss" in entry or "eval_loss" in entry]
        seconds = round(time.monotonic() - self.began, 2)
        told = {"steps": trainer.state.global_step, "seconds": seconds, "curves": curves}
        if trainer.is_world_process_zero():
            trainer.save_model(plan.out)
            if plan.method == "full":
                self.tokenizer.save_pretrained(plan.out)
            save_rows(self.held_out, plan.folder / HELD_OUT)
            write_curves(plan.folder, curves, plan)
            write_card(plan.folder, {**self._card(), **told})
            shutil.rmtree(plan.checkpoints, ignore_errors=True)
        return replace(Trained.of(told, plan.out), problems=[*self.prepared.problems, *self.misfits])

    def _card(self) -> dict[str, Any]:
        plan = self.plan
        kind = {"reward": "reward", "full": "model"}.get(plan.method, "adapter")
        return {
            "kind": kind,
            "method": plan.method,
            "base_model": self.base.spec,
            "base_hash": self.base.hash,
            "template": self.encoder.fingerprint(),
            "stops": list(self.encoder.stops),
            **facts(self.prepared.rows),
            "seed": plan.seed,
            "settings": asdict(plan),
            "suites": {},
            "gate": None,
        }


def checked_base(adapter: Path, card: Mapping[str, Any]) -> Base:
    """The base model of an adapter, sure to be the one that it was trained on."""
    base = local_base(str(card["base_model"]))
    if base.hash != card["base_hash"]:
        raise FinetuningError(
            tr(
                "{adapter} was trained on other weights than {base} holds now. Name the right base, or train anew.",
                adapter=adapter,
                base=base.spec,
            )
        )
    return base


def load_trainable(place: str, method: str) -> tuple[Any, Any]:
    """A base model in float32, and its tokeniser; with a head for scores where a reward is trained."""
    weights = load_weights(place, adapter=None, device="cpu", dtype="float32", revision=None)
    model = weights.model
    if method == "reward":
        kind = need("transformers", extra="finetune").AutoModelForSequenceClassification
        model = kind.from_pretrained(place, num_labels=1, dtype="float32", local_files_only=True)
        model.config.pad_token_id = weights.tokenizer.pad_token_id
        model.generation_config = weights.model.generation_config
    model.__dict__.pop("hf_device_map", None)  # else the trainer takes it for a model that must stay where it is
    return model.train(), weights.tokenizer


def _settings(plan: Plan, steps: int, evaluated: bool, model: Any) -> dict[str, Any]:
    """Settings of every trainer: its seeds, its checkpoints, and nothing that is cut or sent."""
    every = max(1, min(plan.save_every, steps))
    looks = {"eval_strategy": "steps", "eval_steps": every, "per_device_eval_batch_size": plan.batch,
             "load_best_model_at_end": True, "metric_for_best_model": "eval_loss"}  # fmt: skip
    trained = {"max_length": None} if METHODS[plan.method].trainer != "GRPO" else {}
    return {
        "output_dir": str(plan.checkpoints),
        "max_steps": steps,
        "per_device_train_batch_size": plan.batch,
        "gradient_accumulation_steps": plan.accumulation,
        "learning_rate": plan.rate,
        "warmup_steps": steps // 10,
        "lr_scheduler_type": "cosine",
        "seed": plan.seed,
        "data_seed": plan.seed,
        "train_sampling_strategy": "sequential",  # as `interleaved` has put them
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 2,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "bf16": _bfloat16(plan, model),
        "use_cpu": not need("torch", extra="finetune").accelerator.is_available(),
        "activation_checkpointing": False,
        "dataloader_pin_memory": False,
        **trained,
        **(looks if evaluated else {}),
    }


def _bfloat16(plan: Plan, model: Any) -> bool:
    """Half precision where the processor computes in it, and the model is large enough to gain."""
    if plan.precision != "auto":
        return plan.precision == "bfloat16"
    torch = need("torch", extra="finetune")
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    large = sum(p.numel() for p in model.parameters()) > 20_000_000
    able = torch.cpu.get_capabilities()  # where it is only emulated it is slower than float32
    return large and bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def _early(plan: Plan, evaluated: bool) -> list[Any]:
    if not evaluated:
        return []
    return [need("transformers", extra="finetune").EarlyStoppingCallback(early_stopping_patience=plan.patience)]


def _rewards() -> list[Any]:
    from nacre.finetuning.rewards import REWARDS

    return list(REWARDS)


def _numbers(entry: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in entry.items() if isinstance(value, int | float)}


def main() -> None:
    """One process of several that train by the plan in a folder."""
    try:
        train(Plan.read(Path(sys.argv[1]) / PLAN), resume=True)
    except NacreError as error:
        sys.exit(f"nacre: {error.message}")


if __name__ == "__main__":
    main()
