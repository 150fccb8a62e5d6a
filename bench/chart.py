"""Draw docs/benchmarks.svg: how many times as good or as fast we are as each peer, from what bench/retrieval.py kept.

    python bench/chart.py [FIGURES.json] [OUT.svg]

One self-contained file without scripts or foreign fonts, readable on light and on dark pages. `make bench` draws it
anew.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / ".bench" / "figures" / "retrieval.json"
OUT = ROOT / "docs" / "benchmarks.svg"
PEERS = {"langchain": "LangChain", "llamaindex": "LlamaIndex", "haystack": "Haystack"}
SETS = {"xquad_en": "English", "xquad_zh": "Chinese"}

WIDTH, MARGIN, BAR, GAP = 800, 28, 15, 7
LABELS, LEFT, RIGHT = 322, 334, 660  # where the names of the peers end, where the bars may stand; then come the figures
STYLE = """
  .card { fill: #ffffff; stroke: #d9dde3 } .ink { fill: #1c2430 } .dim { fill: #5b6675 }
  .grid { stroke: #e6e9ee } .one { stroke: #5b6675 } .less { fill: #c9772b }
  text { font: 13px -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }
  .title { font-size: 19px; font-weight: 600 } .group { font-weight: 600 } .small { font-size: 11.5px }
  .value { font-weight: 600; font-variant-numeric: tabular-nums }
  .value { paint-order: stroke; stroke: #ffffff; stroke-width: 5px; stroke-linejoin: round }
  @media (prefers-color-scheme: dark) {
    .card { fill: #151a21; stroke: #2b333d } .ink { fill: #e8ecf1 } .dim { fill: #9aa6b4 }
    .grid { stroke: #262d36 } .one { stroke: #9aa6b4 } .less { fill: #e0964f } .value { stroke: #151a21 }
  }"""


class Bar(NamedTuple):
    """One ratio."""

    label: str
    ratio: float
    detail: str


class Group(NamedTuple):
    """What was measured, on one data set."""

    title: str
    ours: str
    bars: list[Bar]


def groups(figures: dict[str, Any]) -> list[Group]:
    """All ratios, as they are drawn.

    Args:
        figures: what bench/retrieval.py kept.

    Returns:
        Groups in order; peers that were not measured are left out.
    """
    found = []
    sets = [(language, figures[name]) for name, language in SETS.items() if name in figures]
    for language, measured in sets:
        mine = measured["nacre"]["fused"]
        bars = [
            Bar(PEERS[p], mine / measured[p]["fused"], f"{measured[p]['fused']:.3f}") for p in PEERS if p in measured
        ]
        for p in PEERS:
            if bm25 := measured.get(p, {}).get("bm25"):
                bars.append(Bar(f"{PEERS[p]}, BM25", mine / bm25, f"{bm25:.3f}"))
        found.append(Group(f"Ranking, {language}", f"nDCG@10 {mine:.3f}", bars))
    for language, measured in sets:
        bars = [Bar(PEERS[p], ratio, "") for p, ratio in measured.get("speed", {}).items()]
        found.append(
            Group(
                f"Indexing, {language}",
                "speed, the whole set",
                sorted(bars, key=lambda bar: [*PEERS.values()].index(bar.label)),
            )
        )
    for language, measured in sets:
        mine = measured["nacre"]["fused_ms_p50"]
        bars = [
            Bar(PEERS[p], measured[p]["query_ms_p50"] / mine, f"{measured[p]['query_ms_p50']:.1f} ms")
            for p in PEERS
            if p in measured
        ]
        found.append(Group(f"A question, {language}", f"median {mine:.1f} ms", bars))
    return [group for group in found if group.bars]


def drawn(found: list[Group]) -> str:
    """The picture.

    Args:
        found: what to draw, at least one group.

    Returns:
        SVG.
    """
    ratios = [bar.ratio for group in found for bar in group.bars]
    low, high = math.log2(min(0.8, *ratios)), math.log2(max(2.0, *ratios)) + 0.1

    def x(ratio: float) -> float:
        return LEFT + (math.log2(ratio) - low) / (high - low) * (RIGHT - LEFT)

    top = 108
    body, y = [], top
    for group in found:
        body.append(f'<text class="ink group" x="{MARGIN}" y="{y + 12}">{escape(group.title)}</text>')
        body.append(f'<text class="dim small" x="{MARGIN}" y="{y + 29}">{escape(group.ours)}</text>')
        for bar in group.bars:
            body += _bar(bar, x, y)
            y += BAR + GAP
        y += 16
    bottom = y - 8
    ticks = [2.0**n for n in range(math.ceil(low), math.floor(high) + 1)]
    grid = [
        f'<line class="{kind}" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top - 8}" y2="{bottom}"/>'
        f'<text class="dim small" text-anchor="middle" x="{x(tick):.1f}" y="{bottom + 17}">{name}</text>'
        for tick in ticks
        for kind, name in [("one", "equal") if tick == 1 else ("grid", f"{tick:g}×")]
    ]
    height = bottom + 62
    head = (
        f'<text class="ink title" x="{MARGIN}" y="42">Nacre beside LangChain, LlamaIndex and Haystack</text>'
        f'<text class="dim" x="{MARGIN}" y="65">How many times as good, or as fast:'
        " same encoder weights, same machine, each peer at its own defaults</text>"
    )
    note = (
        f'<text class="dim small" x="{MARGIN}" y="{height - 18}">XQuAD, 240 passages and 300 questions a language.'
        " The encoder knows English only. Logarithmic scale.</text>"
    )
    spoken = "; ".join(f"{g.title}: " + ", ".join(f"{b.ratio:.2f} times {b.label}" for b in g.bars) for g in found)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
            ' role="img" aria-labelledby="t d">',
            '<title id="t">Nacre beside LangChain, LlamaIndex and Haystack</title>'
            f'<desc id="d">{escape(spoken)}</desc>',
            f"<style>{STYLE}\n</style>",
            '<defs><linearGradient id="nacre" gradientUnits="userSpaceOnUse"'
            f' x1="{x(1):.1f}" x2="{RIGHT}" y1="0" y2="0">'
            '<stop offset="0" stop-color="#2f9e9a"/><stop offset=".5" stop-color="#5a86cf"/>'
            '<stop offset="1" stop-color="#a86fc4"/></linearGradient></defs>',
            f'<rect class="card" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="12"/>',
            head,
            *grid,
            *body,
            note,
            "</svg>\n",
        ]
    )


def _bar(bar: Bar, x: Any, y: float) -> list[str]:
    start, end = sorted((x(1), x(bar.ratio)))
    width = max(end - start, 1.5)
    paint = 'fill="url(#nacre)"' if bar.ratio >= 1 else 'class="less"'
    detail = f'<tspan class="dim" font-weight="400" dx="6">{escape(bar.detail)}</tspan>' if bar.detail else ""
    return [
        f'<text class="ink" text-anchor="end" x="{LABELS}" y="{y + 12}">{escape(bar.label)}</text>',
        f'<rect {paint} x="{start:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" rx="3"/>',
        f'<text class="ink value" x="{max(end, x(1)) + 7:.1f}" y="{y + 12}">{bar.ratio:.2f}×{detail}</text>',
    ]


def main() -> int:
    """Draw.

    Returns:
        1 when nothing was measured, else 0.
    """
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else FIGURES
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else OUT
    found = groups(json.loads(source.read_text("utf-8"))) if source.exists() else []
    if not found:
        print(f"nothing to draw: {source.name} has no peer; run bench/retrieval.py first", file=sys.stderr)
        return 1
    target.write_text(drawn(found), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
