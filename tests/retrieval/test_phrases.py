"""Phrases in quotation marks, and passages that only look alike."""

from __future__ import annotations

from dataclasses import replace

from nacre.ingest.source import TextSource
from nacre.retrieval.hit import Hit
from nacre.retrieval.phrases import as_written, cited, quoted
from nacre.retrieval.postprocessing import distinct

SHEET = (
    "The lamp {name} is made for ships and harbours. It comes with a cable, two screws and a booklet in four languages. "
    "Let it rest for an hour before it is lit for the first time, and keep the glass clean. It draws {watts} watts. "
    "Bulbs are sold for ten years after the lamp itself is no longer made, in every shop along the coast."
)


def hit(text: str, title: str = "Lamps", heading: tuple[str, ...] = (), uri: str = "n:1") -> Hit:
    return Hit(text, 1.0, uri, title, heading, None, 0, len(text), 1, 1, 1)


def test_marks_of_both_languages_make_a_phrase() -> None:
    assert quoted('Which rule says "at own risk" or “no smoking”?') == ["at own risk", "no smoking"]
    assert quoted("哪一条写着「不可抗力」？") == ["不可抗力"]
    assert quoted('an inch is 1", "—"') == quoted("no marks") == []


def test_what_has_the_phrase_as_written_comes_first(base) -> None:
    base.sync(
        TextSource(
            "n:",
            [
                ("n:1", "At risk of their own they swim; risk, own risk, at sea.", ""),
                ("n:2", "Visitors swim here AT  OWN risk.", ""),
            ],
        )
    )
    assert [found.uri for found in base.search('"at own risk"')] == ["n:2", "n:1"]
    assert base.search('"nobody wrote this" swim')[0].uri in ("n:1", "n:2")


def test_a_title_counts_and_traditional_characters_are_no_difference() -> None:
    other, titled = hit("别的内容"), hit("別的", title="不可抗力條款")
    assert as_written([other, titled], ["不可抗力条款"], "不可抗力条款") == [titled, other]


def test_what_the_best_passages_name_by_its_title_moves_up() -> None:
    first = replace(hit("The Lantern Festival was begun by Mei Long Wen of Tongli.", "Lanterns"), score=3.0)
    other = replace(hit("Boats on a lake.", "Boats of Tongli"), score=2.0, document_id=2)
    named = replace(hit("She was a painter.", "Mei Long Wen (painter)"), score=1.9, document_id=3)
    assert [one.document_id for one in cited([first, other, named])] == [1, 3, 2]
    within, single = replace(named, title="ei Long Wen"), replace(named, title="Tongli")
    assert [one.document_id for one in cited([first, other, within])] == [1, 2, 3]
    assert [one.document_id for one in cited([first, other, single])] == [1, 2, 3]
    own = replace(first, title="Lantern Festival")
    assert cited([own, other]) == [own, other]


def test_another_number_name_title_heading_or_denial_is_another_passage() -> None:
    sheet = SHEET.format(name="KL-10", watts=40)
    for other in (
        hit(SHEET.format(name="KL-10", watts=45)),
        hit(SHEET.format(name="KL-11", watts=40)),
        hit(sheet, title="Lanterns"),
        hit(sheet, heading=("Export",)),
        hit(sheet.replace("are sold", "are not sold")),
    ):
        assert len(distinct([hit(sheet), other])) == 2
    assert len(distinct([hit(sheet), hit(sheet.replace("hour", "day"))])) == 1
    assert (
        len(distinct([hit(sheet, "copy", uri="file:///a/copy.txt"), hit(sheet, "copy2", uri="file:///a/copy2.txt")]))
        == 1
    )


def test_the_places_that_copies_took_are_filled(base) -> None:
    copies = [(f"n:{n}", SHEET.format(name="KL-10", watts=40), "Lamps") for n in range(40)]
    base.sync(
        TextSource(
            "n:",
            [
                *copies,
                ("n:x", "The lamp of the harbour master is green.", ""),
                ("n:y", "A lamp burns at the pier.", ""),
            ],
        )
    )
    found = base.retriever(k=3).invoke("lamp ships harbours cable")
    assert len(found) == 3 and {"n:x", "n:y"} < {document.metadata["uri"] for document in found}
