"""Cursors of lists: a wrong cursor is a 422, and only the last page has no next one."""

from __future__ import annotations

import base64
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kit.paging import BadCursor, PageRequest, decode_cursor, encode_cursor
from tests.unit.kit.shop import Shop


def encode_base64(text: str | bytes) -> str:
    return base64.urlsafe_b64encode(text if isinstance(text, bytes) else text.encode()).decode().rstrip("=")


INVALID_CURSORS = [
    "x",
    "=",
    "====",
    "%%%",
    "\u00e4\u00f6",
    "a" * 512,
    encode_base64("[]"),
    encode_base64("{}"),
    encode_base64("null"),
    encode_base64("1"),
    encode_base64('"a"'),
    encode_base64("[1]"),
    encode_base64('["a", null]'),
    encode_base64('["a", ["b"]]'),
    encode_base64('["\\ud800", "b"]'),
    encode_base64("[NaN]"),
    encode_base64('["a"'),
    encode_base64("[" * 300),
    encode_base64(b"\xff\xfe"),
    encode_base64("[" + "9" * 300 + "]"),
]


@pytest.mark.parametrize("cursor", INVALID_CURSORS)
async def test_an_invalid_cursor_is_a_422(shop: Shop, cursor: str) -> None:
    response = await shop.http.get("/shoes", params={"after": cursor})
    assert (response.status_code, response.json()["code"]) == (422, "bad_cursor")
    assert response.json()["errors"][0]["pointer"] == "/after"


async def test_a_cursor_that_is_too_long_is_a_422(shop: Shop) -> None:
    assert (await shop.http.get("/shoes", params={"after": "a" * 1537})).status_code == 422


@given(st.text(max_size=60))
def test_any_text_is_decoded_or_refused(text: str) -> None:
    with suppress(BadCursor):
        assert all(part.encode() is not None for part in decode_cursor(text))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_a_cursor_is_decoded_to_its_sort_key(parts: list[str]) -> None:
    assert decode_cursor(encode_cursor(tuple(parts))) == tuple(parts)


@pytest.mark.parametrize("count", range(6))
def test_only_the_last_page_has_no_next_cursor(count: int) -> None:
    page = PageRequest(limit=3).page([(str(number),) for number in range(count)][:4], lambda row: row)
    assert (len(page.items), page.next is not None) == (min(count, 3), count > 3)


async def test_pages_have_no_gaps_and_no_repeats_while_rows_are_added(shop: Shop) -> None:
    for number in range(7):
        shop.add_shoe(name=f"shoe {number % 3}")
    ids, path = [], "/shoes?limit=2&size=40"
    while path:
        page = await shop.http.get(path)
        ids += [item["id"] for item in page.json()["items"]]
        link = page.headers.get("link", "")
        assert bool(link) == (page.json()["next"] is not None)
        path = link.partition(">")[0].removeprefix("<")
        assert not path or "size=40" in path
        shop.add_shoe(name="a first one")
    assert len(ids) == len(set(ids)) == 7


def test_the_parts_of_a_sort_key_become_texts() -> None:
    assert json.loads(base64.urlsafe_b64decode(encode_cursor(("a", 1)) + "==")) == ["a", "1"]
