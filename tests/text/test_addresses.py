"""Addresses as people read them, and nothing in them that steers a terminal or makes another address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.text.addresses import readable


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("file:///srv/%E4%BA%BA%E4%BA%8B/%E5%B9%B4%E5%81%87.md", "file:///srv/人事/年假.md"),
        ("file:///a%20b/caf%C3%A9%281%29.txt", "file:///a b/café(1).txt"),
        ("https://x/%2e%2e%2fetc?q=%3F%23%25", "https://x/..%2Fetc?q=%3F%23%25"),  # what parts an address stays
        ("file:///a%1B%5B31m%0A%00%7F", "file:///a%1B[31m%0A%00%7F"),  # no control reaches a terminal
        ("file:///%E2%80%AEfdp.exe%E2%80%8B", "file:///%E2%80%AEfdp.exe%E2%80%8B"),  # nor what turns or hides letters
        ("file:///%E4%BA%FF%E4%BA%BA", "file:///%E4%BA%FF人"),  # bytes that are no UTF-8
        ("100% of 人事 %zz %", "100% of 人事 %zz %"),
        ("see file:///%E4%BA%BA and file:///b", "see file:///人 and file:///b"),
    ],
)
def test_what_can_be_read_is_decoded(uri: str, shown: str) -> None:
    assert readable(uri) == shown


@given(st.binary(max_size=40))
def test_any_bytes_become_what_can_be_shown_and_stays_the_same(data: bytes) -> None:
    shown = readable("file:///" + "".join(f"%{byte:02x}" for byte in data))
    assert shown.isprintable() and readable(shown) == shown
