"""The records of a CSV file (RFC 4180). A record that cannot be read stops no other one."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

QUOTE = '"'
MAX_RECORD_CHARACTERS = 20_000
"""A record of several lines that is longer is not read to its end: its quote was forgotten, and would hide the rows behind it."""
csv.field_size_limit(8 * 1024 * 1024)  # that of the module, 128 KiB, would make a long cell look like a wrong quote


@dataclass(frozen=True, slots=True)
class CsvRecord:
    """The cells of a record, and the number of the line on which it begins. `cells` is None if that line cannot be read."""

    line: int
    cells: list[str] | None


def read_records(text: str, separator: str) -> Iterator[CsvRecord]:
    """Yield the records of a text that have a value.

    Where a quoted cell does not end, or text follows its end, only the line on which the record begins is given up. The other lines of it
    are records of their own, except for those that have the other half of a pair of quotes.
    """
    lines = list(io.StringIO(text, newline=""))
    index, in_doubt_until = 0, 0
    while index < len(lines):
        cells, end = _read_record(lines, index, separator)
        if index < in_doubt_until and (end > index + 1 or lines[index].count(QUOTE) % 2):
            cells = None
        if cells is None:
            in_doubt_until, end = max(in_doubt_until, end), index + 1
        if cells is None or any(cell.strip() for cell in cells):
            yield CsvRecord(index + 1, cells)
        index = end


def _read_record(lines: Sequence[str], start: int, separator: str) -> tuple[list[str] | None, int]:
    """Return the cells of the record that begins on a line, or None, and the index of the line after those that were looked at."""
    reader = csv.reader(_lines_of_one_record(lines, start), delimiter=separator, strict=True)
    try:
        return next(reader), start + reader.line_num
    except csv.Error:
        return None, start + reader.line_num


def _lines_of_one_record(lines: Sequence[str], start: int) -> Iterator[str]:
    characters = 0
    for index in range(start, len(lines)):
        yield lines[index]
        characters += len(lines[index])
        if characters > MAX_RECORD_CHARACTERS:
            return
