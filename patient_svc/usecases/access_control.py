"""Deciding who may read and change what of a patient, and recording what was done and what was refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from patient_svc.domain.access import Access, AccessAction, Relation
from patient_svc.domain.merges import PatientWasMerged
from patient_svc.domain.relations import UNRECORDED, AccessPolicy, Relations
from patient_svc.ports.records import RecordStore, RecordTransaction, Treatments
from patient_svc.usecases.accesses import access_line
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import Forbidden, Refusal, Unavailable
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort


@dataclass(slots=True)
class PermittedAccess:
    """The transaction of a permitted action, and the relation that permits it. `recorded_as` is what the log will name; None: no line."""

    tx: RecordTransaction
    relation: Relation
    recorded_as: AccessAction | None


@dataclass(frozen=True, slots=True)
class AccessControl:
    """Permits or refuses what callers do with the data of a patient, and writes the log."""

    store: RecordStore
    treatments: Treatments
    now: Clock
    policy: AccessPolicy

    @asynccontextmanager
    async def begin(
        self, caller: Caller, patient_id: UUID, action: AccessAction, *, row_id: UUID | None = None
    ) -> AsyncIterator[PermittedAccess]:
        """Open a transaction for an action, yield it with the relation that permits the action, and record the action in it.

        What is UNRECORDED is not recorded. A refusal is recorded in a transaction of its own, also a Forbidden that the caller of this
        method raises. Raises NoSuchPatient, NotForReception or BreakGlassRequired, and Unavailable when a doctor is not known to treat the
        patient and appointment-service does not answer.
        """
        is_treating = await self._ask_about_treatment(caller, patient_id, action)
        try:
            async with self.store.begin() as tx:
                relations = await tx.get_relations(caller, patient_id, self.policy.treated_since(self.now()))
                now = self.now()  # after the patient is locked: what the log says of the time is what was decided by
                relation = self._relation_for(relations.with_treatment() if is_treating else relations, action, now)
                if relation is not None:
                    permitted = PermittedAccess(tx, relation, None if (relation, action) in UNRECORDED else action)
                    yield permitted
                    if permitted.recorded_as is not None:
                        await tx.record_access(access_line(caller, patient_id, permitted.recorded_as, relation, now=now, row_id=row_id))
                    return
        except Forbidden:
            await self._record_refusal(caller, patient_id, action, row_id)
            raise
        if relations.has_log:
            await self._record_refusal(caller, patient_id, action, row_id)
        raise relations.refusal(action)

    @retry_on_abort
    async def record_refusal(self, caller: Caller, patient_id: UUID, action: AccessAction) -> None:
        """Record that something else than a relation, such as the caller's role, forbids an action; nothing for an unknown patient."""
        async with self.store.begin() as tx:
            relations = await tx.get_relations(caller, patient_id, self.policy.treated_since(self.now()))
            if relations.has_log:
                await tx.record_access(self._refusal(caller, patient_id, action, None))

    @asynccontextmanager
    async def record_attempt(self, caller: Caller, patient_id: UUID, action: AccessAction, *refusals: type[Refusal]) -> AsyncIterator[None]:
        """Run what may raise PatientWasMerged or one of `refusals`, and then record that the action was refused.

        For a merged patient this is in the log of the former id; an unknown patient has no log.
        """
        try:
            yield
        except Refusal as refusal:
            if isinstance(refusal, (PatientWasMerged, *refusals)):
                await self.record_refusal(caller, patient_id, action)
            raise

    async def _ask_about_treatment(self, caller: Caller, patient_id: UUID, action: AccessAction) -> bool:
        """Ask appointment-service whether a doctor treats the patient where the own read model says no: an event may be on its way."""
        if caller.role is not Role.DOCTOR:
            return False
        treated_since = self.policy.treated_since(self.now())
        relations = await self.store.get_relations(caller, patient_id, treated_since)
        if self._relation_for(relations, action, self.now()) is not None or not relations.may_be_treating(action):
            return False
        try:
            return await self.treatments.is_treating(caller.id, patient_id, treated_since)
        except Unavailable:
            await self._record_refusal(caller, patient_id, action, None)
            raise

    def _relation_for(self, relations: Relations, action: AccessAction, now: datetime) -> Relation | None:
        return relations.permitting(action, now=now, adults_born_until=self.policy.adults_born_until(now))

    @retry_on_abort
    async def _record_refusal(self, caller: Caller, patient_id: UUID, action: AccessAction, row_id: UUID | None) -> None:
        async with self.store.begin() as tx:
            await tx.record_access(self._refusal(caller, patient_id, action, row_id))

    def _refusal(self, caller: Caller, patient_id: UUID, action: AccessAction, row_id: UUID | None) -> Access:
        return access_line(caller, patient_id, action, None, now=self.now(), row_id=row_id)
