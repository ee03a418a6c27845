"""Reading a file with doctors or patients: its encoding, its separator, its columns and its rows."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from admin_svc.domain.csv_records import CsvRecord, read_records
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
WRONG_BYTES, LONG_CHARACTERS = re.compile("[\udc80-\udcff]"), re.compile("[^\x00-\x7f\udc80-\udcff]")
UNREADABLE = re.compile("[\x00\udc80-\udcff]")
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
    records = read_records(text, separator)
    columns = _columns(next(records, None))
    _check_columns(FORMATS[kind], columns)
    rows: list[FileRow] = []
    lines_by_id: dict[UUID, int] = {}
    for record in records:
        if len(rows) == MAX_ROWS:
            raise TooManyRows(pointer=WHOLE_FILE)
        line, row = record.line, _row(kind, record, columns, separator)
        if (earlier := lines_by_id.setdefault(row.id, line)) != line and row.refusal is None:
            row = FileRow(line, row.id, {}, RowRefusal("duplicate_row", f"Line {earlier} is about the same person."))
        rows.append(row)
    return rows


def decode(content: bytes) -> str:
    """Return the text of a file: UTF-8, with or without a byte order mark, or else Windows-1252. Raises TextUnreadable.

    Bytes that the encoding does not have become surrogates, so that they stop only their row. A file that is not UTF-8 throughout counts as
    UTF-8 if it has more characters of several bytes than bytes that are wrong: in a text in Windows-1252 there are hardly any of them.
    """
    if content.startswith(UTF16_MARKS):
        raise TextUnreadable(pointer=WHOLE_FILE)
    text = content.removeprefix(UTF8_MARK).decode("utf-8", "surrogateescape")
    wrong_bytes, long_characters = len(WRONG_BYTES.findall(text)), len(LONG_CHARACTERS.findall(text))
    is_utf8 = content.startswith(UTF8_MARK) or not wrong_bytes or long_characters > wrong_bytes
    return text if is_utf8 else content.decode("cp1252", "surrogateescape")


def separator_of(text: str) -> str:
    """Return what separates the cells: a semicolon if the first line has more of them than of commas."""
    first_line = text.lstrip("\r\n").partition("\n")[0]
    return ";" if first_line.count(";") > first_line.count(",") else ","


def _columns(header: CsvRecord | None) -> list[str]:
    """Return the names of the columns. Raises FileEmpty, CsvMalformed or TextUnreadable."""
    if header is None:
        raise FileEmpty(pointer=WHOLE_FILE)
    if header.cells is None:
        raise CsvMalformed(f"Line {header.line}, with the names of the columns, cannot be read. {CsvMalformed.detail}", pointer=WHOLE_FILE)
    if any(UNREADABLE.search(cell) for cell in header.cells):
        raise TextUnreadable(pointer=WHOLE_FILE)
    return [cell.strip() for cell in header.cells]


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


def _row(kind: str, record: CsvRecord, columns: Sequence[str], separator: str) -> FileRow:
    refusal = _refusal_of(record, len(columns))
    if refusal is not None or record.cells is None:
        return FileRow(record.line, derive_id(IMPORT_NAMESPACE, record.line), {}, refusal)
    values = {name: cell.strip() for name, cell in zip(columns, record.cells, strict=True) if cell.strip()}
    fields = {name: _value(FORMATS[kind], name, value, separator) for name, value in values.items()}
    return FileRow(record.line, FORMATS[kind].row_id(kind, fields), fields)


def _refusal_of(record: CsvRecord, columns: int) -> RowRefusal | None:
    """Return why a record is no row; None if it is one."""
    if record.cells is None:
        return RowRefusal(CsvMalformed.code, CsvMalformed.detail)
    if len(record.cells) != columns:
        return RowRefusal("wrong_number_of_cells", f"The row has {len(record.cells)} cells, and the header has {columns}.")
    if sum(map(len, record.cells)) > MAX_ROW_CHARACTERS:
        return RowRefusal("row_too_long", f"The row has more than {MAX_ROW_CHARACTERS} characters.")
    if any(UNREADABLE.search(cell) for cell in record.cells):
        return RowRefusal(TextUnreadable.code, "The row has bytes that are no text in the encoding of the file.")
    return None


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
