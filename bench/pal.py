"""Replay of published programs in the sandbox: what they give beside what was published.

    python bench/pal.py [--json]

The sets are looked for in $NACRE_SHARED/data/pal, else in ../shared/data/pal.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from nacre.eval.pal import replay

ROOT = Path(__file__).resolve().parent.parent
AGREEMENT = {
    "gsm8k_pot_codex": 0.995,
    "svamp_pot_codex": 0.995,
    "tabmwp_pot_codex": 0.995,
    "pal_web_samples": 1.0,
    "gsm8k_tora70b": 0.985,
}
SECONDS_PER_1000 = 60.0


def measure(folder: Path) -> list[dict[str, Any]]:
    """Replay every set of a folder; one row of figures each."""
    rows = []
    for file in sorted(folder.glob("*.jsonl")):
        figures = replay(file)
        rows.append({"set": file.stem, "target": AGREEMENT.get(file.stem, 0.985), **figures})
    return rows


def main() -> int:
    """Print the table; exit 1 when a target is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    folder = Path(os.environ.get("NACRE_SHARED") or ROOT.parent / "shared") / "data" / "pal"
    if not folder.is_dir():
        print("the published programs are not here: set NACRE_SHARED to the folder that holds data/pal")
        return 0
    rows = measure(folder)
    programs, seconds = sum(row["rows"] for row in rows), sum(row["seconds"] for row in rows)
    speed = seconds / programs * 1000
    missed = [row["set"] for row in rows if row["agreement"] < row["target"]] + (
        ["speed"] if speed > SECONDS_PER_1000 else []
    )
    if arguments.json:
        print(json.dumps({"sets": rows, "seconds_per_1000": speed, "missed": missed}, ensure_ascii=False))
        return bool(missed)
    print(f"{'set':20} {'rows':>5} {'accuracy':>9} {'agreement':>10} {'target':>7} {'seconds':>8}  statuses")
    for row in rows:
        print(
            f"{row['set']:20} {row['rows']:5} {row['accuracy']:9.4f} {row['agreement']:10.4f}"
            f" {row['target']:7.3f} {row['seconds']:8.1f}  {row['statuses']}"
        )
    verdict = "missed: " + ", ".join(missed) if missed else "all targets met"
    print(f"1,000 programs: {speed:.1f} s (target {SECONDS_PER_1000:.0f})   {verdict}")
    return bool(missed)


if __name__ == "__main__":
    raise SystemExit(main())
