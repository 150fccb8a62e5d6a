"""Which characters are Chinese, Japanese, Korean, Thai or pictures, to stand in the brackets of regular expressions."""

from __future__ import annotations

IDEOGRAPHS = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Those of the basic plane: what vocabularies know, and what the index terms of every base are paired from."""
HAN = f"{IDEOGRAPHS}\U00020000-\U0003134f々〇"
"""All of them, with the two signs that stand for one."""
KANA = "\u3040-\u30ff\u31f0-\u31ff"
HANGUL = "\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3"
EMOJI = "\u2600-\u27bf\U0001f1e6-\U0001faff"
SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Thai, Lao, Burmese, Khmer: like kana, written without spaces between words."""
