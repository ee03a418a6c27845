"""The engine agrees with a brute-force oracle, on random clinics around the days on which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling_svc.domain import availability
from scheduling_svc.domain.busy_times import BookedTime, BusyTimes, GroupOccupancy
from scheduling_svc.domain.grid import AvailabilityGrid
from scheduling_svc.domain.holds import Hold
from scheduling_svc.domain.terms import DoctorTerms, ServiceTerms
from scheduling_svc.domain.viewer import Viewer
from shared.contracts.grains import grain_of, instant_of
from shared.contracts.http import DoctorRules, ServiceTypeRules
from tests.property.clinics import DOCTOR, SERVICE, absences, bookings, clinics, groups, held
from tests.property.oracle import BookedVisit, HeldTime, Oracle

VIEWER, STRANGER = UUID(int=77), UUID(int=78)


def a_booked_time(booked: BookedVisit) -> BookedTime:
    first, last = booked.starts_at - booked.before, booked.ends_at + booked.after
    return BookedTime(grain_of(booked.starts_at), grain_of(booked.ends_at), grain_of(first), grain_of(last))


def a_hold(number: int, held: HeldTime) -> Hold:
    taken = a_booked_time(held)
    visit, span = range(taken.visit_start, taken.visit_stop), range(taken.span_start, taken.span_stop)
    owner, service_id = VIEWER if held.own else STRANGER, SERVICE if held.counts else STRANGER
    return Hold(UUID(int=number), owner, service_id, DOCTOR, visit, span, held.until)


def busy_times_of(oracle: Oracle) -> BusyTimes:
    """Return the busy times as the database gives them: expired holds apart, and the starts that count against the caps."""
    holds = [a_hold(number, held) for number, held in enumerate(oracle.holds)]
    active = [hold for hold in holds if hold.is_active(oracle.now)]
    groups = [GroupOccupancy(UUID(int=1), SERVICE, a_booked_time(group), group.booked, group.held) for group in oracle.groups]
    counted: list[BookedVisit] = [visit for visit in (*oracle.booked, *oracle.groups) if visit.counts]
    held_by_others = [hold for hold in active if hold.service_id == SERVICE and hold.owner_id != VIEWER]
    return BusyTimes(
        booked=[*map(a_booked_time, oracle.booked), *(group.time for group in groups)],
        absences=[(grain_of(begin), grain_of(end)) for begin, end in oracle.away],
        holds=active,
        expired_holds=[hold for hold in holds if not hold.is_active(oracle.now)],
        sessions=groups,
        counted_starts=[*(grain_of(visit.starts_at) for visit in counted), *(hold.visit.start for hold in held_by_others)],
    )


def grid_of(oracle: Oracle, requested: range) -> AvailabilityGrid:
    service, doctor = ServiceTerms.from_rules(oracle.service), DoctorTerms.from_rules(oracle.doctor)
    patient = [BookedTime(grain_of(start), grain_of(end), grain_of(start), grain_of(end)) for start, end in oracle.patient]
    viewer = Viewer(oracle.now, VIEWER, is_staff=oracle.is_staff)
    return AvailabilityGrid.of(service, doctor, requested, viewer, busy_times_of(oracle), BusyTimes(patient))


@st.composite
def random_situations(draw: st.DrawFn) -> tuple[Oracle, range]:
    doctor, service, day = draw(clinics())
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    now = midnight + timedelta(seconds=draw(st.integers(-3 * 86400, 86400)))
    busy = [(booked.starts_at, booked.ends_at) for booked in draw(bookings(day))[:2]]
    others = draw(absences(day)), draw(held(day, now)), draw(groups(day, service))
    oracle = Oracle(doctor, service, now, draw(bookings(day)), busy, draw(st.booleans()), *others)
    first = grain_of(midnight) + draw(st.integers(-288, 288))
    return oracle, range(first, first + draw(st.integers(1, 200)))


@given(random_situations())
@settings(max_examples=300, deadline=None)
def test_the_reasons_against_every_start_are_those_of_the_oracle(situation: tuple[Oracle, range]) -> None:
    oracle, requested = situation
    availability_grid = grid_of(oracle, requested)
    expected = {
        grain: {reason.code for reason in availability.reasons_against(availability_grid, instant_of(grain))} for grain in requested
    }
    assert expected == {grain: oracle.reasons(instant_of(grain)) for grain in requested}


@given(random_situations())
@settings(max_examples=300, deadline=None)
def test_the_free_starts_are_those_without_reasons(situation: tuple[Oracle, range]) -> None:
    oracle, requested = situation
    availability_grid = grid_of(oracle, requested)
    free = [grain for grain in requested if not availability.reasons_against(availability_grid, instant_of(grain))]
    assert list(availability.free_starts(availability_grid)) == free


@given(random_situations(), st.integers(0, 199))
@settings(max_examples=200, deadline=None)
def test_a_start_has_the_same_reasons_alone_and_among_others(situation: tuple[Oracle, range], offset: int) -> None:
    oracle, requested = situation
    start = instant_of(requested[offset % len(requested)])
    alone = grid_of(oracle, range(grain_of(start), grain_of(start) + 1))
    assert availability.reasons_against(alone, start) == availability.reasons_against(grid_of(oracle, requested), start)


def rules(zone: str, start: str, end: str, step: int, weekday: int, duration: int = 30) -> tuple[DoctorRules, ServiceTypeRules]:
    window = {"weekday": weekday, "start": start, "end": end}
    return (
        DoctorRules.model_validate(
            {"id": "0" * 31 + "1", "full_name": "D", "time_zone": zone, "services": ["0" * 31 + "2"], "weekly": [window], "version": 1}
        ),
        ServiceTypeRules(
            id="0" * 31 + "2",
            name="S",
            duration_minutes=duration,
            slot_step_minutes=step,
            horizon_days=30,
            version=1,
        ),
    )


def listed(doctor: DoctorRules, service: ServiceTypeRules, day: datetime) -> list[str]:
    requested = range(grain_of(day - timedelta(days=1)), grain_of(day + timedelta(days=2)))
    availability_grid = AvailabilityGrid.of(
        ServiceTerms.from_rules(service), DoctorTerms.from_rules(doctor), requested, Viewer(day - timedelta(days=2))
    )
    return [instant_of(grain).strftime("%d %H:%M") for grain in availability.free_starts(availability_grid)]


def test_a_local_hour_that_does_not_exist_yields_nothing() -> None:
    berlin = rules("Europe/Berlin", "01:00", "04:00", 30, weekday=7)
    assert listed(*berlin, datetime(2026, 3, 29, tzinfo=UTC)) == ["29 00:00", "29 00:30", "29 01:00", "29 01:30"]


def test_a_local_hour_that_occurs_twice_yields_both_instants() -> None:
    berlin = rules("Europe/Berlin", "02:00", "03:00", 30, weekday=7)
    assert listed(*berlin, datetime(2026, 10, 25, tzinfo=UTC)) == ["25 00:00", "25 00:30", "25 01:00", "25 01:30"]


def test_a_visit_may_run_over_the_change_of_the_clocks() -> None:
    berlin = rules("Europe/Berlin", "01:30", "03:30", 60, weekday=7, duration=60)
    assert listed(*berlin, datetime(2026, 3, 29, tzinfo=UTC)) == ["29 00:30"]


def test_a_shift_of_half_an_hour_keeps_the_grid_on_the_clock() -> None:
    lord_howe = rules("Australia/Lord_Howe", "00:00", "05:00", 60, weekday=7)
    # +10:30 until 2:00, then +11:00: 2:00 does not exist, 3:00 is 16:00 of the day before in UTC.
    assert listed(*lord_howe, datetime(2026, 10, 4, tzinfo=UTC)) == ["03 13:30", "03 14:30", "03 16:00", "03 17:00"]


def test_a_zone_with_odd_quarters_keeps_its_own_hours() -> None:
    nepal = rules("Asia/Kathmandu", "09:00", "10:00", 30, weekday=5)
    assert listed(*nepal, datetime(2026, 5, 1, tzinfo=UTC)) == ["01 03:15", "01 03:45"]


def test_a_night_shift_belongs_to_the_evening() -> None:
    night = rules("UTC", "23:00", "01:00", 60, weekday=1, duration=60)
    assert listed(*night, datetime(2026, 3, 2, tzinfo=UTC)) == ["02 23:00", "03 00:00"]
