"""Erasing patients, and following what the other services erase."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from patient_svc.domain.access import AccessAction, Relation
from patient_svc.domain.erasures import (
    Erasure,
    ErasureReason,
    ErasureReport,
    NoSuchErasure,
    ReportedErasure,
    refuse_appointments_ahead,
    refuse_dependants,
    require_recent_sign_in,
)
from patient_svc.domain.relations import AccessPolicy
from patient_svc.ports.erasures import AppointmentsAhead, ErasureStore, ErasureTransaction
from patient_svc.ports.guardians import SortKey
from patient_svc.usecases.accesses import access_line, record_listing
from shared.contracts.erasures import StoredAnswers
from shared.contracts.identity import Caller, Role, Service, system_caller
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import TransactionAborted, retry_on_abort

MAX_OPEN_AT_ONCE = 100
Deleted = tuple[Erasure, Mapping[str, int] | None]
"""An erasure, and how many rows of which kind it has deleted in this service."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """Which patient is to be erased, by whom, and with which id of the erasure.

    It is refused where something has changed since `expired_before`, or where a patient who may have none has appointments ahead.
    """

    by: Caller
    patient_id: UUID
    erasure_id: UUID
    expired_before: datetime | None = None
    may_have_appointments: bool = True


@dataclass(frozen=True, slots=True)
class Erasures:
    """Erases patients in this service in one transaction, whose event asks the other services to do the same.

    `answers` are those that are stored for the Idempotency-Keys of this service.
    """

    store: ErasureStore
    appointments: AppointmentsAhead
    answers: StoredAnswers
    now: Clock
    policy: AccessPolicy

    async def erase_own(self, caller: Caller, erasure_id: UUID, *, cancels_appointments: bool) -> Erasure:
        """Erase the patient who calls, or return their erasure if there is one. appointment-service cancels what lies ahead.

        Raises SignInAgain, FutureAppointments unless `cancels_appointments`, NoSuchPatient, HasDependants, or Unavailable when
        appointment-service does not answer.
        """
        require_recent_sign_in(caller, self.now())
        deleted = await self._erase(Deletion(caller, caller.id, erasure_id, may_have_appointments=cancels_appointments))
        return deleted[0][0]

    async def erase_expired(self, patient_id: UUID, erasure_id: UUID, before: datetime) -> bool:
        """Erase a patient of whom nothing has changed since `before`; return False for one who was erased before.

        Raises NoSuchPatient for one who has changed meanwhile.
        """
        deleted = await self._erase(Deletion(system_caller(Service.PATIENT), patient_id, erasure_id, expired_before=before))
        return any(removed is not None for _, removed in deleted)

    async def _erase(self, deletion: Deletion) -> list[Deleted]:
        deleted = await self._delete(deletion)
        for erasure, removed in deleted:
            if removed is not None:
                stored_answers = await self._delete_answers(erasure.patient_id)
                await self.report(erasure.id, Service.PATIENT, erasure.pass_number, {**removed, "stored_answers": stored_answers})
        return deleted

    @retry_on_abort
    async def report(self, erasure_id: UUID, service: Service, pass_number: int, removed: Mapping[str, int]) -> None:
        """Record what a service has removed in a pass. A repeated report changes nothing. Raises NoSuchErasure."""
        async with self.store.begin() as tx:
            erasure = await tx.lock_erasure(erasure_id)
            if erasure is None:
                raise NoSuchErasure
            await tx.insert_erasure_report(erasure_id, ErasureReport(service, pass_number, self.now(), removed))
            await self._advance(tx, erasure)

    @retry_on_abort
    async def list_for_admin(self, caller: Caller, limit: int, after: SortKey) -> list[ReportedErasure]:
        """Return up to `limit` + 1 erasures, the newest first, and record that the admin has seen them. Raises BadCursor."""
        async with self.store.begin() as tx:
            erasures = await tx.list_erasures(limit=limit + 1, after=after)
            shown = [reported.erasure.patient_id for reported in erasures[:limit]]
            await record_listing(tx, caller, shown, AccessAction.ERASURE_READ, Relation.ADMIN, now=self.now())
        return erasures

    async def advance_open(self) -> int:
        """Begin the second pass of erasures, and ask again the services that have not reported; return how many events that made."""
        return sum([await self._advance_open(erasure_id) for erasure_id in await self._list_open()])

    @retry_on_abort
    async def _delete(self, deletion: Deletion) -> list[Deleted]:
        """Delete the patient, and what remains of those who were merged into them, in one transaction.

        It publishes an event for each of their ids: other services that have not followed a merge yet have rows with the old id. Return the
        erasure of the patient first. What was removed is None if that was done before. Raises TransactionAborted, so that it is done again,
        if somebody was merged into the patient after appointment-service was asked.
        """
        patient_id, expired_before = deletion.patient_id, deletion.expired_before
        asked_ids = None if deletion.may_have_appointments else await self._refuse_appointments_ahead(patient_id)
        async with self.store.begin() as tx:
            if erased := await tx.find_erasure_of(patient_id):
                return [(erased, None)]
            await tx.get_patient(patient_id)
            if expired_before is not None and not await tx.has_expired(patient_id, expired_before):
                raise NoSuchPatient
            refuse_dependants(await tx.list_sole_dependants(patient_id, adults_born_until=self.policy.adults_born_until(self.now())))
            dependant_ids, merged_ids = await tx.list_dependant_ids(patient_id), await tx.lock_merged_into(patient_id)
            if asked_ids is not None and not asked_ids.issuperset(merged_ids):
                raise TransactionAborted
            reason = ErasureReason.REQUESTED if expired_before is None else ErasureReason.RETENTION
            erasure = Erasure.begin(deletion.erasure_id, patient_id, reason, self.now())
            erasures = [erasure, *(erasure.of_merged_patient(merged_id) for merged_id in merged_ids)]
            deleted: list[Deleted] = [(item, await self._delete_one(tx, deletion.by, item)) for item in erasures]
            await self._announce_dependants(tx, dependant_ids)
        return deleted

    async def _refuse_appointments_ahead(self, patient_id: UUID) -> frozenset[UUID]:
        """Raise FutureAppointments if the patient has appointments ahead, also those that still have a former id. Return all these ids."""
        async with self.store.begin() as tx:
            patient_ids = frozenset({patient_id, *await tx.list_former_ids([patient_id])})
        refuse_appointments_ahead(await self.appointments.list_ahead(patient_ids, self.now()))
        return patient_ids

    async def _delete_one(self, tx: ErasureTransaction, by: Caller, erasure: Erasure) -> Mapping[str, int]:
        """Delete what is stored under one id, publish the event, and record the access. Return how many rows of which kind were deleted."""
        removed = await tx.delete_patient(erasure.patient_id)
        await tx.insert_erasure(erasure)
        await tx.add_event(erasure.event(new_id()))
        relation = Relation.SELF if by.role is Role.PATIENT else Relation.SERVICE
        line = access_line(by, erasure.patient_id, AccessAction.PATIENT_ERASED, relation, now=self.now(), row_id=erasure.id)
        await tx.record_access(line)
        return removed

    async def _announce_dependants(self, tx: ErasureTransaction, dependant_ids: Collection[UUID]) -> None:
        """Make a new version of the profiles of former dependants, so that other services forget the guardian."""
        for dependant_id in dependant_ids:
            updated = (await tx.get_patient(dependant_id)).next_version()
            await tx.update_patient(updated)
            await tx.add_event(updated.changed_event(new_id(), self.now()))

    @retry_on_abort
    async def _delete_answers(self, patient_id: UUID) -> int:
        return await self.answers.delete_mentioning(patient_id)

    @retry_on_abort
    async def _list_open(self) -> list[UUID]:
        return await self.store.list_open_erasures(MAX_OPEN_AT_ONCE)

    async def _advance_open(self, erasure_id: UUID) -> int:
        erasure, is_published = await self._publish_due(erasure_id)
        if erasure is None or not is_published:
            return 0
        removed = {"stored_answers": await self._delete_answers(erasure.patient_id)}
        await self.report(erasure_id, Service.PATIENT, erasure.pass_number, removed)
        return 1

    @retry_on_abort
    async def _publish_due(self, erasure_id: UUID) -> tuple[Erasure | None, bool]:
        """Return the erasure as it is now, and whether its event was published again."""
        async with self.store.begin() as tx:
            erasure = await tx.lock_erasure(erasure_id)
            return (await self._advance(tx, erasure)) if erasure else (None, False)

    async def _advance(self, tx: ErasureTransaction, erasure: Erasure) -> tuple[Erasure, bool]:
        advanced = erasure.advance(await tx.list_reporting_services(erasure), self.now())
        is_published = advanced.published_at != erasure.published_at
        if advanced != erasure:
            await tx.update_erasure(advanced)
        if is_published:
            await tx.add_event(advanced.event(new_id()))
        return advanced, is_published
