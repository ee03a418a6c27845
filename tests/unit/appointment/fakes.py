"""The ports of appointment-service in memory. The process can be made to stop before or after the effect of any call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.overrides import OverridePolicy
from appointment_svc.domain.refusals import NoSuchAppointment
from appointment_svc.domain.snapshots import DoctorSnapshot
from appointment_svc.domain.transitions import ACTIVE, FOLLOWS_DOCTOR, AppointmentStatus
from appointment_svc.ports import AppointmentFilter, ChangedDoctor, MergedPatient, RowChanged, StoredAppointment, StoredChange
from appointment_svc.usecases.actions import ActionContext, AppointmentActions
from appointment_svc.usecases.book import Booking
from appointment_svc.usecases.doctors import DoctorFollower
from appointment_svc.usecases.erasure import AppointmentErasure
from appointment_svc.usecases.leaves import LeaveFollower
from appointment_svc.usecases.merged_patients import MergeFollower
from appointment_svc.usecases.queries import AppointmentQueries
from appointment_svc.usecases.reconcile import Reconciliation
from appointment_svc.usecases.synchronize import CalendarSynchronizer
from appointment_svc.usecases.visit_links import LinkedVisits
from shared.contracts.appointments import OverrideCode
from shared.contracts.clinic import ClinicProfile
from shared.contracts.contacts import PatientContact
from shared.contracts.events import AppointmentEvent, AuditRecorded, LeaveTaken, PatientErased
from shared.contracts.http import DoctorRules, LeaveOutcome, PatientSummary, Reservation, ReserveTime, ServiceTypeRules
from shared.contracts.identity import Caller
from shared.contracts.refusals import NotFound, Unavailable
from shared.contracts.relayed_refusals import ReservationReleased, SlotTaken
from shared.kit.clock import MovableClock
from shared.kit.ids import new_id
from tests.unit.appointment.builders import (
    COLLEAGUE,
    DOCTOR,
    LINK_TOKENS,
    NOON,
    PATIENT,
    STRANGER,
    a_doctor,
    a_leave,
    a_leave_outcome,
    a_patient,
    a_patient_contact,
    a_service,
    link_hash_of,
)

RETRY_AFTER = timedelta(seconds=45)
CLINIC = ClinicProfile(name="Lindenstrasse Clinic", time_zone="Europe/Berlin")


class ProcessStopped(BaseException):
    """Raised where a test lets the process stop."""


@dataclass
class StopPoints:
    """Counts the points before and after each call, and stops the process at the point `stop_at`; None lets it run."""

    stop_at: int | None = None
    count: int = 0

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        self._pass()
        yield
        self._pass()

    def _pass(self) -> None:
        self.count += 1
        if self.count - 1 == self.stop_at:
            raise ProcessStopped


@dataclass
class InMemoryStore:
    """A store that checks the row version. `saved_meanwhile` are saved by someone else just before the next save."""

    stop_points: StopPoints = field(default_factory=StopPoints)
    appointments: dict[UUID, Appointment] = field(default_factory=dict)
    events: list[AppointmentEvent] = field(default_factory=list)
    override_events: list[AuditRecorded] = field(default_factory=list)
    saved_meanwhile: list[Appointment] = field(default_factory=list)
    postponed: dict[UUID, tuple[int, datetime]] = field(default_factory=dict)
    doctors: dict[UUID, ChangedDoctor] = field(default_factory=dict)
    followed: set[UUID] = field(default_factory=set)
    link_hashes: dict[UUID, set[str]] = field(default_factory=dict)
    merged: dict[UUID, MergedPatient] = field(default_factory=dict)
    followed_patients: set[UUID] = field(default_factory=set)

    async def insert(self, appointment: Appointment, link_hash: str) -> bool:
        async with self.stop_points.call():
            self.link_hashes.setdefault(appointment.id, {link_hash})
            new = appointment.id not in self.appointments
            self.appointments.setdefault(appointment.id, appointment)
        return new

    async def get(self, appointment_id: UUID) -> Appointment:
        appointment = await self.find(appointment_id)
        if appointment is None:
            raise NoSuchAppointment
        return appointment

    async def find(self, appointment_id: UUID) -> Appointment | None:
        async with self.stop_points.call():
            return self.appointments.get(appointment_id)

    async def find_many(self, ids: list[UUID]) -> dict[UUID, Appointment]:
        return {appointment_id: self.appointments[appointment_id] for appointment_id in ids if appointment_id in self.appointments}

    async def list_by_id(self, limit: int, after: UUID | None) -> list[Appointment]:
        return [self.appointments[key] for key in sorted(self.appointments) if after is None or key > after][:limit]

    async def save(self, appointment: Appointment) -> Appointment:
        async with self.stop_points.call():
            while self.saved_meanwhile:
                other = self.saved_meanwhile.pop()
                self.appointments[other.id] = replace(other, row_version=other.row_version + 1, unsaved_change=None)
            if self.appointments[appointment.id].row_version != appointment.row_version:
                raise RowChanged
            if appointment.unsaved_change and appointment.unsaved_change.event:
                self.events.append(appointment.unsaved_change.event)
            if appointment.unsaved_change and appointment.unsaved_change.override:
                self.override_events.append(appointment.unsaved_change.override)
            saved = replace(appointment, row_version=appointment.row_version + 1, unsaved_change=None)
            self.appointments[appointment.id] = saved
        return saved

    async def list_matching(self, wanted: AppointmentFilter, limit: int, after: tuple[str, ...] | None) -> list[Appointment]:
        raise NotImplementedError

    async def list_pending(self, before: datetime, limit: int) -> list[Appointment]:
        pending = [(self._due_at(saved), saved) for saved in self.appointments.values() if saved.sync.intent]
        return [saved for due_at, saved in sorted(pending, key=lambda item: item[0]) if due_at <= before][:limit]

    async def postpone(self, appointment: StoredAppointment, due_at: datetime) -> None:
        self.postponed[appointment.id] = (appointment.row_version, due_at)

    def _due_at(self, saved: Appointment) -> datetime:
        assert saved.sync.intent is not None
        row_version, due_at = self.postponed.get(saved.id, (0, saved.sync.intent.since))
        return due_at if row_version == saved.row_version else saved.sync.intent.since

    async def list_unanswered(self, before: datetime, limit: int, after: StoredAppointment | None) -> list[Appointment]:
        requested = [saved for saved in self.appointments.values() if saved.status is AppointmentStatus.REQUESTED and not saved.sync.intent]
        rest = [saved for saved in requested if saved.starts_at <= before and (after is None or order_of(saved) > order_of(after))]
        return sorted(rest, key=order_of)[:limit]

    async def save_doctor(self, doctor: DoctorSnapshot, now: datetime) -> None:
        previous = self.doctors.get(doctor.id)
        if previous is None or previous.doctor.version < doctor.version:
            self.doctors[doctor.id] = ChangedDoctor(doctor, now)
            self.followed.discard(doctor.id)

    async def find_doctor(self, doctor_id: UUID) -> DoctorSnapshot | None:
        return self.doctors[doctor_id].doctor if doctor_id in self.doctors else None

    async def list_changed_doctors(self, limit: int, after: UUID | None) -> list[ChangedDoctor]:
        changed = [(doctor_id, self.doctors[doctor_id]) for doctor_id in sorted(self.doctors) if doctor_id not in self.followed]
        return [doctor for doctor_id, doctor in changed if after is None or doctor_id > after][:limit]

    async def mark_followed(self, doctor: DoctorSnapshot) -> None:
        if self.doctors[doctor.id].doctor == doctor:
            self.followed.add(doctor.id)

    async def list_ahead_with_doctor(
        self, doctor_id: UUID, now: datetime, limit: int, after: StoredAppointment | None
    ) -> list[Appointment]:
        """Return pages of one appointment."""
        statuses = ACTIVE | FOLLOWS_DOCTOR
        ahead = [saved for saved in self.appointments.values() if saved.doctor_id == doctor_id and saved.status in statuses]
        rest = [saved for saved in ahead if saved.starts_at >= now and (after is None or order_of(saved) > order_of(after))]
        return sorted(rest, key=order_of)[:1]

    async def list_of_patient(self, patient_id: UUID, limit: int, after: StoredAppointment | None) -> list[Appointment]:
        """Return pages of one appointment."""
        async with self.stop_points.call():
            own = [saved for saved in self.appointments.values() if saved.patient_id == patient_id]
        return sorted([saved for saved in own if after is None or order_of(saved) > order_of(after)], key=order_of)[:1]

    async def save_merged_patient(self, patient_id: UUID, into_id: UUID, now: datetime) -> None:
        async with self.stop_points.call():
            self.merged.setdefault(patient_id, MergedPatient(patient_id, into_id, now))

    async def list_merged_patients(self, limit: int, after: UUID | None) -> list[MergedPatient]:
        to_follow = sorted(self.merged.keys() - self.followed_patients)
        return [self.merged[patient_id] for patient_id in to_follow if after is None or patient_id > after][:limit]

    async def list_merge_targets(self, patient_ids: Collection[UUID]) -> list[UUID]:
        return [self.merged[patient_id].into_id for patient_id in patient_ids if patient_id in self.merged]

    async def mark_patient_followed(self, patient_id: UUID) -> None:
        async with self.stop_points.call():
            self.followed_patients.add(patient_id)

    async def save_erased(self, appointment: Appointment) -> None:
        await self.save(appointment)
        self.link_hashes.pop(appointment.id, None)

    async def list_ended(self, before: datetime, limit: int, after: StoredAppointment | None) -> list[Appointment]:
        raise NotImplementedError

    async def take_place(self, patient_id: UUID, appointment_id: UUID, limit: int, now: datetime) -> bool:
        ahead = [saved for saved in self.appointments.values() if saved.patient.id == patient_id and saved.starts_at >= now]
        return len([saved for saved in ahead if saved.status in ACTIVE]) < limit

    async def find_by_link(self, link_hash: str) -> Appointment | None:
        return next((self.appointments[linked] for linked, hashes in self.link_hashes.items() if link_hash in hashes), None)

    async def list_link_hashes(self, ids: Collection[UUID]) -> dict[UUID, set[str]]:
        return {
            appointment_id: self.link_hashes.get(appointment_id, set()) for appointment_id in ids if appointment_id in self.appointments
        }

    async def add_link_hashes(self, added: Mapping[UUID, Collection[str]]) -> None:
        for appointment_id, hashes in added.items():
            self.link_hashes.setdefault(appointment_id, set()).update(hashes)

    async def list_changes(self, since: datetime, limit: int, after: tuple[str, ...] | None) -> list[StoredChange]:
        raise NotImplementedError

    async def list_upcoming(self, now: datetime, limit: int, after: StoredAppointment | None) -> list[Appointment]:
        ahead = [saved for saved in self.appointments.values() if saved.has_reservation and saved.ends_at >= now]
        rest = [saved for saved in ahead if after is None or (saved.ends_at, saved.id) > (after.ends_at, after.id)]
        return sorted(rest, key=lambda saved: (saved.ends_at, saved.id))[:limit]


def order_of(appointment: StoredAppointment) -> tuple[datetime, UUID]:
    return appointment.starts_at, appointment.id


@dataclass
class FakeCalendar:
    """Reserves and releases as scheduling-service does: by revision, with a tombstone after a release.

    `failure` is raised instead of an answer. A request without a doctor gets the first of `doctors` who is free. Of the overrides, only
    `overbook` has an effect.
    """

    stop_points: StopPoints = field(default_factory=StopPoints)
    reservations: dict[UUID, Reservation] = field(default_factory=dict)
    released: dict[UUID, Reservation] = field(default_factory=dict)
    tombstones: dict[UUID, int] = field(default_factory=dict)
    failure: Exception | None = None
    requests: list[ReserveTime] = field(default_factory=list)
    doctors: tuple[UUID, ...] = (DOCTOR, COLLEAGUE)

    async def reserve(self, appointment_id: UUID, request: ReserveTime) -> Reservation:
        async with self.stop_points.call():
            if self.failure:
                raise self.failure
            self.requests.append(request)
            return self.decide(appointment_id, request)

    def decide(self, appointment_id: UUID, request: ReserveTime) -> Reservation:
        current = self.reservations.get(appointment_id)
        if current and request.revision <= current.revision:
            return current
        if request.revision <= self.tombstones.get(appointment_id, 0):
            raise ReservationReleased
        ends_at = request.starts_at + timedelta(minutes=request.duration_minutes or 30)
        others = [
            reservation
            for reservation in self.reservations.values()
            if reservation.appointment_id != appointment_id and reservation.starts_at < ends_at and request.starts_at < reservation.ends_at
        ]
        busy = {reservation.doctor_id for reservation in others}
        candidates = [request.doctor_id] if request.doctor_id else self.doctors
        may_overlap = request.begun or request.override is OverrideCode.OVERBOOK
        free = [doctor_id for doctor_id in candidates if doctor_id not in busy or may_overlap]
        if not free or (request.patient_id in {reservation.patient_id for reservation in others} and not request.begun):
            raise SlotTaken(alternatives=[])
        self.tombstones.pop(appointment_id, None)
        fields = request.model_dump(include={"service_id", "patient_id", "starts_at", "revision"}) | {"doctor_id": free[0]}
        override = request.override if free[0] in busy else None
        self.reservations[appointment_id] = Reservation(**fields, appointment_id=appointment_id, ends_at=ends_at, override=override)
        return self.reservations[appointment_id]

    def take_leave(self, *outcomes: LeaveOutcome) -> None:
        """Move or release reservations as a leave does."""
        for outcome in outcomes:
            if outcome.action == "cancelled":
                self.delete(outcome.appointment_id, outcome.revision)
                continue
            moved = outcome.model_dump(include={"doctor_id", "starts_at", "ends_at", "revision"})
            self.reservations[outcome.appointment_id] = self.reservations[outcome.appointment_id].model_copy(update=moved)

    async def release(self, appointment_id: UUID, revision: int) -> None:
        async with self.stop_points.call():
            if self.failure:
                raise self.failure
            self.delete(appointment_id, revision)

    def delete(self, appointment_id: UUID, revision: int) -> None:
        current = self.reservations.get(appointment_id)
        if current and revision < current.revision:
            return
        self.tombstones[appointment_id] = max(revision, self.tombstones.get(appointment_id, 0))
        if gone := self.reservations.pop(appointment_id, None):
            self.released[appointment_id] = gone.model_copy(update={"live": False, "revision": self.tombstones[appointment_id]})

    async def find(self, appointment_id: UUID) -> Reservation | None:
        async with self.stop_points.call():
            if self.failure:
                raise self.failure
            return self.reservations.get(appointment_id) or self.released.get(appointment_id)

    async def list_live(self, ends_after: datetime, after: str | None) -> tuple[list[Reservation], str | None]:
        """Return pages of one reservation."""
        ahead = [reservation for reservation in self.reservations.values() if reservation.ends_at > ends_after]
        rest = [reservation for reservation in ahead if str(reservation.appointment_id) > (after or "")]
        rows = sorted(rest, key=lambda reservation: reservation.appointment_id)
        return rows[:1], str(rows[0].appointment_id) if len(rows) > 1 else None


@dataclass
class FakeClinic:
    """The use cases over the fakes. `doctor_service_down` makes doctor-service unavailable."""

    stop_points: StopPoints = field(default_factory=StopPoints)
    clock: MovableClock = field(default_factory=lambda: MovableClock(NOON, running=False))
    max_active: int = 20
    reception_may_override: frozenset[OverrideCode] = frozenset({OverrideCode.OVERBOOK})
    service: ServiceTypeRules = field(default_factory=a_service)
    doctors: dict[UUID, DoctorRules] = field(
        default_factory=lambda: {doctor_id: a_doctor(id=doctor_id) for doctor_id in (DOCTOR, COLLEAGUE)}
    )
    doctor_service_down: bool = False
    patients: dict[UUID, PatientSummary] = field(
        default_factory=lambda: {patient_id: a_patient(id=patient_id) for patient_id in (PATIENT, STRANGER)}
    )

    contacts: dict[UUID, PatientContact] = field(
        default_factory=lambda: {patient_id: a_patient_contact(id=patient_id) for patient_id in (PATIENT, STRANGER)}
    )
    patient_service_down: bool = False
    merged_into: dict[UUID, UUID] = field(default_factory=dict)
    without_answers: list[UUID] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store, self.calendar = InMemoryStore(self.stop_points), FakeCalendar(self.stop_points)
        self.synchronizer = CalendarSynchronizer(self.store, self.calendar, self, self.clock)
        policy = OverridePolicy(self.reception_may_override)
        self.booking = Booking(self.store, self.synchronizer, self, self, self.clock, self.max_active, LINK_TOKENS, policy)
        self.actions = AppointmentActions(self.store, self.synchronizer, self, self, self.clock, policy)
        self.leaves = LeaveFollower(self.store, self.synchronizer)
        self.reconciliation = Reconciliation(self.store, self.calendar, self.synchronizer, self.clock, RETRY_AFTER)
        self.doctor_follower = DoctorFollower(self.store, self.synchronizer, self.clock)
        erasure = AppointmentErasure(self.store, self.synchronizer, self, self, self.clock)
        self.merge_follower = MergeFollower(self.store, self.synchronizer, self, erasure, self.clock)
        self.queries = AppointmentQueries(self.store, self)
        self.linked = LinkedVisits(self.store, self.actions, self, self, LINK_TOKENS, lambda: CLINIC, self.clock)

    async def get_doctor(self, doctor_id: UUID) -> DoctorRules:
        if self.doctor_service_down:
            raise Unavailable
        if doctor_id not in self.doctors:
            raise NotFound
        return self.doctors[doctor_id]

    async def get_service_type(self, service_id: UUID) -> ServiceTypeRules:
        if service_id != self.service.id:
            raise NotFound
        return self.service

    async def get_summary(self, patient_id: UUID) -> PatientSummary:
        if self.patient_service_down:
            raise Unavailable
        if patient_id not in self.patients:
            raise NotFound
        return self.patients[patient_id]

    async def find_current(self, patient_id: UUID) -> PatientSummary | None:
        if self.patient_service_down:
            raise Unavailable
        return self.patients.get(self.merged_into.get(patient_id, patient_id))

    async def delete_mentioning(self, subject_id: UUID) -> int:
        self.without_answers.append(subject_id)
        return 0

    async def send(self, event: PatientErased, removed: Mapping[str, int]) -> None:
        raise NotImplementedError

    async def list_dependant_ids(self, guardian_id: UUID) -> list[UUID]:
        if self.patient_service_down:
            raise Unavailable
        return [patient.id for patient in self.patients.values() if guardian_id in patient.guardian_ids]

    async def find_contacts(self, ids: Sequence[UUID]) -> dict[UUID, PatientContact]:
        if self.patient_service_down:
            raise Unavailable
        return {patient_id: self.contacts[patient_id] for patient_id in ids if patient_id in self.contacts}

    def add(self, appointment: Appointment) -> Appointment:
        """Store an appointment, with its reservation where it should have one, and the link of its patient."""
        self.store.appointments[appointment.id] = appointment
        self.store.link_hashes[appointment.id] = {link_hash_of(appointment)}
        if appointment.has_reservation:
            self.reserve_for(appointment)
        return appointment

    def reserve_for(self, appointment: Appointment) -> None:
        """Give an appointment its reservation in the calendar."""
        request = ReserveTime(
            service_id=appointment.service.id,
            doctor_id=appointment.doctor_id,
            patient_id=appointment.patient.id,
            starts_at=appointment.starts_at,
            revision=max(appointment.sync.revision, 1),
            by={"id": PATIENT, "role": "patient"},
        )
        self.calendar.decide(appointment.id, request)

    def take_leave(self, appointment: Appointment, action: str = "cancelled", **changes: Any) -> LeaveTaken:
        """Let a leave move or cancel the reservation of an appointment, and return its event."""
        outcome = a_leave_outcome(appointment, action, **changes)
        self.calendar.take_leave(outcome)
        return a_leave(outcome)

    def context(
        self, caller: Caller, appointment: Appointment, expected_version: int | None = None, operation_id: UUID | None = None
    ) -> ActionContext:
        return ActionContext(caller, appointment.id, expected_version, operation_id or new_id())

    async def restart(self) -> None:
        """Let everything run again, and the retry job complete what is pending a minute later."""
        self.stop_points.stop_at, self.calendar.failure, self.doctor_service_down = None, None, False
        self.clock.advance(timedelta(minutes=1))
        while await self.reconciliation.retry_pending():
            pass

    @property
    def topics(self) -> list[str]:
        """The events so far, in short."""
        return [event.topic.removeprefix("appointment.").removesuffix(".v1") for event in self.store.events]

    def inconsistencies(self) -> list[str]:
        """Intents that are left, appointments without their reservation, and reservations without their appointment."""
        problems = [f"{saved.id} has an intent" for saved in self.store.appointments.values() if saved.sync.intent]
        for saved in self.store.appointments.values():
            reservation = self.calendar.reservations.get(saved.id)
            if saved.has_reservation and (reservation is None or (reservation.starts_at, reservation.doctor_id) != saved.slot):
                problems.append(f"{saved.id} is {saved.status} at {saved.starts_at} and its reservation is {reservation}")
            if not saved.has_reservation and reservation is not None:
                problems.append(f"{saved.id} is {saved.status} and has a reservation")
        orphans = [appointment_id for appointment_id in self.calendar.reservations if appointment_id not in self.store.appointments]
        return problems + [f"{appointment_id} has a reservation and no appointment" for appointment_id in orphans]
