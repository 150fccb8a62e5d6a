"""What looks on at a training: how far it is, when it must stop, which checkpoint is whole, what went wrong and what
to do.
"""

from __future__ import annotations

import errno
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nacre.errors import FinetuningError
from nacre.extras import need
from nacre.finetuning.plan import Plan
from nacre.text.language import tr

Progress = Callable[[int, int, float, float], object]
"""Called with (step, steps, loss, seconds left)."""
_NO_ROOM = ("No space left", "os error 28", "File too large", "os error 27", "PytorchStreamWriter", "inline_container")


def watcher(plan: Plan, on_progress: Progress | None) -> Any:
    """What looks on at each step: tells how far it is, stops at the limit of minutes, and at a loss that is no
    number, before a checkpoint of that is kept.
    """
    transformers = need("transformers", extra="finetune")

    class Watch(transformers.TrainerCallback):  # type: ignore[misc, name-defined]
        began, first = time.monotonic(), 0

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.began, self.first = time.monotonic(), state.global_step

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if plan.minutes and time.monotonic() - self.began > 60 * plan.minutes:
                control.should_training_stop = True

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            loss = (logs or {}).get("loss")
            if loss is None:
                return
            if not math.isfinite(loss):
                raise FinetuningError(_at_step(plan, state.global_step))
            done = state.global_step - self.first
            each = (time.monotonic() - self.began) / max(1, done)
            if on_progress:
                on_progress(
                    state.global_step, state.max_steps, float(loss), each * (state.max_steps - state.global_step)
                )

    return Watch()


def _at_step(plan: Plan, step: int) -> str:
    return tr(
        "The loss is no number at step {step}; stopped. {kept} Train into another --out with a lower --rate, {rate} "
        "say.",
        step=step,
        kept=_last_good(plan),
        rate=f"{(plan.rate or 0) / 5:.1g}",
    )


def last_checkpoint(folder: Path) -> Path | None:
    """The last checkpoint that is whole: what a full disk or a kill cut short does not count."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    return next((path for path in found if _whole(path)), None)


def _whole(checkpoint: Path) -> bool:
    safetensors = need("safetensors", extra="finetune")
    try:
        json.loads((checkpoint / "trainer_state.json").read_text("utf-8"))
        for file in checkpoint.glob("*.safetensors"):
            with safetensors.safe_open(file, "np"):
                pass
        return all((checkpoint / name).stat().st_size > 0 for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"))
    except (OSError, ValueError, safetensors.SafetensorError):
        return False


def _last_good(plan: Plan) -> str:
    last = last_checkpoint(plan.checkpoints)
    return tr("The last good checkpoint is {last}.", last=last) if last else tr("No checkpoint was written yet.")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was no room for a tensor."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in said or "can't allocate memory" in said)
    )


@contextmanager
def explained(plan: Plan) -> Iterator[None]:
    """What goes wrong in the middle, in one line with what to do."""
    try:
        yield
    except Exception as error:
        if out_of_memory(error):
            raise FinetuningError(
                tr(
                    "Out of memory, even with {batch} rows at a time. {kept} Take --batch 1, shorter rows (--k) or a "
                    "smaller base.",
                    batch=max(1, plan.batch // 2),
                    kept=_last_good(plan),
                )
            ) from error
        if _no_room(error):
            raise FinetuningError(
                tr(
                    "The disk of {folder} is full, or a limit of its files reached. {kept} Make room, then run it "
                    "again{how}.",
                    folder=plan.folder,
                    kept=_last_good(plan),
                    how=" --resume" if last_checkpoint(plan.checkpoints) else "",
                )
            ) from error
        raise


def _no_room(error: BaseException) -> bool:
    """Whether a file could not be written to its end; torch and safetensors say so in words of their own."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return True
    return any(said in str(error) for said in _NO_ROOM)


@contextmanager
def claimed(plan: Plan, resume: bool) -> Iterator[None]:
    """Gives the folder of a new run back where it ends before its first checkpoint: there is nothing to resume."""
    try:
        yield
    except BaseException:
        if not resume and last_checkpoint(plan.checkpoints) is None:
            plan.release()
        raise
