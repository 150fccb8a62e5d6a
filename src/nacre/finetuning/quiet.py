"""The quiet in which a model is trained: no network, no telemetry, no chatter of libraries."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from nacre.extras import need


def patient_threads() -> None:
    """Threads that wait for each other sleep. Where others compute too they would spin most of the time: 106 seconds of
    processor time for a first step instead of 20 were measured. It counts from where torch is loaded on.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextmanager
def alone() -> Iterator[None]:
    """Nothing is asked of the network and nothing is told to it while this is open, and libraries keep their notes and
    bars to themselves.
    """
    constants = need("huggingface_hub.constants", extra="finetune")
    logging = need("transformers.utils.logging", extra="finetune")
    names = ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY")
    before = {name: (os.environ.get(name), getattr(constants, name)) for name in names}
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    for name in names:
        os.environ[name] = "1"
        setattr(constants, name, True)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
        for name, (variable, constant) in before.items():
            setattr(constants, name, constant)
            os.environ.pop(name, None)
            os.environ.update({} if variable is None else {name: variable})
