"""Small facts of the network that several rooms need."""

from __future__ import annotations

import ipaddress
import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def seconds_to_wait(header: str | None) -> float | None:
    """What a Retry-After header (RFC 9110, 10.2.3) says, in seconds: a number or a date; None for nonsense."""
    text = (header or "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            until = parsedate_to_datetime(text)
            seconds = (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def is_loopback(host: object) -> bool:
    """Whether an address is only this machine's; not for names other than localhost: what they mean can change."""
    try:
        found = ipaddress.ip_address(str(host))
    except ValueError:
        return host == "localhost"
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback
