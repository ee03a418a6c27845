"""Creating, changing and reading doctors."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from doctor_svc.domain.doctors import Doctor, DoctorProfile
from doctor_svc.domain.refusals import NotADoctorsAccount
from doctor_svc.ports import DoctorAccountClient, DoctorFilter, DoctorStore, DoctorTransaction, SortKey
from doctor_svc.usecases.calendar import CalendarFollower
from shared.contracts.clinic import CurrentClinic
from shared.contracts.contacts import DoctorContact
from shared.contracts.events import AccountChanged
from shared.contracts.http import AccountSummary, CreateAccount, DoctorRules, VisitsOutsideHours
from shared.contracts.identity import Caller, Role, Service, system_caller
from shared.contracts.names import NamedDoctor
from shared.contracts.refusals import FINAL_REFUSALS, Refusal
from shared.contracts.relayed_refusals import UnknownService
from shared.contracts.texts import name_on_one_line
from shared.kit.audit import audit_event, changed_fields
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.logs import log_event
from shared.kit.retry import retry_on_abort

MAX_PENDING_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class UpdatedDoctor:
    """A doctor after a change. A change of the time zone moves the working hours; `visits` are those that now lie outside them.

    `visits` is None after any other change, and if the calendar did not answer.
    """

    doctor: Doctor
    moves_hours: bool
    visits: VisitsOutsideHours | None = None


@dataclass(frozen=True, slots=True)
class Doctors:
    """The use cases of doctors. A doctor and the account of the same id are created together or not at all.

    New doctors without a zone of their own have the clinic's. They keep it, because their hours and visits depend on it.
    """

    store: DoctorStore
    accounts: DoctorAccountClient
    calendar: CalendarFollower
    now: Clock
    clinic: CurrentClinic

    async def create(self, doctor: Doctor, password: str | None = None, by: Caller | None = None) -> Doctor:
        """Create a doctor and their account, or return the doctor who has this id already.

        `by` is None when a service calls, which reports the admin itself. Without a password the doctor is invited by mail. Raises
        UnknownService, and the refusals of auth-service. Raises Unavailable while auth-service does not answer; the doctor then stays
        pending until `complete_pending` succeeds.
        """
        stored = await self._insert_pending(doctor)
        return await self._complete(stored, password, by) if stored.pending else stored

    @retry_on_abort
    async def check_new(self, doctor: Doctor) -> bool:
        """Return whether a doctor with this id exists. Raises UnknownService for one who does not."""
        async with self.store.begin() as tx:
            if await tx.find_doctor(doctor.id) is not None:
                return True
            await _check_services_exist(tx, doctor.services)
        return False

    async def prepare(self, doctor: Doctor) -> None:
        """Store a doctor whose account is about to get the role, as pending and invisible; do nothing if the doctor exists.

        `create` then confirms the doctor. If it is not called, `complete_pending` asks auth-service how the account's role was decided.
        """
        await self._insert_pending(doctor)

    async def discard(self, doctor_id: UUID) -> None:
        """Delete a doctor who is still pending, because the account does not get the role. Harmless to repeat."""
        await self._delete_pending(doctor_id)

    async def complete_pending(self) -> int:
        """Complete doctors whom a crash or an outage left pending; return how many are no longer pending."""
        return sum([await self._try_to_complete(doctor) for doctor in await self._take_due()])

    async def update(self, doctor_id: UUID, changes: Mapping[str, Any], expected_version: int | None, by: Caller | None) -> UpdatedDoctor:
        """Change some fields of a doctor; `by` is None for a service that has checked the permission itself.

        Raises NoSuchDoctor, NotYoursToChange, Stale, DoctorAccountInactive or UnknownService.
        """
        doctor = await self._update(doctor_id, changes, expected_version, by)
        if "time_zone" in changes:
            return UpdatedDoctor(doctor, moves_hours=True, visits=await self.calendar.find_visits_outside_hours(doctor))
        await self.calendar.follow_doctor(doctor)
        return UpdatedDoctor(doctor, moves_hours=False)

    @retry_on_abort
    async def apply_account_change(self, event: AccountChanged) -> None:
        """Deactivate or activate a doctor with their account: a doctor whose account is disabled or has another role is inactive."""
        async with self.store.begin() as tx:
            doctor = await tx.find_doctor(event.account_id)
            if not await tx.mark_handled(event.id) or doctor is None:
                return
            updated = doctor.apply_account(event.role, event.status, event.version)
            if updated != doctor:
                await tx.update_doctor(updated)
            if updated.version != doctor.version and not updated.pending:
                await tx.add_event(updated.changed_event(new_id(), self.now()))

    @retry_on_abort
    async def view(self, doctor_id: UUID, caller: Caller | None) -> Doctor:
        """Return a doctor if the caller may see them. Raises NoSuchDoctor."""
        return (await self.store.get_doctor(doctor_id)).view_for(caller)

    @retry_on_abort
    async def list_active(self, doctor_filter: DoctorFilter, limit: int, after: SortKey) -> list[DoctorProfile]:
        """Return up to `limit` + 1 profiles of active doctors, by name."""
        return await self.store.list_active_doctors(doctor_filter, limit=limit + 1, after=after)

    @retry_on_abort
    async def get_rules(self, doctor_id: UUID) -> DoctorRules:
        """Return the rules of an active or inactive doctor. Raises NoSuchDoctor."""
        return (await self.store.get_doctor(doctor_id)).rules()

    @retry_on_abort
    async def list_contacts(self, ids: Collection[UUID]) -> list[DoctorContact]:
        """Return names, places and zones of these doctors, active or not; unknown and pending ones are left out."""
        return await self.store.list_doctor_contacts(ids) if ids else []

    @retry_on_abort
    async def list_names(self, ids: Collection[UUID]) -> list[NamedDoctor]:
        """Return the names of these doctors, active or not; unknown and pending ones are left out."""
        return await self.store.list_doctor_names(ids) if ids else []

    @retry_on_abort
    async def list_rules(self, limit: int, after: SortKey) -> list[DoctorRules]:
        """Return the rules of up to `limit` + 1 active and inactive doctors, by id."""
        return [doctor.rules() for doctor in await self.store.list_all_doctors(limit=limit + 1, after=after)]

    @retry_on_abort
    async def _update(self, doctor_id: UUID, changes: Mapping[str, Any], expected_version: int | None, by: Caller | None) -> Doctor:
        async with self.store.begin() as tx:
            doctor = await tx.get_doctor(doctor_id)
            updated = doctor.update(changes, expected_version, by)
            if updated != doctor:
                await _check_services_exist(tx, set(updated.services) - set(doctor.services))
                await tx.update_doctor(updated)
                await tx.add_event(updated.changed_event(new_id(), self.now()))
                actor, after = by or system_caller(Service.DOCTOR), changed_fields(changes, updated.version)
                await tx.add_event(audit_event(Service.DOCTOR, actor, "doctor.change", doctor_id, at=self.now(), after=after))
        return updated

    @retry_on_abort
    async def _insert_pending(self, doctor: Doctor) -> Doctor:
        async with self.store.begin() as tx:
            existing = await tx.find_doctor(doctor.id)
            if existing is None:
                await _check_services_exist(tx, doctor.services)
                await tx.insert_doctor(doctor)
        return existing or doctor

    async def _complete(self, doctor: Doctor, password: str | None = None, by: Caller | None = None) -> Doctor:
        """Create the account and confirm the doctor. A final refusal deletes the pending doctor.

        Raises NotADoctorsAccount when the account exists already and has another role.
        """
        account = CreateAccount(
            email=doctor.email,
            role=Role.DOCTOR,
            full_name=name_on_one_line(doctor.full_name),
            password=password,
            time_zone=doctor.time_zone,
            locale=doctor.locale,
        )
        try:
            created = await self.accounts.create(doctor.id, account)
            if created.role is not Role.DOCTOR:
                raise NotADoctorsAccount
        except FINAL_REFUSALS:
            await self._delete_pending(doctor.id)
            raise
        confirmed = await self._confirm(doctor, created, by)
        await self.calendar.follow_doctor(confirmed)
        return confirmed

    @retry_on_abort
    async def _delete_pending(self, doctor_id: UUID) -> None:
        async with self.store.begin() as tx:
            await tx.delete_pending_doctor(doctor_id)

    @retry_on_abort
    async def _confirm(self, doctor: Doctor, account: AccountSummary, by: Caller | None) -> Doctor:
        """Confirm a doctor whose account exists. A doctor whom another request deleted meanwhile is inserted again."""
        async with self.store.begin() as tx:
            stored = await tx.find_doctor(doctor.id)
            if stored is not None and not stored.pending:
                return stored
            confirmed = (stored or doctor).confirm(account)
            await (tx.update_doctor(confirmed) if stored else tx.insert_doctor(confirmed))
            await tx.add_event(confirmed.changed_event(new_id(), self.now()))
            await tx.add_event(audit_event(Service.DOCTOR, by or system_caller(Service.DOCTOR), "doctor.create", doctor.id, at=self.now()))
        return confirmed

    @retry_on_abort
    async def _take_due(self) -> list[Doctor]:
        async with self.store.begin() as tx:
            return await tx.take_due_doctors(self.now(), MAX_PENDING_AT_ONCE)

    async def _try_to_complete(self, doctor: Doctor) -> bool:
        """Return whether the doctor is no longer pending. A failure is logged, so that it does not stop the others."""
        try:
            await self._complete(doctor)
        except FINAL_REFUSALS:
            return True
        except Refusal as refusal:
            log_event("doctor_still_pending", doctor_id=doctor.id, code=refusal.code)
            return False
        except Exception as error:
            log_event("doctor_completion_failed", logging.ERROR, error=error, doctor_id=doctor.id)
            return False
        return True


async def _check_services_exist(tx: DoctorTransaction, service_ids: Iterable[UUID]) -> None:
    """Raise UnknownService, with the fact `unknown`, unless all ids belong to service types."""
    requested_ids = set(service_ids)
    unknown = sorted(map(str, requested_ids - await tx.list_existing_services(requested_ids))) if requested_ids else []
    if unknown:
        raise UnknownService(pointer="/services", unknown=unknown)
