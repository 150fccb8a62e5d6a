"""Run every benchmark and write docs/benchmarks.md: a chart, then what was printed, under the command that printed it.

python bench/run.py [NAME ...]     # only these: "retrieval", "sandbox", …
"""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
# Title and arguments of every benchmark, in the order of the page.
BENCHMARKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "startup": ("Starting: import, help, a cold search, the demo", ()),
    "layers": ("What a layer costs", ()),
    "quote": ("The embedded default model", ()),
    "evaluation": ("The gate, the metrics, refusals", ()),
    "retrieval": ("Retrieval quality, indexing and queries, beside LangChain, LlamaIndex and Haystack", ()),
    "kb_scale": ("Large knowledge bases and permissions", ()),
    "crash": ("kill -9 during a sync", ()),
    "encoder": ("The sentence encoder, beside sentence-transformers", ()),
    "parsing": ("Parsing 203 real documents", ()),
    "sandbox": ("The sandbox: speed, leaks", ()),
    "attacks": ("The sandbox under attack", ()),
    "pal": ("Published programs, replayed", ()),
    "react": ("The ReAct parser and loop", ()),
    "server": ("The server under load", ("--requests", "20000")),
    "page": ("The web page: first contentful paint", ()),
    "judge": ("A small real model as judge", ("--criteria", "faithful")),
}

ALT = (
    "Bars: how many times as good at ranking, as fast at indexing and as fast with a question Nacre is as each peer;"
    " the figures stand below."
)


def measure(name: str, arguments: tuple[str, ...]) -> tuple[str, int]:
    """Run one benchmark.

    Args:
        name: its file, without `.py`.
        arguments: for its command line.

    Returns:
        (what it printed, its exit status).
    """
    done = subprocess.run(
        [sys.executable, f"bench/{name}.py", *arguments],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "110"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    # Nothing of this machine's folders belongs on the page.
    return done.stdout.replace(str(ROOT), "."), done.returncode


def kept_sections() -> dict[str, str]:
    """What the page says, by the titles."""
    text = PAGE.read_text("utf-8") if PAGE.exists() else ""
    return {one.partition("\n")[0]: f"## {one.rstrip()}\n" for one in text.split("\n## ")[1:]}


def main() -> int:
    """Run, print and write the page; sections of benchmarks that were not chosen stay as they were measured last.

    Returns:
        1 when a benchmark missed a target or failed, else 0.
    """
    chosen = sys.argv[1:] or [name for name in BENCHMARKS if (ROOT / "bench" / f"{name}.py").exists()]
    failed, sections = [], kept_sections()
    for name in chosen:
        title, arguments = BENCHMARKS[name]
        began = time.perf_counter()
        print(f"\n== {title} ({name})", flush=True)
        text, status = measure(name, arguments)
        print(text, flush=True)
        if status:
            failed.append(name)
        command = " ".join(["python", f"bench/{name}.py", *arguments])
        facts = f"`{command}`: {datetime.date.today():%Y-%m-%d}, {time.perf_counter() - began:.0f} s, exit {status}"
        sections[title] = f"## {title}\n\n{facts}\n\n```text\n{text.rstrip()}\n```\n"
    machine = f"{platform.system()}, Python {platform.python_version()}, {os.cpu_count()} cores"
    head = (
        f"# Benchmarks\n\nWritten by `make bench` on a machine with {machine}."
        " Times differ from machine to machine: compare the ratios.\n"
    )
    chart = ROOT / "docs" / "benchmarks.svg"
    subprocess.run([sys.executable, "bench/chart.py"], cwd=ROOT)  # leaves the last one where no peer was measured
    if chart.exists():
        head += f"\n![{ALT}]({chart.name})\n"
    PAGE.write_text(
        "\n".join([head, *(sections[title] for title, _ in BENCHMARKS.values() if title in sections)]), "utf-8"
    )
    print("missed or failed: " + ", ".join(failed) if failed else "all targets met")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
