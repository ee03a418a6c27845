"""Puts a random clinic into a store. What the store accepts is also recorded in the oracle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import strategies as st

from scheduling_svc.domain.claims import BookedSlot, Claim
from scheduling_svc.domain.holds import Hold
from scheduling_svc.domain.leaves import BlockKind, TimeBlock
from scheduling_svc.ports import CalendarStore, LostRace
from shared.contracts.derived_ids import derive_id
from shared.contracts.grains import grain_of
from shared.contracts.http import DoctorRules, ServiceTypeRules
from shared.contracts.identity import Caller, Role
from tests.property.clinics import DOCTOR, PATIENT, SERVICE, absences, bookings, clinics, groups, held
from tests.property.oracle import BookedVisit, GroupVisit, HeldTime, Oracle

FIVE = timedelta(minutes=5)
OTHER = UUID(int=4)


@dataclass(frozen=True)
class RandomClinic:
    """A doctor, a service, their busy times, a caller, and the range of starts to test. `lateness` is less than a grain. The first visit is
    the patient's own."""

    doctor: DoctorRules
    service: ServiceTypeRules
    now: datetime
    by: Caller
    booked: list[BookedVisit]
    away: list[tuple[datetime, datetime]]
    held_times: list[HeldTime]
    groups: list[GroupVisit]
    begins: datetime
    ends: datetime
    lateness: timedelta

    @property
    def starts(self) -> Iterator[datetime]:
        return (self.begins + FIVE * number for number in range((self.ends - self.begins) // FIVE))


@st.composite
def random_clinics(draw: st.DrawFn) -> RandomClinic:
    doctor, service, day = draw(clinics())
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    now = midnight + timedelta(seconds=draw(st.integers(-2 * 86400, 43200)))
    begins = midnight + FIVE * draw(st.integers(0, 150) | st.integers(-144, 288))
    ends = begins + FIVE * draw(st.integers(1, 60))
    by = Caller(PATIENT, draw(st.sampled_from([Role.PATIENT, Role.RECEPTION])))
    others = draw(bookings(day)), draw(absences(day)), draw(held(day, now)), draw(groups(day, service))
    lateness = draw(st.sampled_from([timedelta(seconds=1), timedelta(minutes=2), timedelta(minutes=4, seconds=59)]))
    return RandomClinic(doctor, service, now, by, *others, begins, ends, lateness)


@dataclass
class ClinicFiller:
    """Puts a clinic into a store, one item after the other."""

    store: CalendarStore
    clinic: RandomClinic
    oracle: Oracle = field(init=False)

    async def fill(self) -> Oracle:
        """Fill the store and return an oracle with the same busy times. For staff the patient is not known."""
        clinic = self.clinic
        self.oracle = Oracle(clinic.doctor, clinic.service, clinic.now, is_staff=clinic.by.is_staff, away=clinic.away)
        async with self.store.begin() as tx:
            await tx.save_doctor_rules(clinic.doctor)
            await tx.save_service_rules(clinic.service)
        for number, booked in enumerate(clinic.booked):
            await self._book(number, booked)
        for number, held_time in enumerate(clinic.held_times):
            await self._hold(number, held_time)
        for number, group in enumerate(clinic.groups):
            await self._fill_group(number, group)
        for number, (begin, end) in enumerate(clinic.away):
            async with self.store.begin() as tx:
                await tx.insert_block(TimeBlock(UUID(int=9000 + number), BlockKind.LEAVE, DOCTOR, range(grain_of(begin), grain_of(end))))
        return self.oracle

    async def _book(self, number: int, booked: BookedVisit) -> None:
        patient = UUID(int=2000 + number) if number else PATIENT
        slot = BookedSlot(SERVICE if booked.counts else OTHER, DOCTOR, patient, *spans(booked))
        if await self._try_to_save(Claim(UUID(int=1000 + number), 1, slot)):
            self.oracle.booked.append(booked)
            if patient == PATIENT and not self.clinic.by.is_staff:
                self.oracle.patient.append((booked.starts_at, booked.ends_at))

    async def _hold(self, number: int, held: HeldTime) -> None:
        owner = PATIENT if held.own else UUID(int=3000 + number)
        service = SERVICE if held.counts else UUID(int=4000 + number)
        if await self._try_to_save(Hold(UUID(int=3000 + number), owner, service, DOCTOR, *spans(held), held.until)):
            self.oracle.holds.append(held)

    async def _fill_group(self, number: int, group: GroupVisit) -> None:
        visit, span = spans(group)
        session = derive_id(DOCTOR, SERVICE, visit.start)
        people = [UUID(int=5000 + 100 * number + seat) for seat in range(group.booked + group.held)]
        seats: list[Claim | Hold] = [
            Claim(UUID(int=person.int + 1000), 1, BookedSlot(SERVICE, DOCTOR, person, visit, span, session))
            for person in people[: group.booked]
        ]
        until = self.clinic.now + FIVE
        seats += [
            Hold(UUID(int=person.int + 1000), person, SERVICE, DOCTOR, visit, span, until, session) for person in people[group.booked :]
        ]
        if all([await self._try_to_save(seat, self.clinic.service.capacity) for seat in seats]):
            self.oracle.groups.append(group)

    async def _try_to_save(self, claim: Claim | Hold, capacity: int = 1) -> bool:
        try:
            async with self.store.begin() as tx:
                await (
                    tx.save_claim(claim, None, capacity=capacity) if isinstance(claim, Claim) else tx.insert_hold(claim, capacity=capacity)
                )
        except LostRace:
            return False
        return True


def spans(booked: BookedVisit) -> tuple[range, range]:
    """Return the span of the visit, and the span that it takes of the doctor."""
    first, last = booked.starts_at - booked.before, booked.ends_at + booked.after
    return range(grain_of(booked.starts_at), grain_of(booked.ends_at)), range(grain_of(first), grain_of(last))
