"""Calendars and address cards (iCalendar, vCard): what a person reads of each event, task or contact."""

from __future__ import annotations

import re

from nacre.documents.document import Builder
from nacre.documents.limits import Task
from nacre.documents.lists import pairs
from nacre.documents.normalise import clean

_LINE = re.compile(r"^([A-Za-z0-9.-]+)((?:;[^:;\"\n]*(?:\"[^\"\n]*\"[^:;\"\n]*)*)*):(.*)$")
_PARTS = {"VEVENT", "VTODO", "VJOURNAL", "VCARD"}
_TITLES = ("SUMMARY", "FN")
_SHOWN = pairs("calendar-fields")  # "-" is told without a name
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?")


def parse(text: str, out: Builder, task: Task) -> None:
    """Read a calendar or a file of cards."""
    title, inside = "", ""
    facts: list[str] = []
    for line in re.sub(r"\n[ \t]", "", clean(text)).split("\n"):
        found = _LINE.match(line)
        if not found:
            continue
        name, parameters, value = found.group(1).rpartition(".")[2].upper(), found.group(2), found.group(3)
        if name == "BEGIN" and value.upper().strip() in _PARTS:
            title, facts, inside = "", [], value.upper().strip()
        elif name == "END" and value.upper().strip() == inside:
            out.add("heading", title or inside.removeprefix("V").title(), 1)
            out.add("paragraph", "\n".join(facts))
            inside = ""
        elif name == "X-WR-CALNAME":
            out.title = out.title or _plain(value)
        elif inside and name in _TITLES:
            title = title or _plain(value)
        elif inside and name in _SHOWN and value.strip(" ;,"):
            facts.append(_fact(name, parameters, value))


def _fact(name: str, parameters: str, value: str) -> str:
    label, shown = _SHOWN[name], _plain(value)
    time = _TIME.fullmatch(value.strip())
    if time:
        year, month, day, hour, minute, second, utc = time.groups()
        clock = f" {hour}:{minute}" + (f":{second}" if second != "00" else "") + (" UTC" if utc else "") if hour else ""
        zone = re.search(r';TZID="?([^";:]+)', parameters)
        shown = f"{year}-{month}-{day}{clock}" + (f" ({zone.group(1)})" if zone else "")
    elif name in {"ORGANIZER", "ATTENDEE"}:
        person = re.search(r';CN="?([^";:]+)', parameters)
        address = re.sub(r"(?i)^mailto:", "", shown)
        shown = f"{person.group(1)} <{address}>" if person else address
    elif name in {"ADR", "ORG"}:
        shown = ", ".join(filter(None, map(str.strip, _plain(value).split(";"))))
    return shown if label == "-" else f"{label}: {shown}"


def _plain(value: str) -> str:
    """A value without its escapes."""
    return re.sub(r"\\([nN]|.)", lambda found: "\n" if found.group(1) in "nN" else found.group(1), value).strip()
