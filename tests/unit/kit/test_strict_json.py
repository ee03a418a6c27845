"""Request bodies: only JSON as RFC 8259 defines it is accepted; other bodies are refused and not repeated in the response."""

from __future__ import annotations

import json

import pytest

from shared.contracts.identity import Role
from tests.tokens import bearer
from tests.unit.kit.shop import Shop

MALFORMED = {
    "NaN": b'{"name": "a", "width": NaN}',
    "Infinity": b'{"name": "a", "width": Infinity}',
    "minus Infinity": b'{"name": "a", "width": -Infinity}',
    "overflow": b'{"name": "a", "width": 1e999}',
    "minus overflow": b'{"name": "a", "width": -1e999}',
    "NaN in an unknown field": b'{"name": "a", "x": [{"y": NaN}]}',
    "lone high surrogate": b'{"name": "a\\ud800"}',
    "lone low surrogate": b'{"name": "\\udc00a"}',
    "surrogates the wrong way round": b'{"name": "\\udc00\\ud800"}',
    "lone surrogate in a key": b'{"name": "a", "\\uDBFF": 1}',
    "surrogate as raw UTF-8": b'{"name": "\xed\xa0\x80"}',
    "invalid UTF-8": b'{"name": "\xff\xfe"}',
    "overlong UTF-8": b'{"name": "\xc0\xaf"}',
    "UTF-16": '{"name": "a"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"name": "a"}',
    "deep arrays": b"[" * 30_000 + b"]" * 30_000,
    "deep objects": b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
    "deep and open": b"[" * 60_000,
    "an integer of 5,000 digits": b'{"name": "a", "size": ' + b"9" * 5_000 + b"}",
    "a comma too many": b'{"name": "a",}',
    "two values": b'{"name": "a"} {"name": "b"}',
    "single quotes": b"{'name': 'a'}",
    "a comment": b'{"name": "a" /* b */}',
    "a raw control character": b'{"name": "a\x01"}',
    "a raw NUL at the end": b'{"name": "a"}\x00',
    "a leading zero": b'{"name": "a", "size": 042}',
    "hexadecimal": b'{"name": "a", "size": 0x2A}',
    "half an object": b'{"name": "a"',
    "white space alone": b" \n",
    "not JSON": b"name=a",
}
DUPLICATES = {
    "at the top": b'{"name": "a", "name": "b"}',
    "escaped differently": b'{"name": "a", "n\\u0061me": "b"}',
    "nested in an unknown field": b'{"name": "a", "x": {"y": [{"z": 1, "z": 1}]}}',
}
INVALID = {
    "an integer of 400 digits": b'{"name": "a", "size": ' + b"9" * 400 + b"}",
    "a negative one": b'{"name": "a", "size": -1}',
    "a float for an integer": b'{"name": "a", "size": 40.0}',
    "a string for an integer": b'{"name": "a", "size": "40"}',
    "true for an integer": b'{"name": "a", "size": true}',
    "null for a string": b'{"name": null}',
    "a number for a string": b'{"name": 1}',
    "an array for an object": b"[]",
    "a string for an object": b'"a"',
    "null for an object": b"null",
    "an unknown field": b'{"name": "a", "colour": "red"}',
    "an escaped NUL": b'{"name": "a\\u0000"}',
    "a bidirectional override": '{"name": "a\u202eb"}'.encode(),
    "300 levels in an unknown field": b'{"name": "a", "x": ' + b"[" * 300 + b"]" * 300 + b"}",
    "a date for an instant": b'{"name": "a", "made_at": "2026-03-01"}',
    "a number for an instant": b'{"name": "a", "made_at": 1772000000}',
    "a year too late": b'{"name": "a", "made_at": "9999-12-31T23:59:59-14:00"}',
    "a leap second": b'{"name": "a", "made_at": "2026-06-30T23:59:60Z"}',
}
VALID = {
    "a surrogate pair": b'{"name": "\\ud83d\\ude00"}',
    "what looks like a surrogate": b'{"name": "\\\\ud800"}',
    "an emoji": '{"name": "\U0001f600"}'.encode(),
    "a tiny number": b'{"name": "a", "width": 1e-999}',
    "an exponent": b'{"name": "a", "width": 1E+2}',
}


async def post(shop: Shop, body: bytes, media_type: str = "application/json") -> tuple[int, str, str]:
    response = await shop.http.post("/shoes", content=body, headers=bearer(Role.ADMIN) | {"Content-Type": media_type})
    return response.status_code, response.json().get("code", ""), response.text


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_body_that_is_not_json_is_malformed(shop: Shop, name: str) -> None:
    assert (await post(shop, MALFORMED[name]))[:2] == (400, "malformed_json")


@pytest.mark.parametrize("name", DUPLICATES)
async def test_a_repeated_key_is_refused(shop: Shop, name: str) -> None:
    assert (await post(shop, DUPLICATES[name]))[:2] == (400, "duplicate_key")


@pytest.mark.parametrize("name", INVALID)
async def test_json_with_an_invalid_value_is_a_422(shop: Shop, name: str) -> None:
    status, _, text = await post(shop, INVALID[name])
    assert status == 422, text
    assert json.loads(text)["errors"]


@pytest.mark.parametrize("name", VALID)
async def test_valid_json_is_accepted(shop: Shop, name: str) -> None:
    assert (await post(shop, VALID[name]))[0] == 201


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", ""]
)
async def test_another_media_type_is_a_415(shop: Shop, media_type: str) -> None:
    assert (await post(shop, b'{"name": "a"}', media_type))[:2] == (415, "unsupported_media_type")


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json"])
async def test_every_json_media_type_is_accepted(shop: Shop, media_type: str) -> None:
    assert (await post(shop, b'{"name": "a"}', media_type))[0] == 201


async def test_a_route_without_a_body_accepts_only_an_empty_body_or_object(shop: Shop) -> None:
    path = f"/shoes/{shop.add_shoe().id}/polish"

    async def polish(body: bytes) -> tuple[int, str | None]:
        response = await shop.http.post(path, content=body, headers=bearer(Role.ADMIN) | {"Content-Type": "application/json"})
        return response.status_code, response.json().get("code")

    assert [await polish(body) for body in (b"", b"{}", b" { }")] == [(200, None)] * 3
    assert [await polish(body) for body in (b'{"a": 1}', b"[]", b"null")] == [(422, "validation_failed")] * 3
    assert await polish(b'{"a": 1, "a": NaN') == (400, "malformed_json")


async def test_a_body_is_at_most_64_kib(shop: Shop) -> None:
    largest = b'{"name": "a"' + b" " * (64 * 1024 - 13) + b"}"
    assert (await post(shop, largest))[0] == 201
    assert (await post(shop, largest + b" "))[:2] == (413, "body_too_large")


async def test_a_refusal_does_not_repeat_the_values_that_were_sent(shop: Shop) -> None:
    for body in (b'{"name": "a", "size": "s3cret-words"}', b'{"name": {"x": "s3cret-words"}}', b'["s3cret-words"'):
        assert "s3cret-words" not in (await post(shop, body))[2]


async def test_a_response_to_many_errors_is_short(shop: Shop) -> None:
    unknown = json.dumps({"name": "a"} | {f"k{number}": 1 for number in range(4_000)}).encode()
    status, _, text = await post(shop, unknown)
    assert (status, len(text) < 10_000) == (422, True)
    status, _, text = await post(shop, json.dumps({"name": "a", "labels": [1] * 20_000}).encode())
    assert (status, len(text) < 10_000) == (422, True)
