"""Attack the sandbox with the harness in the shared folder, and show that the harness can fail.

    python bench/attacks.py [--level full|namespaces|landlock|all] [--no-baseline] [harness options]

The harness (`sandbox/run_attacks.py` in $NACRE_SHARED, else in ../shared) tries hostile and honest programs and counts
what got out. Exit 1: something escaped, or the unprotected baseline did not. Exit 2: an honest program broke.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LEVELS = ("full", "namespaces", "landlock")
BASELINE_CLASSES = ("read-file", "read-env", "write", "network")
NOBODY = "65534"


def run(code: str, timeout: float) -> dict[str, Any]:
    """The runner that the harness calls, in a process of its own."""
    return vars(_interpreter().run(code, timeout_s=timeout))


def _interpreter() -> Any:
    global _python
    if _python is None:
        from nacre.reasoning.sandbox import PythonInterpreter

        _python = PythonInterpreter(level=os.environ.get("RUNNER_LEVEL") or None)
    return _python


_python: Any = None


def shared_folder() -> Path | None:
    """Where the harness lies, if it is there."""
    folder = Path(os.environ.get("NACRE_SHARED") or ROOT.parent / "shared") / "sandbox"
    return folder if (folder / "run_attacks.py").exists() else None


def attack(harness: Path, level: str, options: list[str]) -> int:
    """Run the harness against one level; returns its exit status."""
    print(f"== level {level}", flush=True)
    command = [
        sys.executable,
        str(harness / "run_attacks.py"),
        "--runner",
        "attacks:run",
        "--path",
        str(ROOT / "bench"),
        *options,
    ]
    return subprocess.run(command, env={**os.environ, "RUNNER_LEVEL": level}, check=False).returncode


def baseline(harness: Path) -> int:
    """Run the harness against a plain subprocess, as a user with nothing to lose; it must report escapes (exit status
    1).
    """
    print("== baseline: a plain subprocess, no protection (must fail)", flush=True)
    options = [option for name in BASELINE_CLASSES for option in ("--only", name)]
    command = ["run_attacks.py", "--runner", "unsafe_runners:plain_subprocess", "--latency", "0", *options]
    if os.geteuid():
        return subprocess.run([sys.executable, *command], cwd=harness, check=False).returncode
    python = (
        shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
    )  # root's own may be closed to others
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return subprocess.run([*drop, python, *command], cwd=harness, env={"PATH": "/usr/bin:/bin"}, check=False).returncode


def main() -> int:
    """Parse the command line and return the exit status."""
    parser = argparse.ArgumentParser(description="Attack the sandbox with the shared harness.")
    parser.add_argument("--level", choices=(*LEVELS, "all"), default="full")
    parser.add_argument("--no-baseline", action="store_true", help="leave out the unprotected runner")
    arguments, options = parser.parse_known_args()
    harness = shared_folder()
    if harness is None:
        print("the attack harness is not here: set NACRE_SHARED to the folder that holds sandbox/run_attacks.py")
        return 0
    failures = [
        attack(harness, level, options) for level in (LEVELS if arguments.level == "all" else (arguments.level,))
    ]
    if not arguments.no_baseline and baseline(harness) != 1:
        print("THE HARNESS DID NOT FAIL on a runner without protection: its verdicts mean nothing here")
        return 1
    return 1 if 1 in failures else max(failures)


if __name__ == "__main__":
    raise SystemExit(main())
