"""Profiles with their preferences, in SQL."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from patient_svc.domain.identifiers import Identifier
from patient_svc.domain.patients import Patient, PreferredContact, Sex
from patient_svc.domain.preferences import Preferences
from patient_svc.domain.search_keys import SEARCH_VERSION
from patient_svc.repository.identifiers import save_identifiers
from patient_svc.repository.search_keys import save_search_keys
from patient_svc.repository.tables import PATIENTS
from shared.contracts.contacts import QuietHours
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit.outbox import SqlTransaction
from shared.kit.retry import TransactionAborted
from shared.kit.sql import Database, insert_if_absent

PROFILE_FIELDS = [field.name for field in fields(Patient) if field.name != "preferences"]
SELECT_PATIENT = select(PATIENTS).where(PATIENTS.c.id == bindparam("patient"))
LOCK_PATIENT = SELECT_PATIENT.with_for_update()


def patient_to_row(patient: Patient) -> dict[str, Any]:
    """Return the columns of PATIENTS."""
    preferences = patient.preferences
    return {name: getattr(patient, name) for name in PROFILE_FIELDS} | {
        "identifiers": [asdict(identifier) for identifier in patient.identifiers],
        "search_version": SEARCH_VERSION,
        "reminder_offsets_minutes": preferences.reminder_offsets_minutes,
        "quiet_hours": preferences.quiet_hours and preferences.quiet_hours.model_dump(mode="json"),
        "preferences_version": preferences.version,
        "offsets_changed_at": preferences.offsets_changed_at,
    }


def patient_from_row(row: Any) -> Patient:
    """Return the patient of a row of PATIENTS."""
    offsets = None if row.reminder_offsets_minutes is None else tuple(row.reminder_offsets_minutes)
    quiet_hours = QuietHours.model_validate(row.quiet_hours) if row.quiet_hours else None
    profile = {name: getattr(row, name) for name in PROFILE_FIELDS} | {
        "sex": Sex(row.sex) if row.sex else None,
        "identifiers": tuple(Identifier(**identifier) for identifier in row.identifiers or ()),
        "preferred_contact": PreferredContact(row.preferred_contact) if row.preferred_contact else None,
    }
    return Patient(**profile, preferences=Preferences(offsets, quiet_hours, row.preferences_version, row.offsets_changed_at))


class PatientWrites(SqlTransaction):
    """The part of SqlPatientTransaction that reads and writes patients."""

    async def get_patient(self, patient_id: UUID) -> Patient:
        return _require_patient(await self.find_patient(patient_id))

    async def find_patient(self, patient_id: UUID) -> Patient | None:
        return await _find_patient(self.connection, patient_id, lock=True)

    async def insert_patient(self, patient: Patient) -> None:
        if not await insert_if_absent(self.connection, insert(PATIENTS).values(patient_to_row(patient) | {"changed_at": self.now()})):
            raise TransactionAborted
        await save_identifiers(self.connection, patient)
        await save_search_keys(self.connection, patient)

    async def update_patient(self, patient: Patient) -> None:
        row = patient_to_row(patient) | {"changed_at": self.now()}
        await self.connection.execute(update(PATIENTS).where(PATIENTS.c.id == patient.id).values(row))
        await save_identifiers(self.connection, patient)
        await save_search_keys(self.connection, patient)


class PatientReads:
    """The part of SqlPatientStore that reads patients."""

    __slots__ = ()
    database: Database

    async def get_patient(self, patient_id: UUID) -> Patient:
        async with self.database.read() as connection:
            return _require_patient(await _find_patient(connection, patient_id))

    async def find_successor(self, patient_id: UUID) -> UUID | None:
        async with self.database.read() as connection:
            successor_id: UUID | None = await connection.scalar(select(PATIENTS.c.merged_into).where(PATIENTS.c.id == patient_id))
        return successor_id


async def _find_patient(connection: AsyncConnection, patient_id: UUID, *, lock: bool = False) -> Patient | None:
    row = (await connection.execute(LOCK_PATIENT if lock else SELECT_PATIENT, {"patient": patient_id})).one_or_none()
    return patient_from_row(row) if row else None


def _require_patient(patient: Patient | None) -> Patient:
    if patient is None or patient.merged_into is not None:
        raise NoSuchPatient
    return patient
