"""The database of patient-service in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Boolean, Column, Date, Index, Integer, MetaData, Table, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from patient_svc.domain import Patient, PatientVisit, Sex
from shared.contracts.identity import Service
from shared.contracts.relayed_refusals import NoSuchPatient
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
    Column("time_zone", binary_string(64)),
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


def patient_from_row(row: Any) -> Patient:
    """Return the patient of a row of PATIENTS."""
    fields = dict(row._mapping)
    return Patient(**fields | {"sex": Sex(fields["sex"]) if fields["sex"] else None})


class SqlPatientTransaction(SqlTransaction):
    """Implements PatientTransaction."""

    async def get_patient(self, patient_id: UUID) -> Patient:
        return _require_patient(await self.find_patient(patient_id))

    async def find_patient(self, patient_id: UUID) -> Patient | None:
        return await _find_patient(self.connection, patient_id, lock=True)

    async def insert_patient(self, patient: Patient) -> None:
        if not await insert_if_absent(self.connection, insert(PATIENTS).values(asdict(patient))):
            raise TransactionAborted

    async def update_patient(self, patient: Patient) -> None:
        await self.connection.execute(update(PATIENTS).where(PATIENTS.c.id == patient.id).values(asdict(patient)))

    async def save_visit(self, visit: PatientVisit) -> None:
        if not await insert_if_absent(self.connection, insert(VISITS).values(asdict(visit))):
            is_older = (VISITS.c.appointment_id == visit.appointment_id) & (VISITS.c.version < visit.version)
            await self.connection.execute(update(VISITS).where(is_older).values(asdict(visit)))


@dataclass(frozen=True, slots=True)
class SqlPatientStore:
    """Implements PatientStore. It calls `wake_relay` after each commit, so that new events are published at once."""

    database: Database
    now: Clock
    wake_relay: Callable[[], None]

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlPatientTransaction]:
        async with self.database.write() as connection:
            yield SqlPatientTransaction(connection, INFRASTRUCTURE, Service.PATIENT, self.now)
        self.wake_relay()

    async def get_patient(self, patient_id: UUID) -> Patient:
        async with self.database.read() as connection:
            return _require_patient(await _find_patient(connection, patient_id))

    async def is_treating(self, doctor_id: UUID, patient_id: UUID) -> bool:
        visit = exists().where(VISITS.c.doctor_id == doctor_id, VISITS.c.patient_id == patient_id, VISITS.c.treats)
        async with self.database.read() as connection:
            return bool(await connection.scalar(select(visit)))


async def _find_patient(connection: AsyncConnection, patient_id: UUID, *, lock: bool = False) -> Patient | None:
    query = select(PATIENTS).where(PATIENTS.c.id == patient_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    return patient_from_row(row) if row else None


def _require_patient(patient: Patient | None) -> Patient:
    if patient is None:
        raise NoSuchPatient
    return patient
