"""Reading a file with doctors or patients: its encoding, its separator, its columns and its rows."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from admin_svc.domain.import_refusals import (
    WHOLE_FILE,
    ColumnMissing,
    ColumnRepeated,
    ColumnUnknown,
    CsvMalformed,
    FileEmpty,
    RowRefusal,
    TextUnreadable,
    TooManyRows,
)
from shared.contracts.derived_ids import derive_id

MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_ROWS = 10_000
MAX_ROW_CHARACTERS = 10_000
"""With more, the row would not fit into a request to the service that owns the profile."""
MAX_SHOWN = 40
IMPORT_NAMESPACE = UUID("5d4a7a0e-93a1-5c0b-8a6d-3f1f3f0f6c11")
UTF8_MARK, UTF16_MARKS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
TRUE_WORDS, FALSE_WORDS = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})
Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FileFormat:
    """The columns of a file: the fields of the POST. `key` names those whose values together say who a row is about.

    The first field of `key` that has a value counts alone if it is in `unique`.
    """

    columns: frozenset[str]
    required: tuple[str, ...]
    lists: frozenset[str]
    booleans: frozenset[str]
    unique: tuple[str, ...]
    key: tuple[str, ...]

    def row_id(self, kind: str, fields: Mapping[str, Any]) -> UUID:
        """Return the id of who a row is about: the same in every file, so that nobody is created twice."""
        for name in self.unique:
            if value := fields.get(name):
                return derive_id(IMPORT_NAMESPACE, kind, name, _comparable(value[0] if isinstance(value, list) else value))
        return derive_id(IMPORT_NAMESPACE, kind, *(_comparable(fields.get(name, "")) for name in self.key))


FORMATS = {
    "doctors": FileFormat(
        columns=frozenset(
            {
                "email", "full_name", "time_zone", "locale", "title", "bio", "location", "accepting_patients", "specialties", "languages",
                "services",
            }
        ),
        required=("email", "full_name"),
        lists=frozenset({"specialties", "languages", "services"}),
        booleans=frozenset({"accepting_patients"}),
        unique=("email",),
        key=("full_name",),
    ),
    "patients": FileFormat(
        columns=frozenset(
            {
                "full_name", "phone", "born_on", "email", "time_zone", "locale", "identifiers", "preferred_contact", "reminders_consent",
            }
        ),
        required=("full_name",),
        lists=frozenset({"identifiers"}),
        booleans=frozenset({"reminders_consent"}),
        unique=("identifiers",),
        key=("full_name", "born_on", "phone", "email"),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FileRow:
    """One row: the number of the line on which it begins, who it is about, and its fields as JSON, or why it cannot be used."""

    line: int
    id: UUID
    fields: Fields
    refusal: RowRefusal | None = None


def read_file(kind: str, content: bytes) -> list[FileRow]:
    """Return the rows of a file without its header. Rows without any value are left out.

    Raises TextUnreadable, FileEmpty, CsvMalformed, ColumnUnknown, ColumnRepeated, ColumnMissing or TooManyRows. A row that cannot be used
    stops no other one.
    """
    text = decode(content)
    separator = separator_of(text)
    records = _records(text, separator)
    header = next(records, None)
    if header is None:
        raise FileEmpty(pointer=WHOLE_FILE)
    file_format, columns = FORMATS[kind], [cell.strip() for cell in header[1]]
    _check_columns(file_format, columns)
    rows: list[FileRow] = []
    lines_by_id: dict[UUID, int] = {}
    for line, cells in records:
        if len(rows) == MAX_ROWS:
            raise TooManyRows(pointer=WHOLE_FILE)
        row = _row(kind, line, cells, columns, separator)
        if (earlier := lines_by_id.setdefault(row.id, line)) != line and row.refusal is None:
            row = FileRow(line, row.id, {}, RowRefusal("duplicate_row", f"Line {earlier} is about the same person."))
        rows.append(row)
    return rows


def decode(content: bytes) -> str:
    """Return the text of a file: UTF-8, with or without a byte order mark, or else Windows-1252. Raises TextUnreadable."""
    if content.startswith(UTF16_MARKS) or b"\x00" in content:
        raise TextUnreadable(pointer=WHOLE_FILE)
    try:
        return content.removeprefix(UTF8_MARK).decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        raise TextUnreadable(pointer=WHOLE_FILE) from None


def separator_of(text: str) -> str:
    """Return what separates the cells: a semicolon if the first line has more of them than of commas."""
    first_line = text.lstrip("\r\n").partition("\n")[0]
    return ";" if first_line.count(";") > first_line.count(",") else ","


def _records(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the records that have a value, each with the number of the line on which it begins. Raises CsvMalformed."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error:
        detail = f"The text from line {line} on cannot be read: a quoted cell does not end, or text follows its end."
        raise CsvMalformed(detail, pointer=WHOLE_FILE) from None


def _check_columns(file_format: FileFormat, columns: Sequence[str]) -> None:
    for name in columns:
        if name not in file_format.columns:
            shown = name[:MAX_SHOWN] if name.isprintable() else ""
            known = ", ".join(sorted(file_format.columns))
            raise ColumnUnknown(f"There is no column `{shown}`. There are: {known}.", pointer=f"/{shown}")
    repeated = [name for name, count in Counter(columns).items() if count > 1]
    if repeated:
        raise ColumnRepeated(f"The column `{repeated[0]}` is there twice.", pointer=f"/{repeated[0]}")
    missing = [name for name in file_format.required if name not in columns]
    if missing:
        raise ColumnMissing(f"The column `{missing[0]}` is missing.", pointer=f"/{missing[0]}")


def _row(kind: str, line: int, cells: Sequence[str], columns: Sequence[str], separator: str) -> FileRow:
    file_format = FORMATS[kind]
    if len(cells) != len(columns):
        detail = f"The row has {len(cells)} cells, and the header has {len(columns)}."
        return FileRow(line, derive_id(IMPORT_NAMESPACE, line, *cells), {}, RowRefusal("wrong_number_of_cells", detail))
    if sum(map(len, cells)) > MAX_ROW_CHARACTERS:
        detail = f"The row has more than {MAX_ROW_CHARACTERS} characters."
        return FileRow(line, derive_id(IMPORT_NAMESPACE, line, *cells), {}, RowRefusal("row_too_long", detail))
    values = {name: cell.strip() for name, cell in zip(columns, cells, strict=True) if cell.strip()}
    fields = {name: _value(file_format, name, value, separator) for name, value in values.items()}
    return FileRow(line, file_format.row_id(kind, fields), fields)


def _value(file_format: FileFormat, name: str, cell: str, separator: str) -> Any:
    """Return the JSON of a cell. A word that is no boolean stays text, and is refused by the service that owns the profile."""
    if name in file_format.booleans:
        word = cell.lower()
        return True if word in TRUE_WORDS else False if word in FALSE_WORDS else cell
    return split_list(cell, separator) if name in file_format.lists else cell


def split_list(cell: str, separator: str) -> list[str]:
    """Return the items of a list. They are split by `|`, and in a comma-separated file also by `;`."""
    joined = cell.replace(";", "|") if separator == "," else cell
    return [item.strip() for item in joined.split("|") if item.strip()]


def _comparable(value: str) -> str:
    """Return a text in the form in which two spellings of it are equal: composed characters, single spaces, no case."""
    return " ".join(unicodedata.normalize("NFC", value).casefold().split())
