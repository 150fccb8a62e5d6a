"""Which addresses are public, whatever Python's own lists say."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.connectors.public_addresses import is_public

# IANA, special-purpose IPv4 addresses that are not globally reachable, and multicast.
SPECIAL_4 = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
    "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
]  # fmt: skip
# IANA, special-purpose IPv6 addresses, and what has been given up.
SPECIAL_6 = [
    "::/8", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001:2::/48", "2001:10::/28", "2001:20::/28", "2001:db8::/32", "3ffe::/16", "3fff::/20",
    "4000::/3", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
]  # fmt: skip
V4 = st.integers(0, 2**32 - 1).map(IPv4Address)


def within(networks: list[str]) -> st.SearchStrategy[str]:
    kind = IPv4Network if "." in networks[0] else IPv6Network

    def addresses(name: str) -> st.SearchStrategy[str]:
        network = kind(name)
        return st.integers(0, network.num_addresses - 1).map(lambda at: str(network[at]))

    return st.sampled_from(networks).flatmap(addresses)


def carrying(inner: IPv4Address) -> dict[str, IPv6Address]:
    number = int(inner)
    return {
        "mapped": IPv6Address((0xFFFF << 32) | number),
        "NAT64": IPv6Address((0x64FF9B << 96) | number),
        "6to4": IPv6Address((0x2002 << 112) | (number << 80) | 1),
        "Teredo": IPv6Address((0x20010000 << 96) | (0x5DB8D822 << 64) | (number ^ 0xFFFFFFFF)),
        "Teredo's server": IPv6Address((0x20010000 << 96) | (number << 64) | (0x5DB8D822 ^ 0xFFFFFFFF)),
        "ISATAP": IPv6Address((0x26062800 << 96) | (0x5EFE << 32) | number),
        "ISATAP, global": IPv6Address((0x26062800 << 96) | (0x02005EFE << 32) | number),
    }


@given(within(SPECIAL_4))
def test_special_ipv4_addresses_are_not_public_in_any_form(address: str) -> None:
    assert not is_public(address)
    assert [name for name, form in carrying(IPv4Address(address)).items() if is_public(str(form))] == []


@given(V4)
def test_a_form_that_carries_an_address_is_as_public_as_it_is(inner: IPv4Address) -> None:
    assert {is_public(str(form)) for form in carrying(inner).values()} == {is_public(str(inner))}


@given(V4)
def test_forms_that_were_given_up_and_local_translation_are_never_public(inner: IPv4Address) -> None:
    number = int(inner)
    for form in (number, (0xFFFF << 48) | number, (0x64FF9B0001 << 80) | number, (0x64FF9B0001 << 80) | (number << 40)):
        assert not is_public(str(IPv6Address(form)))


@given(within([name for name in SPECIAL_6 if name != "::/8"]))
def test_special_ipv6_addresses_are_not_public(address: str) -> None:
    assert not is_public(address) and not is_public(f"{address}%eth0")


@given(st.integers(0, 2**128 - 1))
def test_outside_of_what_has_been_given_out_only_two_forms_are_public(number: int) -> None:
    address = IPv6Address(number)
    if is_public(str(address)):
        assert any(address in IPv6Network(name) for name in ("2000::/3", "::ffff:0:0/96", "64:ff9b::/96"))


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "93.184.216.34",
        "192.31.196.1",
        "2606:4700::1111",
        "2a00:1450:4001::1",
        "2400:3200::1",
        "::ffff:8.8.8.8",
    ],
)
def test_the_public_network_is_public(address: str) -> None:
    assert is_public(address)


def test_what_is_no_address_is_an_error() -> None:
    with pytest.raises(ValueError):
        is_public("example.org")
