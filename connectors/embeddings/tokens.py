"""Text → token ids, with the checkpoint's own tokenizer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nacre.connectors.embeddings.checkpoint import UnsupportedCheckpointError

if TYPE_CHECKING:
    from pathlib import Path

    from tokenizers import Tokenizer


def load_tokenizer(folder: Path, lower_case: bool = False) -> Tokenizer:
    """Load the tokenizer of a model folder, without padding or truncation.

    Returns:
        A tokenizer that adds the special tokens of the model.
    """
    from tokenizers import Tokenizer, normalizers

    if (folder / "tokenizer.json").is_file():
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    elif (folder / "vocab.txt").is_file():
        tokenizer = _wordpiece(folder)
    else:
        raise UnsupportedCheckpointError(f"{folder}: neither tokenizer.json nor vocab.txt")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if lower_case:
        present = [tokenizer.normalizer] if tokenizer.normalizer else []
        tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *present])
    return tokenizer


def _wordpiece(folder: Path) -> Tokenizer:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    tokenizer = Tokenizer(models.WordPiece.from_file(str(folder / "vocab.txt"), unk_token="[UNK]"))
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.normalizer = normalizers.BertNormalizer(
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
        strip_accents=settings.get("strip_accents"),
        lowercase=settings.get("do_lower_case", True),
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ids = tokenizer.get_vocab()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    return tokenizer
