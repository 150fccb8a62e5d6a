"""How much of everything a run may use, and how strong the walls are."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

from nacre.errors import UsageError
from nacre.text.language import tr

Level = Literal["full", "namespaces", "landlock"]
LEVELS: tuple[Level, ...] = get_args(Level)
_MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Limits of one run; time is given with each run."""

    memory: int = 512 * _MIB  # bytes of address space above what the loaded modules take
    output: int = _MIB  # bytes of standard output, and as many of standard error
    value: int = _MIB  # characters of the encoded value
    program: int = 16 * _MIB  # characters of the source and its inputs
    scratch: int = 32 * _MIB  # bytes of all files together
    scratch_files: int = 512
    file_size: int = 16 * _MIB  # bytes of one file
    files: int = 64
    threads: int = 64  # at once; the runs of one helper share what its idle ones leave (no program starts processes)
    processors: int = 2  # seconds of processor time per second of wall-clock time

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or value < 1:
                raise UsageError(
                    tr("The limit {name} is {value!r}; give a whole number above zero.", name=field.name, value=value)
                )
