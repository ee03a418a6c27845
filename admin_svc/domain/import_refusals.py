"""Why a file is refused, and why one row of it is."""

from __future__ import annotations

from dataclasses import dataclass

from shared.contracts.refusals import Conflict, Invalid, NotFound, Refusal

MAX_DETAIL = 300
WHOLE_FILE = ""
"""The pointer of what is wrong with the file and not with a column of it: the root of the body (RFC 6901)."""


@dataclass(frozen=True, slots=True)
class RowRefusal:
    """Why a row was not used: the code that the POST of the same fields has, a sentence, and the field, if it is known."""

    code: str
    detail: str
    pointer: str | None = None

    @classmethod
    def of(cls, refusal: Refusal) -> RowRefusal:
        """Return what a row shows of the refusal of another service: the first wrong field, or the refusal itself."""
        errors = refusal.facts.get("errors") or [{}]
        first = errors[0] if isinstance(errors, list) and isinstance(errors[0], dict) else {}
        code, detail = str(first.get("code", refusal.code)), str(first.get("detail", refusal.detail))
        pointer = first.get("pointer")
        return cls(code[:48], detail[:MAX_DETAIL], None if pointer is None else str(pointer)[:100])


class TextUnreadable(Invalid):
    """Raised for a file that is neither UTF-8 nor Windows-1252."""

    code = "text_unreadable"
    detail = "The file is neither UTF-8 nor Windows-1252."
    remedy = "Save the file as CSV in UTF-8."
    example_pointers = (WHOLE_FILE,)


class FileEmpty(Invalid):
    """Raised for a file without a header."""

    code = "file_empty"
    detail = "The file has no header."
    remedy = "Send a file whose first line names the columns."
    example_pointers = (WHOLE_FILE,)


class CsvMalformed(Invalid):
    """Raised for a file in which the quotes around cells do not match."""

    code = "csv_malformed"
    detail = "A quoted cell does not end, or text follows its end."
    remedy = "Put cells with separators, quotes or line breaks into double quotes, and double the quotes in them (RFC 4180)."
    example_pointers = (WHOLE_FILE,)


class ColumnUnknown(Invalid):
    """Raised for a column that is no field."""

    code = "unknown_column"
    detail = "There is no such column."
    remedy = "Name the columns as the fields of the request that creates one of them, and leave the others out."
    example_pointers = ("/full_name",)


class ColumnRepeated(Invalid):
    """Raised for a column that is there twice."""

    code = "duplicate_column"
    detail = "A column is there twice."
    remedy = "Leave one of the two columns out."
    example_pointers = ("/full_name",)


class ColumnMissing(Invalid):
    """Raised for a file without a column that every row needs."""

    code = "missing_column"
    detail = "A column is missing."
    remedy = "Add the column that `errors` names to the file."
    example_pointers = ("/full_name",)


class TooManyRows(Invalid):
    """Raised for a file with too many rows."""

    code = "too_many_rows"
    detail = "A file may have 10,000 rows."
    remedy = "Send several files, one after the other."
    example_pointers = (WHOLE_FILE,)


class TooManyImports(Conflict):
    """Raised while too many imports are not finished yet."""

    code = "too_many_imports"
    detail = "Five imports are not finished yet."
    remedy = "Wait until one of them is finished: `GET /admin/imports` says how far they are."


class NoSuchImport(NotFound):
    """Raised when there is no such import, or it was deleted because it is old."""

    code = "no_such_import"
    detail = "There is no such import."
    remedy = "List the imports with `GET /admin/imports`: their outcome is kept for 90 days."
