"""Web pages: polite, bounded, and never led into private networks."""

from __future__ import annotations

import gzip
import socket
from typing import Any

import pytest

from nacre.connectors import safe_http
from nacre.connectors.safe_http import fetch, is_public
from nacre.connectors.sources import resolve
from nacre.connectors.sources.robots import parse_robots
from nacre.connectors.sources.web import sitemap_entries
from nacre.documents import parse
from nacre.errors import SourceError
from nacre.ingest.source import Item, Unreachable


def open_source(url: str, **options: Any) -> Any:
    return resolve(url, allow_private=True, delay_s=0, **options)


def test_a_page_is_read_and_its_header_charset_reaches_the_parser(site) -> None:  # type: ignore[no-untyped-def]
    site.page(
        "/about", "<title>关于</title><p>我们造知识库".encode("gb18030"), Content_Type="text/html; charset=GB2312"
    )
    item = next(open_source(f"{site.url}/about").items())
    document = parse(item.read(), name="about", mime=item.mime)
    assert (item.uri, document.title) == (f"{site.url}/about", "关于")
    assert site.asked == ["/robots.txt", "/about"] and "nacre" in site.headers[0]["user-agent"]


def test_robots_are_kept_and_forbidden_pages_are_not_deleted(site) -> None:  # type: ignore[no-untyped-def]
    site.page("/robots.txt", "User-agent: *\nDisallow: /private")
    site.page("/private/a", "secret")
    (found,) = open_source(f"{site.url}/private/a").items()
    assert isinstance(found, Unreachable) and "robots" in found.reason and site.asked == ["/robots.txt"]
    assert isinstance(next(open_source(f"{site.url}/private/a", robots=False).items()), Item)


def test_robots_that_fail_mean_no(site) -> None:  # type: ignore[no-untyped-def]
    site.page("/robots.txt", "down", status=503)
    assert isinstance(next(open_source(f"{site.url}/a").items()), Unreachable)


def test_sitemaps_nest_pack_and_carry_dates(site) -> None:  # type: ignore[no-untyped-def]
    site.page("/sitemap.xml", f"<sitemapindex><sitemap><loc>{site.url}/deep.xml.gz</loc></sitemap></sitemapindex>")
    pages = f"<urlset><url><loc>{site.url}/a?x=1&amp;y=2</loc><lastmod>2024-05-01</lastmod></url><url><loc><![CDATA[{site.url}/b]]></loc></url><url><loc>file:///etc/passwd</loc></url></urlset>"
    site.page("/deep.xml.gz", gzip.compress(pages.encode()))
    items = list(open_source(f"{site.url}/sitemap.xml").items())
    assert [(item.uri, item.stamp) for item in items] == [
        (f"{site.url}/a?x=1&y=2", "lastmod:2024-05-01"),
        (f"{site.url}/b", ""),
    ]
    assert open_source(f"sitemap:{site.url}/sitemap.xml").scope == f"{site.url}/sitemap.xml"


def test_a_sitemap_that_fails_is_an_error_and_not_an_empty_site(site) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SourceError, match="404"):
        list(open_source(f"{site.url}/sitemap.xml").items())


def test_too_many_pages_are_reported(site) -> None:  # type: ignore[no-untyped-def]
    site.page("/sitemap.txt", "\n".join(f"{site.url}/{n}" for n in range(5)))
    found = list(open_source(f"{site.url}/sitemap.txt", max_pages=3).items())
    assert [type(item) for item in found] == [Item] * 3 + [Unreachable] * 2


def test_entities_of_a_sitemap_are_never_resolved() -> None:
    text = (
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><urlset><url><loc>https://x.org/&e;</loc></url></urlset>'
    )
    assert list(sitemap_entries(text)) == [("url", ("https://x.org/&e;", ""))]


def test_a_missing_page_is_its_own_error(site) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SourceError, match="404"):
        next(open_source(f"{site.url}/gone").items()).read()


def test_private_addresses_are_refused_unless_allowed(site) -> None:  # type: ignore[no-untyped-def]
    site.page("/a", "x")
    with pytest.raises(SourceError, match="not a public address"):
        fetch(f"{site.url}/a")
    assert fetch(f"{site.url}/a", allow_private=True).body == b"x"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1:248:1893:25c8:1946", True), ("127.0.0.1", False), ("10.1.2.3", False), ("172.16.0.1", False),
        ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False), ("255.255.255.255", False),
        ("::1", False), ("fe80::1%eth0", False), ("fd00::1", False), ("::ffff:10.0.0.1", False), ("64:ff9b::a00:1", False), ("2002:0a00:0001::", False), ("::ffff:93.184.216.34", True),
    ],
)  # fmt: skip
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    "url",
    ["ftp://x.org/a", "file:///etc/passwd", "http://user:pass@x.org/", "http://", "gopher://x", "http://x.org:99999/"],
)
def test_other_schemes_and_logins_are_refused(url: str) -> None:
    with pytest.raises(SourceError):
        fetch(url)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "017700000001", "127.1", "[::ffff:127.0.0.1]", "localhost"])
def test_odd_spellings_of_this_machine_are_refused(host: str) -> None:
    with pytest.raises(SourceError):
        fetch(f"http://{host}/")


def test_a_redirect_into_a_private_network_is_refused(site, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    # The first host counts as public here; the second is private for good.
    monkeypatch.setattr(safe_http, "is_public", lambda address: address == "127.0.0.1")
    site.page("/a", status=302, Location="http://169.254.169.254/latest/meta-data")
    with pytest.raises(SourceError, match=r"169\.254\.169\.254"):
        fetch(f"{site.url}/a")


def test_a_name_that_changes_its_address_gains_nothing(site, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """DNS rebinding: public at the check, this machine at the connection."""
    site.page("/a", "inside")
    port = int(site.url.rpartition(":")[2])
    answers = iter(["93.184.216.34", "127.0.0.1", "127.0.0.1"])
    connected: list[str] = []
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]
    )

    def refuse(address: tuple[str, int], *_: object) -> socket.socket:
        connected.append(address[0])
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(SourceError, match="no network"):
        fetch(f"http://rebind.example:{port}/a")
    assert connected == ["93.184.216.34"]


def test_a_host_with_any_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    with pytest.raises(SourceError, match=r"10\.0\.0\.1"):
        fetch("http://mixed.example/")


def test_floods_bombs_and_endless_redirects_end(site) -> None:  # type: ignore[no-untyped-def]
    site.page("/big", b"a" * 300_000)
    site.page("/bomb", gzip.compress(b"a" * 5_000_000), Content_Encoding="gzip")
    site.page("/round", status=302, Location="/round")
    for path, reason in (("/big", "more than"), ("/bomb", "more than"), ("/round", "redirects too often")):
        with pytest.raises(SourceError, match=reason):
            fetch(site.url + path, allow_private=True, max_bytes=100_000)


def test_tokens_stay_with_their_host(site) -> None:  # type: ignore[no-untyped-def]
    site.page("/a", status=302, Location=site.url.replace("127.0.0.1", "localhost") + "/b")
    site.page("/b", "x")
    fetch(f"{site.url}/a", allow_private=True, headers={"Authorization": "Bearer secret"})
    assert ["authorization" in headers for headers in site.headers] == [True, False]


@pytest.mark.parametrize(
    ("rules", "path", "allowed"),
    [
        ("User-agent: *\nDisallow:", "/a", True),
        ("User-agent: *\nDisallow: /", "/a", False),
        ("User-agent: *\nDisallow: /\n\nUser-agent: Nacre\nDisallow: /x", "/a", True),
        ("User-agent: other\nUser-agent: nacre\nDisallow: /a", "/a/b", False),
        ("User-agent: *\nDisallow: /a\nAllow: /a/b", "/a/b/c", True),
        ("User-agent: *\nAllow: /p\nDisallow: /p", "/p", True),
        ("User-agent: *\nDisallow: /*.pdf$", "/x/y.pdf", False),
        ("User-agent: *\nDisallow: /*.pdf$", "/x/y.pdf?v=1", True),
        ("User-agent: *\nDisallow: /中文", "/%E4%B8%AD%E6%96%87/a", False),
        ("Disallow: /a", "/a", True),
    ],
)
def test_robots_rules(rules: str, path: str, allowed: bool) -> None:
    assert parse_robots(rules).allows(f"https://x.org{path}") is allowed


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "rules",
    [
        "User-agent: *\nDisallow: /" + "a*" * 40 + "b$",
        "".join(f"user-agent:a{n}\n" for n in range(15_000)) + "disallow:/\n" * 30_000,
    ],
)
def test_no_robots_file_takes_long(rules: str) -> None:
    assert parse_robots(rules).allows("https://x.org/" + "a" * 300)
