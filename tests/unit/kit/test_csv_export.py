"""CSV that a spreadsheet program opens without running anything."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kit.csv_export import FORMULA_STARTS, csv_text, safe_value


@pytest.mark.parametrize("start", FORMULA_STARTS, ids=["equals", "plus", "minus", "at", "tab", "return"])
def test_no_text_begins_like_a_formula(start: str) -> None:
    assert safe_value(f"{start}cmd") == f"'{start}cmd"


@given(st.text())
def test_every_text_keeps_its_characters(text: str) -> None:
    assert str(safe_value(text)).removeprefix("'") == text.removeprefix("'")
    assert not str(safe_value(text)).startswith(FORMULA_STARTS)


@pytest.mark.parametrize(
    ("value", "expected"), [(None, ""), (-5, -5), (True, True), ({"a": None}, '{"a": null}'), (["=1"], '["=1"]')], ids=str
)
def test_numbers_stay_numbers_and_objects_are_json(value: Any, expected: Any) -> None:
    assert safe_value(value) == expected


def test_a_table_has_a_header_and_quotes_what_needs_it() -> None:
    assert csv_text(["a", "b"], [{"a": 'x,"y"', "b": 1}]) == 'a,b\r\n"x,""y""",1\r\n'


def test_a_table_is_quoted_as_rfc_4180_says() -> None:
    text = csv_text(["key", "count"], [{"key": 'a "b", c\nd', "count": 1}, {"key": None, "count": 0.5}])
    assert text == 'key,count\r\n"a ""b"", c\nd",1\r\n,0.5\r\n'
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["key", "count"], ['a "b", c\nd', "1"], ["", "0.5"]]
