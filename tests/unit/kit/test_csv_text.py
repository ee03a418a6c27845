"""CSV that a spreadsheet program opens without running anything."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kit.csv_text import csv_lines, csv_text, safe_value

FORMULA_MARKS = "=+-@\u2212\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
"""What a spreadsheet program takes for the beginning of a formula: plain, wide and small forms."""
SKIPPED = " \t\r\n\v\f\x00\x1f\x85\xa0\xad\u2003\u2028\u200b\u200f\u202e\u2066\u3000\ufeff"
"""What a spreadsheet program removes or skips before the beginning."""
TEXTS = st.text(st.sampled_from([*FORMULA_MARKS, *SKIPPED, *";,'\"|ab1"]) | st.characters(), max_size=12)


def cells(line: str) -> list[str]:
    """Return the cells that a program finds which splits at semicolons, tabs and line breaks, and knows no quotes."""
    return re.split("[;\t\r\n]", line)


def begins_a_formula(cell: str) -> bool:
    return cell.lstrip(SKIPPED)[:1] in set(FORMULA_MARKS) if cell.lstrip(SKIPPED) else False


@pytest.mark.parametrize("mark", FORMULA_MARKS, ids=[f"{ord(mark):04x}" for mark in FORMULA_MARKS])
@pytest.mark.parametrize("skipped", ["", *SKIPPED], ids=["nothing", *(f"after-{ord(mark):04x}" for mark in SKIPPED)])
def test_no_text_begins_like_a_formula(mark: str, skipped: str) -> None:
    written = safe_value(f"{skipped}{mark}cmd")
    assert not any(map(begins_a_formula, cells(written)))
    assert written.replace("'", "") == f"{skipped}{mark}cmd"


@given(TEXTS)
def test_every_text_keeps_its_characters_and_no_cell_of_it_is_a_formula(text: str) -> None:
    written = safe_value(text)
    assert not any(map(begins_a_formula, cells(written)))
    assert written.replace("'", "") == text.replace("'", "")


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=3), max_size=3))
def test_no_cell_of_a_written_line_is_a_formula(lines: list[list[str]]) -> None:
    written = csv_lines(lines)
    read = list(csv.reader(io.StringIO(written, newline="")))
    assert len(read) == len(lines)
    assert not any(begins_a_formula(cell) for line in read for value in line for cell in cells(value))
    assert not any(begins_a_formula(cell.lstrip('"')) for cell in cells(written)), "also for a program that expects semicolons"


@pytest.mark.parametrize("text", ["Check-up", "1-2", "a=b", "mia@example.org", "2026-03-09", "'=1", "", "Ada; Brandt"], ids=str)
def test_a_harmless_text_is_unchanged(text: str) -> None:
    assert safe_value(text) == text


@pytest.mark.parametrize(
    ("value", "expected"), [(None, ""), (-5, -5), (True, True), ({"a": None}, '{"a": null}'), (["=1"], '["=1"]')], ids=str
)
def test_numbers_stay_numbers_and_objects_are_json(value: Any, expected: Any) -> None:
    assert safe_value(value) == expected


def test_a_table_has_a_header_and_quotes_what_needs_it() -> None:
    assert csv_text(["a", "b"], [{"a": 'x,"y"', "b": 1}]) == 'a,b\r\n"x,""y""",1\r\n'
    assert csv_text(["=a"], []) == "'=a\r\n"


def test_a_table_is_quoted_as_rfc_4180_says() -> None:
    text = csv_text(["key", "count"], [{"key": 'a "b", c\nd', "count": 1}, {"key": None, "count": 0.5}])
    assert text == 'key,count\r\n"a ""b"", c\nd",1\r\n,0.5\r\n'
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["key", "count"], ['a "b", c\nd', "1"], ["", "0.5"]]
