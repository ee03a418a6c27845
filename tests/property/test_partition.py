"""Working time is free or taken, and never both."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling_svc.domain import availability
from scheduling_svc.domain.busy_times import BusyTimes
from scheduling_svc.domain.grid import AvailabilityGrid
from scheduling_svc.domain.terms import DoctorTerms, ServiceTerms
from scheduling_svc.domain.viewer import Viewer
from shared.contracts.grains import grain_of, instant_of
from shared.contracts.http import DoctorRules, ServiceTypeRules
from tests.property.clinics import SERVICE, absences, bookings, clinics
from tests.property.oracle import BookedVisit, Oracle
from tests.property.test_availability import a_booked_time

GRAIN = ServiceTypeRules(id=SERVICE, name="One grain", duration_minutes=5, slot_step_minutes=5, horizon_days=730, version=1)


@st.composite
def busy_doctors(draw: st.DrawFn) -> tuple[DoctorRules, list[BookedVisit], list[tuple[datetime, datetime]], date]:
    doctor, _, day = draw(clinics())
    available = doctor.model_copy(update={"services": [SERVICE], "active": True, "accepting_patients": True})
    return available, draw(bookings(day)), draw(absences(day)), day


@given(busy_doctors())
@settings(max_examples=100, deadline=None)
def test_working_time_is_either_free_or_taken(clinic: tuple[DoctorRules, list[BookedVisit], list[tuple[datetime, datetime]], date]) -> None:
    doctor, booked, away, day = clinic
    now = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=2)
    requested = range(grain_of(now), grain_of(now + timedelta(days=4)))
    oracle = Oracle(doctor, GRAIN, now)
    busy_times = BusyTimes([a_booked_time(visit) for visit in booked], [(grain_of(begin), grain_of(end)) for begin, end in away])
    free = set(
        availability.free_starts(
            AvailabilityGrid.of(ServiceTerms.from_rules(GRAIN), DoctorTerms.from_rules(doctor), requested, Viewer(now), busy_times)
        )
    )
    taken = {grain for visit in booked for grain in range(grain_of(visit.starts_at - visit.before), grain_of(visit.ends_at + visit.after))}
    taken |= {grain for begin, end in away for grain in range(grain_of(begin), grain_of(end))}
    working = {grain for grain in requested if oracle.reasons(instant_of(grain)) == set()}
    assert free | (taken & working) == working
    assert free & taken == set()
