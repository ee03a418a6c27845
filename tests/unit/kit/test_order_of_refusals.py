"""The order of refusals: of two errors in a request, the response names the one that comes first in ERRORS_IN_ORDER."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations
from uuid import uuid4

import httpx
import pytest

from shared.contracts.identity import Role
from tests.tokens import bearer
from tests.unit.kit.shop import Shop


@dataclass
class PatchRequest:
    """A valid request. The functions below each put one error into it."""

    path: str
    method: str = "PATCH"
    query: str = ""
    body: bytes = b'{"name": "Boot"}'
    headers: dict[str, str] = field(default_factory=lambda: bearer(Role.ADMIN) | {"If-Match": '"1"', "Content-Type": "application/json"})

    async def send(self, shop: Shop) -> httpx.Response:
        return await shop.http.request(self.method, self.path + self.query, content=self.body, headers=self.headers)


def use_unknown_path(request: PatchRequest) -> None:
    request.path = "/nowhere"


def use_unknown_method(request: PatchRequest) -> None:
    request.method = "PUT"


def remove_token(request: PatchRequest) -> None:
    request.headers.pop("Authorization")


def use_invalid_token(request: PatchRequest) -> None:
    request.headers["Authorization"] = "Bearer x.y.z"


def use_wrong_role(request: PatchRequest) -> None:
    request.headers |= bearer(Role.PATIENT)


def use_malformed_body(request: PatchRequest) -> None:
    request.body = b"{"


def use_too_large_body(request: PatchRequest) -> None:
    request.body = b" " * 70_000


def use_wrong_media_type(request: PatchRequest) -> None:
    request.headers["Content-Type"] = "text/plain"


def remove_if_match(request: PatchRequest) -> None:
    request.headers.pop("If-Match")


def use_invalid_field(request: PatchRequest) -> None:
    request.body = b'{"name": ""}'


def use_unknown_parameter(request: PatchRequest) -> None:
    request.query = "?colour=red"


def use_encoded_body(request: PatchRequest) -> None:
    request.headers["Content-Encoding"] = "gzip"


def use_invalid_if_match(request: PatchRequest) -> None:
    request.headers["If-Match"] = '"1'


def use_unknown_object(request: PatchRequest) -> None:
    request.path = f"/shoes/{uuid4()}"


def use_stale_version(request: PatchRequest) -> None:
    request.headers["If-Match"] = '"9"'


def use_weak_tag(request: PatchRequest) -> None:
    request.headers["If-Match"] = 'W/"1"'


def use_taken_name(request: PatchRequest) -> None:
    request.body = b'{"name": "taken"}'


ERRORS_IN_ORDER: list[dict[Callable[[PatchRequest], None], int]] = [
    {use_unknown_path: 404},
    {use_unknown_method: 405},
    {remove_token: 401, use_invalid_token: 401},
    {use_wrong_role: 403},
    {use_malformed_body: 400, use_too_large_body: 413, use_wrong_media_type: 415, use_encoded_body: 415},
    {remove_if_match: 428},
    {use_invalid_field: 422, use_unknown_parameter: 422, use_invalid_if_match: 422},
    {use_unknown_object: 404},
    {use_stale_version: 412, use_weak_tag: 412},
    {use_taken_name: 409},
]
PAIRS = [
    (first, second, status) for earlier, later in combinations(ERRORS_IN_ORDER, 2) for first, status in earlier.items() for second in later
]


@pytest.mark.parametrize(("first", "second", "status"), PAIRS, ids=lambda value: getattr(value, "__name__", str(value)))
async def test_of_two_errors_the_earlier_one_is_reported(
    shop: Shop, first: Callable[[PatchRequest], None], second: Callable[[PatchRequest], None], status: int
) -> None:
    request = PatchRequest(f"/shoes/{shop.add_shoe().id}")
    second(request)
    first(request)
    response = await request.send(shop)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert response.json()["status"] == status


async def test_a_request_without_an_error_succeeds(shop: Shop) -> None:
    assert (await PatchRequest(f"/shoes/{shop.add_shoe().id}").send(shop)).status_code == 200


async def test_a_bad_token_is_refused_on_public_routes_too(shop: Shop) -> None:
    for value in ("Bearer x", "Bearer", "Basic dXNlcjpwYXNz", "Bearer a.b.c"):
        response = await shop.http.get("/shoes", headers={"Authorization": value})
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
