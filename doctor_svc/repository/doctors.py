"""Doctors in SQL: their rows, and the words by which lists are filtered."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from doctor_svc.domain.doctors import Doctor, DoctorProfile
from doctor_svc.domain.schedules import Schedule
from doctor_svc.ports import DoctorFilter, SortKey
from doctor_svc.repository.search import filter_conditions, search_words
from doctor_svc.repository.tables import DOCTORS, SEARCH_WORDS
from shared.contracts.contacts import DoctorContact
from shared.contracts.http import DateOverride, WeeklyWindow
from shared.contracts.names import NamedDoctor
from shared.contracts.relayed_refusals import NoSuchDoctor
from shared.kit.keyset_pagination import rows_after
from shared.kit.outbox import SqlTransaction
from shared.kit.paging import parse_sort_key
from shared.kit.pending import first_retry_at, take_due_rows
from shared.kit.retry import TransactionAborted
from shared.kit.sql import Database, insert_if_absent
from shared.kit.unreadable import read_rows

PROFILE_COLUMNS = [DOCTORS.c[field.name] for field in fields(DoctorProfile)]
CONTACT_COLUMNS = [
    *(DOCTORS.c[name] for name in DoctorContact.model_fields if name != "version"),
    (DOCTORS.c.version + DOCTORS.c.schedule_version).label("version"),  # as in the doctor's rules
]
SELECT_DOCTOR = select(DOCTORS).where(DOCTORS.c.id == bindparam("doctor"))
LOCK_DOCTOR = SELECT_DOCTOR.with_for_update()
PLAIN_FIELDS = [field.name for field in fields(Doctor) if field.name not in ("schedule", "specialties", "languages", "services")]


def doctor_to_row(doctor: Doctor) -> dict[str, Any]:
    """Return the columns of DOCTORS, without `created_at`."""
    return {name: getattr(doctor, name) for name in PLAIN_FIELDS} | {
        "specialties": list(doctor.specialties),
        "languages": list(doctor.languages),
        "services": [str(service_id) for service_id in doctor.services],
        "weekly": [window.model_dump(mode="json") for window in doctor.schedule.weekly],
        "overrides": [override.model_dump(mode="json") for override in doctor.schedule.overrides],
        "schedule_version": doctor.schedule.version,
    }


def doctor_from_row(row: Any) -> Doctor:
    """Return the doctor of a row of DOCTORS."""
    weekly = tuple(WeeklyWindow.model_validate(window) for window in row.weekly)
    overrides = tuple(DateOverride.model_validate(override) for override in row.overrides)
    return Doctor(
        **{name: getattr(row, name) for name in PLAIN_FIELDS},
        specialties=tuple(row.specialties),
        languages=tuple(row.languages),
        services=tuple(UUID(service_id) for service_id in row.services),
        schedule=Schedule(weekly, overrides, row.schedule_version),
    )


def profile_from_row(row: Any) -> DoctorProfile:
    """Return the profile of a row of PROFILE_COLUMNS."""
    values = dict(row._mapping)
    return DoctorProfile(**values | {"services": [UUID(service_id) for service_id in values["services"]]})


class DoctorWrites(SqlTransaction):
    """The part of SqlDoctorTransaction that reads and writes doctors."""

    async def get_doctor(self, doctor_id: UUID) -> Doctor:
        return _require_confirmed(await self.find_doctor(doctor_id))

    async def find_doctor(self, doctor_id: UUID) -> Doctor | None:
        return await _find_doctor(self.connection, doctor_id, lock=True)

    async def insert_doctor(self, doctor: Doctor) -> None:
        row = doctor_to_row(doctor) | {"created_at": self.now(), "retry_at": first_retry_at(self.now())}
        if not await insert_if_absent(self.connection, insert(DOCTORS).values(row)):
            raise TransactionAborted
        await self._insert_search_words(doctor)

    async def update_doctor(self, doctor: Doctor) -> None:
        await self.connection.execute(update(DOCTORS).where(DOCTORS.c.id == doctor.id).values(doctor_to_row(doctor)))
        await self._delete_search_words(doctor.id)
        await self._insert_search_words(doctor)

    async def delete_pending_doctor(self, doctor_id: UUID) -> None:
        deleted = await self.connection.execute(delete(DOCTORS).where(DOCTORS.c.id == doctor_id, DOCTORS.c.pending))
        if deleted.rowcount:
            await self._delete_search_words(doctor_id)

    async def take_due_doctors(self, now: datetime, limit: int) -> list[Doctor]:
        pending = DOCTORS.c.pending
        rows = await take_due_rows(self.connection, DOCTORS, now=now, limit=limit, requested_at_column="created_at", is_pending=pending)
        return read_rows("doctor", rows, doctor_from_row, lambda row: row.id)

    async def _insert_search_words(self, doctor: Doctor) -> None:
        rows = [{"doctor_id": doctor.id, "kind": kind, "word": word} for kind, word in sorted(search_words(doctor))]
        if rows:
            await self.connection.execute(insert(SEARCH_WORDS), rows)

    async def _delete_search_words(self, doctor_id: UUID) -> None:
        await self.connection.execute(delete(SEARCH_WORDS).where(SEARCH_WORDS.c.doctor_id == doctor_id))


class DoctorReads:
    """The part of SqlDoctorStore that reads doctors."""

    __slots__ = ()
    database: Database

    async def get_doctor(self, doctor_id: UUID) -> Doctor:
        async with self.database.read() as connection:
            return _require_confirmed(await _find_doctor(connection, doctor_id))

    async def list_active_doctors(self, doctor_filter: DoctorFilter, *, limit: int, after: SortKey) -> list[DoctorProfile]:
        query = select(*PROFILE_COLUMNS).where(DOCTORS.c.active, ~DOCTORS.c.pending, *filter_conditions(doctor_filter))
        if after is not None:
            query = query.where(rows_after((DOCTORS.c.full_name, DOCTORS.c.id), parse_sort_key(after, str, UUID)))
        query = query.order_by(DOCTORS.c.full_name, DOCTORS.c.id).limit(limit)
        async with self.database.read() as connection:
            return [profile_from_row(row) for row in await connection.execute(query)]

    async def list_doctor_contacts(self, ids: Collection[UUID]) -> list[DoctorContact]:
        query = select(*CONTACT_COLUMNS).where(DOCTORS.c.id.in_(ids), ~DOCTORS.c.pending)
        async with self.database.read() as connection:
            return [DoctorContact.model_validate(row) for row in await connection.execute(query)]

    async def list_doctor_names(self, ids: Collection[UUID]) -> list[NamedDoctor]:
        query = select(DOCTORS.c.id, DOCTORS.c.full_name).where(DOCTORS.c.id.in_(ids), ~DOCTORS.c.pending)
        async with self.database.read() as connection:
            return [NamedDoctor.model_validate(row) for row in await connection.execute(query)]

    async def list_all_doctors(self, *, limit: int, after: SortKey) -> list[Doctor]:
        query = select(DOCTORS).where(~DOCTORS.c.pending).order_by(DOCTORS.c.id).limit(limit)
        if after is not None:
            query = query.where(rows_after((DOCTORS.c.id,), parse_sort_key(after, UUID)))
        async with self.database.read() as connection:
            return [doctor_from_row(row) for row in await connection.execute(query)]


async def _find_doctor(connection: AsyncConnection, doctor_id: UUID, *, lock: bool = False) -> Doctor | None:
    row = (await connection.execute(LOCK_DOCTOR if lock else SELECT_DOCTOR, {"doctor": doctor_id})).one_or_none()
    return doctor_from_row(row) if row else None


def _require_confirmed(doctor: Doctor | None) -> Doctor:
    if doctor is None or doctor.pending:
        raise NoSuchDoctor
    return doctor
