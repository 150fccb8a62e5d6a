"""Which characters are Chinese: the one class that regular expressions elsewhere are made of."""

from __future__ import annotations

import re

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f々〇"
"""Han characters, for use inside brackets: the plane of daily use, its extensions, and the two signs that stand for one."""
KANA = "\u3040-\u30ff\u31f0-\u31ff"
HANGUL = "\u1100-\u11ff\uac00-\ud7af"

HAN_CHARACTER = re.compile(f"[{HAN}]")
