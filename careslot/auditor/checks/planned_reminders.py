"""Visits have the reminders that the patient, the service type or the clinic wants.

The clinic's offsets are those of its settings, or of NOTIFY_REMINDER_OFFSETS_MINUTES if the auditor's environment has it; otherwise visits
to which the clinic's offsets apply are not checked. Visits of patients with guardians or quiet hours are not checked either, nor those of
patients whose newest profile or preferences have not reached notification-service yet: the versions that it knows are read before the
profile, and must be the same. Visits whose reminders are still to be planned (`planning_due_at`) are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from admin_svc.repository.clinic_settings import newest_version, version_from_row
from careslot.auditor.findings import Finding, Key
from careslot.auditor.sql_store import select_in
from careslot.auditor.stores import Stores
from doctor_svc.repository.tables import SERVICES
from notify_svc.ports import Aspect
from notify_svc.repository.tables import CONTACT_VERSIONS, MERGED_PATIENTS, REMINDERS, VISITS
from patient_svc.repository.tables import GUARDIANS, PATIENTS
from shared.contracts.appointments import AppointmentStatus
from shared.contracts.identity import Service
from shared.contracts.values import format_instant

FIRST_VERSION = 1
PROFILE = (
    *(PATIENTS.c.id, PATIENTS.c.active, PATIENTS.c.has_account, PATIENTS.c.reminders_consent, PATIENTS.c.quiet_hours),
    *(PATIENTS.c.reminder_offsets_minutes, PATIENTS.c.offsets_changed_at, PATIENTS.c.version, PATIENTS.c.preferences_version),
)


@dataclass(frozen=True, slots=True)
class ClinicOffsets:
    """The minutes before a visit at which the clinic reminds, None where they are not known. They count since `changed_at` (UTC).

    A change of the settings is followed by planning the reminders of all visits again.
    """

    minutes: Sequence[int] | None = None
    changed_at: datetime | None = None


Versions = Mapping[tuple[UUID, str], int]
"""The newest versions that events have announced to notification-service, by id and aspect."""


@dataclass(frozen=True, slots=True)
class PlannedReminderCheck:
    """Goes through the visits that are booked and ahead."""

    name = "visits have their reminders"

    async def pages(self, stores: Stores) -> AsyncIterator[Sequence[Key]]:
        """Yield the ids of the visits that notification-service knows."""
        async for page in stores.sql[Service.NOTIFICATION].values(VISITS.c.appointment_id):
            yield [(str(appointment_id),) for appointment_id in page]

    async def examine(self, stores: Stores, keys: Sequence[Key]) -> list[Finding]:
        """Return the visits that lack a reminder which is wanted."""
        ids, now = [UUID(key[0]) for key in keys], stores.now()
        async with stores.sql[Service.NOTIFICATION].snapshot() as connection:
            is_planned = (VISITS.c.status == AppointmentStatus.BOOKED, VISITS.c.planning_due_at.is_(None), VISITS.c.starts_at > now)
            visits = await select_in(connection, select(VISITS).where(*is_planned), VISITS.c.appointment_id, ids)
            reminders = defaultdict[UUID, set[tuple[UUID, datetime, int]]](set)
            for row in await select_in(connection, select(REMINDERS), REMINDERS.c.appointment_id, ids):
                reminders[row.appointment_id].add((row.recipient_id, row.starts_at, row.offset_minutes))
            patient_ids = {visit.patient_id for visit in visits}
            known_ids = patient_ids | {visit.service_id for visit in visits}
            announced = await select_in(connection, select(CONTACT_VERSIONS), CONTACT_VERSIONS.c.subject_id, known_ids)
            versions: Versions = {(row.subject_id, row.aspect): row.version for row in announced}
            merged = await select_in(connection, select(MERGED_PATIENTS.c.into_id), MERGED_PATIENTS.c.into_id, patient_ids)
        patients = {row.id: row for row in await _read_adults(stores, patient_ids - {row.into_id for row in merged})}
        columns = (SERVICES.c.id, SERVICES.c.reminder_offsets_minutes, SERVICES.c.version)
        services = {row.id: row for row in await stores.sql[Service.DOCTOR].fetch_in(columns, SERVICES.c.id, known_ids)}
        clinic, findings = await _read_clinic_offsets(stores), list[Finding]()
        for visit in visits:
            patient, service = patients.get(visit.patient_id), services.get(visit.service_id)
            if patient is not None:
                choices = ReminderChoices(patient, service, clinic)
                findings += judge_plan(visit, choices, versions, reminders[visit.appointment_id])
        return findings


async def _read_clinic_offsets(stores: Stores) -> ClinicOffsets:
    """Return what the clinic's settings say, or else what the environment says."""
    rows = await stores.sql[Service.ADMIN].fetch(newest_version())
    if not rows:
        return ClinicOffsets(stores.clinic_offsets)
    settings = version_from_row(rows[0])
    offsets = settings.settings.reminder_offsets_minutes
    return ClinicOffsets(offsets if offsets is not None else stores.clinic_offsets, settings.changed_at)


@dataclass(frozen=True, slots=True)
class ReminderChoices:
    """The patient's row, the service type's row (None if there is none) and the clinic's offsets. The first that has offsets counts."""

    patient: Any
    service: Any
    clinic: ClinicOffsets

    def offsets(self, versions: Versions) -> tuple[Sequence[int], datetime | None]:
        """Return the offsets that count, and the time of a change that notification-service may be following."""
        if self.patient.reminder_offsets_minutes is not None:
            return self.patient.reminder_offsets_minutes, None
        if self.service is None or not _is_known(versions, self.service.id, Aspect.SERVICE, self.service.version):
            return (), None
        if self.service.reminder_offsets_minutes is not None:
            return self.service.reminder_offsets_minutes, None
        return self.clinic.minutes or (), self.clinic.changed_at


async def _read_adults(stores: Stores, patient_ids: Collection[UUID]) -> list[Any]:
    """Return the profiles of the patients who have no guardians."""
    async with stores.sql[Service.PATIENT].snapshot() as connection:
        guarded = await select_in(connection, select(GUARDIANS.c.dependant_id), GUARDIANS.c.dependant_id, patient_ids)
        return await select_in(connection, select(*PROFILE), PATIENTS.c.id, set(patient_ids) - {row.dependant_id for row in guarded})


def judge_plan(
    visit: Any, choices: ReminderChoices, versions: Versions, reminders: Collection[tuple[UUID, datetime, int]]
) -> Iterator[Finding]:
    """Yield a finding for each reminder that is wanted, and neither planned nor queued nor skipped.

    `reminders` are the recipients, starts and offsets of the stored reminders.
    """
    patient = choices.patient
    if not patient.active or not patient.has_account or not patient.reminders_consent or patient.quiet_hours is not None:
        return
    if not _is_known(versions, patient.id, Aspect.PATIENT, patient.version):
        return
    if not _is_known(versions, patient.id, Aspect.PREFERENCES, patient.preferences_version):
        return
    offsets, changed_at = choices.offsets(versions)
    wanted_since = max(visit.wanted_since, patient.offsets_changed_at or visit.wanted_since)
    for offset in offsets:
        is_wanted = visit.starts_at - timedelta(minutes=offset) >= wanted_since
        if is_wanted and (patient.id, visit.starts_at, offset) not in reminders:
            ids = {"appointment": str(visit.appointment_id), "starts_at": format_instant(visit.starts_at), "minutes_before": str(offset)}
            yield Finding(
                "reminder_missing", (str(visit.appointment_id), str(offset)), ids, (visit.revision, visit.version), since=changed_at
            )


def _is_known(versions: Versions, subject_id: UUID, aspect: Aspect, version: int) -> bool:
    """Return whether notification-service knows the newest version. The first version need not be announced by an event."""
    return versions.get((subject_id, str(aspect)), FIRST_VERSION) == version
