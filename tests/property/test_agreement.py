"""What is listed can be booked, and nothing else, whatever the clinic: list, explanation, hold and reservation agree."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduling_svc.domain.claims import Claim, Place, Session
from scheduling_svc.domain.holds import Hold, HoldWish
from scheduling_svc.domain.leaves import Block, Kind
from scheduling_svc.domain.terms import Service
from scheduling_svc.ports import Overtaken, Store
from scheduling_svc.usecases.holds import Holds
from scheduling_svc.usecases.reservations import Reservations
from scheduling_svc.usecases.rulebook import Rulebook
from scheduling_svc.usecases.slots import SlotQuestion, Slots
from shared.contracts.grains import grain_of
from shared.contracts.http import Actor, DoctorRules, Reserve, ServiceRules
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import Refusal
from tests.contract.grains import opened
from tests.property.clinics import DOCTOR, PATIENT, SERVICE, absences, bookings, clinics, groups, held
from tests.property.oracle import Booked, Kept, Shared
from tests.unit.scheduling.fakes import Memory, Owner

FIVE = timedelta(minutes=5)
WISH, OTHER = UUID(int=0xABC), UUID(int=4)
CONFLICTS = {
    "slot_taken": {"taken", "buffer", "held", "patient_busy"},
    "slot_held": {"held", "patient_busy"},
    "patient_busy": {"patient_busy"},
}


@dataclass(frozen=True)
class Clinic:
    """A clinic at work, the caller, and the starts in question."""

    doctor: DoctorRules
    service: ServiceRules
    now: datetime
    by: Caller
    booked: list[Booked]
    away: list[tuple[datetime, datetime]]
    kept: list[Kept]
    groups: list[Shared]
    begins: datetime
    ends: datetime

    @property
    def starts(self) -> Iterator[datetime]:
        return (self.begins + FIVE * number for number in range((self.ends - self.begins) // FIVE))


@st.composite
def clinics_at_work(draw: st.DrawFn) -> Clinic:
    doctor, service, day = draw(clinics())
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    now = midnight + timedelta(seconds=draw(st.integers(-2 * 86400, 43200)))
    begins = midnight + FIVE * draw(st.integers(0, 150) | st.integers(-144, 288))
    ends = begins + FIVE * draw(st.integers(1, 60))
    by = Caller(PATIENT, draw(st.sampled_from([Role.PATIENT, Role.RECEPTION])))
    others = draw(bookings(day)), draw(absences(day)), draw(held(day, now)), draw(groups(day, service))
    return Clinic(doctor, service, now, by, *others, begins, ends)


def span(booked: Booked) -> tuple[range, range]:
    first, last = booked.starts_at - booked.before, booked.ends_at + booked.after
    return range(grain_of(booked.starts_at), grain_of(booked.ends_at)), range(grain_of(first), grain_of(last))


def seats(number: int, group: Shared) -> Iterator[Claim | Hold]:
    visit, taken = span(group)
    session = Session.at(
        Service.of(ServiceRules(id=SERVICE, name="", duration_minutes=5, slot_step_minutes=5, horizon_days=1, version=1)),
        DOCTOR,
        visit.start,
    )
    for seat in range(group.booked):
        patient = UUID(int=5000 + 100 * number + seat)
        yield Claim(UUID(int=6000 + 100 * number + seat), 1, Place(SERVICE, DOCTOR, patient, visit, taken, session.id))
    for seat in range(group.held):
        owner = UUID(int=7000 + 100 * number + seat)
        yield Hold(UUID(int=8000 + 100 * number + seat), owner, SERVICE, DOCTOR, visit, taken, NEVER, session.id)


NEVER = datetime(2199, 1, 1, tzinfo=UTC)


async def populate(store: Store, clinic: Clinic) -> None:
    """What of it fits beside the rest; the others are turned away by the calendar itself."""
    async with store.begin() as tx:
        await tx.learn_doctor(clinic.doctor)
        await tx.learn_service(clinic.service)
    for number, booked in enumerate(clinic.booked):
        patient = PATIENT if number == 0 else UUID(int=2000 + number)
        await _fits(store, Claim(UUID(int=1000 + number), 1, Place(SERVICE if booked.counts else OTHER, DOCTOR, patient, *span(booked))))
    for number, kept in enumerate(clinic.kept):
        owner = PATIENT if kept.own else UUID(int=3000 + number)
        service = SERVICE if kept.counts and not kept.own else UUID(int=4000 + number)
        await _fits(store, Hold(UUID(int=3000 + number), owner, service, DOCTOR, *span(kept), kept.until))
    for number, group in enumerate(clinic.groups):
        for seat in seats(number, group):
            await _fits(store, seat, clinic.service.capacity)
    for number, (begin, end) in enumerate(clinic.away):
        async with store.begin() as tx:
            await tx.block(Block(UUID(int=9000 + number), Kind.LEAVE, DOCTOR, range(grain_of(begin), grain_of(end))))


async def _fits(store: Store, one: Claim | Hold, room: int = 1) -> None:
    try:
        async with store.begin() as tx:
            await (tx.put(one, None, seats=room) if isinstance(one, Claim) else tx.keep(one, seats=room))
    except Overtaken:
        return


def wish(clinic: Clinic, start: datetime) -> Reserve:
    by = Actor(id=clinic.by.id, role=clinic.by.role)
    return Reserve(service_id=SERVICE, doctor_id=DOCTOR, patient_id=PATIENT, starts_at=start, revision=1, by=by)


class Undone(Exception):
    """What was tried is not to stand."""


@dataclass(frozen=True)
class Trying:
    """A store whose transactions decide and write, and leave nothing behind."""

    store: Store

    def look(self) -> object:
        return self.store.look()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[object]:
        async with self.store.begin() as tx:
            yield tx
            raise Undone


async def tried(trying: Trying, clinic: Clinic, start: datetime) -> list[Refusal | None]:
    """What comes of a reservation and of a hold at a start; None: it is granted."""
    rulebook = Rulebook(trying, Owner())  # type: ignore[arg-type]
    reservations, holds = Reservations(trying, rulebook, lambda: clinic.now), Holds(trying, rulebook, lambda: clinic.now)  # type: ignore[arg-type]
    outcomes: list[Refusal | None] = []
    for ask in (
        lambda: reservations.reserve(WISH, wish(clinic, start)),
        lambda: holds.hold(WISH, HoldWish(SERVICE, DOCTOR, start), clinic.by),
    ):
        try:
            await ask()
        except Undone:
            outcomes.append(None)
        except Refusal as refusal:
            outcomes.append(refusal)
    return outcomes


async def agree(store: Store, clinic: Clinic) -> None:
    await populate(store, clinic)
    slots = Slots(Rulebook(store, Owner()), lambda: clinic.now)
    by = clinic.by
    listed = {slot.starts_at for slot in (await slots.free(question(clinic), by)).items}
    for start in clinic.starts:
        reasons = {reason.code for reason in (await slots.explain(SERVICE, DOCTOR, start, by)).reasons}
        booking, holding = await tried(Trying(store), clinic, start)
        assert (start in listed) == (booking is None)
        # Someone at the desk holds for a patient who is not known yet, and explains likewise.
        same = by.role is Role.PATIENT
        assert (holding is None) == (not reasons) or (holding is not None and holding.code == "too_many_holds")
        assert not same or (start in listed) == (not reasons)
        if booking is not None and same:
            told = {reason["code"] for reason in booking.facts.get("reasons", ())}
            assert told == reasons or reasons <= CONFLICTS.get(booking.code, set())


def question(clinic: Clinic) -> SlotQuestion:
    return SlotQuestion(SERVICE, (DOCTOR,), begins=clinic.begins, ends=clinic.ends, limit=1000)


@given(clinics_at_work())
@settings(max_examples=60, deadline=None)
async def test_list_explanation_hold_and_reservation_agree(clinic: Clinic) -> None:
    await agree(Memory(), clinic)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@given(clinics_at_work(), st.uuids())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_they_agree_on_a_real_store(folder: Path, clinic: Clinic, name: UUID) -> None:
    async with opened(f"sqlite+aiosqlite:///{folder / str(name)}.db") as store:
        await agree(store, clinic)
