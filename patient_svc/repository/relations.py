"""The facts that decide what a caller may read and change of a patient, in SQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from patient_svc.domain.relations import Relations
from patient_svc.repository.tables import BREAK_GLASS, GUARDIANS, PATIENTS, VISITS
from shared.contracts.identity import Caller
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import Database, Id, UtcDateTime

CALLER, PATIENT = bindparam("caller", type_=Id), bindparam("patient", type_=Id)
TREATMENT = exists().where(VISITS.c.doctor_id == CALLER, VISITS.c.patient_id == PATIENT, VISITS.c.treats)
RECENT_TREATMENT = TREATMENT.where(VISITS.c.ends_at >= bindparam("treated_since", type_=UtcDateTime))
GUARDIANSHIP = exists().where(GUARDIANS.c.dependant_id == PATIENT, GUARDIANS.c.guardian_id == CALLER)
BREAK_GLASS_UNTIL = (
    select(func.max(BREAK_GLASS.c.expires_at, type_=UtcDateTime))
    .where(BREAK_GLASS.c.admin_id == CALLER, BREAK_GLASS.c.patient_id == PATIENT)
    .scalar_subquery()
)
FACTS = (PATIENTS.c.merged_into, PATIENTS.c.born_on, PATIENTS.c.has_account, GUARDIANSHIP, RECENT_TREATMENT, TREATMENT, BREAK_GLASS_UNTIL)
SELECT_RELATIONS = select(*FACTS).where(PATIENTS.c.id == PATIENT)
LOCK_AND_SELECT_RELATIONS = SELECT_RELATIONS.with_for_update()
"""It locks the patient, so that no merge takes away what the transaction reads next."""


class RelationWrites(SqlTransaction):
    """The part of SqlPatientTransaction that reads relations in the transaction of what they permit."""

    async def get_relations(self, caller: Caller, patient_id: UUID, treated_since: datetime) -> Relations:
        return await _get_relations(self.connection, LOCK_AND_SELECT_RELATIONS, caller, patient_id, treated_since)


class RelationReads:
    """The part of SqlPatientStore that reads relations."""

    __slots__ = ()
    database: Database

    async def get_relations(self, caller: Caller, patient_id: UUID, treated_since: datetime) -> Relations:
        async with self.database.read() as connection:
            return await _get_relations(connection, SELECT_RELATIONS, caller, patient_id, treated_since)


async def _get_relations(
    connection: AsyncConnection, query: Select[Any], caller: Caller, patient_id: UUID, treated_since: datetime
) -> Relations:
    parameters = {"caller": caller.id, "patient": patient_id, "treated_since": treated_since}
    row = (await connection.execute(query, parameters)).one_or_none()
    if row is None:
        return Relations(caller.role)
    if row.merged_into is not None:
        return Relations(caller.role, merged_into=row.merged_into)
    _, born_on, has_account, is_guardian, is_treating, has_treated, break_glass_until = row
    return Relations(
        caller.role,
        is_known=True,
        is_self=caller.id == patient_id,
        is_guardian=bool(is_guardian),
        is_treating=bool(is_treating),
        has_treated=bool(has_treated),
        born_on=born_on,
        has_account=has_account,
        break_glass_until=break_glass_until,
    )
