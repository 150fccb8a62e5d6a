"""Which writing a text is in: what tells languages apart that a sentence encoder places differently."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from nacre.text.han import HAN, HANGUL, KANA
from nacre.text.language import N_

_KNOWN = {
    "latin": (N_("English and others in Latin letters"), "How many days of annual leave does a new employee have?"),
    "han": (N_("Chinese"), "新员工每年有多少天年假？"),
    "kana": (N_("Japanese"), "新しい社員の有給休暇は何日ありますか。"),
    "hangul": (N_("Korean"), "신입 사원의 연차 휴가는 며칠입니까?"),
    "cyrillic": (N_("Russian and others in Cyrillic letters"), "Сколько дней отпуска у нового сотрудника?"),
    "arabic": (N_("Arabic"), "كم عدد أيام الإجازة السنوية للموظف الجديد؟"),
    "greek": (N_("Greek"), "Πόσες ημέρες άδειας έχει ένας νέος υπάλληλος;"),
    "hebrew": (N_("Hebrew"), "כמה ימי חופשה שנתית יש לעובד חדש?"),
    "thai": (N_("Thai"), "พนักงานใหม่มีวันลาพักร้อนกี่วัน"),
    "devanagari": (N_("Hindi and others in Devanagari"), "नए कर्मचारी को कितने दिन की छुट्टी मिलती है?"),
    "other": (N_("another script"), ""),
}
WRITINGS = tuple(_KNOWN)
NAMES = {writing: name for writing, (name, _) in _KNOWN.items()}
SAMPLES = {writing: sample for writing, (_, sample) in _KNOWN.items() if sample}
"""A sentence in each, to ask an encoder whether it can read it."""
_LETTERS = re.compile(
    rf"(?P<latin>[A-Za-z\u00c0-\u024f\u1e00-\u1eff]+)|(?P<han>[{HAN}])|(?P<kana>[{KANA}])|(?P<hangul>[{HANGUL}])"
    r"|(?P<cyrillic>[\u0400-\u052f]+)|(?P<arabic>[\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff]+)"
    r"|(?P<greek>[\u0370-\u03ff\u1f00-\u1fff]+)|(?P<hebrew>[\u0590-\u05ff]+)|(?P<thai>[\u0e00-\u0e7f]{1,4})"
    r"|(?P<devanagari>[\u0900-\u097f]+)|(?P<other>[^\W\d_])"
)
BEGINNING = 1000  # characters that tell
_IN_JAPANESE = 5  # signs of which one is kana, at least


def writing_of(text: str) -> str:
    """The writing that most of a text is in; a Han character weighs half a Latin word: code names stand in Chinese."""
    text = text[:BEGINNING]
    if text.isascii():
        return "latin"
    found = Counter(match.lastgroup or "other" for match in _LETTERS.finditer(text))
    eastern = found["han"] + found["kana"]
    if eastern * 2 >= found["latin"] and eastern >= max(found.values(), default=0) - found["latin"] and eastern:
        return "kana" if found["kana"] * _IN_JAPANESE >= eastern else "han"
    return max(WRITINGS, key=lambda name: found[name] * (2 if name == "hangul" else 1))


def listed_writings(texts: Iterable[str]) -> dict[str, float]:
    """The writings of some texts and their shares, the most frequent first."""
    counts = Counter(map(writing_of, texts))
    return {name: count / counts.total() for name, count in counts.most_common()}
