"""Charsets are found from bytes alone, for running text and for labels of a few words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.documents.encodings import decode
from nacre.errors import ParseError

SIMPLIFIED = "各位同事：公司将于五月一日起调整差旅报销标准，请在系统中提交申请，并附上发票原件。谢谢！"
TRADITIONAL = "維基大典者，網路為礎，人皆可纂。我們會在五月開始調整報銷標準，請各位同事留意。"
JAPANESE = "これは日本語の文章です。カタカナも漢字もあります。経費精算の手続きについて説明します。"
KOREAN = "이 문서는 한국어로 작성되었습니다. 회의는 오후 세 시에 시작합니다."
FRENCH = "L'été dernier, où étiez-vous ? Ça dépend de la façon dont le garçon a mangé à l'hôtel près de la forêt."
RUSSIAN = "Это документ на русском языке. Совещание начинается в три часа дня в большом зале."

CASES = [
    (SIMPLIFIED, "gb18030"),
    (SIMPLIFIED, "gb2312"),
    (TRADITIONAL, "big5"),
    (JAPANESE, "shift_jis"),
    (JAPANESE, "euc_jp"),
    (KOREAN, "cp949"),
    (KOREAN, "euc_kr"),
    (FRENCH, "cp1252"),
    (RUSSIAN, "cp1251"),
    (RUSSIAN, "koi8_r"),
]


@pytest.mark.parametrize(("text", "charset"), CASES, ids=lambda value: value if len(value) < 12 else value[:4])
def test_running_text_in_its_charset_comes_back(text: str, charset: str) -> None:
    assert decode(text.encode(charset))[0] == text


@pytest.mark.parametrize("text", [SIMPLIFIED, TRADITIONAL, JAPANESE, KOREAN, FRENCH, RUSSIAN, "plain ASCII only"])
@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_with_and_without_its_mark(text: str, charset: str) -> None:
    # An e-mail of one line has nothing that tells; a document has lines.
    text = f"{text}\n{text}\n"
    assert decode(text.encode(charset))[0] == text


@pytest.mark.parametrize(
    ("text", "charset"),
    [("姓名,年龄,部门\n李雷,30,研发部\n", "gb18030"), ("姓名,年齡\n王小明,30\n", "big5"), ("이름,나이\n", "cp949")],
)
def test_a_table_of_a_few_words_is_enough(text: str, charset: str) -> None:
    assert decode(text.encode(charset))[0] == text


KANJI = [
    "名前",
    "住所",
    "東京",
    "大阪",
    "会社",
    "部長",
    "経費",
    "精算",
    "日本",
    "商品",
    "単価",
    "数量",
    "電話",
    "番号",
    "営業",
    "製造",
]
HANZI = [
    "姓名",
    "地址",
    "北京",
    "上海",
    "公司",
    "经理",
    "费用",
    "报销",
    "中国",
    "商品",
    "单价",
    "数量",
    "电话",
    "编号",
    "销售",
    "生产",
]
HANGUL = [
    "이름",
    "주소",
    "서울",
    "부산",
    "회사",
    "부장",
    "비용",
    "정산",
    "한국",
    "상품",
    "단가",
    "수량",
    "전화",
    "번호",
    "영업",
    "제조",
]


@pytest.mark.parametrize(
    ("words", "charset"),
    [(KANJI, "cp932"), (KANJI, "euc_jp"), (HANZI, "gb18030"), (HANGUL, "cp949"), (TRADITIONAL.split("，"), "big5")],
    ids=str,
)
@given(data=st.data())
def test_a_few_names_without_any_grammar_show_their_charset(
    words: list[str], charset: str, data: st.DataObject
) -> None:
    chosen = data.draw(st.lists(st.sampled_from(words), min_size=4, max_size=12, unique=True))
    text = "id,".join(chosen) + "\n1,2,3\n"
    assert decode(text.encode(charset))[0] == text


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("cp1252", "Le café coûte 5 € – l’été"), ("cp1252", "El niño comió"), ("cp1252", "øl på åen"), ("cp1252", "Fête"),
        ("cp1250", "Zażółć gęślą jaźń"), ("cp1250", "Příliš žluťoučký kůň"), ("iso8859_2", "Šroub žlutý; žádná škoda"),
        ("cp1254", "İstanbul'da yağmur; ışık, ağır, şık"), ("cp1257", "Kaina dešimt eurų už siurblį"),
        ("cp1251", "Насос"), ("koi8_r", "Договор поставки оборудования"), ("cp866", "Срок действия договора истекает"),
        ("cp1253", "Η τιμή είναι δέκα ευρώ"), ("cp1255", "שלום עולם, המחיר הוא עשרה"), ("cp1256", "السعر عشرة دنانير"),
        ("cp850", "Größe und Maße"), ("mac_roman", "Präsentation für Müller"),
    ],
)  # fmt: skip
def test_a_line_is_enough_to_tell_charsets_of_one_byte(charset: str, text: str) -> None:
    assert decode(text.encode(charset))[0] == text


@pytest.mark.parametrize("text", ["it’s “quoted” – and don’t say he’d", "Müller & Söhne GmbH, Köln"])
def test_western_marks_are_no_shift_jis(text: str) -> None:
    assert decode(text.encode("cp1252"))[0] == text


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        (JAPANESE, "iso2022_jp"),
        (f"<p>{JAPANESE}</p>", "iso2022_jp_2"),
        (KOREAN, "iso2022_kr"),
        (SIMPLIFIED, "hz"),
        ("张三,北京\n", "utf-32-le"),
        ("name,city\n", "utf-32-be"),
    ],
)
def test_charsets_that_say_nothing_of_themselves(text: str, charset: str) -> None:
    assert decode(text.encode(charset))[0] == text


def test_signs_of_seven_bit_charsets_in_plain_text_mean_nothing() -> None:
    for text in ("a ~{x}~ b", "price ~{12~} or so", "\x1b[31mred\x1b[0m", "+ADw- stays"):
        assert decode(text.encode())[0] == text
    assert decode(b"+Ti1W/Q-", "utf-7")[0] == "中国"


def test_a_wrong_label_is_not_believed() -> None:
    assert decode(SIMPLIFIED.encode(), "gb2312") == (SIMPLIFIED, "utf-8")
    assert decode(SIMPLIFIED.encode("gb18030"), "utf-8")[0] == SIMPLIFIED
    assert decode(FRENCH.encode("cp1252"), "no-such-charset")[0] == FRENCH
    assert decode(JAPANESE.encode("iso2022_jp"), "iso-2022-jp")[0] == JAPANESE


def test_a_file_cut_in_the_middle_of_a_character_stays_in_its_charset() -> None:
    assert decode((SIMPLIFIED * 40).encode()[:-1])[1] == "utf-8"
    assert decode((SIMPLIFIED * 40).encode("gb18030")[:-1])[1] == "gb18030"


def test_mixed_chinese_and_english_in_gbk() -> None:
    text = "Nacre 螺钿 v1.0 — install with pip；安装完成后运行 nacre doctor。\n" * 3
    assert decode(text.encode("gb18030"))[0] == text


def test_binary_is_refused_with_its_reason() -> None:
    with pytest.raises(ParseError, match="binary"):
        decode(bytes(range(256)) * 20)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=300))
def test_utf8_is_always_utf8(text: str) -> None:
    assert decode(text.encode())[0] == text.removeprefix("\ufeff")


@given(st.binary(max_size=400))
def test_any_bytes_give_text_or_a_reason(data: bytes) -> None:
    try:
        text, charset = decode(data)
    except ParseError:
        return
    assert isinstance(text, str) and charset
