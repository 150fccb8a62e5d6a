"""What a search may look at, applied in both indexes before ranking."""

from __future__ import annotations

import datetime as dates
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nacre.errors import UsageError
from nacre.text.fields import Fields, tidy_fields
from nacre.text.hygiene import clean_text
from nacre.text.language import tr

_SIGNS = {"=": "eq", "==": "eq", "!=": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
_COMPARED = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_OPERATORS = (*_SIGNS.values(), "in", "nin")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.\d{1,17})?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_AFTER = "U"  # sorts behind the "T" of every time of a day
_DEEP, _MOST = 5, 100


@dataclass(frozen=True)
class Condition:
    """What one field must be, `Condition("price", "lte", 9)`, or how conditions are joined: `Condition("or", parts=…)`.

    Args:
        name: of the field, in any case; or "and", "or".
        operator: eq, ne, gt, gte, lt, lte, in, nin; empty where parts are joined.
        value: what it is compared with; a list for in and nin.
    """

    name: str
    operator: str = ""
    value: Any = field(default=None, hash=False)
    parts: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Filter:
    """Limits a search to some documents. All conditions given must hold.

    Args:
        fields: fields of the document by name: a value that it must have (of a list, one of them), or a mapping of
            operators to values, `{"price": {"lte": 100}, "product": ["PX-100", "PX-200"]}`.
        condition: more than `fields` can say.

    Example:
        >>> Filter(uri_prefix="file:///handbook/", mime="text/markdown").is_empty
        False
        >>> Filter(fields={"product": "PX-200"}).is_empty
        False
    """

    uri_prefix: str = ""
    mime: str = ""
    modified_after: datetime | None = None
    modified_before: datetime | None = None
    fields: Mapping[str, Any] = field(default_factory=dict, hash=False)
    condition: Condition | None = None

    def __post_init__(self) -> None:
        self.conditions()  # a wrong one is told here

    @property
    def is_empty(self) -> bool:
        """Whether every document passes."""
        return self == Filter()

    def conditions(self) -> list[Condition]:
        """All that is asked of fields."""
        if not isinstance(self.fields, Mapping):
            raise UsageError(tr("fields is {what}; it must be names with values.", what=type(self.fields).__name__))
        found = [] if self.condition is None else [self.condition]
        for name, wanted in self.fields.items():
            if isinstance(wanted, Mapping):
                found += [Condition(name, _SIGNS.get(str(sign), str(sign)), value) for sign, value in wanted.items()]
            else:
                found.append(Condition(name, "in" if _is_list(wanted) else "eq", wanted))
        if _count(found) > _MOST:
            raise UsageError(tr("A filter has more than {most} conditions, or nests them too deeply.", most=_MOST))
        return [_checked(one) for one in found]


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence | set | frozenset) and not isinstance(value, str)


def _count(conditions: Sequence[Condition], depth: int = 0) -> int:
    if depth > _DEEP:
        return _MOST + 1
    return sum(1 + _count(one.parts, depth + 1) for one in conditions)


def _checked(condition: Condition) -> Condition:
    if condition.name in {"and", "or"} and not condition.operator:
        return Condition(condition.name, parts=tuple(map(_checked, condition.parts)))
    if condition.operator not in _OPERATORS or not isinstance(condition.name, str) or not condition.name.strip():
        raise UsageError(
            tr(
                "{name} {operator} is no condition on a field; the operators are {known}.",
                name=condition.name,
                operator=condition.operator,
                known=", ".join(_OPERATORS),
            )
        )
    values = list(condition.value) if _is_list(condition.value) else [condition.value]
    listed = condition.operator in {"in", "nin"}
    if len(values) > _MOST or (not listed and len(values) != 1) or any(_written(value) is None for value in values):
        raise UsageError(
            tr("The value of {name} must be a text, a number, a date, true or false.", name=condition.name)
        )
    return Condition(clean_text(condition.name).strip().lower(), condition.operator, tuple(map(_written, values)))


def _written(value: Any) -> str | None:
    """A value as fields are compared: text, in which numbers have one form; None for what is no value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dates.date):  # and so a datetime
        return value.isoformat()
    if isinstance(value, int | float):
        return repr(int(value)) if value == value and abs(value) < 1e15 and value == int(value) else repr(value)
    return " ".join(clean_text(value).split()) if isinstance(value, str) else None


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def field_rows(fields: Fields) -> Iterator[tuple[str, str, float | None]]:
    """Fields as a store compares them: name in small letters, text, and the number where it is one.

    Returns:
        A row for each value; a list has several.
    """
    for name, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            text = _written(one)
            if text is not None:
                yield clean_text(name).lower(), text, _number(text)


def rows_of_fields(document: int, own: str, given: str) -> list[tuple[Any, ...]]:
    """The `field_rows` of a document, by its number, whose own and given fields are told as JSON."""
    return [(document, *row) for row in field_rows(tidy_fields(json.loads(own), json.loads(given)))]


def by_document(rows: Iterable[Sequence[Any]]) -> dict[int, dict[str, str]]:
    """Rows of document, name and text as fields by document; of a list its last value."""
    found: dict[int, dict[str, str]] = {}
    for document, name, text in rows:
        found.setdefault(document, {})[name] = text
    return found


def documents_condition(where: Filter) -> tuple[str, list[Any]]:
    """A filter as a condition of SQL on documents, d, whose `field_rows` stand in the table `fields`.

    Returns:
        The condition, with ? for each parameter, and the parameters.
    """
    given = (
        ("substr(d.uri, 1, ?) = ?", where.uri_prefix and [len(where.uri_prefix), where.uri_prefix]),
        ("d.mime = ?", where.mime and [where.mime]),
        ("d.modified >= ?", where.modified_after and [where.modified_after.timestamp()]),
        ("d.modified < ?", where.modified_before and [where.modified_before.timestamp()]),
    )
    conditions = [condition for condition, values in given if values]
    values = [value for _, values in given for value in values or ()]
    conditions += [_sql(one, values) for one in where.conditions()]
    return " AND ".join(conditions) or "1 = 1", values


def _sql(condition: Condition, values: list[Any]) -> str:
    if not condition.operator:
        joined = f" {condition.name.upper()} ".join(_sql(part, values) for part in condition.parts)
        return f"({joined or ('1=1' if condition.name == 'and' else '1=0')})"
    values.append(condition.name)
    tests = " OR ".join(_test(condition.operator, value, values) for value in condition.value) or "1=0"
    negated = "NOT " if condition.operator in {"ne", "nin"} else ""
    return f"d.id {negated}IN (SELECT document FROM fields WHERE name = ? AND ({tests}))"


def _test(operator: str, text: str, values: list[Any]) -> str:
    number, day = _number(text), _DAY.fullmatch(text)
    if operator not in _COMPARED:
        if number is not None:
            values.append(number)
            return "number = ?"
        # A day is also every time of that day.
        values += [text, f"{text}T", f"{text}{_AFTER}"] if day else [text]
        return "(text = ? OR (text >= ? AND text < ?))" if day else "text = ?"
    if number is not None:
        values.append(number)
        return f"number {_COMPARED[operator]} ?"
    if day and operator in {"lte", "gt"}:
        operator, text = ("lt" if operator == "lte" else "gte"), text + _AFTER
    values.append(text)
    return f"(number IS NULL AND text {_COMPARED[operator]} ?)"


_WHERE = re.compile(r"\s*([^=!<>\s][^=!<>]*?)\s*(==|!=|>=|<=|=|>|<)\s*(.*?)\s*", re.S)


def read_conditions(texts: Sequence[str]) -> Filter | None:
    """A filter from what a person writes: "product=PX-200", "year>=2024"; of two values of one field either will do.

    Returns:
        A filter; None for no text.
    """
    fields: dict[str, dict[str, Any]] = {}
    for text in texts:
        found = _WHERE.fullmatch(text)
        if not found or not found.group(3):
            raise UsageError(tr("{text} is no condition. Write name=value, or !=, >=, <=, >, <.", text=text))
        name, operator = found.group(1).lower(), _SIGNS[found.group(2)]
        asked = fields.setdefault(name, {})
        if operator in {"eq", "ne"}:
            asked.setdefault("in" if operator == "eq" else "nin", []).append(found.group(3))
        elif asked.setdefault(operator, found.group(3)) != found.group(3):
            raise UsageError(tr("{name} is compared twice in the same way: leave one condition out.", name=name))
    return Filter(fields=fields) if fields else None


def condition_of(data: Any, depth: int = 0) -> Condition:
    """A filter of OpenAI's vector stores: `{"type": "eq", "key": …, "value": …}`, or "and" and "or" over `filters`."""
    kind = data.get("type") if isinstance(data, Mapping) else None
    if kind in {"and", "or"} and isinstance(data.get("filters"), list) and depth < _DEEP:
        return Condition(kind, parts=tuple(condition_of(part, depth + 1) for part in data["filters"][:_MOST]))
    if not isinstance(kind, str) or not {"key", "value"} <= set(data):
        raise UsageError(
            tr('A filter is {"type": "eq", "key": …, "value": …} or {"type": "and", "filters": […]}, five deep.')
        )
    return Condition(data["key"], kind, data["value"])
