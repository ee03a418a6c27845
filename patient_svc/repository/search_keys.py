"""The keys by which patients are found, in SQL."""

from __future__ import annotations

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from patient_svc.domain.patients import Patient
from patient_svc.domain.search_keys import SearchKey, search_keys
from patient_svc.domain.search_ranges import KeyKind
from patient_svc.repository.tables import SEARCH_KEYS

INSERT_KEYS = insert(SEARCH_KEYS)


async def save_search_keys(connection: AsyncConnection, patient: Patient) -> None:
    """Store the keys of a patient, and delete those that the patient no longer has."""
    is_patients = SEARCH_KEYS.c.patient_id == patient.id
    rows = await connection.execute(select(SEARCH_KEYS.c.kind, SEARCH_KEYS.c.key).where(is_patients))
    stored, keys = {SearchKey(KeyKind(row.kind), row.key) for row in rows}, search_keys(patient)
    for key in sorted(stored - keys):
        await connection.execute(delete(SEARCH_KEYS).where(is_patients, SEARCH_KEYS.c.kind == key.kind, SEARCH_KEYS.c.key == key.key))
    if new := sorted(keys - stored):
        await connection.execute(INSERT_KEYS, [{"kind": key.kind, "key": key.key, "patient_id": patient.id} for key in new])
