"""Where the fine-tuning services differ: paths, bodies and rows. Facts only, read on 2026-11-29."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nacre.finetuning.plan import PASSES
from nacre.finetuning.rows import Row
from nacre.text.language import N_
from nacre.text.strict_json import to_json


@dataclass(frozen=True)
class Dialect:
    """Where a service differs from OpenAI's fine-tuning API.

    Args:
        jobs: the path of jobs, from the base URL, or from the host where it begins with "/".
        create: the body of a new job, from model, file, suffix and method.
        names: what the service calls a job's `id`, `model`, `error` and `suffix`.
        within: the field in which its answers stand; "" where there is none.
        listing: the field of the jobs in a list.
        pair: a preference row.
    """

    jobs: str
    create: Callable[[str, str, str, str], dict[str, Any]]
    names: tuple[str, str, str, str]
    listing: str
    pair: Callable[[Row], dict[str, Any]]
    within: str = ""
    note: str = ""

    def job(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """A job as `{"id", "status", "model", "error", "suffix"}`, from what the service says."""
        data = data.get(self.within) or data
        id, model, error, suffix = (data.get(name) for name in self.names)
        reason = error.get("message") if isinstance(error, Mapping) else error
        status = str(data.get("status") or "").lower()
        return {"id": str(id or ""), "status": status, "model": model, "error": reason,
                "suffix": suffix or data.get("suffix")}  # fmt: skip

    def listed(self, data: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """The jobs in a list."""
        return (data.get(self.within) or data).get(self.listing) or ()


def _openai_job(model: str, file: str, suffix: str, method: str) -> dict[str, Any]:
    kind = "dpo" if method == "dpo" else "supervised"
    return {"model": model, "training_file": file, "suffix": suffix, "method": {"type": kind}}


def _openai_pair(row: Row) -> dict[str, Any]:
    said = {"role": "assistant"}
    return {
        "input": {"messages": list(row.prompt)},
        "preferred_output": [{**said, "content": row.answer}],
        "non_preferred_output": [{**said, "content": row.rejected}],
    }


def _dashscope_job(model: str, file: str, suffix: str, method: str) -> dict[str, Any]:
    # The three parameters must be given: they set the price (Model Studio, "model training API").
    settings = {"n_epochs": PASSES, "batch_size": 16, "max_length": 8192}
    kind = "dpo_lora" if method == "dpo" else "efficient_sft" if method == "lora" else "sft"
    return {
        "model": model, "training_file_ids": [file], "hyper_parameters": settings, "training_type": kind,
        "finetuned_output_suffix": suffix,
    }  # fmt: skip


_OPENAI = Dialect(
    "fine_tuning/jobs", _openai_job, ("id", "fine_tuned_model", "error", "user_provided_suffix"), "data", _openai_pair
)
DIALECTS: Mapping[str, Dialect] = {
    "openai": _OPENAI,
    "zhipu": _OPENAI,
    "dashscope": Dialect(
        "/api/v1/fine-tunes",
        _dashscope_job,
        ("job_id", "finetuned_output", "message", "finetuned_output_suffix"),
        "jobs",
        Row.to_dict,
        "output",
        N_("DashScope answers by this name only after a deployment has been made in its console."),
    ),
}


def written(row: Row, dialect: Dialect) -> str:
    """A row as the service reads it: the conversation, and nothing that only we know."""
    whole = dialect.pair(row) if row.rejected is not None else row.to_dict()
    names = ("messages", "chosen", "rejected", "input", "preferred_output", "non_preferred_output")
    return to_json({name: whole[name] for name in names if name in whole}, ensure_ascii=False)
