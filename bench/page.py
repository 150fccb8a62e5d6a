"""How soon the web page shows something: first contentful paint and readiness in a real Chromium, over loopback.

    python bench/page.py [--json]

Cold: a browser profile that has never seen the page. Warm: the same page once more. Needs Chromium (apt-get install
chromium) and playwright.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NACRE = str(Path(sys.executable).with_name("nacre"))
TIMES = 15
TARGET_MS = 1000
# The observer also hears of a paint that was before it began to listen.
PAINTED = """() => new Promise((resolve) => new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (entry.name === "first-contentful-paint") resolve(entry.startTime);
}).observe({type: "paint", buffered: true}))"""
SENT = "() => performance.getEntries().filter((one) => one.transferSize !== undefined).map((one) => one.transferSize)"


@contextmanager
def serving() -> Iterator[str]:
    """`nacre serve` over the sample documents; its address."""
    with tempfile.TemporaryDirectory() as folder:
        kb = str(Path(folder) / "kb")
        subprocess.run([NACRE, "demo", "--kb", kb, "--quiet"], check=True, capture_output=True)
        command = [NACRE, "serve", "--kb", kb, "--port", "0", "--model", "quote"]
        log = Path(folder) / "log"  # a pipe that nobody reads would stop the server
        with log.open("w") as said, subprocess.Popen(command, stderr=said) as process:
            try:
                while not (found := re.findall(r"http://[\d.]+:\d+", log.read_text())):
                    if process.poll() is not None:
                        raise RuntimeError(log.read_text())
                    time.sleep(0.05)
                yield found[0]
            finally:
                process.terminate()


def look(page: Any, go: Any) -> tuple[float, float, int, int]:
    """One visit: (first contentful paint, ready for a question) in ms, requests, bytes."""
    go()
    page.wait_for_selector("body[data-ready]")
    ready = page.evaluate("() => performance.now()")
    sizes = page.evaluate(SENT)
    return page.evaluate(PAINTED), ready, len(sizes), sum(sizes)


def visits(browser: Any, url: str) -> dict[str, list[tuple[float, float, int, int]]]:
    """Every visit, cold and warm."""
    found: dict[str, list[tuple[float, float, int, int]]] = {"cold": [], "warm": []}
    for _ in range(TIMES):
        context = browser.new_context()
        page = context.new_page()
        found["cold"].append(look(page, lambda page=page: page.goto(url)))
        found["warm"].append(look(page, page.reload))
        context.close()
    return found


def main() -> int:
    """Measure and print; 1 when a target is missed."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("no Chromium: apt-get install chromium", file=sys.stderr)
        return 1
    with serving() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        found = visits(browser, url)
        browser.close()
    rows = [
        {
            "visit": name,
            "what": what,
            "median_ms": round(statistics.median(values), 1),
            "worst_ms": round(max(values), 1),
            "target_ms": target,
        }
        for name, seen in found.items()
        for what, values, target in (
            ("first contentful paint", [one[0] for one in seen], TARGET_MS),
            ("ready for a question", [one[1] for one in seen], None),
        )
    ]
    sent = {name: {"requests": seen[-1][2], "kB": round(seen[-1][3] / 1000, 1)} for name, seen in found.items()}
    if "--json" in sys.argv:
        print(json.dumps({"visits": TIMES, "rows": rows, "sent": sent}))
    else:
        print(f"{'':32}{'median ms':>10}{'worst ms':>10}{'at most':>10}   ({TIMES} visits each)")
        for row in rows:
            target = row["target_ms"] or "-"
            print(f"{row['visit'] + ': ' + row['what']:32}{row['median_ms']:10}{row['worst_ms']:10}{target:>10}")
        for name, size in sent.items():
            print(f"{name}: {size['requests']} requests, {size['kB']} kB")
    return int(any(row["target_ms"] and row["worst_ms"] > row["target_ms"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
