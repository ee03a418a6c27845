"""Files to import: encodings, separators, columns, lists, line numbers, and who a row is about."""

from __future__ import annotations

from typing import Any

import pytest

from admin_svc.domain.import_files import MAX_ROW_CHARACTERS, MAX_ROWS, FileRow, read_file
from admin_svc.domain.import_refusals import (
    ColumnMissing,
    ColumnRepeated,
    ColumnUnknown,
    CsvMalformed,
    FileEmpty,
    TextUnreadable,
    TooManyRows,
)
from shared.contracts.refusals import Refusal


def doctors(text: str, encoding: str = "utf-8") -> list[FileRow]:
    return read_file("doctors", text.encode(encoding))


def patients(text: str) -> list[FileRow]:
    return read_file("patients", text.encode())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";"], ids=["comma", "semicolon"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_encoding_separator_and_line_ends_are_recognised(encoding: str, separator: str, line_end: str) -> None:
    lines = [f"email{separator}full_name", f"a@clinic.example{separator}Jörg Müßig", ""]
    (row,) = doctors(line_end.join(lines), encoding)
    assert row.fields == {"email": "a@clinic.example", "full_name": "Jörg Müßig"}


@pytest.mark.parametrize(
    ("separator", "cell", "items"),
    [(",", "Cardiology|Sport", ["Cardiology", "Sport"]), (",", "Cardiology; Sport", ["Cardiology", "Sport"]), (";", "A|B", ["A", "B"])],
    ids=["bar", "semicolon-in-a-comma-file", "bar-in-a-semicolon-file"],
)
def test_lists_are_split(separator: str, cell: str, items: list[str]) -> None:
    (row,) = doctors(f"email{separator}full_name{separator}specialties\na@b.example{separator}Ada{separator}{cell}\n")
    assert row.fields["specialties"] == items


def test_quoted_cells_have_separators_quotes_and_line_breaks_and_lines_are_counted_as_in_the_file() -> None:
    rows = doctors('email,full_name,bio\na@b.example,"Brandt, ""Ada""","one\ntwo\nthree"\n\nb@b.example,Bo,\n')
    assert [(row.line, row.fields) for row in rows] == [
        (2, {"email": "a@b.example", "full_name": 'Brandt, "Ada"', "bio": "one\ntwo\nthree"}),
        (6, {"email": "b@b.example", "full_name": "Bo"}),
    ]


@pytest.mark.parametrize(("word", "value"), [("yes", True), ("TRUE", True), ("0", False), ("perhaps", "perhaps")])
def test_words_become_booleans_and_what_is_none_stays_for_the_refusal(word: str, value: Any) -> None:
    (row,) = doctors(f"email,full_name,accepting_patients\na@b.example,Ada,{word}\n")
    assert row.fields["accepting_patients"] == value


@pytest.mark.parametrize(
    ("content", "refusal", "pointer"),
    [
        (b"", FileEmpty, ""),
        (b"\n\n", FileEmpty, ""),
        (b"email,full_name,wage\n", ColumnUnknown, "/wage"),
        (b"email,full_name,email\n", ColumnRepeated, "/email"),
        (b"email\na@b.example\n", ColumnMissing, "/full_name"),
        (b'"email,full_name\na@b.example,Ada\n', CsvMalformed, ""),
        (b'"email"x,full_name\na@b.example,Ada\n', CsvMalformed, ""),
        ("email,full_name\na@b.example,Ada\n".encode("utf-16"), TextUnreadable, ""),
        (b"email,full_name\x81\na@b.example,Ada\n", TextUnreadable, ""),
        ("email,full_name\na@b.example,Ada\n".encode("utf-16-le"), TextUnreadable, ""),
        (b"email,full_name\n" + b"a@b.example,Ada\n" * (MAX_ROWS + 1), TooManyRows, ""),
    ],
    ids=["empty", "blank", "unknown", "twice", "missing", "open-quote", "after-quote", "utf-16", "no-encoding", "unmarked", "too-many"],
)
def test_a_file_that_cannot_be_used_is_refused_and_says_why(content: bytes, refusal: type[Refusal], pointer: str | None) -> None:
    with pytest.raises(refusal) as refused:
        read_file("doctors", content)
    assert refused.value.facts.get("pointer") == pointer


def test_a_row_that_cannot_be_used_stops_no_other_one() -> None:
    long = "x" * MAX_ROW_CHARACTERS
    rows = doctors(f"email,full_name\na@b.example\na@b.example,Ada,more\nb@b.example,{long}\nc@b.example,Cy\n")
    assert [row.refusal and row.refusal.code for row in rows] == ["wrong_number_of_cells", "wrong_number_of_cells", "row_too_long", None]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (b'a@b.example,"Ada', "csv_malformed"),
        (b'"a@b.example" x,Ada', "csv_malformed"),
        (b'a@b.example,"Ada\nBrandt" x', "csv_malformed"),
        (b"a@b.example," + b"x" * 140_000, "row_too_long"),
        (b"a@b.example,A\x00da", "text_unreadable"),
        (b"a@b.example,Ren\xe9", "text_unreadable"),
    ],
    ids=["open-quote", "after-quote", "after-quote-of-two-lines", "long-cell", "nul", "no-utf-8"],
)
def test_a_row_that_is_no_csv_or_no_text_stops_no_other_one(row: bytes, code: str) -> None:
    before, after = "z@b.example,Zoë Müller\n".encode(), '\nc@b.example,Cäcilie\nd@b.example,"Dörte ""D"" Due"\n'.encode()
    rows = read_file("doctors", b"email,full_name\n" + before + row + after)
    names = {row.fields["full_name"] for row in rows if row.refusal is None}
    assert names == {"Zoë Müller", "Cäcilie", 'Dörte "D" Due'}
    assert {row.refusal.code for row in rows if row.refusal is not None} == {code}
    assert rows[1].line == 3


def test_a_byte_that_windows_1252_does_not_have_stops_only_its_row() -> None:
    bad, good = read_file("doctors", b"email,full_name\na@b.example,\x81\nc@b.example,Ren\xe9\n")
    assert bad.refusal is not None
    assert bad.refusal.code == "text_unreadable"
    assert good.fields["full_name"] == "René"


def test_a_quote_that_is_forgotten_again_and_again_is_read_in_a_moment() -> None:
    text = "email,full_name\n" + 'x"y,"\n' * (MAX_ROWS - 1)
    assert all(row.refusal is not None for row in doctors(text))


def test_the_second_row_about_the_same_person_is_refused_and_names_the_first() -> None:
    first, second = doctors("email,full_name\nada@b.example,Ada\nADA@b.example ,Ada Brandt\n")
    assert first.refusal is None
    assert second.refusal is not None
    assert (second.refusal.code, second.refusal.detail) == ("duplicate_row", "Line 2 is about the same person.")


def test_a_doctor_is_known_by_the_address_and_a_patient_by_identifier_or_by_all_that_is_known() -> None:
    assert doctors("email,full_name\nada@b.example,Ada\n")[0].id == doctors("full_name;email\nOther;Ada@B.example\n")[0].id
    identified = patients("full_name,identifiers,phone\nMina,urn:clinic:file 4711,123\n")[0].id
    assert identified == patients("full_name,identifiers\nMina Park,urn:clinic:file 4711\n")[0].id
    by_name = patients("full_name,born_on,phone\nMina Park,1984-06-02,+49 30 1\n")[0].id
    assert by_name == patients("phone;full_name;born_on\n+49 30 1;mina  park;1984-06-02\n")[0].id
    assert by_name != patients("full_name,born_on,phone\nMina Park,1984-06-03,+49 30 1\n")[0].id
    assert len({identified, by_name, doctors("email,full_name\nmina@b.example,Mina Park\n")[0].id}) == 3
