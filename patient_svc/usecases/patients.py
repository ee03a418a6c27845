"""Creating, changing and reading the profiles of patients."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from patient_svc.domain.access import AccessAction, Relation
from patient_svc.domain.guardians import BirthDateOfDependant
from patient_svc.domain.merges import missing_refusal
from patient_svc.domain.patients import Patient
from patient_svc.domain.visits import PatientVisit
from patient_svc.ports import PatientStore, PatientTransaction
from patient_svc.usecases.access_control import AccessControl
from patient_svc.usecases.accesses import access_line
from shared.contracts.clinic import CurrentClinic
from shared.contracts.contacts import PatientContact, PatientContacts
from shared.contracts.events import AccountChanged, AppointmentEvent
from shared.contracts.http import CreatePatient, PatientSummary
from shared.contracts.identity import Caller, Role
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class Patients:
    """The use cases of profiles.

    A profile is returned with the time zone and the locale in effect: patients who gave none have the clinic's, also after the clinic has
    changed it.
    """

    store: PatientStore
    now: Clock
    clinic: CurrentClinic
    access: AccessControl

    @retry_on_abort
    async def create(self, patient_id: UUID, request: CreatePatient) -> Patient:
        """Create the profile of a new account, or return the one that has this id already.

        Raises NoSuchPatient for a patient who was erased, whose account may have been about to be created.
        """
        patient = Patient.from_request(patient_id, request)
        async with self.store.begin() as tx:
            if existing := await tx.find_patient(patient.id):
                return existing.in_clinic(self.clinic())
            if await tx.is_erased(patient.id):
                raise NoSuchPatient
            await tx.insert_patient(patient)
            await tx.add_event(patient.changed_event(new_id(), self.now()))
        return patient.in_clinic(self.clinic())

    @retry_on_abort
    async def rename(self, patient_id: UUID, full_name: str, by: Caller) -> None:
        """Change the name for an admin, or for a service that does not say for whom.

        Raises NoSuchPatient; where the patient was merged into another one, that is recorded in the log of the former id.
        """
        async with self.access.record_attempt(by, patient_id, AccessAction.PROFILE_CHANGED, NoSuchPatient), self.store.begin() as tx:
            patient = await tx.get_patient(patient_id)
            updated = patient.update({"full_name": full_name}, None, self.now(), clinic=self.clinic())
            if updated != patient:
                await save_patient(tx, patient, updated, self.now)
                relation = Relation.SERVICE if by.role is Role.SERVICE else Relation.ADMIN
                await tx.record_access(access_line(by, patient_id, AccessAction.PROFILE_CHANGED, relation, now=self.now()))

    @retry_on_abort
    async def update(self, patient_id: UUID, changes: Mapping[str, Any], expected_version: int | None) -> Patient:
        """Change some fields of the own profile. Raises NoSuchPatient, Stale, BornLater or BirthDateOfDependant."""
        async with self.store.begin() as tx:
            patient = await tx.get_patient(patient_id)
            updated = patient.update(changes, expected_version, self.now(), clinic=self.clinic())
            if updated.born_on != patient.born_on:
                await self._refuse_for_dependants(tx, patient_id)
            await save_patient(tx, patient, updated, self.now)
        return updated.in_clinic(self.clinic())

    async def _refuse_for_dependants(self, tx: PatientTransaction, patient_id: UUID) -> None:
        """Raise BirthDateOfDependant for a patient who has guardians. Guardianships that are not in force end for good."""
        adults_born_until = self.access.policy.adults_born_until(self.now())
        await tx.delete_ended_guardianships(patient_id, adults_born_until=adults_born_until)
        if await tx.list_guardians(patient_id, adults_born_until=adults_born_until):
            raise BirthDateOfDependant(pointer="/born_on")

    @retry_on_abort
    async def get(self, patient_id: UUID) -> Patient:
        """Return the whole profile, for the patient and for services. Raises NoSuchPatient."""
        return (await self.store.get_patient(patient_id)).in_clinic(self.clinic())

    @retry_on_abort
    async def summarize(self, patient_id: UUID) -> PatientSummary:
        """Return the part of a profile that other services need. Raises NoSuchPatient, or PatientWasMerged for a merged patient."""
        contacts = await self.store.list_contacts([patient_id], adults_born_until=self.access.policy.adults_born_until(self.now()))
        if not contacts:
            raise missing_refusal(await self.store.find_successor(patient_id))
        patient = contacts[0]
        return PatientSummary(
            id=patient.id,
            full_name=patient.full_name,
            time_zone=patient.time_zone or self.clinic().time_zone,
            locale=patient.locale or self.clinic().locale,
            own_locale=patient.locale,
            active=patient.active,
            version=patient.version,
            guardian_ids=patient.guardian_ids,
        )

    @retry_on_abort
    async def view(self, patient_id: UUID, caller: Caller) -> Patient:
        """Return as much of a profile as the caller may see. What others read, and what they are refused, is recorded.

        Raises NoSuchPatient, also for callers who may see nothing, and Unavailable as AccessControl does.
        """
        if caller.id == patient_id and caller.role is Role.PATIENT:
            return await self.get(patient_id)
        async with self.access.begin(caller, patient_id, AccessAction.PROFILE_READ) as permitted:
            patient = await permitted.tx.get_patient(patient_id)
        return patient.in_clinic(self.clinic()).view_for(caller, permitted.relation is Relation.TREATING_DOCTOR)

    @retry_on_abort
    async def list_contacts(self, ids: Collection[UUID]) -> PatientContacts:
        """Return the contacts of the patients among `ids` that exist, for services that write to them."""
        contacts = await self.store.list_contacts(ids, adults_born_until=self.access.policy.adults_born_until(self.now()))
        return PatientContacts(items=list(map(self._in_clinic, contacts)))

    @retry_on_abort
    async def apply_account_change(self, event: AccountChanged) -> None:
        """Deactivate or activate the profile with its account: a patient whose account is disabled or has another role cannot book."""
        async with self.store.begin() as tx:
            patient = await tx.find_patient(event.account_id)
            if await tx.mark_handled(event.id) and patient is not None:
                await save_patient(tx, patient, patient.apply_account(event.role, event.status, event.version), self.now)

    @retry_on_abort
    async def record_visit(self, event: AppointmentEvent) -> None:
        """Record the visit for the booking history, and which doctor treats which patient."""
        async with self.store.begin() as tx:
            if await tx.mark_handled(event.id):
                await tx.save_visit(PatientVisit.of(event))

    def _in_clinic(self, contact: PatientContact) -> PatientContact:
        """Return the contact with time zone and locale in effect."""
        if contact.time_zone and contact.locale:
            return contact
        in_effect = {"time_zone": contact.time_zone or self.clinic().time_zone, "locale": contact.locale or self.clinic().locale}
        return contact.model_copy(update=in_effect)


async def save_patient(tx: PatientTransaction, before: Patient, after: Patient, now: Clock) -> None:
    """Store the new state of a patient if it differs, and announce the new versions of the profile and of the preferences."""
    if after == before:
        return
    await tx.update_patient(after)
    if after.version != before.version:
        await tx.add_event(after.changed_event(new_id(), now()))
    if after.preferences.version != before.preferences.version:
        await tx.add_event(after.preferences_event(new_id(), now()))
