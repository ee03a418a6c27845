"""Idempotency-Key on every SQL back end: a keyed POST takes effect once, and answers the same for a day and more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import func, select

from shared.contracts.identity import Role
from shared.kit.clock import MovableClock
from shared.kit.idempotency import LEASE, RequestInProgress, StoredResponse
from shared.kit.ids import new_id
from shared.kit.sql_idempotency import SqlIdempotencyStore
from tests.contract.sql import INFRASTRUCTURE, opened
from tests.tokens import bearer
from tests.unit.kit.shop import Shop, shop

ADMIN = bearer(Role.ADMIN)
KEYED = ADMIN | {"Idempotency-Key": "k"}


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(running=False)


@pytest.fixture
async def answers(sql_url: str, clock: MovableClock) -> AsyncIterator[SqlIdempotencyStore]:
    async with opened(sql_url) as database:
        yield SqlIdempotencyStore(database, INFRASTRUCTURE, clock)


@pytest.fixture
async def here(answers: SqlIdempotencyStore) -> AsyncIterator[Shop]:
    async with shop(answers) as found:
        yield found


async def post(here: Shop, name: str = "Boot", path: str = "/shoes", headers: dict[str, str] | None = None) -> httpx.Response:
    return await here.http.post(path, json={"name": name} if path == "/shoes" else None, headers=headers or KEYED)


async def kept(answers: SqlIdempotencyStore) -> int:
    async with answers.database.read() as connection:
        return (await connection.execute(select(func.count()).select_from(INFRASTRUCTURE.idempotency_keys))).scalar_one()


async def test_a_repeat_is_given_the_first_answer(here: Shop) -> None:
    first, again = await post(here), await post(here)
    assert (first.status_code, here.shelf.ran) == (201, 1)
    assert again.content == first.content
    for name in ("location", "etag", "content-type", "cache-control"):
        assert again.headers[name] == first.headers[name]
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")


async def test_another_body_under_the_key_is_refused(here: Shop) -> None:
    await post(here)
    answer = await post(here, "Clog")
    assert (answer.status_code, answer.json()["code"], here.shelf.ran) == (422, "idempotency_key_reused", 1)
    assert (await post(here)).status_code == 201, "the first answer stands"


@pytest.mark.parametrize("change", [{"Idempotency-Key": "other"}, bearer(Role.ADMIN)])
async def test_another_key_or_another_caller_is_another_wish(here: Shop, change: dict[str, str]) -> None:
    first, other = await post(here), await post(here, headers=KEYED | change)
    assert (first.json()["id"] != other.json()["id"], here.shelf.ran) == (True, 2)


async def test_another_version_under_the_key_is_another_request(here: Shop) -> None:
    path = f"/shoes/{here.has().id}/polish"
    assert (await post(here, path=path)).status_code == 200
    assert (await post(here, path=path, headers=KEYED | {"If-Match": '"1"'})).json()["code"] == "idempotency_key_reused"


async def test_a_key_without_a_caller_is_ignored(here: Shop) -> None:
    for _ in range(2):
        await here.http.post("/refusals/Conflict", headers={"Idempotency-Key": "k"})
    assert here.shelf.ran == 2


async def test_a_key_is_ignored_where_nothing_is_posted(here: Shop, answers: SqlIdempotencyStore) -> None:
    assert (await here.http.get("/shoes", headers=KEYED)).status_code == 200
    assert await kept(answers) == 0


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "caf\u00e9"])
async def test_a_strange_key_is_refused(here: Shop, key: str) -> None:
    headers = httpx.Headers([*ADMIN.items(), ("Idempotency-Key", key)], encoding="utf-8")
    answer = await here.http.post("/shoes", json={"name": "a"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_idempotency_key")


async def test_a_refusal_is_an_answer_too(here: Shop) -> None:
    first, again = await post(here, "taken"), await post(here, "taken")
    assert (first.status_code, again.status_code, here.shelf.ran) == (409, 409, 1)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")


@pytest.mark.parametrize(("name", "status"), [("Unavailable", 503), ("TooMany", 429)])
async def test_what_may_work_later_is_not_kept(here: Shop, answers: SqlIdempotencyStore, name: str, status: int) -> None:
    for _ in range(2):
        assert (await post(here, path=f"/refusals/{name}")).status_code == status
    assert (here.shelf.ran, await kept(answers)) == (2, 0)


async def test_an_answer_that_is_not_to_be_stored_is_not_kept(here: Shop, answers: SqlIdempotencyStore) -> None:
    refused = await post(here, path="/refusals/Unauthenticated")
    assert (refused.status_code, refused.headers["cache-control"]) == (401, "no-store")
    assert await kept(answers) == 0


async def test_a_crash_is_not_kept(here: Shop, answers: SqlIdempotencyStore) -> None:
    for _ in range(2):
        assert (await post(here, "crash")).status_code == 500
    assert (here.shelf.ran, await kept(answers)) == (2, 0)


async def test_a_malformed_wish_is_not_kept(here: Shop, answers: SqlIdempotencyStore) -> None:
    assert (await post(here, "")).status_code == 422
    assert await kept(answers) == 0
    assert (await post(here)).status_code == 201, "corrected under the same key"


async def test_while_the_first_runs_the_second_is_told_to_wait(answers: SqlIdempotencyStore, clock: MovableClock) -> None:
    key = new_id()
    assert await answers.claim(key, "f") is None
    with pytest.raises(RequestInProgress):
        await answers.claim(key, "f")
    clock.advance(LEASE - timedelta(seconds=1))
    with pytest.raises(RequestInProgress):
        await answers.claim(key, "f")


async def test_a_claim_that_nobody_finished_is_free_after_its_lease(answers: SqlIdempotencyStore, clock: MovableClock) -> None:
    key = new_id()
    await answers.claim(key, "f")
    clock.advance(LEASE)
    assert await answers.claim(key, "f") is None
    with pytest.raises(RequestInProgress):
        await answers.claim(key, "f")
    await answers.save_response(key, StoredResponse(201, {"etag": '"1"'}, b"\x00\xff"))
    assert await answers.claim(key, "f") == StoredResponse(201, {"etag": '"1"'}, b"\x00\xff")


async def test_a_kept_answer_is_not_released(answers: SqlIdempotencyStore) -> None:
    key = new_id()
    await answers.claim(key, "f")
    await answers.save_response(key, StoredResponse(200, {}, b"x"))
    await answers.release(key)
    assert await answers.claim(key, "f") == StoredResponse(200, {}, b"x")


async def test_the_rerun_of_a_key_meets_its_own_id(here: Shop, answers: SqlIdempotencyStore) -> None:
    here.shelf.aborts = 1000
    assert (await post(here)).status_code == 503
    here.shelf.aborts = 0
    first = (await post(here)).json()["id"]
    async with answers.database.write() as connection:
        await connection.execute(INFRASTRUCTURE.idempotency_keys.delete())
    assert (await post(here)).json()["id"] == first


async def test_twenty_at_once_run_once(here: Shop) -> None:
    together = await asyncio.gather(*(post(here) for _ in range(20)))
    assert here.shelf.ran == 1
    assert {answer.status_code for answer in together} <= {201, 409}
    assert {answer.json()["code"] for answer in together if answer.status_code == 409} <= {"request_in_progress"}
    assert len({answer.json()["id"] for answer in together if answer.status_code == 201}) == 1


async def test_twenty_claims_at_once_after_a_lease_give_one(answers: SqlIdempotencyStore, clock: MovableClock) -> None:
    key = new_id()
    await answers.claim(key, "f")
    clock.advance(LEASE)
    together = await asyncio.gather(*(answers.claim(key, "f") for _ in range(20)), return_exceptions=True)
    assert together.count(None) == 1, together


async def test_a_large_answer_is_kept_whole(answers: SqlIdempotencyStore) -> None:
    key, body = new_id(), bytes(range(256)) * 1024
    await answers.claim(key, "f")
    await answers.save_response(key, StoredResponse(200, {}, body))
    found = await answers.claim(key, "f")
    assert found is not None
    assert found.body == body
