"""Bulk changes in the database of admin-service, on every SQL back end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from admin_svc.domain.bulk import BulkAction, BulkChange, BulkItem, BulkOutcome, BulkRequest, BulkTarget, OutcomeStatus, ProposedStart
from admin_svc.repository import SqlAdminStore
from shared.contracts.http import Actor
from shared.contracts.identity import Role
from shared.kit.migrations import migrate
from shared.kit.pending import COMPLETE_PENDING_AFTER
from shared.kit.sql import Database
from tests.running import NOON

DONE = BulkOutcome(OutcomeStatus.DONE, starts_at=NOON, doctor_id=UUID(int=5), proposal=ProposedStart(UUID(int=5), NOON))
CHANGE = BulkChange(
    UUID(int=1),
    BulkRequest(
        BulkAction.MOVE,
        (BulkItem(0, UUID(int=11), BulkTarget(UUID(int=5), NOON)), BulkItem(1, UUID(int=12)), BulkItem(2, UUID(int=10))),
        reason="Burst pipe",
    ),
    Actor(id=UUID(int=7), role=Role.RECEPTION),
    NOON,
)


@pytest.fixture
async def store(sql_url: str) -> AsyncIterator[SqlAdminStore]:
    migrate("admin_svc", sql_url)
    async with Database(sql_url) as database:
        yield SqlAdminStore(database, lambda: NOON)


async def find(store: SqlAdminStore, change: BulkChange = CHANGE) -> BulkChange | None:
    async with store.begin() as tx:
        return await tx.find_bulk_change(change.id)


async def test_a_change_is_read_back_in_the_order_of_the_request_and_inserted_once(store: SqlAdminStore) -> None:
    for change in (CHANGE, replace(CHANGE, requested_at=NOON + timedelta(hours=1))):
        async with store.begin() as tx:
            await tx.insert_bulk_change(change)
    assert await find(store) == CHANGE
    assert await find(store, replace(CHANGE, id=UUID(int=2))) is None


async def test_an_outcome_is_stored_by_itself(store: SqlAdminStore) -> None:
    async with store.begin() as tx:
        await tx.insert_bulk_change(CHANGE)
        await tx.save_bulk_item(CHANGE.id, CHANGE.items[1].with_outcome(DONE))
    stored = await find(store)
    assert stored is not None
    assert [item.outcome for item in stored.items] == [BulkOutcome(), DONE, BulkOutcome()]


async def test_an_unfinished_change_is_due_after_a_minute_or_at_once_when_it_is_hurried(store: SqlAdminStore) -> None:
    async with store.begin() as tx:
        await tx.insert_bulk_change(CHANGE)
        assert await tx.take_due_bulk_changes(NOON) == []
        await tx.make_bulk_change_due(CHANGE.id, NOON)
        assert await tx.take_due_bulk_changes(NOON) == [CHANGE.id]
        assert await tx.take_due_bulk_changes(NOON) == []
        assert await tx.take_due_bulk_changes(NOON + COMPLETE_PENDING_AFTER) == [CHANGE.id]


async def test_a_finished_change_is_not_due_and_has_no_text(store: SqlAdminStore) -> None:
    async with store.begin() as tx:
        await tx.insert_bulk_change(CHANGE)
        await tx.finish_bulk_change(CHANGE.id, NOON)
        assert await tx.take_due_bulk_changes(NOON + timedelta(days=1)) == []
    stored = await find(store)
    assert stored is not None
    assert (stored.request.reason, stored.request.text) == (None, None)


async def test_finished_changes_are_deleted_with_their_items_after_a_while(store: SqlAdminStore) -> None:
    others = [replace(CHANGE, id=UUID(int=number)) for number in (2, 3)]
    async with store.begin() as tx:
        for change in (CHANGE, *others):
            await tx.insert_bulk_change(change)
        await tx.finish_bulk_change(CHANGE.id, NOON)
        await tx.finish_bulk_change(others[0].id, NOON + timedelta(seconds=1))
        assert await tx.delete_bulk_changes(NOON + timedelta(seconds=1), 10) == 1
    assert [await find(store, change) is not None for change in (CHANGE, *others)] == [False, True, True]
    async with store.begin() as tx:
        await tx.insert_bulk_change(CHANGE)
    assert await find(store) == CHANGE
