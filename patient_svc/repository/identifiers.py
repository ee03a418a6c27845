"""Identifiers of patients in SQL."""

from __future__ import annotations

from sqlalchemy import ColumnElement, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from patient_svc.domain.identifiers import Identifier, IdentifierTaken
from patient_svc.domain.patients import Patient
from patient_svc.repository.tables import IDENTIFIERS
from shared.kit.retry import TransactionAborted
from shared.kit.sql import insert_if_absent

INSERT_IDENTIFIER = insert(IDENTIFIERS)


async def save_identifiers(connection: AsyncConnection, patient: Patient) -> None:
    """Record that the identifiers of a patient are theirs, and that others no longer are. Raises IdentifierTaken."""
    rows = await connection.execute(select(IDENTIFIERS).where(IDENTIFIERS.c.patient_id == patient.id))
    stored = {Identifier(row.system, row.value) for row in rows}
    for identifier in stored - set(patient.identifiers):
        await connection.execute(delete(IDENTIFIERS).where(*_is_row_of(identifier)))
    for position, identifier in enumerate(patient.identifiers):
        if identifier not in stored:
            await _insert(connection, patient, identifier, f"/identifiers/{position}")


async def _insert(connection: AsyncConnection, patient: Patient, identifier: Identifier, pointer: str) -> None:
    owner = await connection.scalar(select(IDENTIFIERS.c.patient_id).where(*_is_row_of(identifier)))
    if owner is not None:
        raise IdentifierTaken(pointer=pointer, patient_id=str(owner))
    row = {"system": identifier.system, "value": identifier.value, "patient_id": patient.id}
    if not await insert_if_absent(connection, INSERT_IDENTIFIER, row):
        raise TransactionAborted  # another transaction inserted it after the query above; the next attempt finds it


def _is_row_of(identifier: Identifier) -> tuple[ColumnElement[bool], ...]:
    return IDENTIFIERS.c.system == identifier.system, IDENTIFIERS.c.value == identifier.value
