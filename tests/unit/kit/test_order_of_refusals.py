"""Of two faults the earlier in api.md's order is told: 404 path, 405, 401, 403, 400/413/415, 428, 422, 404 object, 412, 409."""

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
class Sent:
    """A sound request, before something is done to it."""

    path: str
    method: str = "PATCH"
    query: str = ""
    body: bytes = b'{"name": "Boot"}'
    headers: dict[str, str] = field(default_factory=lambda: bearer(Role.ADMIN) | {"If-Match": '"1"', "Content-Type": "application/json"})

    async def to(self, here: Shop) -> httpx.Response:
        return await here.http.request(self.method, self.path + self.query, content=self.body, headers=self.headers)


def _path(sent: Sent) -> None:
    sent.path = "/nowhere"


def _method(sent: Sent) -> None:
    sent.method = "PUT"


def _no_token(sent: Sent) -> None:
    sent.headers.pop("Authorization")


def _bad_token(sent: Sent) -> None:
    sent.headers["Authorization"] = "Bearer x.y.z"


def _other_role(sent: Sent) -> None:
    sent.headers |= bearer(Role.PATIENT)


def _malformed(sent: Sent) -> None:
    sent.body = b"{"


def _too_large(sent: Sent) -> None:
    sent.body = b" " * 70_000


def _media_type(sent: Sent) -> None:
    sent.headers["Content-Type"] = "text/plain"


def _no_version(sent: Sent) -> None:
    sent.headers.pop("If-Match")


def _field(sent: Sent) -> None:
    sent.body = b'{"name": ""}'


def _query(sent: Sent) -> None:
    sent.query = "?colour=red"


def _tag(sent: Sent) -> None:
    sent.headers["If-Match"] = 'W/"1"'


def _object(sent: Sent) -> None:
    sent.path = f"/shoes/{uuid4()}"


def _stale(sent: Sent) -> None:
    sent.headers["If-Match"] = '"9"'


def _conflict(sent: Sent) -> None:
    sent.body = b'{"name": "taken"}'


RANKS: list[dict[Callable[[Sent], None], int]] = [
    {_path: 404},
    {_method: 405},
    {_no_token: 401, _bad_token: 401},
    {_other_role: 403},
    {_malformed: 400, _too_large: 413, _media_type: 415},
    {_no_version: 428},
    {_field: 422, _query: 422, _tag: 422},
    {_object: 404},
    {_stale: 412},
    {_conflict: 409},
]
PAIRS = [(first, second, status) for earlier, later in combinations(RANKS, 2) for first, status in earlier.items() for second in later]


@pytest.mark.parametrize(("first", "second", "status"), PAIRS, ids=lambda value: getattr(value, "__name__", str(value)).strip("_"))
async def test_of_two_faults_the_earlier_is_told(
    here: Shop, first: Callable[[Sent], None], second: Callable[[Sent], None], status: int
) -> None:
    sent = Sent(f"/shoes/{here.has().id}")
    second(sent)
    first(sent)
    answer = await sent.to(here)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status


async def test_without_a_fault_it_is_done(here: Shop) -> None:
    assert (await Sent(f"/shoes/{here.has().id}").to(here)).status_code == 200


async def test_a_bad_token_is_refused_on_public_routes_too(here: Shop) -> None:
    for value in ("Bearer x", "Bearer", "Basic dXNlcjpwYXNz", "Bearer a.b.c"):
        answer = await here.http.get("/shoes", headers={"Authorization": value})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
