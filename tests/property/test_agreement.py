"""What is listed can be booked, and nothing else, whatever the clinic: the list and the reservation, asked as their callers ask."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling_svc.domain.claims import Claim, Place
from scheduling_svc.usecases.reservations import Reservations
from scheduling_svc.usecases.rulebook import Rulebook
from scheduling_svc.usecases.slots import SlotQuestion, Slots
from shared.contracts.grains import grain_of
from shared.contracts.http import Actor, Reserve
from shared.contracts.identity import Role
from shared.contracts.refusals import Refusal
from tests.property.clinics import DOCTOR, PATIENT, SERVICE, bookings, clinics
from tests.property.oracle import Booked, Oracle
from tests.unit.scheduling.fakes import Memory, Owner

FIVE = timedelta(minutes=5)


def a_claim(number: int, booked: Booked) -> Claim:
    visit = range(grain_of(booked.starts_at), grain_of(booked.ends_at))
    span = range(grain_of(booked.starts_at - booked.before), grain_of(booked.ends_at + booked.after))
    return Claim(UUID(int=1000 + number), 1, Place(SERVICE, DOCTOR, UUID(int=2000 + number), visit, span))


def instants(begins: datetime, ends: datetime) -> Iterator[datetime]:
    while begins < ends:
        yield begins
        begins += FIVE


@st.composite
def clinics_at_work(draw: st.DrawFn) -> tuple[Oracle, datetime, datetime]:
    doctor, service, day = draw(clinics())
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    now = midnight + timedelta(seconds=draw(st.integers(-2 * 86400, 43200)))
    begins = midnight + FIVE * draw(st.integers(-144, 288))
    return Oracle(doctor, service, now, draw(bookings(day))), begins, begins + FIVE * draw(st.integers(1, 100))


@given(clinics_at_work())
@settings(max_examples=150, deadline=None)
async def test_what_is_listed_is_granted_and_what_is_not_listed_is_refused(clinic: tuple[Oracle, datetime, datetime]) -> None:
    oracle, begins, ends = clinic
    memory = Memory({DOCTOR: oracle.doctor, SERVICE: oracle.service})
    memory.claims = {claim.appointment_id: claim for claim in map(a_claim, range(99), oracle.booked)}
    rulebook = Rulebook(memory, Owner())
    slots, reservations = Slots(rulebook, lambda: oracle.now), Reservations(memory, rulebook, lambda: oracle.now)
    listed = await slots.free(SlotQuestion(SERVICE, (DOCTOR,), begins=begins, ends=ends, limit=1000), None)
    standing, granted = dict(memory.claims), []
    for start in instants(begins, ends):
        wish = Reserve(
            service_id=SERVICE,
            doctor_id=DOCTOR,
            patient_id=PATIENT,
            starts_at=start,
            revision=1,
            by=Actor(id=PATIENT, role=Role.PATIENT),
        )
        try:
            granted.append((await reservations.reserve(UUID(int=1), wish)).starts_at)
        except Refusal as refusal:
            told = {reason["code"] for reason in refusal.facts.get("reasons", ())} or {refusal.code}
            assert told == oracle.reasons(start) or (told == {"slot_taken"} and oracle.reasons(start) <= {"taken", "buffer"})
        memory.claims = dict(standing)
    assert granted == [slot.starts_at for slot in listed.items]
    assert granted == [start for start in instants(begins, ends) if not oracle.reasons(start)]
