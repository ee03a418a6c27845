"""Tables as CSV: quoted as RFC 4180 says, and without formulas."""

from __future__ import annotations

import csv
import io

import pytest

from shared.kit.csv_export import csv_text


def test_a_table_is_quoted_as_rfc_4180_says() -> None:
    text = csv_text(["key", "count"], [{"key": 'a "b", c\nd', "count": 1}, {"key": None, "count": 0.5}])
    assert text == 'key,count\r\n"a ""b"", c\nd",1\r\n,0.5\r\n'
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["key", "count"], ['a "b", c\nd', "1"], ["", "0.5"]]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_that_a_spreadsheet_would_run_is_marked_as_text(start: str) -> None:
    (_, row) = csv.reader(io.StringIO(csv_text(["key"], [{"key": f"{start}cmd|' /C calc'!A0"}]), newline=""))
    assert row == [f"'{start}cmd|' /C calc'!A0"]


def test_negative_numbers_stay_numbers() -> None:
    assert csv_text(["count"], [{"count": -1}]) == "count\r\n-1\r\n"
