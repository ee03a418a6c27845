"""The contacts of patients, for services that write to them, in SQL."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select

from patient_svc.repository.guardians import is_in_force
from patient_svc.repository.tables import GUARDIANS, PATIENTS
from shared.contracts.contacts import PatientContact
from shared.kit.sql import Database

COLUMNS = [*(PATIENTS.c[name] for name in PatientContact.model_fields if name != "guardian_ids"), GUARDIANS.c.guardian_id]

IS_CURRENT_PATIENT = PATIENTS.c.merged_into.is_(None)


class ContactReads:
    """The part of SqlPatientStore that reads contacts."""

    __slots__ = ()
    database: Database

    async def list_contacts(self, ids: Collection[UUID], *, adults_born_until: date) -> list[PatientContact]:
        """Read patients and guardians with one query, which has a row for each guardian of a patient."""
        guardianship = (GUARDIANS.c.dependant_id == PATIENTS.c.id) & is_in_force(adults_born_until)
        query = (
            select(*COLUMNS)
            .join(GUARDIANS, guardianship, isouter=True)
            .where(PATIENTS.c.id.in_(ids), IS_CURRENT_PATIENT)
            .order_by(GUARDIANS.c.guardian_id)
        )
        contacts: dict[UUID, dict[str, Any]] = {}
        async with self.database.read() as connection:
            for row in await connection.execute(query):
                contact = contacts.setdefault(row.id, {**row._mapping, "guardian_ids": []})
                if row.guardian_id is not None:
                    contact["guardian_ids"].append(row.guardian_id)
        return [PatientContact.model_validate(contact) for contact in contacts.values()]
