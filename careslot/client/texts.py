"""Values as texts: for people in the zone of the times, and for spreadsheets; and writing texts to any terminal."""

from __future__ import annotations

import io
import json
import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from careslot.client.columns import ColumnFormat, TableColumn
from careslot.client.times import YEARS

LINE_BREAKS = {"\n", "\u2028", "\u2029", "\x85", "\r", "\t"}
BIDI_CONTROLS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class ColumnTexts:
    """Headings and values of columns. `zone` returns the zone of the times; it is called when the first time is shown."""

    def __init__(self, zone: Callable[[], ZoneInfo]) -> None:
        self._zone = zone

    def heading(self, column: TableColumn) -> str:
        """Return the heading of a column. That of times names the zone."""
        return f"{column.title} ({self._zone().key})" if column.format is ColumnFormat.INSTANT else column.title

    def value(self, column: TableColumn, document: dict[str, Any]) -> str:
        """Return the value of a column for people."""
        value = column.value_in(document)
        instant = parsed_instant(value) if column.format is ColumnFormat.INSTANT else None
        return f"{instant.astimezone(self._zone()):%a %Y-%m-%d %H:%M}" if instant else clean(_plain_text(value))

    def csv_value(self, column: TableColumn, document: dict[str, Any]) -> str | int | float:
        """Return the value of a column for a table in CSV. Times have the offset of the zone."""
        value = column.value_in(document)
        instant = parsed_instant(value) if column.format is ColumnFormat.INSTANT else None
        if instant:
            return instant.astimezone(self._zone()).isoformat()
        return value if isinstance(value, int | float) and not isinstance(value, bool) else _plain_text(value)


def parsed_instant(value: Any) -> datetime | None:
    """Return the instant that a text of the API names, or None if it names none."""
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return instant if instant.tzinfo and instant.year in YEARS else None


def clean(text: str) -> str:
    """Return a text without control characters, which could move the cursor of a terminal or turn its text around."""
    if text.isprintable():
        return text
    return "".join(" " if mark in LINE_BREAKS else "" if _is_control(mark) else mark for mark in text)


def write(stream: TextIO, text: str) -> None:
    """Write a text; characters that the stream's encoding does not have are replaced."""
    replace_unencodable(stream)
    stream.write(text)
    stream.flush()


def replace_unencodable(stream: TextIO) -> None:
    """Make a stream write a question mark for each character that its encoding does not have."""
    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors="replace")


def _plain_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_plain_text, value))
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def _is_control(mark: str) -> bool:
    return unicodedata.category(mark) in ("Cc", "Cs") or mark in BIDI_CONTROLS
