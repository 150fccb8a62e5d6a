"""What starting costs: import, help, a cold search, the second demo. Medians of whole processes.

python bench/startup.py [--json]
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NACRE = str(Path(sys.executable).with_name("nacre"))


def run(command: list[str]) -> tuple[float, float]:
    """One process: (seconds on the clock, seconds of CPU)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def median(command: list[str], times: int = 7) -> tuple[float, float]:
    """The medians over several processes, after one that is not counted."""
    run(command)
    walls, cpus = zip(*(run(command) for _ in range(times)), strict=True)
    return statistics.median(walls), statistics.median(cpus)


def main() -> int:
    """Measure and print; 1 when a target is missed."""
    with tempfile.TemporaryDirectory() as folder:
        kb = str(Path(folder) / "kb")
        run([NACRE, "demo", "--kb", kb])
        bare = median([sys.executable, "-c", "pass"])
        rows = [
            (
                "import nacre, beyond bare python (wall s)",
                median([sys.executable, "-c", "import nacre"])[0] - bare[0],
                0.15,
            ),
            ("nacre --help (wall s)", median([NACRE, "--help"])[0], 0.4),
            ("nacre search, new process (CPU s)", median([NACRE, "search", "trial period", "--kb", kb])[1], 1.0),
            (
                "nacre ask, new process (CPU s)",
                median([NACRE, "ask", "How long is the trial period?", "--kb", kb])[1],
                None,
            ),
            ("demo, second time (wall s)", median([NACRE, "demo", "--kb", kb], 3)[0], 20.0),
        ]
    if "--json" in sys.argv:
        print(json.dumps([{"what": what, "value": round(value, 4), "target": target} for what, value, target in rows]))
    else:
        print(f"{'':48}{'measured':>10}{'at most':>10}")
        for what, value, target in rows:
            print(f"{what:48}{value:10.3f}{target if target is not None else '-':>10}")
    return int(any(target is not None and value > target for _, value, target in rows))


if __name__ == "__main__":
    sys.exit(main())
