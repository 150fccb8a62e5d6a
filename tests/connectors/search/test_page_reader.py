"""The page reader: main text, parts, limits, and no way into a private network."""

from __future__ import annotations

import socket

import pytest

from nacre.connectors.search.page_reader import PageReader
from nacre.connectors.search.tools import page_reader_tool
from nacre.errors import NacreError, SourceError, ToolError

PAGE = """<html><head><title>Shells</title><script>var secret = 1</script></head><body><nav>Home | About</nav>
<main><h1>Nacre</h1><p>Nacre is made of aragonite.</p><p>螺钿是一种工艺。</p></main></body></html>"""


@pytest.fixture
def reader():
    reader = PageReader(allow_private=True, timeout_s=10, max_bytes=200_000, part=400)
    yield reader
    reader.close()


def html(text: str) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "text/html; charset=utf-8"}, text.encode()


def test_main_text_and_parts(outside, reader) -> None:
    outside.pages["/a"] = html(PAGE)
    page = reader.read(f"<{outside.url}/a>")
    assert page.title == "Shells" and "aragonite" in page.text and "螺钿" in page.text and "secret" not in page.text
    outside.pages["/long"] = html("<p>" + "</p><p>".join(f"Sentence number {n} of many." for n in range(100)) + "</p>")
    first = reader.read(f"{outside.url}/long")
    assert first.parts > 3 and "Sentence number 0 " in first.text
    last = page_reader_tool(reader).invoke({"url": f"{outside.url}/long", "part": first.parts})
    assert "Sentence number 99 " in last
    with pytest.raises(ToolError):
        reader.read(f"{outside.url}/long", first.parts + 1)


def test_what_is_no_page(outside, reader) -> None:
    outside.pages["/big"] = html("x" * 300_000)
    outside.pages["/binary"] = (200, {"Content-Type": "application/octet-stream"}, bytes(range(256)) * 4)
    outside.pages["/empty"] = html("")
    for path in ("/big", "/binary", "/empty", "/missing"):
        with pytest.raises(NacreError):
            reader.read(outside.url + path)


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:{port}/a", "http://localhost:{port}/a", "http://[::1]:{port}/a", "http://2130706433:{port}/a", "http://0x7f.1:{port}/a",
     "http://169.254.169.254/latest/meta-data", "http://[::ffff:127.0.0.1]:{port}/a", "http://10.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1/", "http://user@127.0.0.1/"],
)  # fmt: skip
def test_private_addresses_are_refused(outside, address: str) -> None:
    outside.pages["/a"] = html(PAGE)
    with pytest.raises(SourceError):
        PageReader(timeout_s=5).read(address.format(port=outside.url.rpartition(":")[2]))
    assert outside.asked == []


def test_a_name_that_turns_private_is_refused_also_after_a_redirect(outside, monkeypatch) -> None:
    """A public name redirects to one that resolves to this machine; and a rebinding name is resolved once only."""
    port = int(outside.url.rpartition(":")[2])
    resolved: list[str] = []
    real = socket.getaddrinfo

    def resolve(host, *arguments, **options):
        resolved.append(host)
        if host == "rebinding.example":
            address = "93.184.216.34" if resolved.count(host) == 1 else "127.0.0.1"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]
        return real("127.0.0.1" if host.endswith(".example") else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(SourceError):
        PageReader(timeout_s=5).read(f"http://inside.example:{port}/a")
    reached: list[str] = []

    def connect(address, *arguments, **options):
        reached.append(address[0])
        raise OSError("not reachable from here")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(SourceError):
        PageReader(timeout_s=5).read(f"http://rebinding.example:{port}/a")
    assert reached == ["93.184.216.34"] and resolved.count("rebinding.example") == 1


def test_a_redirect_into_a_private_network_is_refused(outside, monkeypatch) -> None:
    from nacre.connectors import safe_http

    outside.pages["/go"] = (302, {"Location": "http://10.1.2.3/secret"}, b"")
    monkeypatch.setattr(safe_http, "is_public", lambda address: address == "127.0.0.1")
    with pytest.raises(SourceError, match=r"10\.1\.2\.3"):
        PageReader(timeout_s=5).read(f"{outside.url}/go")
