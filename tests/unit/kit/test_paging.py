"""Cursors: opaque, honest about the last page, and never a 500."""

from __future__ import annotations

import base64
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kit.paging import BadCursor, PageRequest, decode_cursor, encode_cursor
from tests.unit.kit.shop import Shop


def packed(text: str | bytes) -> str:
    return base64.urlsafe_b64encode(text if isinstance(text, bytes) else text.encode()).decode().rstrip("=")


TAMPERED = [
    "x",
    "=",
    "====",
    "%%%",
    "\u00e4\u00f6",
    "a" * 512,
    packed("[]"),
    packed("{}"),
    packed("null"),
    packed("1"),
    packed('"a"'),
    packed("[1]"),
    packed('["a", null]'),
    packed('["a", ["b"]]'),
    packed('["\\ud800", "b"]'),
    packed("[NaN]"),
    packed('["a"'),
    packed("[" * 300),
    packed(b"\xff\xfe"),
    packed("[" + "9" * 300 + "]"),
]


@pytest.mark.parametrize("cursor", TAMPERED)
async def test_a_tampered_cursor_is_a_422(here: Shop, cursor: str) -> None:
    answer = await here.http.get("/shoes", params={"after": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_cursor")
    assert answer.json()["errors"][0]["pointer"] == "/after"


async def test_a_cursor_that_is_too_long_is_a_422(here: Shop) -> None:
    assert (await here.http.get("/shoes", params={"after": "a" * 1537})).status_code == 422


@given(st.text(max_size=60))
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    with suppress(BadCursor):
        assert all(part.encode() is not None for part in decode_cursor(text))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_a_cursor_gives_back_its_key(parts: list[str]) -> None:
    assert decode_cursor(encode_cursor(tuple(parts))) == tuple(parts)


@pytest.mark.parametrize("count", range(6))
def test_the_last_page_says_so(count: int) -> None:
    page = PageRequest(limit=3).page([(str(number),) for number in range(count)][:4], lambda row: row)
    assert (len(page.items), page.next is not None) == (min(count, 3), count > 3)


async def test_pages_have_no_gaps_and_no_repeats_while_rows_are_added(here: Shop) -> None:
    for number in range(7):
        here.has(name=f"shoe {number % 3}")
    seen, path = [], "/shoes?limit=2&size=40"
    while path:
        page = await here.http.get(path)
        seen += [item["id"] for item in page.json()["items"]]
        link = page.headers.get("link", "")
        assert bool(link) == (page.json()["next"] is not None)
        path = link.partition(">")[0].removeprefix("<")
        assert not path or "size=40" in path
        here.has(name="a first one")
    assert len(seen) == len(set(seen)) == 7


def test_a_cursor_is_strings_whatever_the_key_was() -> None:
    assert json.loads(base64.urlsafe_b64decode(encode_cursor(("a", 1)) + "==")) == ["a", "1"]
