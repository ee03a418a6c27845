"""A store, a calendar and neighbours in memory; any call of them can be made to die, before its effect or after."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.moves import OPEN, Status
from appointment_svc.ports import Filter, Overtaken
from appointment_svc.usecases.book import Booking
from appointment_svc.usecases.change import Act, Changes
from appointment_svc.usecases.find import Records
from appointment_svc.usecases.follow import Displacements
from appointment_svc.usecases.keep import Keeping
from appointment_svc.usecases.settle import Settling
from shared.contracts.events import AppointmentEvent, LeaveTaken
from shared.contracts.http import DoctorRules, LeaveOutcome, PatientSummary, Reservation, ReserveTime, ServiceTypeRules
from shared.contracts.identity import Caller
from shared.contracts.refusals import Conflict, NotFound, Unavailable
from shared.kit.clock import MovableClock
from shared.kit.ids import new_id
from tests.unit.appointment.builders import COLLEAGUE, DOCTOR, NOON, PATIENT, STRANGER, a_displaced, a_doctor, a_leave, a_patient, a_service

SETTLE_AFTER = timedelta(seconds=45)


class Killed(BaseException):
    """The process died."""


class SlotTaken(Conflict):
    """The time is taken."""


class ReservationReleased(Conflict):
    """The reservation was released after this was asked for."""


@dataclass
class Fate:
    """`dies_at` counts the halves of calls (before, after) from now; None: nobody dies. `down`: the calendar's answer, if not its own."""

    dies_at: int | None = None
    halves: int = 0

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        self._half()
        yield
        self._half()

    def _half(self) -> None:
        self.halves += 1
        if self.halves - 1 == self.dies_at:
            raise Killed


@dataclass
class Memory:
    """A store that saves only the edition that was read, and keeps the events with the appointments."""

    fate: Fate = field(default_factory=Fate)
    kept: dict[UUID, Appointment] = field(default_factory=dict)
    events: list[AppointmentEvent] = field(default_factory=list)
    meanwhile: list[Appointment] = field(default_factory=list)

    async def add(self, appointment: Appointment) -> bool:
        async with self.fate.call():
            new = appointment.id not in self.kept
            self.kept.setdefault(appointment.id, appointment)
        return new

    async def find(self, appointment_id: UUID) -> Appointment | None:
        async with self.fate.call():
            return self.kept.get(appointment_id)

    async def find_all(self, ids: list[UUID]) -> dict[UUID, Appointment]:
        return {one: self.kept[one] for one in ids if one in self.kept}

    async def save(self, appointment: Appointment) -> Appointment:
        async with self.fate.call():
            while self.meanwhile:
                other = self.meanwhile.pop()
                self.kept[other.id] = replace(other, edition=other.edition + 1, news=None, noted=False)
            if self.kept[appointment.id].edition != appointment.edition:
                raise Overtaken
            if appointment.news:
                self.events.append(appointment.news)
            saved = replace(appointment, edition=appointment.edition + 1, news=None, noted=False)
            self.kept[appointment.id] = saved
        return saved

    async def listed(self, wanted: Filter, limit: int, after: tuple[str, ...] | None) -> list[Appointment]:
        raise NotImplementedError

    async def unsettled(self, before: datetime, limit: int) -> list[Appointment]:
        return [one for one in self.kept.values() if one.intent and one.intent.since <= before][:limit]

    async def unanswered(self, before: datetime, limit: int) -> list[Appointment]:
        late = [one for one in self.kept.values() if one.status is Status.REQUESTED and one.starts_at <= before and not one.intent]
        return late[:limit]

    async def open_of(self, patient_id: UUID, now: datetime) -> int:
        mine = [one for one in self.kept.values() if one.patient.id == patient_id and one.starts_at >= now]
        return len([one for one in mine if one.status in OPEN])

    async def upcoming(self, now: datetime, limit: int, after: UUID | None) -> list[Appointment]:
        ahead = [one for one in self.kept.values() if one.holds_time and one.ends_at >= now]
        return sorted((one for one in ahead if after is None or one.id > after), key=lambda one: one.id)[:limit]


@dataclass
class Calendar:
    """Grants and releases as scheduling-service does: by revision, with a tombstone after a release. `down` is raised instead.

    Whoever asks for no doctor gets the first of `doctors` who is free.
    """

    fate: Fate = field(default_factory=Fate)
    claims: dict[UUID, Reservation] = field(default_factory=dict)
    released: dict[UUID, Reservation] = field(default_factory=dict)
    tombstones: dict[UUID, int] = field(default_factory=dict)
    down: Exception | None = None
    asked: list[ReserveTime] = field(default_factory=list)
    doctors: tuple[UUID, ...] = (DOCTOR, COLLEAGUE)

    async def reserve(self, appointment_id: UUID, wish: ReserveTime) -> Reservation:
        async with self.fate.call():
            if self.down:
                raise self.down
            self.asked.append(wish)
            return self.decide(appointment_id, wish)

    def decide(self, appointment_id: UUID, wish: ReserveTime) -> Reservation:
        standing = self.claims.get(appointment_id)
        if standing and wish.revision <= standing.revision:
            return standing
        if wish.revision <= self.tombstones.get(appointment_id, 0):
            raise ReservationReleased
        ends_at = wish.starts_at + timedelta(minutes=30)
        then = [one for one in self.claims.values() if one.starts_at < ends_at and wish.starts_at < one.ends_at]
        others = [one for one in then if one.appointment_id != appointment_id]
        busy = {one.doctor_id for one in others}
        free = [one for one in ([wish.doctor_id] if wish.doctor_id else self.doctors) if one not in busy or wish.begun]
        if not free or (wish.patient_id in {one.patient_id for one in others} and not wish.begun):
            raise SlotTaken(alternatives=[])
        self.tombstones.pop(appointment_id, None)
        fields = wish.model_dump(exclude={"by", "hold_id", "begun", "service_version", "doctor_version"}) | {"doctor_id": free[0]}
        self.claims[appointment_id] = Reservation(**fields, appointment_id=appointment_id, ends_at=ends_at)
        return self.claims[appointment_id]

    def leave(self, *displaced: LeaveOutcome) -> None:
        """A leave has displaced claims."""
        for one in displaced:
            if one.action == "cancelled":
                self.take_back(one.appointment_id, one.revision)
                continue
            place = one.model_dump(include={"doctor_id", "starts_at", "ends_at", "revision"})
            self.claims[one.appointment_id] = self.claims[one.appointment_id].model_copy(update=place)

    async def release(self, appointment_id: UUID, revision: int) -> None:
        async with self.fate.call():
            if self.down:
                raise self.down
            self.take_back(appointment_id, revision)

    def take_back(self, appointment_id: UUID, revision: int) -> None:
        standing = self.claims.get(appointment_id)
        if standing and revision < standing.revision:
            return
        self.tombstones[appointment_id] = max(revision, self.tombstones.get(appointment_id, 0))
        if gone := self.claims.pop(appointment_id, None):
            self.released[appointment_id] = gone.model_copy(update={"live": False, "revision": self.tombstones[appointment_id]})

    async def find(self, appointment_id: UUID) -> Reservation | None:
        async with self.fate.call():
            if self.down:
                raise self.down
            return self.claims.get(appointment_id) or self.released.get(appointment_id)

    async def live(self, after: str | None) -> tuple[list[Reservation], str | None]:
        """One at a time."""
        rows = sorted(
            (claim for claim in self.claims.values() if str(claim.appointment_id) > (after or "")), key=lambda c: c.appointment_id
        )
        return rows[:1], str(rows[0].appointment_id) if len(rows) > 1 else None


@dataclass
class Clinic:
    """The neighbours' cards, and the use cases over the fakes. `silent`: doctor-service does not answer."""

    fate: Fate = field(default_factory=Fate)
    clock: MovableClock = field(default_factory=lambda: MovableClock(NOON, running=False))
    most_active: int = 20
    rules: ServiceTypeRules = field(default_factory=a_service)
    staff: dict[UUID, DoctorRules] = field(default_factory=lambda: {one: a_doctor(id=one) for one in (DOCTOR, COLLEAGUE)})
    silent: bool = False
    people: dict[UUID, PatientSummary] = field(default_factory=lambda: {one: a_patient(id=one) for one in (PATIENT, STRANGER)})

    def __post_init__(self) -> None:
        self.store, self.calendar = Memory(self.fate), Calendar(self.fate)
        self.settling = Settling(self.store, self.calendar, self, self.clock)
        self.booking = Booking(self.store, self.settling, self, self, self.clock, self.most_active)
        self.changes = Changes(self.store, self.settling, self, self.clock)
        self.displacements = Displacements(self.store, self.calendar, self.settling, self, self.clock)
        self.keeping = Keeping(self.store, self.calendar, self.settling, self.displacements, self.clock, SETTLE_AFTER)
        self.records = Records(self.store)

    async def doctor(self, doctor_id: UUID) -> DoctorRules:
        if self.silent:
            raise Unavailable
        if doctor_id not in self.staff:
            raise NotFound
        return self.staff[doctor_id]

    async def service(self, service_id: UUID) -> ServiceTypeRules:
        if service_id != self.rules.id:
            raise NotFound
        return self.rules

    async def card(self, patient_id: UUID) -> PatientSummary:
        return self.people[patient_id]

    def has(self, appointment: Appointment) -> Appointment:
        """An appointment from before, with its claim where it should have one."""
        self.store.kept[appointment.id] = appointment
        if appointment.holds_time:
            self.claims_for(appointment)
        return appointment

    def claims_for(self, appointment: Appointment) -> None:
        wish = ReserveTime(
            service_id=appointment.service.id, doctor_id=appointment.doctor_id, patient_id=appointment.patient.id,
            starts_at=appointment.starts_at, revision=max(appointment.revision, 1), by={"id": PATIENT, "role": "patient"},
        )  # fmt: skip
        self.calendar.decide(appointment.id, wish)

    def on_leave(self, one: Appointment, action: str = "cancelled", **place: Any) -> LeaveTaken:
        """A leave has displaced its claim; what the calendar says of it."""
        what = a_displaced(one, action, **place)
        self.calendar.leave(what)
        return a_leave(what)

    def act(self, by: Caller, appointment: Appointment, expected: int | None = None, once: UUID | None = None) -> Act:
        return Act(by, appointment.id, expected, once or new_id())

    async def restarted(self) -> None:
        """A minute after everything died, the job runs to its end."""
        self.fate.dies_at, self.calendar.down, self.silent = None, None, False
        self.clock.advance(timedelta(minutes=1))
        while await self.keeping.settle_stragglers():
            pass

    @property
    def topics(self) -> list[str]:
        return [event.topic.removeprefix("appointment.").removesuffix(".v1") for event in self.store.events]

    def faults(self) -> list[str]:
        """Every appointment that holds time has its very claim, no claim is without one, nothing is left to be done."""
        wrong = [f"{one.id} is not settled" for one in self.store.kept.values() if one.intent]
        for one in self.store.kept.values():
            claim = self.calendar.claims.get(one.id)
            if one.holds_time and (claim is None or (claim.starts_at, claim.doctor_id) != one.place):
                wrong.append(f"{one.id} is {one.status} at {one.starts_at} and its claim is {claim}")
            if not one.holds_time and claim is not None:
                wrong.append(f"{one.id} is {one.status} and has a claim")
        return wrong + [f"{one} is nobody's" for one in self.calendar.claims if one not in self.store.kept]
