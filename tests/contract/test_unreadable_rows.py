"""Rows that this release cannot read, on every SQL database: the jobs leave them as they are and go on with the others."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_svc.domain.users import NewUser
from admin_svc.repository import SqlAdminStore
from admin_svc.repository.tables import PENDING_USERS
from auth_svc.domain.accounts import AccountStatus, PendingProfile, PreviousFields
from auth_svc.repository import SqlAuthStore
from auth_svc.repository.tables import PENDING_PROFILES
from doctor_svc.domain.doctors import Doctor
from doctor_svc.repository import SqlDoctorStore
from doctor_svc.repository.tables import DOCTORS
from notify_svc.domain.messages import Message, MessageStatus
from notify_svc.domain.notifications import Audience, MessageKind
from notify_svc.ports import UnreadableMessage
from notify_svc.repository import SqlNotificationStore
from notify_svc.repository.tables import MESSAGES
from notify_svc.usecases.visits import record_visit
from shared.contracts.identity import Role
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.running import NOON
from tests.unit.notify.builders import APPOINTMENT, an_event, message_for

BAD, GOOD = UUID(int=1), UUID(int=2)
DUE, LATER = NOON + timedelta(minutes=1), NOON + timedelta(minutes=3)


async def set_column(connection: AsyncConnection, table: Table, row_id: UUID, **values: Any) -> None:
    await connection.execute(update(table).where(table.c.id == row_id).values(values))


def unreadable_ids(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return kinds and ids of the log lines about items that cannot be read, all of which are errors."""
    records = [record for record in caplog.records if record.message == "stored_item_unreadable"]
    assert {record.levelno for record in records} <= {logging.ERROR}
    return [(record.__dict__["facts"]["kind"], record.__dict__["facts"]["id"]) for record in records]


async def test_a_pending_profile_that_cannot_be_read_does_not_stop_the_others(sql_url: str, caplog: pytest.LogCaptureFixture) -> None:
    migrate("auth_svc", sql_url)
    async with Database(sql_url) as database:
        store = SqlAuthStore(database, lambda: NOON, lambda: None, lambda _id, _until: None)
        previous = PreviousFields("mina@clinic.test", "Mina", Role.DOCTOR, AccountStatus.ACTIVE)
        async with store.begin() as tx:
            for account_id in (BAD, GOOD):
                await tx.insert_pending_profile(PendingProfile(account_id, previous), NOON)
            text = '{"email": "mina@clinic.test", "full_name": "Mina", "role": "auditor", "status": "active"}'
            await set_column(tx.connection, PENDING_PROFILES, BAD, previous=text)
        for now, expected in ((DUE, [PendingProfile(GOOD, previous)]), (DUE, [])):
            async with store.begin() as tx:
                assert await tx.take_due_profiles(now, 10) == expected
        async with store.begin() as tx:
            assert (await tx.connection.scalar(select(PENDING_PROFILES.c.previous).where(PENDING_PROFILES.c.id == BAD))) == text
    assert unreadable_ids(caplog) == [("pending_profile", str(BAD))]
    assert "mina" not in str([record.__dict__["facts"] for record in caplog.records]).lower()


async def test_a_pending_user_that_cannot_be_read_does_not_stop_the_others(sql_url: str, caplog: pytest.LogCaptureFixture) -> None:
    migrate("admin_svc", sql_url)
    async with Database(sql_url) as database:
        store = SqlAdminStore(database, lambda: NOON)
        async with store.begin() as tx:
            for user_id in (BAD, GOOD):
                await tx.insert_pending_user(NewUser(user_id, "mina@clinic.test", Role.RECEPTION, "Mina"), NOON)
            await set_column(tx.connection, PENDING_USERS, BAD, fields='{"role": "auditor"}')
        for expected in ([GOOD], []):
            async with store.begin() as tx:
                assert [pending.user.id for pending in await tx.take_due_users(DUE)] == expected
    assert unreadable_ids(caplog) == [("pending_user", str(BAD))]


async def test_a_pending_doctor_who_cannot_be_read_does_not_stop_the_others(sql_url: str, caplog: pytest.LogCaptureFixture) -> None:
    migrate("doctor_svc", sql_url)
    async with Database(sql_url) as database:
        store = SqlDoctorStore(database, lambda: NOON, lambda: None)
        async with store.begin() as tx:
            for doctor_id in (BAD, GOOD):
                await tx.insert_doctor(Doctor(doctor_id, f"{doctor_id}@clinic.test", "Ada", "UTC"))
            await set_column(tx.connection, DOCTORS, BAD, weekly=[{"every": "other week"}])
        for expected in ([GOOD], []):
            async with store.begin() as tx:
                assert [doctor.id for doctor in await tx.take_due_doctors(DUE, 10)] == expected
    assert unreadable_ids(caplog) == [("doctor", str(BAD))]


async def test_a_message_that_cannot_be_read_stops_neither_due_nor_related_nor_abandoned_messages(
    sql_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    migrate("notify_svc", sql_url)
    bad = message_for(an_event(), MessageKind.BOOKED, Audience.PATIENT)
    good = message_for(an_event("appointment.cancelled.v1", version=3, id=GOOD), MessageKind.CANCELLED, Audience.PATIENT)
    async with Database(sql_url) as database:
        store = SqlNotificationStore(database, lambda: NOON)

        async def set_bad(**values: Any) -> None:
            async with store.begin() as tx:
                await set_column(tx.connection, MESSAGES, bad.id, **values)

        async with store.begin() as tx:
            assert await record_visit(tx, an_event("appointment.cancelled.v1", version=3), NOON)
            for message in (bad, good):
                assert await tx.insert_message(message)
        await set_bad(kind="teleported")
        assert await store.list_due_messages(NOON, 1) == [UnreadableMessage(bad.id)]
        async with store.begin() as tx:
            assert await tx.lock_messages_about([APPOINTMENT]) == [good]
            await tx.postpone_unreadable(bad.id, LATER)
        assert await store.list_due_messages(NOON, 1) == [good], "the postponed one does not take the only place"
        assert await store.list_due_messages(LATER, 9) == [UnreadableMessage(bad.id), good]
        await set_bad(status=MessageStatus.SENDING)
        started = good.start_sending("me", NOON)
        async with store.begin() as tx:
            await tx.postpone_unreadable(bad.id, NOON)
            assert await tx.update_message(good, started)
        assert await store.list_messages_being_sent() == [started]
        await set_bad(kind="booked", status="queued")
        assert await store.list_due_messages(LATER, 9) == [expected_later(bad)], "a release that can read it sends it"
    assert set(unreadable_ids(caplog)) == {("message", str(bad.id))}


def expected_later(message: Message) -> Message:
    fields = {name: getattr(message, name) for name in Message.__slots__}
    return Message(**fields | {"due_at": LATER})
