"""Tables as CSV (RFC 4180) in which a spreadsheet program runs nothing. All CSV that the product writes is made here."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

FORMULA_STARTS = frozenset("=+-@")
"""The first characters for which a spreadsheet program takes a value for a formula, also in their wide and small forms."""
MINUS_SIGN = "\u2212"
CELL_ENDS = re.compile("([;\t\r\n])")
"""Where a program that expects another separator than the comma, or knows no quotes, begins a new cell."""


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a table with a header line. Null is an empty value; objects and lists are JSON."""
    return csv_lines([columns, *([row[column] for column in columns] for row in rows)])


def csv_lines(lines: Iterable[Sequence[Any]]) -> str:
    """Return lines of values, each ending with CR LF."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(map(safe_value, line) for line in lines)
    return text.getvalue()


def safe_value(value: Any) -> Any:
    """Return a value as it is written. An apostrophe stands before each part of a text that could be run as a formula.

    The parts are those between semicolons, tabs and line breaks. Without these apostrophes the text is unchanged.
    """
    if value is None:
        return ""
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    return "".join(map(_safe_part, CELL_ENDS.split(value))) if isinstance(value, str) else value


def _safe_part(part: str) -> str:
    return f"'{part}" if is_formula(part) else part


def is_formula(text: str) -> bool:
    """Return whether a spreadsheet program may take a text for a formula. It skips spaces and invisible characters at the beginning."""
    first = next((mark for mark in text if unicodedata.category(mark)[0] not in "CZ"), "")
    return unicodedata.normalize("NFKC", first).replace(MINUS_SIGN, "-")[:1] in FORMULA_STARTS if first else False
