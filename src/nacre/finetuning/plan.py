"""What a training is to do, as data: written beside what comes of it, so that a run can be resumed and repeated."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from nacre.errors import FinetuningError, UsageError
from nacre.system.files import atomic_write, private_folder, sure_place
from nacre.text.language import listed, tr
from nacre.text.strict_json import to_json

CARD, PLAN = "nacre.json", "plan.json"
PASSES = 3  # over the rows, where no number of steps is asked for
# Learning rates that suit each method (PEFT's and TRL's own examples).
RATES: Mapping[str, float] = {
    "lora": 5e-4, "prefix": 1e-2, "prompt": 3e-2, "ptuning": 1e-3, "full": 2e-5,
    "dpo": 5e-5, "kto": 5e-5, "reward": 1e-4, "grpo": 1e-5,
}  # fmt: skip
VIRTUAL = ("prefix", "prompt", "ptuning")  # put tokens before every prompt, and cannot be merged
FORM_OF: Mapping[str, str] = {"dpo": "pairs", "kto": "thumbs", "reward": "pairs"}
# The width at which LoRA's rate is as above, and how it grows below, as for Llama (Schulman et al., "LoRA Without
# Regret", 2025); measured here at a width of 576.
_WIDTH, _NARROWER = 2000, 0.78
# What may differ between a run and its resumption.
_FREE = ("minutes", "batch", "accumulation")


@dataclass(frozen=True)
class Plan:
    """A training.

    Args:
        base: "transformers:FOLDER", a folder, or a .gguf file.
        data: a file of rows.
        out: the folder of the adapter.
        method: one of `RATES`. "ptuning" is P-tuning v2: PEFT's prefix tuning with its projection.
        rows: how many of those to train on, evenly drawn; None for all.
        steps: how many; None for three passes over the rows.
        minutes: after which it stops with what it has; None for no limit.
        batch: rows at a time; `accumulation` of them are one step of the optimiser.
        rank: of LoRA.
        virtual: tokens that prefix and prompt tuning put before every prompt.
        patience: how many looks at the held-out loss without a gain end the training; 0 looks at nothing.
    """

    base: str
    data: str
    out: str
    method: str = "lora"
    rows: int | None = None
    steps: int | None = None
    minutes: float | None = None
    batch: int = 4
    accumulation: int = 1
    rate: float | None = None
    rank: int = 16
    virtual: int = 20
    patience: int = 3
    save_every: int = 10
    seed: int = 7
    precision: str = "auto"

    def __post_init__(self) -> None:
        if self.method not in RATES:
            raise UsageError(
                tr("There is no method {method!r}; there are {known}.", method=self.method, known=listed(RATES))
            )
        for name, value in (("--minutes", self.minutes), ("--rate", self.rate)):
            if value is not None and not 0 < value < math.inf:
                raise UsageError(tr("{name} is {value}; give a number above 0.", name=name, value=value))

    @property
    def folder(self) -> Path:
        """Where the adapter goes."""
        return Path(self.out)

    def learning_rate(self, width: int) -> float:
        """The rate, or the one that suits the method; the narrower a model, the larger are the steps that LoRA needs.

        Args:
            width: of the model's hidden states.
        """
        return self.rate or RATES[self.method] * ((_WIDTH / width) ** _NARROWER if self.method == "lora" else 1)

    @property
    def checkpoints(self) -> Path:
        """Where an unfinished training is kept."""
        return self.folder / "checkpoints"

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms of rows that the method learns from."""
        if self.method == "kto":
            return ("thumbs", "pairs")
        return (FORM_OF.get(self.method, "answers"),)

    def write(self) -> None:
        """Write it into its folder."""
        private_folder(self.folder)
        atomic_write(self.folder / PLAN, to_json(asdict(self), ensure_ascii=False, indent=1))

    @classmethod
    def read(cls, file: Path) -> Plan:
        """Read a plan."""
        try:
            return cls(**json.loads(file.read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise FinetuningError(tr("{file} is no plan of a training: {error}", file=file, error=error)) from error

    def claim(self, resume: bool) -> None:
        """Take the folder for this training; refuse another's, and one that is begun unless it is to be resumed."""
        begun, finished = (self.folder / PLAN).is_file(), (self.folder / CARD).exists()
        if resume:
            self._same_as_begun(begun, finished)
        elif begun or finished:
            raise FinetuningError(
                tr(
                    "{folder} holds another run. Add --resume to go on with it, take another --out, or remove it: "
                    "nacre finetune remove {folder}",
                    folder=self.folder,
                )
            )
        else:
            new_folder(self.folder)
        self.write()

    def _same_as_begun(self, begun: bool, finished: bool) -> None:
        if not begun:
            raise FinetuningError(tr("{folder} holds no run to resume. Leave out --resume.", folder=self.folder))
        other = asdict(Plan.read(self.folder / PLAN))
        if differs := [name for name, value in asdict(self).items() if name not in _FREE and value != other[name]]:
            raise FinetuningError(
                tr(
                    "{folder} holds another run: {differs} differ. Resume with the same settings, or take another "
                    "--out.",
                    folder=self.folder,
                    differs=listed(differs),
                )
            )
        if finished:
            raise FinetuningError(
                tr("{folder} holds a finished run; there is nothing to resume. Take another --out.", folder=self.folder)
            )

    def release(self) -> None:
        """Give the folder back, and remove it if nothing else is in it."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        (self.folder / PLAN).unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()


def new_folder(folder: Path) -> None:
    """Refuse a folder to write that holds something, or cannot be written."""
    sure_place(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise FinetuningError(tr("{folder} is not empty. Take a new folder for --out.", folder=folder))
