"""What a statement on SQLite may use: named functions, bounded lengths, bounded time.

The limits are SQLite's own, since nothing outside of it can stop one function that makes a gigabyte in a single step.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

_ACTIONS = frozenset((sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE))
# Functions of SQLite that read nothing but their arguments. Not here: those that load, write, log or make bytes of
# nothing, and aggregates that gather without a bound (json_group_array, median).
_FUNCTION_NAMES = """
-> ->> abs acos acosh asin asinh atan atan2 atanh avg bm25 ceil ceiling char coalesce concat concat_ws cos cosh count
cume_dist current_date current_time current_timestamp date datetime degrees dense_rank exp first_value floor format glob
group_concat hex highlight ifnull iif instr json json_array json_array_length json_error_position json_extract
json_insert json_object json_patch json_quote json_remove json_replace json_set json_type json_valid julianday lag
last_value lead length like likelihood likely ln log log10 log2 lower ltrim match matchinfo max min mod nth_value ntile
nullif octet_length offsets percent_rank pi pow power printf quote radians random rank replace round row_number rtrim
sign sin sinh snippet soundex sqlite_version sqrt strftime string_agg substr substring subtype sum tan tanh time
timediff total trim trunc typeof unhex unicode unistr unixepoch unlikely upper
"""
_FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
LONGEST_VALUE = 1 << 17
_LIMITS = {
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 8000,  # says how many values of the greatest length are held at once
    sqlite3.SQLITE_LIMIT_COLUMN: 128,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 50_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 64,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 256,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 100,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
# A width of 900 million is counted to in one step, whether or not the text may become so long.
_WIDE = re.compile(r"%[^%a-zA-Z]*(?:\*|\d{4})")
_STEPS = 1000  # of SQLite's machine between two looks at the clock


@contextmanager
def guarded(
    raw: sqlite3.Connection, timeout_s: float, functions: Iterable[str] = (), longest: int = LONGEST_VALUE
) -> Iterator[None]:
    """A connection that only reads, within bounds, gives up after the time limit, and is used for nothing else
    afterwards. `longest` is the bytes of one value: instr, replace and LIKE take its square in time, a row that many
    times its columns of memory.
    """
    raw.execute(
        "SELECT 1 FROM sqlite_master LIMIT 1"
    ).close()  # read the tables' definitions before columns are bounded
    raw.execute("PRAGMA temp_store = FILE").close()
    _replace_slow_functions(raw, longest)
    for limit, value in _LIMITS.items():
        raw.setlimit(limit, value)
    raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, longest)
    allowed = _FUNCTIONS | {name.lower() for name in functions}

    def permitted(action: int, _: str | None, second: str | None, *__: str | None) -> int:
        fine = action in _ACTIONS and (action != sqlite3.SQLITE_FUNCTION or str(second).lower() in allowed)
        return sqlite3.SQLITE_OK if fine else sqlite3.SQLITE_DENY

    deadline = time.monotonic() + timeout_s
    timer = threading.Timer(timeout_s, _interrupt, (raw,))
    timer.daemon = True
    raw.set_authorizer(permitted)
    raw.set_progress_handler(lambda: int(time.monotonic() > deadline), _STEPS)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        raw.set_authorizer(None)
        raw.set_progress_handler(None, 0)


def _interrupt(raw: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):  # closed in the meantime
        raw.interrupt()


def _replace_slow_functions(raw: sqlite3.Connection, longest: int) -> None:
    """Functions of SQLite that one call can keep busy for minutes, where nothing breaks them off."""
    for name, trim in {"trim": (True, True), "ltrim": (True, False), "rtrim": (False, True)}.items():
        for count in (1, 2):
            raw.create_function(name, count, _trimmer(*trim), deterministic=True)
    formatter = sqlite3.connect(":memory:", check_same_thread=False)
    formatter.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, longest)

    def formatted(form: object = None, *values: object) -> Any:
        if _WIDE.search(_text(form)):
            raise ValueError("a width of more than three digits, or of *")
        return formatter.execute(f"SELECT printf(?{', ?' * len(values)})", (form, *values)).fetchone()[0]

    for name in ("printf", "format"):
        raw.create_function(name, -1, formatted, deterministic=True)


def _trimmer(left: bool, right: bool) -> Callable[..., str | None]:
    """SQLite's own looks through all the characters to trim for each that it trims: seconds where both are long."""

    def trim(text: object, characters: object = " ") -> str | None:
        if text is None or characters is None:
            return None
        whole, wanted = _text(text), frozenset(_text(characters))
        start, end = 0, len(whole)
        while left and start < end and whole[start] in wanted:
            start += 1
        while right and end > start and whole[end - 1] in wanted:
            end -= 1
        return whole[start:end]

    return trim


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
