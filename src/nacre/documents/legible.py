"""Whether the text of a page can be language: fonts of some PDFs write in a cipher, and nonsense is not indexed."""

from __future__ import annotations

import re
from itertools import pairwise

from nacre.text.han import HAN, KANA

# Pairs of letters that are frequent in the languages of Europe; running text is made of them for the most part.
_PAIRS = frozenset(
    re.findall(
        "..",
        "thheineranreonatenndtiesorteofedisitalarsttontngsehaasouiolevecomedehiriroicneearacelichllbemasiomur"
        "nonseccaellatarsemdiusuloleteesossprtrieeigeunscdadoosadampapoquueirillonanisasutuumutviwawewhwiowly"
        "aykeacagaiapabclcrctevexfofrhoidifimiglumimompncodopotowpeplrdrnrtshsptsucup",
    )
)
# Characters that any Chinese page of some length is full of, forms and tables included.
_COMMON = frozenset(
    "的一是在不了有和人这中大为上个国以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学"
    "法所民得经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前"
    "外天政四日那社义事平形相全表间样与关各重新线内数正心反明看原又么利比或但质气第向道命此变条没结解问意建月公无系军情"
    "最立代想已通并提题党程展五果料员革位入常文总次品式活设及管特件长求老基资边流路级少图山统接知较将组见计别手期根论运"
    "指几九区强放决西被做必战先回则任取据处府研单号司限省市县名称编码费金额元税规定标准应按安服务申请项目责任合同技术國"
    "為會們個來時對發經過動說種後學進電實點業開關無與長東車問題應該據檢請項號規費"
)
_WORDS = re.compile(r"[a-z]{2,20}")
_HAN = re.compile(f"[{HAN}]")
_KANA = re.compile(f"[{KANA}]")
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_ENOUGH = 120  # pairs of letters, or characters, that a judgement needs
_WORDS_READ = 300
_LATIN, _CHINESE = 0.28, 0.1  # real pages have .5 and more, .3 and more


def legible(text: str) -> bool:
    """Whether a page's text can be read; a short one is taken as it is."""
    if len(_PRIVATE.findall(text)) > max(20, 0.3 * len(text)):
        return False
    han = _HAN.findall(text)
    if len(han) >= _ENOUGH and not _KANA.search(text):
        return sum(char in _COMMON for char in han) >= _CHINESE * len(han)
    words = _WORDS.findall(text.casefold())
    # Some hundred words of a long page tell as much as all.
    pairs = [a + b for word in words[:: 1 + len(words) // _WORDS_READ] for a, b in pairwise(word)]
    # Part numbers and formulas have few words; a cipher keeps the words of its language.
    spread = len(words) >= 40 and len(set(words)) > 0.15 * len(words)
    return len(pairs) < _ENOUGH or not spread or sum(pair in _PAIRS for pair in pairs) >= _LATIN * len(pairs)
