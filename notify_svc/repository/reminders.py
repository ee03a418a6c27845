"""Visits, their reminders and the digests of doctors, in SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, delete, exists, insert, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from notify_svc.domain.digests import DigestPreference
from notify_svc.domain.messages import QUIET_HOURS, Message, MessageStatus
from notify_svc.domain.notifications import MessageKind
from notify_svc.domain.reminders import Reminder, ReminderStatus
from notify_svc.domain.visits import Visit
from notify_svc.ports.reminders import Aspect, VisitPlan
from notify_svc.repository.tables import CONTACT_VERSIONS, DIGESTS, DOCTOR_PREFERENCES, MESSAGES, REMINDERS, VISIT_RECIPIENTS, VISITS
from shared.contracts.appointments import AppointmentStatus
from shared.kit.sql import Database, insert_if_absent

IS_BOOKED = VISITS.c.status == AppointmentStatus.BOOKED
LOCK_VISIT = select(VISITS).where(VISITS.c.appointment_id == bindparam("id")).with_for_update()
INSERT_VISIT = insert(VISITS)
VISIT_COLUMNS = tuple(column.key for column in VISITS.c)
REMINDER_COLUMNS = tuple(column.key for column in REMINDERS.c)
IS_PLANNED = REMINDERS.c.status == ReminderStatus.PLANNED


def is_competing(now: datetime) -> ColumnElement[bool]:
    """Return the condition of reminders that are queued, or planned and due."""
    return or_(REMINDERS.c.status == ReminderStatus.QUEUED, and_(IS_PLANNED, REMINDERS.c.due_at <= now))


def visit_from_row(row: Any) -> Visit:
    """Return the visit of a row of VISITS."""
    return Visit(**row._mapping)


def row_of_visit(visit: Visit) -> dict[str, Any]:
    """Return the row of a visit for VISITS."""
    return {name: getattr(visit, name) for name in VISIT_COLUMNS}


def reminder_from_row(row: Any) -> Reminder:
    """Return the reminder of a row of REMINDERS."""
    return Reminder(**{**row._mapping, "status": ReminderStatus(row.status)})


def row_of_reminder(reminder: Reminder) -> dict[str, Any]:
    """Return the row of a reminder for REMINDERS."""
    return {name: getattr(reminder, name) for name in REMINDER_COLUMNS}


def starts_of_doctor(doctor_id: UUID, from_: datetime, to: datetime) -> Select[Any]:
    """Return the query of the starts of a doctor's booked visits in a half-open range."""
    is_in_range = (VISITS.c.starts_at >= from_) & (VISITS.c.starts_at < to)
    return select(VISITS.c.starts_at).where(VISITS.c.doctor_id == doctor_id, is_in_range, IS_BOOKED).order_by(VISITS.c.starts_at)


class VisitWriter:
    """Writes visits on one connection."""

    connection: AsyncConnection

    async def lock_visit(self, appointment_id: UUID) -> Visit | None:
        row = (await self.connection.execute(LOCK_VISIT, {"id": appointment_id})).first()
        return visit_from_row(row) if row is not None else None

    async def insert_visit(self, visit: Visit) -> bool:
        return await insert_if_absent(self.connection, INSERT_VISIT, row_of_visit(visit))

    async def replace_visit(self, visit: Visit) -> None:
        await self.connection.execute(update(VISITS).where(VISITS.c.appointment_id == visit.appointment_id).values(asdict(visit)))

    async def raise_sequence(self, appointment_id: UUID, sequence: int) -> None:
        is_lower = (VISITS.c.appointment_id == appointment_id) & (VISITS.c.sequence < sequence)
        await self.connection.execute(update(VISITS).where(is_lower).values(sequence=sequence))

    async def list_visits(self, appointment_ids: Collection[UUID]) -> Mapping[UUID, Visit]:
        rows = await self.connection.execute(select(VISITS).where(VISITS.c.appointment_id.in_(appointment_ids)))
        return {row.appointment_id: visit_from_row(row) for row in rows}


class PlanningWriter:
    """Writes which visits are to be planned, and their plans, on one connection."""

    connection: AsyncConnection

    async def record_contact_version(self, subject_id: UUID, aspect: Aspect, version: int) -> bool:
        key = {"subject_id": subject_id, "aspect": str(aspect)}
        if await insert_if_absent(self.connection, insert(CONTACT_VERSIONS).values(**key, version=version)):
            return True
        versions = CONTACT_VERSIONS.c
        is_older = and_(versions.subject_id == subject_id, versions.aspect == str(aspect), versions.version < version)
        return bool((await self.connection.execute(update(CONTACT_VERSIONS).where(is_older).values(version=version))).rowcount)

    async def plan_visits_of_person(self, person_id: UUID, wanted_since: datetime, now: datetime) -> None:
        query = select(VISIT_RECIPIENTS.c.appointment_id).where(VISIT_RECIPIENTS.c.recipient_id == person_id)
        as_recipient = (await self.connection.execute(query)).scalars().all()
        await self._plan_visits(VISITS.c.patient_id == person_id, wanted_since, now)
        if as_recipient:
            is_of_other = VISITS.c.appointment_id.in_(as_recipient) & (VISITS.c.patient_id != person_id)
            await self._plan_visits(is_of_other, wanted_since, now)

    async def plan_visits_of_service(self, service_id: UUID, wanted_since: datetime, now: datetime) -> None:
        await self._plan_visits(VISITS.c.service_id == service_id, wanted_since, now)

    async def plan_all_visits(self, wanted_since: datetime, now: datetime, due_at: datetime) -> None:
        await self._plan_visits(true(), wanted_since, now, due_at)

    async def _plan_visits(
        self, is_concerned: ColumnElement[bool], wanted_since: datetime, now: datetime, due_at: datetime | None = None
    ) -> None:
        is_new_change = VISITS.c.planning_due_at.is_(None) & (VISITS.c.wanted_since < wanted_since)
        in_order = (  # MySQL assigns one after the other
            (VISITS.c.wanted_since, case((is_new_change, wanted_since), else_=VISITS.c.wanted_since)),
            (VISITS.c.planning_due_at, due_at or now),
            (VISITS.c.revision, VISITS.c.revision + 1),
        )
        is_ahead = is_concerned & IS_BOOKED & (VISITS.c.starts_at > now)
        await self.connection.execute(update(VISITS).where(is_ahead).ordered_values(*in_order))

    async def plan_visit_again(self, appointment_id: UUID, due_at: datetime, now: datetime) -> None:
        is_ahead = (VISITS.c.appointment_id == appointment_id) & IS_BOOKED & (VISITS.c.starts_at > now)
        values = {"planning_due_at": due_at, "revision": VISITS.c.revision + 1}
        await self.connection.execute(update(VISITS).where(is_ahead).values(values))

    async def advance_postponed_reminders(self, recipient_id: UUID, due_at: datetime) -> None:
        is_queued = (MESSAGES.c.status == MessageStatus.QUEUED) & (MESSAGES.c.kind == MessageKind.REMINDER)
        is_waiting = is_queued & (MESSAGES.c.problem == QUIET_HOURS) & (MESSAGES.c.due_at > due_at)
        await self.connection.execute(update(MESSAGES).where(MESSAGES.c.recipient_id == recipient_id, is_waiting).values(due_at=due_at))

    async def claim_visits_to_plan(self, now: datetime, until: datetime, limit: int) -> Sequence[Visit]:
        is_due = VISITS.c.planning_due_at <= now
        query = select(VISITS).where(is_due).order_by(VISITS.c.planning_due_at).limit(limit).with_for_update(skip_locked=True)
        visits = [visit_from_row(row) for row in await self.connection.execute(query)]
        if visits:
            is_claimed = VISITS.c.appointment_id.in_([visit.appointment_id for visit in visits])
            await self.connection.execute(update(VISITS).where(is_claimed).values(planning_due_at=until))
        return visits

    async def lock_planning(self, visits: Iterable[Visit]) -> set[UUID]:
        revisions = {visit.appointment_id: visit.revision for visit in visits}
        is_listed = VISITS.c.appointment_id.in_(revisions) & VISITS.c.planning_due_at.is_not(None)
        query = select(VISITS.c.appointment_id, VISITS.c.revision).where(is_listed).order_by(VISITS.c.appointment_id).with_for_update()
        rows = await self.connection.execute(query)
        return {row.appointment_id for row in rows if row.revision == revisions[row.appointment_id]}

    async def store_plans(self, plans: Sequence[VisitPlan]) -> None:
        appointment_ids = [plan.visit.appointment_id for plan in plans]
        is_listed = VISITS.c.appointment_id.in_(appointment_ids)
        await self.connection.execute(update(VISITS).where(is_listed).values(planning_due_at=None))
        await self.connection.execute(delete(REMINDERS).where(REMINDERS.c.appointment_id.in_(appointment_ids), IS_PLANNED))
        if rows := [row_of_reminder(reminder) for plan in plans for reminder in plan.reminders]:
            await self.connection.execute(insert(REMINDERS), rows)
        await self._store_recipients(plans)

    async def _store_recipients(self, plans: Sequence[VisitPlan]) -> None:
        """Store the recipients who are not the patient; a patient's own visits are found by `patient_id`."""
        wanted = {
            (plan.visit.appointment_id, recipient_id)
            for plan in plans
            for recipient_id in plan.recipient_ids
            if recipient_id != plan.visit.patient_id
        }
        is_listed = VISIT_RECIPIENTS.c.appointment_id.in_([plan.visit.appointment_id for plan in plans])
        stored = {tuple(row) for row in await self.connection.execute(select(VISIT_RECIPIENTS).where(is_listed))}
        for appointment_id, recipient_id in stored - wanted:
            is_row = (VISIT_RECIPIENTS.c.appointment_id == appointment_id) & (VISIT_RECIPIENTS.c.recipient_id == recipient_id)
            await self.connection.execute(delete(VISIT_RECIPIENTS).where(is_row))
        if added := [{"appointment_id": key[0], "recipient_id": key[1]} for key in sorted(wanted - stored)]:
            await self.connection.execute(insert(VISIT_RECIPIENTS), added)


class ReminderWriter:
    """Writes reminders and digests on one connection."""

    connection: AsyncConnection

    async def remove_planned_reminders(self, appointment_ids: Collection[UUID]) -> None:
        await self.connection.execute(delete(REMINDERS).where(REMINDERS.c.appointment_id.in_(appointment_ids), IS_PLANNED))

    async def list_reminders(self, appointment_ids: Collection[UUID]) -> Sequence[Reminder]:
        rows = await self.connection.execute(select(REMINDERS).where(REMINDERS.c.appointment_id.in_(appointment_ids)).with_for_update())
        return [reminder_from_row(row) for row in rows]

    async def claim_due_reminders(self, now: datetime, limit: int) -> Sequence[Reminder]:
        query = select(REMINDERS).where(IS_PLANNED, REMINDERS.c.due_at <= now).order_by(REMINDERS.c.due_at).limit(limit)
        return [reminder_from_row(row) for row in await self.connection.execute(query.with_for_update(skip_locked=True))]

    async def list_competing_reminders(self, appointment_ids: Collection[UUID], now: datetime) -> Sequence[Reminder]:
        query = select(REMINDERS).where(REMINDERS.c.appointment_id.in_(appointment_ids), is_competing(now))
        return [reminder_from_row(row) for row in await self.connection.execute(query)]

    async def set_reminder_status(self, reminder_ids: Collection[UUID], status: ReminderStatus) -> None:
        if reminder_ids:
            await self.connection.execute(update(REMINDERS).where(REMINDERS.c.id.in_(reminder_ids)).values(status=str(status)))

    async def insert_messages(self, messages: Sequence[Message]) -> None:
        query = select(MESSAGES.c.id).where(MESSAGES.c.id.in_([message.id for message in messages]))
        stored = set((await self.connection.execute(query)).scalars())
        if rows := [asdict(message) for message in messages if message.id not in stored]:
            await self.connection.execute(insert(MESSAGES), rows)

    async def record_digest(self, doctor_id: UUID, day: date, now: datetime) -> bool:
        return await insert_if_absent(self.connection, insert(DIGESTS).values(doctor_id=doctor_id, date=day, decided_at=now))

    async def delete_ended_reminders(self, before: datetime, limit: int) -> int:
        ended = (await self.connection.execute(select(REMINDERS.c.id).where(REMINDERS.c.starts_at < before).limit(limit))).scalars().all()
        if ended:
            await self.connection.execute(delete(REMINDERS).where(REMINDERS.c.id.in_(ended)))
        return len(ended)


class ReminderReader:
    """Reads visits, reminders and digests, each method in a snapshot of its own."""

    database: Database

    async def has_visits_to_plan(self, now: datetime) -> bool:
        return await self._exists(select(VISITS.c.appointment_id).where(VISITS.c.planning_due_at <= now))

    async def has_due_reminders(self, now: datetime) -> bool:
        return await self._exists(select(REMINDERS.c.id).where(IS_PLANNED, REMINDERS.c.due_at <= now))

    async def list_contact_versions(self, subject_ids: Collection[UUID], aspect: Aspect) -> Mapping[UUID, int]:
        is_listed = CONTACT_VERSIONS.c.subject_id.in_(subject_ids) & (CONTACT_VERSIONS.c.aspect == str(aspect))
        return {row.subject_id: row.version for row in await self._rows(select(CONTACT_VERSIONS).where(is_listed))}

    async def find_visit(self, appointment_id: UUID) -> Visit | None:
        rows = await self._rows(select(VISITS).where(VISITS.c.appointment_id == appointment_id))
        return visit_from_row(rows[0]) if rows else None

    async def has_nearer_reminder(self, reminder_id: UUID, now: datetime) -> bool:
        own = REMINDERS.alias()
        shared = ("appointment_id", "starts_at", "recipient_id", "channel")
        is_same_visit = and_(*(REMINDERS.c[name] == own.c[name] for name in shared))
        is_nearer = is_same_visit & (REMINDERS.c.offset_minutes < own.c.offset_minutes)
        return await self._exists(select(REMINDERS.c.id).join(own, is_nearer).where(own.c.id == reminder_id, is_competing(now)))

    async def list_digest_preferences(self, after: UUID | None, limit: int) -> Sequence[DigestPreference]:
        query = select(DOCTOR_PREFERENCES.c.doctor_id, DOCTOR_PREFERENCES.c.switched_at).where(DOCTOR_PREFERENCES.c.daily_digest)
        if after is not None:
            query = query.where(DOCTOR_PREFERENCES.c.doctor_id > after)
        return [DigestPreference(*row) for row in await self._rows(query.order_by(DOCTOR_PREFERENCES.c.doctor_id).limit(limit))]

    async def wants_digest(self, doctor_id: UUID) -> bool:
        is_wanted = (DOCTOR_PREFERENCES.c.doctor_id == doctor_id) & DOCTOR_PREFERENCES.c.daily_digest
        return await self._exists(select(DOCTOR_PREFERENCES.c.doctor_id).where(is_wanted))

    async def list_decided_digests(self, doctor_ids: Collection[UUID], from_: date) -> set[tuple[UUID, date]]:
        is_listed = DIGESTS.c.doctor_id.in_(doctor_ids) & (DIGESTS.c.date >= from_)
        return {(row.doctor_id, row.date) for row in await self._rows(select(DIGESTS).where(is_listed))}

    async def list_day_starts(self, doctor_id: UUID, from_: datetime, to: datetime) -> Sequence[datetime]:
        return [row.starts_at for row in await self._rows(starts_of_doctor(doctor_id, from_, to))]

    async def _rows(self, query: Select[Any]) -> Sequence[Any]:
        async with self.database.read() as connection:
            return list(await connection.execute(query))

    async def _exists(self, query: Select[Any]) -> bool:
        async with self.database.read() as connection:
            return bool((await connection.execute(select(exists(query)))).scalar())
