"""Which IP addresses belong to the public network, by lists of our own: Python's change with its patch version.

Sources: the IANA registries of special-purpose IPv4 and IPv6 addresses, RFC 4291, 5214 and 6052.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_SPECIAL_4 = (
    IPv4Network("0.0.0.0/8"),  # this network
    IPv4Network("10.0.0.0/8"),  # private
    IPv4Network("100.64.0.0/10"),  # between a provider and its customers
    IPv4Network("127.0.0.0/8"),  # this machine
    IPv4Network("169.254.0.0/16"),  # link-local, the metadata of clouds
    IPv4Network("172.16.0.0/12"),  # private
    IPv4Network("192.0.0.0/24"),  # protocol assignments; the two that are global are answered by the nearest gateway
    IPv4Network("192.0.2.0/24"),  # documentation
    IPv4Network("192.88.99.0/24"),  # relays of 6to4, given up
    IPv4Network("192.168.0.0/16"),  # private
    IPv4Network("198.18.0.0/15"),  # benchmarks
    IPv4Network("198.51.100.0/24"),  # documentation
    IPv4Network("203.0.113.0/24"),  # documentation
    IPv4Network("224.0.0.0/4"),  # multicast
    IPv4Network("240.0.0.0/4"),  # reserved, broadcast
)
_GLOBAL_6 = IPv6Network("2000::/3")  # all that has been given out
_SPECIAL_6 = (
    IPv6Network("2001::/23"),  # protocol assignments: Teredo, benchmarks, ORCHID, …
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("3ffe::/16"),  # 6bone, given back
    IPv6Network("3fff::/20"),  # documentation
)
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_6TO4 = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_ISATAP = (0x00005EFE, 0x02005EFE)  # the upper half of an interface's number


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public network, looking through IPv6 forms that carry an IPv4 address.

    Example:
        >>> is_public("93.184.216.34"), is_public("::ffff:10.0.0.1"), is_public("169.254.169.254")
        (True, False, False)
    """
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv4Address):
        return _is_public_4(ip)
    carried = list(_carried(ip))
    if not all(map(_is_public_4, carried)):
        return False
    if ip in _MAPPED or ip in _NAT64 or ip in _TEREDO:  # these stand for what they carry
        return True
    return ip in _GLOBAL_6 and not any(ip in special for special in _SPECIAL_6)


def _is_public_4(ip: IPv4Address) -> bool:
    return not any(ip in special for special in _SPECIAL_4)


def _carried(ip: IPv6Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses inside; forms outside of 2000::/3 that are refused anyway need no look."""
    number = int(ip)
    low = IPv4Address(number & 0xFFFFFFFF)
    if ip in _MAPPED or ip in _NAT64 or (number >> 32) & 0xFFFFFFFF in _ISATAP:
        yield low
    if ip in _6TO4:
        yield IPv4Address((number >> 80) & 0xFFFFFFFF)
    if ip in _TEREDO:  # its server, and its own address with every bit turned
        yield IPv4Address((number >> 64) & 0xFFFFFFFF)
        yield IPv4Address(int(low) ^ 0xFFFFFFFF)
