"""What scoring costs beside the model: `python bench/scoring.py [--questions 5000]`; at most 20 s
and 300 MiB for 5,000.

Replies over a small knowledge base are made once; then the same run is carried out again, which asks nothing: reading
the replies, scoring, intervals, the report and its pages are what is timed.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from nacre import KnowledgeBase, ScriptedChatModel
from nacre.eval import Question, ask_all

ROOMS = 200
MOST_S, MOST_MIB = 20.0, 300.0


def score(folder: Path, count: int) -> float:
    """Carry the run out, and give the seconds that it took."""
    questions = [
        Question(
            f"q{n}",
            f"What does room {n % ROOMS} cost, as question {n} asks?",
            (f"{n % ROOMS + 40} EUR",) if n % 5 else (),
        )
        for n in range(count)
    ]
    model = ScriptedChatModel(lambda messages, n: "It costs 45 EUR a night. [1] 早餐另付六十元。[2]")
    with KnowledgeBase.open(folder / "kb", embedder="none") as base:
        began = time.perf_counter()
        ask_all(base, model, questions, [], "set", out=folder / "out", workers=2).write(folder / "out")
        return time.perf_counter() - began


def main() -> int:
    """Print seconds and memory; exit 1 beyond the targets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=5000)
    parser.add_argument("--again", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.again:
        seconds = score(given.again, given.questions)
        mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{given.questions} questions scored in {seconds:.1f} s (CPU {time.process_time():.1f} s), {mib:.0f} MiB")
        return int(time.process_time() > MOST_S or mib > MOST_MIB)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "docs").mkdir()
        for n in range(ROOMS):
            text = f"Room {n} costs {n + 40} EUR a night. Breakfast is 12 EUR. 房间 {n} 每晚 {n + 40} 欧元。" * 4
            (folder / "docs" / f"{n}.md").write_text(text, "utf-8")
        with KnowledgeBase.open(folder / "kb", embedder="none") as base:
            base.sync(str(folder / "docs"))
        score(folder, given.questions)
        command = [sys.executable, __file__, "--again", str(folder), "--questions", str(given.questions)]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
