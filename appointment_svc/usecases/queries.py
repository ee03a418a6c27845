"""Reading appointments."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from appointment_svc.domain import rules
from appointment_svc.domain.appointment import Appointment
from appointment_svc.ports import AppointmentFilter, AppointmentStore, PatientLookup, StoredChange
from appointment_svc.usecases.guardians import require_visible
from shared.contracts.identity import Caller
from shared.contracts.ranges import check_range
from shared.contracts.refusals import Unavailable
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class AppointmentRows:
    """Rows of a list. `complete` is False if appointments of dependants are missing because patient-service did not answer."""

    rows: list[Appointment]
    complete: bool


@dataclass(frozen=True, slots=True)
class AppointmentQueries:
    """What a caller may read. A caller of None is a service that has checked its own caller and may read everything."""

    store: AppointmentStore
    patients: PatientLookup

    @retry_on_abort
    async def list_matching(
        self, caller: Caller | None, wanted: AppointmentFilter, limit: int, after: tuple[str, ...] | None
    ) -> AppointmentRows:
        """Return up to `limit + 1` appointments; the extra one tells that there is a next page. Raise RangeReversed.

        Where staff name a patient who was merged, the appointments are those of the other one, and those that still have the old id.
        Without an answer of patient-service, which knows whose guardian a patient is, those of dependants are missing.
        """
        if wanted.begins is not None and wanted.ends is not None:
            check_range(wanted.begins, wanted.ends)
        dependant_ids: Collection[UUID] | None = ()
        if caller is not None:
            dependant_ids = await self._find_dependants(caller, wanted)
            wanted = wanted.restricted_to(caller, dependant_ids or ())
        if wanted.patient_ids and (caller is None or caller.is_staff):
            wanted = replace(wanted, patient_ids=await self._with_merge_targets(wanted.patient_ids))
        rows = await self.store.list_matching(wanted, limit + 1, after)
        visible = rows if caller is None else [row.as_seen_by(caller) for row in rows]
        return AppointmentRows(visible, complete=dependant_ids is not None)

    @retry_on_abort
    async def list_changes(self, since: datetime, limit: int, after: tuple[str, ...] | None) -> Sequence[StoredChange]:
        """Return up to `limit + 1` appointments that have changed since an instant; the extra one tells that there is a next page."""
        return await self.store.list_changes(since, limit + 1, after)

    @retry_on_abort
    async def get(self, caller: Caller | None, appointment_id: UUID) -> Appointment:
        """Return an appointment; raise NoSuchAppointment if there is none that the caller may see."""
        appointment = await self.store.get(appointment_id)
        if caller is None:
            return appointment
        return (await require_visible(self.patients, caller, appointment)).as_seen_by(caller)

    @retry_on_abort
    async def find_many(self, ids: Sequence[UUID]) -> list[Appointment]:
        """Return the appointments among `ids` that exist and can be read, without duplicates, for a service that may read all."""
        stored = await self.store.find_many(list(dict.fromkeys(ids)))
        return [appointment for appointment in stored.values() if isinstance(appointment, Appointment)]

    @retry_on_abort
    async def check_repeated(self, caller: Caller, appointment_id: UUID, operation_id: UUID) -> None:
        """Raise NoSuchAppointment if the caller may no longer see the appointment that an operation has changed before.

        A doctor may, while nothing else has changed it since.
        """
        appointment = await self.store.get(appointment_id)
        if not rules.may_repeat(caller, appointment, operation_id):
            await require_visible(self.patients, caller, appointment)

    async def _with_merge_targets(self, patient_ids: Collection[UUID]) -> tuple[UUID, ...]:
        """Return these patients and those into whom they were merged, one after the other."""
        known = dict.fromkeys(patient_ids)
        latest: Collection[UUID] = patient_ids
        while latest := [target for target in await self.store.list_merge_targets(latest) if target not in known]:
            known |= dict.fromkeys(latest)
        return tuple(known)

    async def _find_dependants(self, caller: Caller, wanted: AppointmentFilter) -> Collection[UUID] | None:
        """Return the dependants whose appointments could match, or None if patient-service does not answer."""
        if not wanted.may_match_dependants(caller):
            return ()
        try:
            return await self.patients.list_dependant_ids(caller.id)
        except Unavailable:
            return None
