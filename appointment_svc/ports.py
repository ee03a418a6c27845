"""What the use cases of appointment-service need from outside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, Self
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.snapshots import DoctorSnapshot
from appointment_svc.domain.transitions import AppointmentStatus
from shared.contracts.appointments import AppointmentSort
from shared.contracts.contacts import PatientContact
from shared.contracts.http import DoctorRules, PatientSummary, Reservation, ReserveTime, ServiceTypeRules
from shared.contracts.identity import Caller, Role


class RowChanged(Exception):
    """Raised when another request or job has saved the appointment since it was read."""


@dataclass(frozen=True, slots=True)
class AppointmentFilter:
    """Which appointments to list, and in which order.

    `begins` and `ends` bound the start, `ends` excluded. `owner_...` restrict a caller to their own appointments, which include those of
    dependants.
    """

    statuses: tuple[AppointmentStatus, ...] = ()
    doctor_ids: tuple[UUID, ...] = ()
    patient_ids: tuple[UUID, ...] = ()
    service_ids: tuple[UUID, ...] = ()
    begins: datetime | None = None
    ends: datetime | None = None
    sort: AppointmentSort = "starts_at"
    owner_doctor_id: UUID | None = None
    owner_patient_ids: tuple[UUID, ...] | None = None

    def may_match_dependants(self, caller: Caller) -> bool:
        """Return True if appointments of a dependant of the caller could match."""
        return caller.role is Role.PATIENT and self.patient_ids != (caller.id,)

    def restricted_to(self, caller: Caller, dependant_ids: Collection[UUID] = ()) -> Self:
        """Return the filter for what this caller may see. `dependant_ids` are the patients for whom the caller acts as a guardian."""
        if caller.role is Role.PATIENT:
            return replace(self, owner_patient_ids=(caller.id, *dependant_ids))
        return replace(self, owner_doctor_id=caller.id) if caller.role is Role.DOCTOR else self

    def sort_key(self, appointment: Appointment) -> tuple[datetime, UUID]:
        """Return what the list is sorted by; it becomes the cursor of the next page."""
        instant = appointment.starts_at if self.sort.endswith("starts_at") else appointment.created_at
        return instant, appointment.id


@dataclass(frozen=True, slots=True)
class ChangedDoctor:
    """A doctor whom appointments must follow, and when the change was stored."""

    doctor: DoctorSnapshot
    stored_at: datetime

    @property
    def id(self) -> UUID:
        """The id of the doctor."""
        return self.doctor.id


@dataclass(frozen=True, slots=True)
class UnreadableAppointment:
    """A stored appointment that this release cannot read, for example with an intent of a kind that a newer release has added.

    A job leaves it as it is: what it stands for must neither be changed nor be taken for missing.
    """

    id: UUID
    row_version: int
    starts_at: datetime
    ends_at: datetime


StoredAppointment = Appointment | UnreadableAppointment


@dataclass(frozen=True, slots=True)
class StoredChange:
    """An appointment that has changed, to the microsecond (UTC), and its events of the last days as CloudEvents, in any order."""

    appointment_id: UUID
    changed_at: datetime
    cloudevents: tuple[dict[str, Any], ...]

    @property
    def sort_key(self) -> tuple[datetime, UUID]:
        """What the list of changes is sorted by; it becomes the cursor of the next page."""
        return self.changed_at, self.appointment_id


@dataclass(frozen=True, slots=True)
class UnreadableDoctor:
    """A stored doctor that this release cannot read."""

    id: UUID


@dataclass(frozen=True, slots=True)
class RetentionProgress:
    """How far the removal of old texts has come since it began at `began_at`: end and id of the last appointment (UTC), or None."""

    began_at: datetime
    last: tuple[datetime, UUID] | None = None


@dataclass(frozen=True, slots=True)
class MergedPatient:
    """A patient who was merged into another one, whose appointments must follow, and when this was stored."""

    id: UUID
    into_id: UUID
    stored_at: datetime


class AppointmentStore(Protocol):
    """Storage of appointments. A save writes the appointment, its new history entry and its event in one atomic update.

    What the jobs read may have appointments that cannot be read, each of which is logged; every other method raises an exception for them.
    """

    async def insert(self, appointment: Appointment, link_hash: str) -> bool:
        """Insert an appointment, with the hash of its patient's link; return False if its id exists."""

    async def get(self, appointment_id: UUID) -> Appointment:
        """Return the appointment; raise NoSuchAppointment if there is none."""

    async def find(self, appointment_id: UUID) -> Appointment | None:
        """Return the appointment, or None."""

    async def find_many(self, ids: list[UUID]) -> Mapping[UUID, StoredAppointment]:
        """Return the appointments that exist, by id."""

    async def list_by_id(self, limit: int, after: UUID | None) -> Sequence[StoredAppointment]:
        """Return all appointments, ordered by id, after the id `after`."""

    async def save(self, appointment: Appointment) -> Appointment:
        """Save a changed appointment and return it as stored; raise RowChanged if its row version is not the current one."""

    async def list_matching(self, wanted: AppointmentFilter, limit: int, after: tuple[str, ...] | None) -> list[Appointment]:
        """Return a page of the appointments that match a filter, after a cursor."""

    async def list_merge_targets(self, patient_ids: Collection[UUID]) -> Sequence[UUID]:
        """Return the patients into whom these were merged."""

    async def list_pending(self, before: datetime, limit: int) -> Sequence[StoredAppointment]:
        """Return appointments whose intent was stored, or that are due again, at or before an instant; the longest due first."""

    async def postpone(self, appointment: StoredAppointment, due_at: datetime) -> None:
        """Make a pending appointment due at `due_at`: `list_pending` returns it for no earlier instant.

        Do nothing if the appointment was saved since it was read.
        """

    async def list_unanswered(self, before: datetime, limit: int, after: StoredAppointment | None) -> Sequence[StoredAppointment]:
        """Return requested appointments that start before an instant, ordered by start and id, after the appointment `after`."""

    async def list_upcoming(self, now: datetime, limit: int, after: StoredAppointment | None) -> Sequence[StoredAppointment]:
        """Return appointments with a reservation that end after `now`, ordered by end and id, after the appointment `after`."""

    async def save_doctor(self, doctor: DoctorSnapshot, now: datetime) -> None:
        """Store what appointments show of a doctor, unless it is older than what is stored; appointments must follow if it differs."""

    async def find_doctor(self, doctor_id: UUID) -> DoctorSnapshot | None:
        """Return what `save_doctor` stored last."""

    async def list_changed_doctors(self, limit: int, after: UUID | None) -> Sequence[ChangedDoctor | UnreadableDoctor]:
        """Return the doctors whom appointments must follow, by id, after the id `after`."""

    async def mark_followed(self, doctor: DoctorSnapshot) -> None:
        """Record that all appointments follow this version of a doctor; a newer one stays to be followed."""

    async def list_ahead_with_doctor(
        self, doctor_id: UUID, now: datetime, limit: int, after: StoredAppointment | None
    ) -> Sequence[StoredAppointment]:
        """Return the active or checked-in appointments with a doctor that start from `now` on, by start and id, after `after`."""

    async def take_place(self, patient_id: UUID, appointment_id: UUID, limit: int, now: datetime) -> bool:
        """Take one of the `limit` places of a patient for an appointment; False if active appointments that start after `now` have all.

        Of requests at the same time only as many succeed as there are places. An appointment that has ended needs no release of its place.
        """

    async def find_by_link(self, link_hash: str) -> Appointment | None:
        """Return the appointment with a link of this hash, or None."""

    async def list_link_hashes(self, ids: Collection[UUID]) -> Mapping[UUID, Collection[str]]:
        """Return the hashes of the links of the appointments that exist, by id."""

    async def add_link_hashes(self, added: Mapping[UUID, Collection[str]]) -> None:
        """Add hashes of links to appointments."""

    async def list_changes(self, since: datetime, limit: int, after: tuple[str, ...] | None) -> Sequence[StoredChange]:
        """Return the appointments that have changed since an instant, by the instant of the change and id, after a cursor."""


class AppointmentsOfPatients(AppointmentStore, Protocol):
    """Storage that lists all appointments of a patient."""

    async def list_of_patient(self, patient_id: UUID, limit: int, after: StoredAppointment | None) -> Sequence[StoredAppointment]:
        """Return the appointments of a patient in every status, ordered by start and id, after the appointment `after`."""


class MergeableAppointmentStore(AppointmentsOfPatients, Protocol):
    """Storage of appointments that become those of the patient into whom theirs was merged."""

    async def save_merged_patient(self, patient_id: UUID, into_id: UUID, now: datetime) -> None:
        """Store that a patient was merged into another one, so that the appointments follow; do nothing if it is stored already."""

    async def list_merged_patients(self, limit: int, after: UUID | None) -> Sequence[MergedPatient]:
        """Return the merged patients whose appointments must follow, by id, after the id `after`."""

    async def mark_patient_followed(self, patient_id: UUID) -> None:
        """Record that all appointments of a merged patient have followed."""


class ErasableAppointmentStore(AppointmentsOfPatients, Protocol):
    """Storage of appointments from which names and texts are removed."""

    async def save_erased(self, appointment: Appointment) -> None:
        """Save an appointment without texts, its whole history too, and delete the hashes of its links; raise RowChanged as `save` does."""


class AgingAppointmentStore(ErasableAppointmentStore, Protocol):
    """Storage of appointments whose texts are kept for some years only."""

    async def list_ended(self, before: datetime, limit: int, after: tuple[datetime, UUID] | None) -> Sequence[StoredAppointment]:
        """Return appointments that ended before an instant, ordered by end and id, after the end and id `after`."""

    async def delete_ended(self, ids: Collection[UUID], before: datetime) -> int:
        """Delete those of some appointments that ended before an instant, and return how many.

        Those stay whose calendar entry is not settled, or about which an event waits.
        """

    async def find_retention_progress(self) -> RetentionProgress | None:
        """Return how far the removal of old texts has come, or None before its first run."""

    async def save_retention_progress(self, progress: RetentionProgress) -> None:
        """Store how far the removal of old texts has come."""


class Calendar(Protocol):
    """The calendar of scheduling-service. Each method raises Unavailable when it does not answer."""

    async def reserve(self, appointment_id: UUID, request: ReserveTime) -> Reservation:
        """Reserve time and return the reservation that stands now; raise Conflict or Invalid if it is refused."""

    async def release(self, appointment_id: UUID, revision: int) -> None:
        """Release the reservation unless it is newer than `revision`."""

    async def find(self, appointment_id: UUID) -> Reservation | None:
        """Return the reservation, also a released one; None if there never was one."""

    async def list_live(self, ends_after: datetime, after: str | None) -> tuple[list[Reservation], str | None]:
        """Return a page of the live reservations that end after an instant, and the cursor of the next page."""


class DoctorLookup(Protocol):
    """Doctors and service types of doctor-service."""

    async def get_doctor(self, doctor_id: UUID) -> DoctorRules:
        """Return a doctor; raise NotFound if there is none."""

    async def get_service_type(self, service_id: UUID) -> ServiceTypeRules:
        """Return a service type; raise NotFound if there is none."""


class PatientLookup(Protocol):
    """Patients of patient-service."""

    async def get_summary(self, patient_id: UUID) -> PatientSummary:
        """Return the summary of a patient; raise NoSuchPatient if there is none."""

    async def find_current(self, patient_id: UUID) -> PatientSummary | None:
        """Return the summary of a patient, or of the one into whom they were merged; None if that one was erased, or if there is none."""

    async def list_dependant_ids(self, guardian_id: UUID) -> Collection[UUID]:
        """Return the patients for whom a patient may book at this moment; raise Unavailable if patient-service does not answer."""


class PatientContactLookup(Protocol):
    """Who may act for a patient, and in which language and time zone they read, from patient-service."""

    async def find_contacts(self, ids: Sequence[UUID]) -> Mapping[UUID, PatientContact]:
        """Return the patients that exist, by id; raise Unavailable if patient-service does not answer."""
