"""The plan of a training carried out by several processes: `accelerate launch`; DeepSpeed and FSDP are settings of its
file.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from nacre.connectors.models.local_weights import local_base
from nacre.errors import FinetuningError
from nacre.extras import need
from nacre.finetuning.card import read_card
from nacre.finetuning.plan import Plan
from nacre.finetuning.quiet import alone, patient_threads
from nacre.finetuning.training import Trained, prepare
from nacre.system import child_process
from nacre.text.language import tr

# What names devices, caches, threads and the other machines; no key is among it.
_KNOWN = (
    *("ACCELERATE_", "CUDA_", "FSDP_", "GLOO_", "HIP_", "HOME", "MASTER_", "MKL_", "NACRE_CACHE", "NCCL_", "NVIDIA_"),
    *("OMP_", "PYTORCH_", "ROCR_", "TORCH_", "TRITON_", "XDG_CACHE_HOME"),
)


def launch(
    plan: Plan, config: Path, *, resume: bool, exclude: Sequence[str], on_problem: Callable[[str], object]
) -> Trained:
    """Train a plan as a configuration of accelerate says.

    Raises:
        FinetuningError: as by `train`, or there is no such configuration, or a process of it has failed.
    """
    need("accelerate", extra="finetune")
    if not config.is_file():
        raise FinetuningError(
            tr("There is no file {path}. Make it: accelerate config --config_file {path}", path=config)
        )
    patient_threads()
    for problem in prepare(plan, exclude).problems:
        on_problem(problem)
    with alone():
        base = local_base(plan.base)  # a GGUF file is unpacked once, not by each process
    # The processes stand in another folder.
    data, out = (str(Path(place).absolute()) for place in (plan.data, plan.out))
    plan = replace(plan, base=base.spec, data=data, out=out)
    plan.claim(resume)
    command = child_process.module(
        "accelerate.commands.launch", "--config_file", str(config.absolute()),
        "-m", "nacre.finetuning.training", plan.out,
    )  # fmt: skip
    known = [name for name in os.environ if name.startswith(_KNOWN)]
    # Our own stdout holds the result alone.
    process = child_process.start(command, child_process.environment(known), stdin=subprocess.DEVNULL, stdout=2)
    status = process.wait()
    if status:
        raise FinetuningError(
            tr(
                "accelerate launch ended with status {status}; why stands above. Mend it, then run it again with "
                "--resume.",
                status=status,
            )
        )
    return Trained.of(read_card(plan.folder), plan.out)
