"""What of a page is none of its content, and what must stay."""

from __future__ import annotations

import time

import pytest

from nacre.documents.dispatch import parse

_TEXT = "<h1>Kiln rental</h1><p>A firing in the small kiln costs 14 crowns. Bring your own shelves.</p><p>Closed in July.</p>"


def _list(*names: str) -> str:
    return "<ul>" + "".join(f'<li><a href="/{n}">{name}</a></li>' for n, name in enumerate(names)) + "</ul>"


_MENU = _list("Elsewhere", "Glazes", "Courses", "Write to us")
_ROW = '<a href="/a">Elsewhere</a>{0}<a href="/b">Glazes</a>{0}<a href="/c">Courses</a>'


def _indexed(body: str) -> str:
    document = parse(f"<!doctype html><title>t</title><body>{body}".encode(), name="a.html")
    return "\n".join(document.text[block.start : block.end] for block in document.blocks)


@pytest.mark.parametrize(
    "body",
    [
        f"<nav>{_MENU}</nav>{_TEXT}",
        f'<div role="navigation">{_MENU}</div>{_TEXT}',
        f'<div class="navbar"><a href="/">Elsewhere</a>{_MENU}</div><div class="row"><div class="c9">{_TEXT}</div></div>',
        f"<div><div>{_MENU}</div><div>{_TEXT}</div><div><h3>Popular</h3>{_list('Elsewhere and back', 'B', 'C')}</div></div>",
        f"<table><tr><td>{_ROW.format('<br>')}</td><td>{_TEXT}</td></tr></table>",
        f"<p>{_ROW.format(' | ')}</p>{_TEXT}",
        f'<div class="x">{_ROW.format(" » ")}</div>{_TEXT}',
        f'<ol class="breadcrumb"><li><a href="/">Elsewhere</a></li><li>Kiln</li></ol>{_TEXT}',
        f'<div class="p"><ul><li><a href="#a">Elsewhere</a><li><a href="#b">B</a><li><a href="#c">C</a></ul>{_TEXT}</div>',
        f'<a href="#main">Elsewhere</a><div>{_TEXT}</div>',
        f'<div id="CookieBar"><p>Elsewhere we use cookies.</p><a href="/p">More</a></div>{_TEXT}',
        f'{_TEXT}<div class="b7"><p>Elsewhere this site sets cookies.</p><button>Fine</button></div>',
        f"<article>{_TEXT}<h2>Related articles</h2>{_list('Elsewhere', 'Glazes of lead', 'A kiln for two')}</article>",
        f'<main>{_TEXT}<section class="relatedPosts"><div><a href="/1">Elsewhere</a></div><a href="/2">B</a></section></main>',
        f'<div>{_TEXT}</div><div class="pagination"><a href="1">Elsewhere</a> <span>2</span> <a href="3">3</a></div>',
        f"<main>{_TEXT}</main><aside><h3>Elsewhere</h3><p>Courses from 9 crowns.</p></aside>",
        f"<div>{_TEXT}</div><footer><p>© 2031 Elsewhere Ltd, all rights reserved.</p></footer>",
        f"<header><span>Elsewhere</span><form><input value='Courses'></form></header><div>{_TEXT}</div>",
    ],
)
def test_navigation_notices_and_feet_are_kept_and_not_indexed(body: str) -> None:
    said = _indexed(body)
    assert "14 crowns. Bring your own shelves." in said
    assert "Elsewhere" not in said
    document = parse(f"<body>{body}".encode(), name="a.html")
    assert "Elsewhere" in document.text


@pytest.mark.parametrize(
    "body",
    [
        f"<h1>Links</h1>{_list('One', 'Two', 'Raku', 'Four')}",
        f"<nav>{_list('One', 'Two', 'Raku', 'Four')}</nav>",
        f"<h1>Forms</h1><p>All forms of the workshop:</p>{_list('One', 'Two', 'Raku')}",
        f"<main>{_TEXT}<h2>Downloads</h2>{_list('One form', 'Two form', 'Raku form')}</main>",
        f"{_TEXT}<p>Read these first:</p>{_list('One', 'Two', 'Raku')}",
        f"{_TEXT}<ul><li><a href=a>One</a>: the first of them, for earthenware</li><li><a href=b>Two</a>: the one behind it"
        "</li><li><a href=c>Raku</a>: a firing in the open air</li></ul>",
        '<h1>Menu</h1><div class="menu"><p>Soup 6.50</p><p>Raku salad 8.00</p></div>',
        "<header><h1>Hours</h1><p>Raku evenings begin at seven.</p></header><p>Closed on the holidays of the county.</p>",
        f"<article>{_TEXT}<aside><p>Raku needs tongs and a bucket.</p></aside></article>",
        f"<article>{_TEXT}<footer><p>Written by Raku Smith.</p></footer></article>",
        f"{_TEXT}<table><tr><th>Kiln<th>Page</tr><tr><td><a href=a>One</a><td><a href=b>3</a></tr>"
        "<tr><td><a href=c>Raku</a><td><a href=d>8</a></tr></table>",
        "<h1>Old papers</h1><p>Read them here.</p>"
        + "".join(f'<div><a href="{n}">Raku {n}</a></div>' for n in range(80)),
        '<main><section id="cookies"><h2>Cookies</h2><p>A Raku cookie lives for two days in the browser.</p></section></main>',
        '<h1>Bakery</h1><div class="cookies"><p>Raku cookies cost 2 crowns.</p></div><p>Open from nine to five.</p>',
        "<p><a href=a>One</a>, <a href=b>Two</a> and <a href=c>Raku</a> are <a href=d>firings</a>.</p><p>Each takes a day.</p>",
        f"<article>{_TEXT}<aside class=infobox><table><tr><th><a href=a>Kiln</a><td><a href=b>Raku</a></tr><tr><th>"
        "<a href=c>Town</a><td><a href=d>Bergen</a></tr></table></aside></article>",
        f"<div>{_TEXT}</div><h2>Buses</h2><table><tr><th>Line<th>To</tr><tr><td><a href=a>1</a><td><a href=b>Raku</a></tr>"
        "<tr><td><a href=c>2</a><td><a href=d>Bergen</a></tr></table>",
        "<div>"
        + "".join(f"<a href={n}><h3>Raku cup {n}</h3><b>€{n}.50</b></a>" for n in range(9))
        + f"</div><div>{_TEXT}</div>",
        f"<h1>Café</h1><div class=menu>{_list('Soup', 'Raku bread', 'Tea').replace('</a>', '</a> 6 元')}</div>{_TEXT}",
        "<ul>"
        + "".join(f"<li><a href='tel:{n}'>Raku desk 555-{n}</a></li>" for n in range(9))
        + f"</ul><div>{_TEXT}</div>",
        f"<h1>Terms</h1><p>What follows are all the words of the trade.</p>{_list('One', 'Two', 'Raku')}<div>{_TEXT}</div>",
        f"<div>{_TEXT}<aside class=note><p>Raku needs tongs and a bucket.</p></aside></div>",
        "<h1>Raku cookies</h1><div class='cookie-recipe info'><p>Bake Raku cookies for a day.</p><a href=a>More</a></div>"
        f"<div>{_TEXT}</div><div><p>Raku cookie two: bake it twice.</p><button>Print</button></div>",
    ],
)
def test_content_with_links_is_indexed(body: str) -> None:
    assert "Raku" in _indexed(body)


def test_a_page_of_many_elements_is_read_in_time() -> None:
    started = time.process_time()
    _indexed("<div class='nav x'>" * 9000 + "<a href=a>b</a>" * 3 + "</div>" * 9000 + _TEXT)
    _indexed("<div>cookie" * 5000 + "<button>x</button>" + "</div>" * 5000 + _TEXT)
    _indexed(_list("a", "b", "c") * 9000 + _TEXT)
    assert time.process_time() - started < 20


def test_main_headings_in_each_other_cost_no_more_than_others() -> None:
    spent = []
    for tag in ("h2", "h1"):
        started = time.process_time()
        _indexed(f"<{tag}><div>x" * 12000)
        spent.append(time.process_time() - started)
    assert spent[1] < 3 * spent[0]
