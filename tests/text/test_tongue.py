"""Which language a text in Latin letters is in, as far as its function words tell."""

from __future__ import annotations

import pytest

from nacre.text.tongue import is_in_another_tongue, tongue_of


@pytest.mark.parametrize(
    ("text", "tongue"),
    [
        ("Wann ist die Werft am Sonntag offen?", "de"),
        ("¿Cuándo abre el astillero los domingos?", "es"),
        ("Quand est-ce que le chantier ouvre le dimanche ?", "fr"),
        ("Quando apre il cantiere della domenica?", "it"),
        ("Hoeveel kost een ligplaats voor het hele jaar?", "nl"),
        ("Quais são os preços para uma noite?", "pt"),
        ("Was kostet ein Liegeplatz im Sommer?", "de"),
        ("Darf man am Kai baden?", "de"),
        ("Hoe hoog is de mast?", "nl"),
        ("Wo melden sich Gäste an?", "de"),
        ("¿Precio del amarre?", "es"),
        ("Que l'on paie au quai ?", "fr"),
        ("Per diem in Rio de Janeiro?", "latin"),
        ("I come as a son, no more", "latin"),
        ("When does the yard open on Sundays?", "latin"),
        ("Was the man am I to meet?", "latin"),
        ("I am a man. Was it a man in the yard?", "latin"),
        ("What does 'Das ist die Werft' mean?", "latin"),
        ("Ferdinand de Lesseps, La Paz", "latin"),
        ("berth price 2026", "latin"),
        ("船厂周日几点开门？", "han"),
        ("", "latin"),
    ],
)
def test_function_words_tell_a_language_and_names_do_not(text: str, tongue: str) -> None:
    assert tongue_of(text) == tongue


def test_another_writing_is_no_other_tongue() -> None:
    assert is_in_another_tongue("Wann ist die Werft offen?", "The yard opens at nine.")
    assert not is_in_another_tongue("Wann ist die Werft offen?", "Die Werft ist von neun bis zwölf offen.")
    assert not is_in_another_tongue("Wann ist die Werft offen?", "船厂九点开门。")
