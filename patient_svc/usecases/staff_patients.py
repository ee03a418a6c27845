"""What staff do with profiles of patients: adding a walk-in, and changing fields."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from patient_svc.domain.access import AccessAction
from patient_svc.domain.duplicates import MAX_CANDIDATES, MAX_DUPLICATES, PossibleDuplicate, duplicate_lookups, possible_duplicates
from patient_svc.domain.identifiers import IdentifierTaken
from patient_svc.domain.merges import require_current
from patient_svc.domain.patients import AddressOfAccount, ContactFieldsOnly, Patient, check_fields_of
from patient_svc.domain.relations import RELATION_BY_ROLE
from patient_svc.ports import AccountDirectory, PatientStore, PatientTransaction
from patient_svc.usecases.access_control import AccessControl
from patient_svc.usecases.accesses import access_line, record_listing
from patient_svc.usecases.patients import save_patient
from shared.contracts.clinic import CurrentClinic
from shared.contracts.identity import Caller
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort


class TrialEnded(Exception):
    """Raised to roll back the insertion of a patient who is only checked."""


@dataclass(frozen=True, slots=True)
class WalkIn:
    """A new patient without an account, and the patients who may be the same person.

    `has_all_duplicates` is False if there may be others: auth-service did not answer, patients are still being indexed, or there are more.
    """

    patient: Patient
    possible_duplicates: list[PossibleDuplicate]
    has_all_duplicates: bool


@dataclass(frozen=True, slots=True)
class StaffPatients:
    """The use cases of staff. What they read and change is recorded in the access log."""

    store: PatientStore
    access: AccessControl
    accounts: AccountDirectory
    now: Clock
    clinic: CurrentClinic

    async def create_walk_in(self, patient: Patient, caller: Caller) -> WalkIn:
        """Create a patient without an account, or return the one that has this id already.

        The accounts with the address are asked of auth-service; without its answer the patient is created all the same. Raises BornLater,
        IdentifierTaken, or PatientWasMerged when it was merged into another one since, or NoSuchPatient when it was erased.
        """
        patient.check_born_on(self.now(), self.clinic())
        account_ids = await self.accounts.find_by_email([patient.email]) if patient.email is not None else []
        async with self._record_refused_change(caller, patient.id):
            return await self._create(patient, account_ids, caller)

    @retry_on_abort
    async def _create(self, patient: Patient, account_ids: Sequence[UUID] | None, caller: Caller) -> WalkIn:
        async with self.store.begin() as tx:
            existing = await tx.find_patient(patient.id)
            current = require_current(existing or patient, caller)
            if existing is None:
                if await tx.is_erased(patient.id):
                    raise NoSuchPatient
                await tx.insert_patient(patient)
                await tx.add_event(patient.changed_event(new_id(), self.now()))
            await self._record(tx, caller, patient.id, AccessAction.PROFILE_READ if existing else AccessAction.PROFILE_CREATED)
            duplicates, has_all = await self._list_duplicates(tx, patient, account_ids or [], caller)
        return WalkIn(current.in_clinic(self.clinic()).view_for(caller, False), duplicates, has_all and account_ids is not None)

    @retry_on_abort
    async def check_import(self, patient: Patient, caller: Caller, *, is_trial: bool) -> bool:
        """Return whether a patient with this id exists. Raises BornLater, PatientWasMerged, or NoSuchPatient when it was erased.

        With `is_trial` the patient is inserted and the transaction rolled back, which raises IdentifierTaken, too.
        """
        patient.check_born_on(self.now(), self.clinic())
        with suppress(TrialEnded):
            async with self.store.begin() as tx:
                existing = await tx.find_patient(patient.id)
                require_current(existing or patient, caller)
                if existing is None and await tx.is_erased(patient.id):
                    raise NoSuchPatient
                if existing is None and is_trial:
                    await tx.insert_patient(patient)
                    raise TrialEnded
        return existing is not None

    async def import_patient(self, patient: Patient, caller: Caller) -> None:
        """Create a patient of a file, as `create_walk_in` does, without looking for duplicates; do nothing if the id exists already."""
        patient.check_born_on(self.now(), self.clinic())
        async with self._record_refused_change(caller, patient.id):
            await self._import(patient, caller)

    @retry_on_abort
    async def _import(self, patient: Patient, caller: Caller) -> None:
        async with self.store.begin() as tx:
            existing = await tx.find_patient(patient.id)
            require_current(existing or patient, caller)
            if existing is not None:
                return
            if await tx.is_erased(patient.id):
                raise NoSuchPatient
            await tx.insert_patient(patient)
            await tx.add_event(patient.changed_event(new_id(), self.now()))
            await self._record(tx, caller, patient.id, AccessAction.PROFILE_CREATED)

    @retry_on_abort
    async def record_repeated(self, patient_id: UUID, caller: Caller) -> None:
        """Record that the stored answer to a repeated `create_walk_in` shows the profile; nothing where that was refused."""
        async with self.store.begin() as tx:
            if await tx.find_patient(patient_id):
                await self._record(tx, caller, patient_id, AccessAction.PROFILE_READ)

    async def update(self, patient_id: UUID, changes: Mapping[str, Any], expected_version: int | None, caller: Caller) -> Patient:
        """Change some fields of a profile, and return as much of it as the caller may see.

        Raises NoSuchPatient, PatientWasMerged, Stale, BornLater, ContactFieldsOnly, AddressOfAccount or IdentifierTaken.
        """
        try:
            check_fields_of(caller, changes)
        except ContactFieldsOnly:
            await self.access.record_refusal(caller, patient_id, AccessAction.PROFILE_CHANGED)
            raise
        async with self._record_refused_change(caller, patient_id):
            return await self._update(patient_id, changes, expected_version, caller)

    @retry_on_abort
    async def _update(self, patient_id: UUID, changes: Mapping[str, Any], expected_version: int | None, caller: Caller) -> Patient:
        async with self.store.begin() as tx:
            patient = require_current(await tx.find_patient(patient_id), caller)
            updated = patient.update(changes, expected_version, self.now(), clinic=self.clinic())
            updated.check_address()
            if updated.born_on != patient.born_on:  # what has ended by the date of before does not begin again
                await tx.delete_ended_guardianships(patient_id, adults_born_until=self.access.policy.adults_born_until(self.now()))
            await save_patient(tx, patient, updated, self.now)
            is_changed = updated != patient
            await self._record(tx, caller, patient_id, AccessAction.PROFILE_CHANGED if is_changed else AccessAction.PROFILE_READ)
        return updated.in_clinic(self.clinic()).view_for(caller, False)

    @asynccontextmanager
    async def _record_refused_change(self, caller: Caller, patient_id: UUID) -> AsyncIterator[None]:
        """Run a change, and record a refusal that tells the caller something of a patient.

        IdentifierTaken says whose identifier it is: that is a read of the other patient.
        """
        try:
            async with self.access.record_attempt(caller, patient_id, AccessAction.PROFILE_CHANGED, AddressOfAccount):
                yield
        except IdentifierTaken as refusal:
            await self._record_shown(caller, UUID(refusal.facts["patient_id"]))
            raise

    @retry_on_abort
    async def _record_shown(self, caller: Caller, patient_id: UUID) -> None:
        async with self.store.begin() as tx:
            await self._record(tx, caller, patient_id, AccessAction.PROFILE_READ)

    async def _list_duplicates(
        self, tx: PatientTransaction, patient: Patient, account_ids: Sequence[UUID], caller: Caller
    ) -> tuple[list[PossibleDuplicate], bool]:
        """Return the patients who may be the same person, as far as the caller may see them, and whether these are all.

        Records that they are shown.
        """
        candidates, has_all = await tx.list_candidates(duplicate_lookups(patient), account_ids, MAX_CANDIDATES)
        duplicates = possible_duplicates(patient, candidates, account_ids)
        shown = duplicates[:MAX_DUPLICATES]
        ids = [duplicate.patient.id for duplicate in shown]
        await record_listing(tx, caller, ids, AccessAction.PROFILE_READ, RELATION_BY_ROLE[caller.role], now=self.now())
        views = [replace(duplicate, patient=duplicate.patient.view_for(caller, False)) for duplicate in shown]
        return views, has_all and len(shown) == len(duplicates)

    async def _record(self, tx: PatientTransaction, caller: Caller, patient_id: UUID, action: AccessAction) -> None:
        await tx.record_access(access_line(caller, patient_id, action, RELATION_BY_ROLE[caller.role], now=self.now()))
