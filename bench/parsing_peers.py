"""Nacre beside markitdown, in one run, on documents whose words are known: a part of `bench/parsing.py`.

Found: the share of the words that are in the text. Order: the share of their runs of three. Junk: the share of the
text's words that the document does not have, marks of Markdown aside. markitdown runs in an environment of its own.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

from documents import made
from nacre.documents import ParserPool
from nacre.errors import ParseError

ROOT = Path(__file__).resolve().parents[1]
PEER = ROOT / ".bench" / "markitdown" / "bin" / "python"
_WORD = re.compile(r"[^\W_]*[a-zà-ÿ0-9][\w.]*|[\u3040-\u9fff\uac00-\ud7a3]", re.I)


def tokens(text: str) -> list[str]:
    """Words in small letters, Chinese characters one by one; Markdown's marks are none."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower().replace("\\", ""))


def judge(wanted: str, text: str | None) -> dict[str, float]:
    """Found, order and junk of one text."""
    want, got = tokens(wanted), tokens(text or "")
    common = sum((Counter(want) & Counter(got)).values())
    runs = [tuple(words[at : at + 3]) for words in (want, got) for at in range(len(words) - 2)]
    split = max(0, len(want) - 2)
    same = sum((Counter(runs[:split]) & Counter(runs[split:])).values())
    junk = 1 - common / len(got) if got else 0.0
    return {"found": common / len(want), "order": same / max(1, split), "junk": junk}


def nacre_text(pool: ParserPool, name: str, data: bytes) -> str | None:
    """The text that Nacre reads; None where it refuses."""
    try:
        return pool.parse(data, name=name).text
    except ParseError:
        return None


def peer_texts(folder: Path, names: list[str]) -> dict[str, str | None]:
    """The text that markitdown reads, by name."""
    script = ROOT / "bench" / "peers" / "markitdown_parsing.py"
    asked = "".join(f"{folder / name}\n" for name in names)
    done = subprocess.run([PEER, script], input=asked, capture_output=True, text=True, check=True, timeout=600)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {Path(row["path"]).name: row["text"] for row in rows}


def compare(pool: ParserPool) -> list[dict[str, Any]]:
    """A row for each document; nothing where markitdown is not there."""
    if not PEER.exists():
        return []
    with tempfile.TemporaryDirectory() as place:
        files = made()
        for one in files:
            Path(place, one.name).write_bytes(one.data)
        theirs = peer_texts(Path(place), [one.name for one in files])
        return [
            {
                "file": one.name,
                "nacre": judge(one.words, nacre_text(pool, one.name, one.data)),
                "markitdown": judge(one.words, theirs.get(one.name)),
            }
            for one in files
        ]


def side_by_side(rows: list[dict[str, Any]]) -> str:
    """The rows for people."""
    lines = [f"{'file':10} {'found':>13} {'order':>13} {'junk':>13}   (Nacre / markitdown)"]
    for row in rows:
        shown = (f"{row['nacre'][name]:.3f} / {row['markitdown'][name]:.3f}" for name in ("found", "order", "junk"))
        lines.append(f"{row['file']:10} " + " ".join(f"{one:>13}" for one in shown))
    return "\n".join(lines)
