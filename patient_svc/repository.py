"""The store of patient-service in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Boolean, Column, Date, Index, Integer, MetaData, Table, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from patient_svc.domain import NoSuchPatient, Patient, Sex, Visit
from shared.contracts.identity import Service
from shared.kit.clock import Clock
from shared.kit.infrastructure_tables import infrastructure_tables
from shared.kit.outbox import SqlTransaction
from shared.kit.retry import TransactionAborted
from shared.kit.sql import Database, Id, binary_string, insert_if_absent

METADATA = MetaData()
INFRASTRUCTURE = infrastructure_tables(METADATA)

PATIENTS = Table(
    "patients",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("full_name", binary_string(200), nullable=False),
    Column("time_zone", binary_string(64), nullable=False),
    Column("locale", binary_string(35), nullable=False),
    Column("phone", binary_string(32)),
    Column("born_on", Date),
    Column("sex", binary_string(16)),
    Column("address", JSON(none_as_null=True)),
    Column("emergency_contact", JSON(none_as_null=True)),
    Column("active", Boolean, nullable=False),
    Column("account_version", Integer, nullable=False),
    Column("version", Integer, nullable=False),
)

VISITS = Table(
    "visits",
    METADATA,
    Column("appointment_id", Id, primary_key=True),
    Column("patient_id", Id, nullable=False),
    Column("doctor_id", Id, nullable=False),
    Column("treats", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Index("visits_by_people", "doctor_id", "patient_id", "treats"),
)


def from_row(row: Any) -> Patient:
    fields = dict(row._mapping)
    return Patient(**fields | {"sex": Sex(fields["sex"]) if fields["sex"] else None})


async def _one(connection: AsyncConnection, patient_id: UUID, *, lock: bool = False) -> Patient | None:
    query = select(PATIENTS).where(PATIENTS.c.id == patient_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    return from_row(row) if row else None


class Transaction(SqlTransaction):
    """One transaction of patient-service."""

    async def find(self, patient_id: UUID) -> Patient | None:
        return await _one(self.connection, patient_id, lock=True)

    async def get(self, patient_id: UUID) -> Patient:
        patient = await self.find(patient_id)
        if patient is None:
            raise NoSuchPatient
        return patient

    async def add(self, patient: Patient) -> None:
        if not await insert_if_absent(self.connection, insert(PATIENTS).values(asdict(patient))):
            raise TransactionAborted

    async def save(self, patient: Patient) -> None:
        await self.connection.execute(update(PATIENTS).where(PATIENTS.c.id == patient.id).values(asdict(patient)))

    async def note(self, visit: Visit) -> None:
        if await insert_if_absent(self.connection, insert(VISITS).values(asdict(visit))):
            return
        older = VISITS.c.appointment_id == visit.appointment_id, VISITS.c.version < visit.version
        await self.connection.execute(update(VISITS).where(*older).values(asdict(visit)))


@dataclass(frozen=True, slots=True)
class SqlStore:
    """`announced` wakes the relay after a commit."""

    database: Database
    now: Clock
    announced: Callable[[], None]

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        async with self.database.write() as connection:
            yield Transaction(connection, INFRASTRUCTURE, Service.PATIENT, self.now)
        self.announced()

    async def patient(self, patient_id: UUID) -> Patient:
        async with self.database.read() as connection:
            patient = await _one(connection, patient_id)
        if patient is None:
            raise NoSuchPatient
        return patient

    async def treats(self, doctor_id: UUID, patient_id: UUID) -> bool:
        visit = exists().where(VISITS.c.doctor_id == doctor_id, VISITS.c.patient_id == patient_id, VISITS.c.treats)
        async with self.database.read() as connection:
            return bool(await connection.scalar(select(visit)))
