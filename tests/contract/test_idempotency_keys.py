"""Idempotency-Key on every SQL server: a keyed POST takes effect once, and gets the same response for more than a day."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, select

from shared.contracts.identity import Role
from shared.kit.clock import MovableClock
from shared.kit.idempotency_store import CLAIM_TIMEOUT, IdempotencyKeyReused, KeyClaim, RequestInProgress, StoredResponse
from shared.kit.ids import new_id
from shared.kit.outbox import RETENTION, Relay
from shared.kit.sql_idempotency import SqlIdempotencyStore
from tests.contract.buses import RecordingBus
from tests.contract.sql import INFRASTRUCTURE, open_database
from tests.tokens import bearer
from tests.unit.kit.shop import Shop, open_shop

ADMIN = bearer(Role.ADMIN)
KEYED = ADMIN | {"Idempotency-Key": "k"}


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(running=False)


@pytest.fixture
async def store(sql_url: str, clock: MovableClock) -> AsyncIterator[SqlIdempotencyStore]:
    async with open_database(sql_url) as database:
        yield SqlIdempotencyStore(database, INFRASTRUCTURE, clock)


@pytest.fixture
async def shoe_shop(store: SqlIdempotencyStore) -> AsyncIterator[Shop]:
    async with open_shop(store) as opened:
        yield opened


async def post(shoe_shop: Shop, name: str = "Boot", path: str = "/shoes", headers: dict[str, str] | None = None) -> httpx.Response:
    return await shoe_shop.http.post(path, json={"name": name} if path == "/shoes" else None, headers=headers or KEYED)


async def count_keys(store: SqlIdempotencyStore) -> int:
    async with store.database.read() as connection:
        return (await connection.execute(select(func.count()).select_from(INFRASTRUCTURE.idempotency_keys))).scalar_one()


async def count_responses(store: SqlIdempotencyStore) -> int:
    status = INFRASTRUCTURE.idempotency_keys.c.status
    async with store.database.read() as connection:
        return (await connection.execute(select(func.count(status)))).scalar_one()


async def prune(store: SqlIdempotencyStore, clock: MovableClock) -> None:
    """Move the clock past the retention of keys, and delete what has expired, as the job does."""
    clock.advance(RETENTION + timedelta(seconds=1))
    await Relay(store.database, INFRASTRUCTURE, RecordingBus(), clock).prune()


async def test_a_repeated_request_gets_the_first_response(shoe_shop: Shop) -> None:
    first, again = await post(shoe_shop), await post(shoe_shop)
    assert (first.status_code, shoe_shop.stock.runs) == (201, 1)
    assert again.content == first.content
    for name in ("location", "etag", "content-type", "cache-control"):
        assert again.headers[name] == first.headers[name]
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")


async def test_another_body_under_the_key_is_refused(shoe_shop: Shop) -> None:
    await post(shoe_shop)
    response = await post(shoe_shop, "Clog")
    assert (response.status_code, response.json()["code"], shoe_shop.stock.runs) == (422, "idempotency_key_reused", 1)
    assert (await post(shoe_shop)).status_code == 201, "the first response stays"


@pytest.mark.parametrize("change", [{"Idempotency-Key": "other"}, bearer(Role.ADMIN)])
async def test_another_key_or_another_caller_is_another_request(shoe_shop: Shop, change: dict[str, str]) -> None:
    first, other = await post(shoe_shop), await post(shoe_shop, headers=KEYED | change)
    assert (first.json()["id"] != other.json()["id"], shoe_shop.stock.runs) == (True, 2)


async def test_another_version_under_the_key_is_another_request(shoe_shop: Shop) -> None:
    path = f"/shoes/{shoe_shop.add_shoe().id}/polish"
    assert (await post(shoe_shop, path=path)).status_code == 200
    assert (await post(shoe_shop, path=path, headers=KEYED | {"If-Match": '"1"'})).json()["code"] == "idempotency_key_reused"


async def test_a_key_without_a_caller_is_ignored(shoe_shop: Shop) -> None:
    for _ in range(2):
        await shoe_shop.http.post("/refusals/Conflict", headers={"Idempotency-Key": "k"})
    assert shoe_shop.stock.runs == 2


async def test_a_key_is_ignored_unless_the_method_is_post(shoe_shop: Shop, store: SqlIdempotencyStore) -> None:
    assert (await shoe_shop.http.get("/shoes", headers=KEYED)).status_code == 200
    assert await count_keys(store) == 0


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "caf\u00e9"])
async def test_a_malformed_key_is_refused(shoe_shop: Shop, key: str) -> None:
    headers = httpx.Headers([*ADMIN.items(), ("Idempotency-Key", key)], encoding="utf-8")
    response = await shoe_shop.http.post("/shoes", json={"name": "a"}, headers=headers)
    assert (response.status_code, response.json()["code"]) == (422, "bad_idempotency_key")


async def test_a_refusal_is_stored_like_any_response(shoe_shop: Shop) -> None:
    first, again = await post(shoe_shop, "taken"), await post(shoe_shop, "taken")
    assert (first.status_code, again.status_code, shoe_shop.stock.runs) == (409, 409, 1)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")


@pytest.mark.parametrize(("name", "status"), [("Unavailable", 503), ("TooMany", 429)])
async def test_a_refusal_that_may_pass_is_not_stored(shoe_shop: Shop, store: SqlIdempotencyStore, name: str, status: int) -> None:
    for _ in range(2):
        assert (await post(shoe_shop, path=f"/refusals/{name}")).status_code == status
    assert (shoe_shop.stock.runs, await count_responses(store)) == (2, 0)


async def test_a_response_marked_no_store_is_not_stored(shoe_shop: Shop, store: SqlIdempotencyStore) -> None:
    refused = await post(shoe_shop, path="/refusals/Unauthenticated")
    assert (refused.status_code, refused.headers["cache-control"]) == (401, "no-store")
    assert await count_keys(store) == 0


async def test_a_response_with_a_secret_is_not_stored_and_the_key_stays_with_its_request(
    shoe_shop: Shop, store: SqlIdempotencyStore
) -> None:
    first = await post(shoe_shop, "secret")
    assert (first.status_code, first.headers["cache-control"]) == (201, "no-store")
    other = await post(shoe_shop, "Clog")
    assert (other.status_code, other.json()["code"], shoe_shop.stock.runs) == (422, "idempotency_key_reused", 1)
    again = await post(shoe_shop, "secret")
    assert (again.status_code, again.content, shoe_shop.stock.runs) == (201, first.content, 2)
    async with store.database.read() as connection:
        assert await connection.scalar(select(INFRASTRUCTURE.idempotency_keys.c.body)) is None


async def test_after_the_retention_a_key_belongs_to_the_next_request(
    shoe_shop: Shop, store: SqlIdempotencyStore, clock: MovableClock
) -> None:
    first = await post(shoe_shop)
    await prune(store, clock)
    other = await post(shoe_shop, "Clog")
    assert (other.status_code, other.json()["name"], "idempotent-replayed" in other.headers) == (201, "Clog", False)
    assert sorted(shoe.name for shoe in shoe_shop.stock.shoes.values()) == ["Boot", "Clog"]
    await prune(store, clock)
    again = await post(shoe_shop)
    assert (again.status_code, again.json()["name"]) == (201, "Boot")
    assert again.json()["id"] not in {first.json()["id"], other.json()["id"]}


async def test_the_refusal_of_a_use_case_for_another_body_is_not_stored(shoe_shop: Shop, store: SqlIdempotencyStore) -> None:
    operation_id = UUID((await post(shoe_shop)).json()["id"])
    boot = shoe_shop.stock.shoes[operation_id]
    shoe_shop.stock.shoes[operation_id] = boot.model_copy(update={"name": "Clog"})
    async with store.database.write() as connection:
        keys = INFRASTRUCTURE.idempotency_keys
        await connection.execute(keys.update().values(status=None, claimed_at=store.now() - CLAIM_TIMEOUT))
    refused = await post(shoe_shop)
    assert (refused.status_code, refused.json()["code"], await count_responses(store)) == (422, "idempotency_key_reused", 0)
    shoe_shop.stock.shoes[operation_id] = boot
    assert (await post(shoe_shop)).json()["id"] == str(operation_id)


async def test_a_crash_is_not_stored_and_the_key_stays_with_its_request(shoe_shop: Shop, store: SqlIdempotencyStore) -> None:
    for _ in range(2):
        assert (await post(shoe_shop, "crash")).status_code == 500
    assert (shoe_shop.stock.runs, await count_responses(store)) == (2, 0)
    assert (await post(shoe_shop)).json()["code"] == "idempotency_key_reused"


async def test_the_refusal_of_a_malformed_request_is_not_stored(shoe_shop: Shop, store: SqlIdempotencyStore) -> None:
    assert (await post(shoe_shop, "")).status_code == 422
    assert await count_keys(store) == 0
    assert (await post(shoe_shop)).status_code == 201, "corrected under the same key"


async def test_a_second_request_is_refused_while_the_first_is_running(store: SqlIdempotencyStore, clock: MovableClock) -> None:
    key = new_id()
    assert (await store.claim(key, "f")).response is None
    with pytest.raises(RequestInProgress):
        await store.claim(key, "f")
    clock.advance(CLAIM_TIMEOUT - timedelta(seconds=1))
    with pytest.raises(RequestInProgress):
        await store.claim(key, "f")


async def test_an_unfinished_claim_can_be_taken_over_after_its_lease(store: SqlIdempotencyStore, clock: MovableClock) -> None:
    key = new_id()
    await store.claim(key, "f")
    clock.advance(CLAIM_TIMEOUT)
    assert (await store.claim(key, "f")).response is None
    with pytest.raises(RequestInProgress):
        await store.claim(key, "f")
    await store.save_response(key, StoredResponse(201, {"etag": '"1"'}, b"\x00\xff"))
    assert (await store.claim(key, "f")).response == StoredResponse(201, {"etag": '"1"'}, b"\x00\xff")


async def test_a_reopened_key_runs_the_same_request_once_more_and_no_other(store: SqlIdempotencyStore) -> None:
    key = new_id()
    await store.claim(key, "f")
    await store.reopen(key)
    with pytest.raises(IdempotencyKeyReused):
        await store.claim(key, "other")
    assert (await store.claim(key, "f")).response is None
    with pytest.raises(RequestInProgress):
        await store.claim(key, "f")
    await store.save_response(key, StoredResponse(200, {}, b"x"))
    await store.reopen(key)
    assert (await store.claim(key, "f")).response == StoredResponse(200, {}, b"x")


async def test_a_stored_response_is_not_released(store: SqlIdempotencyStore) -> None:
    key = new_id()
    await store.claim(key, "f")
    await store.save_response(key, StoredResponse(200, {}, b"x"))
    await store.release(key)
    assert (await store.claim(key, "f")).response == StoredResponse(200, {}, b"x")


async def test_a_request_whose_answer_was_lost_finds_what_it_created(
    shoe_shop: Shop, store: SqlIdempotencyStore, clock: MovableClock
) -> None:
    first = await post(shoe_shop)
    async with store.database.write() as connection:
        await connection.execute(INFRASTRUCTURE.idempotency_keys.update().values(status=None, headers=None, body=None))
    clock.advance(CLAIM_TIMEOUT)
    again = await post(shoe_shop)
    assert (again.json(), shoe_shop.stock.runs, len(shoe_shop.stock.shoes)) == (first.json(), 2, 1)


async def test_a_request_after_a_failure_that_may_have_had_an_effect_is_the_same_operation(
    shoe_shop: Shop, store: SqlIdempotencyStore
) -> None:
    shoe_shop.stock.fails_after_commit = True
    assert (await post(shoe_shop)).status_code == 503
    (created,) = shoe_shop.stock.shoes
    shoe_shop.stock.fails_after_commit = False
    assert (await post(shoe_shop)).json()["id"] == str(created)


async def test_a_refused_repetition_does_not_make_the_next_one_another_operation(shoe_shop: Shop) -> None:
    shoe_shop.stock.fails_after_commit = True
    assert (await post(shoe_shop)).status_code == 503
    shoe_shop.stock.fails_after_commit, shoe_shop.stock.is_closed = False, True
    assert (await post(shoe_shop)).status_code == 429
    shoe_shop.stock.is_closed = False
    assert (await post(shoe_shop)).status_code == 201
    assert len(shoe_shop.stock.shoes) == 1


async def test_a_claim_of_an_earlier_release_has_the_id_of_its_key(store: SqlIdempotencyStore, clock: MovableClock) -> None:
    key = new_id()
    async with store.database.write() as connection:
        row = {"key_id": key, "fingerprint": "f", "claimed_at": clock() - CLAIM_TIMEOUT}
        await connection.execute(INFRASTRUCTURE.idempotency_keys.insert().values(row))
    assert (await store.claim(key, "f")).operation_id == key


async def test_a_repeated_request_is_refused_once_the_check_of_its_route_refuses(shoe_shop: Shop) -> None:
    owner = new_id()
    caller, path = bearer(Role.ADMIN, owner) | {"Idempotency-Key": "k"}, f"/shoes/{shoe_shop.add_shoe().id}/lend"
    first = await post(shoe_shop, path=path, headers=caller)
    refused = await post(shoe_shop, path=path, headers=caller)
    assert (first.status_code, refused.status_code, refused.json()["code"]) == (200, 404, "no_such_shoe"), "only a replay is checked"
    shoe_shop.stock.lent.add(owner)
    again = await post(shoe_shop, path=path, headers=caller)
    assert (again.content, again.headers["idempotent-replayed"], shoe_shop.stock.runs) == (first.content, "true", 1)


async def test_what_is_stored_of_a_request_does_not_tell_whether_a_guessed_body_is_its_body(
    shoe_shop: Shop, store: SqlIdempotencyStore
) -> None:
    for key in ("k", "l"):
        assert (await post(shoe_shop, "a rash", headers=ADMIN | {"Idempotency-Key": key})).status_code == 201
    async with store.database.read() as connection:
        fingerprints = (await connection.scalars(select(INFRASTRUCTURE.idempotency_keys.c.fingerprint))).all()
    assert len(set(fingerprints)) == 2, "the same body has another fingerprint with another key, which is not stored"


async def test_twenty_at_once_run_once(shoe_shop: Shop) -> None:
    together = await asyncio.gather(*(post(shoe_shop) for _ in range(20)))
    assert shoe_shop.stock.runs == 1
    assert {response.status_code for response in together} <= {201, 409}
    assert {response.json()["code"] for response in together if response.status_code == 409} <= {"request_in_progress"}
    assert len({response.json()["id"] for response in together if response.status_code == 201}) == 1


async def test_twenty_claims_at_once_after_a_lease_give_one(store: SqlIdempotencyStore, clock: MovableClock) -> None:
    key = new_id()
    await store.claim(key, "f")
    clock.advance(CLAIM_TIMEOUT)
    together = await asyncio.gather(*(store.claim(key, "f") for _ in range(20)), return_exceptions=True)
    assert [isinstance(claim, KeyClaim) for claim in together].count(True) == 1, together


async def test_a_large_response_is_stored_whole(store: SqlIdempotencyStore) -> None:
    key, body = new_id(), bytes(range(256)) * 1024
    await store.claim(key, "f")
    await store.save_response(key, StoredResponse(200, {}, body))
    stored = (await store.claim(key, "f")).response
    assert stored is not None
    assert stored.body == body


async def test_the_answers_that_name_a_person_or_were_sent_to_them_are_deleted(shoe_shop: Shop, store: SqlIdempotencyStore) -> None:
    subject, other = new_id(), new_id()
    sent = {"to_subject": bearer(Role.ADMIN, subject), "to_other": bearer(Role.ADMIN, other)}
    for name, caller in sent.items():
        assert (await post(shoe_shop, name, headers=caller | {"Idempotency-Key": "k"})).status_code == 201
    naming = new_id()
    await store.claim(naming, "f")
    await store.save_response(naming, StoredResponse(201, {}, f"about {subject}".encode()))

    assert await store.delete_mentioning(subject) == 2

    assert await count_responses(store) == 1
    replayed = await post(shoe_shop, "to_other", headers=sent["to_other"] | {"Idempotency-Key": "k"})
    assert replayed.headers["idempotent-replayed"] == "true"
    assert str(other) not in str(replayed.headers), "the caller is stored, and not sent"


async def test_a_request_whose_stored_answer_was_deleted_finds_what_it_created(shoe_shop: Shop, store: SqlIdempotencyStore) -> None:
    first = (await post(shoe_shop)).json()["id"]
    assert await store.delete_mentioning(UUID(first)) == 1
    again = await post(shoe_shop)
    assert (again.json()["id"], shoe_shop.stock.runs, "idempotent-replayed" in again.headers) == (first, 2, False)
