"""The periodic jobs: unanswered requests expire, and reservations and appointments are compared both ways."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.snapshots import PatientSnapshot
from appointment_svc.domain.transitions import AppointmentStatus
from appointment_svc.usecases.reconcile import BATCH
from shared.contracts.http import Reservation
from shared.contracts.refusals import Conflict, Unavailable
from shared.kit.ids import new_id
from tests.unit.appointment.builders import COLLEAGUE, DESK, HALF, NINE, NOON, STRANGER, TEN, an_appointment, with_sync
from tests.unit.appointment.fakes import FakeCalendar, FakeClinic, ProcessStopped

SECOND = timedelta(seconds=1)


@pytest.fixture
def clinic() -> FakeClinic:
    """A clinic whose clock is a minute after the creation of its appointments."""
    clinic = FakeClinic()
    clinic.clock.advance(timedelta(minutes=1))
    return clinic


async def test_an_unanswered_request_expires_at_its_start(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment(AppointmentStatus.REQUESTED))
    clinic.clock.set(NINE - SECOND)
    assert await clinic.reconciliation.expire_requests() == 0
    clinic.clock.set(NINE)
    assert [await clinic.reconciliation.expire_requests(), await clinic.reconciliation.expire_requests()] == [1, 0]
    assert (clinic.store.appointments[appointment.id].status, clinic.topics, clinic.inconsistencies()) == (
        AppointmentStatus.EXPIRED,
        ["expired"],
        [],
    )
    assert clinic.store.appointments[appointment.id].history[-1].actor.role == "system"


async def test_a_request_that_was_approved_meanwhile_does_not_expire(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment(AppointmentStatus.REQUESTED))
    clinic.clock.set(NINE)
    clinic.store.saved_meanwhile = [replace(appointment, status=AppointmentStatus.BOOKED, version=3)]
    assert await clinic.reconciliation.expire_requests() == 0
    assert clinic.store.appointments[appointment.id].status is AppointmentStatus.BOOKED


async def test_an_expiry_does_not_wait_for_the_calendar(clinic: FakeClinic) -> None:
    clinic.add(an_appointment(AppointmentStatus.REQUESTED))
    clinic.clock.set(NINE)
    clinic.calendar.failure = Unavailable()
    assert await clinic.reconciliation.expire_requests() == 1
    await clinic.restart()
    assert (clinic.topics, clinic.inconsistencies()) == (["expired"], [])


async def test_where_both_sides_agree_nothing_changes(clinic: FakeClinic) -> None:
    for number in range(3):
        clinic.add(an_appointment(starts_at=NINE + number * timedelta(hours=1)))
    before = dict(clinic.store.appointments), dict(clinic.calendar.reservations)
    await clinic.reconciliation.reconcile()
    assert (clinic.store.appointments, clinic.calendar.reservations) == before


@pytest.mark.parametrize("status", [AppointmentStatus.BOOKED, AppointmentStatus.CHECKED_IN])
async def test_a_reservation_that_has_not_followed_a_merge_becomes_the_targets(clinic: FakeClinic, status: AppointmentStatus) -> None:
    appointment = clinic.add(an_appointment(status))
    merged = replace(appointment, patient=PatientSnapshot(STRANGER, "Bo Lind"))
    clinic.store.appointments[appointment.id] = merged
    await clinic.reconciliation.reconcile()
    assert clinic.calendar.reservations[appointment.id].patient_id == STRANGER
    after = clinic.store.appointments[appointment.id]
    assert (after.version, clinic.topics, clinic.inconsistencies()) == (merged.version, [], [])
    await clinic.reconciliation.reconcile()
    assert clinic.store.appointments[appointment.id] == after, "both sides agree"


async def test_a_reservation_without_its_appointment_is_released(clinic: FakeClinic) -> None:
    clinic.reserve_for(an_appointment())
    cancelled = clinic.add(an_appointment(AppointmentStatus.CANCELLED, starts_at=TEN))
    clinic.reserve_for(cancelled)
    await clinic.reconciliation.reconcile()
    assert clinic.calendar.reservations == {}


async def test_the_reservation_of_a_pending_or_just_changed_appointment_is_left_alone(clinic: FakeClinic) -> None:
    pending = clinic.add(an_appointment(AppointmentStatus.PENDING))
    fresh = clinic.add(an_appointment(AppointmentStatus.CANCELLED, starts_at=TEN, updated_at=clinic.clock() - SECOND))
    clinic.reserve_for(pending)
    clinic.reserve_for(fresh)
    await clinic.reconciliation.reconcile()
    assert set(clinic.calendar.reservations) == {pending.id, fresh.id}


@pytest.mark.parametrize("status", [AppointmentStatus.BOOKED, AppointmentStatus.REQUESTED])
async def test_an_appointment_without_its_reservation_reserves_its_time_again(clinic: FakeClinic, status: AppointmentStatus) -> None:
    appointment = clinic.add(an_appointment(status))
    clinic.calendar.reservations.clear()
    await clinic.reconciliation.reconcile()
    saved = clinic.store.appointments[appointment.id]
    assert (clinic.inconsistencies(), clinic.topics) == ([], [])
    assert (saved.version, saved.status, saved.history) == (appointment.version, appointment.status, appointment.history)


async def test_an_appointment_whose_reservation_was_released_is_cancelled(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())
    await clinic.calendar.release(appointment.id, appointment.sync.revision)
    await clinic.reconciliation.reconcile()
    assert (clinic.inconsistencies(), clinic.store.appointments[appointment.id].status) == ([], AppointmentStatus.CANCELLED)


async def test_an_appointment_whose_reservation_is_elsewhere_follows_it(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())
    clinic.reserve_for(with_sync(replace(appointment, starts_at=TEN), revision=2))
    await clinic.reconciliation.reconcile()
    assert (clinic.inconsistencies(), clinic.store.appointments[appointment.id].starts_at) == ([], TEN)


def clinic_without_reservation(stop_at: int | None = None) -> tuple[FakeClinic, Appointment]:
    """A clinic with an appointment whose reservation is missing in the calendar."""
    clinic = FakeClinic()
    clinic.clock.advance(timedelta(minutes=1))
    appointment = clinic.add(an_appointment())
    clinic.calendar.reservations.clear()
    clinic.stop_points.stop_at = stop_at
    return clinic, appointment


async def test_a_process_that_stops_while_reconciling_is_finished_by_the_jobs() -> None:
    clinic, _ = clinic_without_reservation()
    await clinic.reconciliation.reconcile()
    points = clinic.stop_points.count
    assert points >= 4
    for point in range(points):
        clinic, appointment = clinic_without_reservation(stop_at=point)
        with pytest.raises(ProcessStopped):
            await clinic.reconciliation.reconcile()
        await clinic.restart()
        await clinic.reconciliation.reconcile()
        assert (clinic.inconsistencies(), clinic.store.appointments[appointment.id].status) == ([], AppointmentStatus.BOOKED), point


async def test_when_the_event_of_a_leave_was_lost_the_appointment_follows_its_reservation(clinic: FakeClinic) -> None:
    moved, cancelled = (
        clinic.add(an_appointment()),
        clinic.add(an_appointment(starts_at=TEN, patient=replace(an_appointment().patient, id=STRANGER))),
    )
    events = [clinic.take_leave(moved, "moved", starts_at=NINE, ends_at=NINE + HALF), clinic.take_leave(cancelled)]
    await clinic.reconciliation.reconcile()
    assert (clinic.store.appointments[moved.id].slot, clinic.store.appointments[cancelled.id].status) == (
        (NINE, COLLEAGUE),
        AppointmentStatus.CANCELLED,
    )
    for event in events:
        await clinic.leaves.follow_leave(event)
    assert (sorted(clinic.topics), clinic.inconsistencies()) == (["cancelled", "rescheduled"], [])


@pytest.mark.parametrize(("action", "status"), [("cancelled", AppointmentStatus.CANCELLED), ("moved", AppointmentStatus.BOOKED)])
async def test_a_leave_stays_in_effect_when_a_move_was_refused_before_its_event_arrived(
    clinic: FakeClinic, action: str, status: AppointmentStatus
) -> None:
    appointment = clinic.add(an_appointment())
    event = clinic.take_leave(appointment, action)
    with pytest.raises(Conflict):
        await clinic.actions.reschedule(clinic.context(DESK, appointment), starts_at=TEN + HALF)
    clinic.clock.advance(timedelta(minutes=10))
    await clinic.reconciliation.reconcile()
    await clinic.leaves.follow_leave(event)
    assert (clinic.store.appointments[appointment.id].status, len(clinic.topics), clinic.inconsistencies()) == (status, 1, [])
    assert action == "cancelled" or clinic.store.appointments[appointment.id].slot == (TEN, COLLEAGUE)


@pytest.mark.parametrize("status", [AppointmentStatus.CHECKED_IN, AppointmentStatus.IN_PROGRESS])
async def test_a_begun_appointment_without_its_reservation_reserves_its_time_beside_another(
    clinic: FakeClinic, status: AppointmentStatus
) -> None:
    appointment = clinic.add(an_appointment(status))
    clinic.calendar.reservations.clear()
    rival = clinic.add(an_appointment(patient=replace(appointment.patient, id=new_id())))
    await clinic.reconciliation.reconcile()
    assert (set(clinic.calendar.reservations), clinic.store.appointments[appointment.id].status, clinic.topics) == (
        {appointment.id, rival.id},
        status,
        [],
    )


async def test_a_time_that_someone_else_has_reserved_is_not_taken_away(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())
    clinic.calendar.reservations.clear()
    rival = clinic.add(an_appointment(patient=replace(appointment.patient, id=new_id())))
    await clinic.reconciliation.reconcile()
    assert (set(clinic.calendar.reservations), clinic.store.appointments[appointment.id].status) == ({rival.id}, AppointmentStatus.BOOKED)


async def test_past_appointments_are_not_reconciled(clinic: FakeClinic) -> None:
    clinic.add(an_appointment())
    clinic.calendar.reservations.clear()
    clinic.clock.set(NINE + timedelta(days=1))
    await clinic.reconciliation.reconcile()
    assert clinic.calendar.requests == []


async def test_an_appointment_that_is_moved_during_the_comparison_is_left_alone(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())
    reservation = clinic.calendar.reservations[appointment.id]
    await clinic.actions.reschedule(clinic.context(DESK, appointment), starts_at=TEN)
    assert await clinic.reconciliation._correct(appointment, None) == await clinic.reconciliation._correct(appointment, reservation) == 0
    assert clinic.store.appointments[appointment.id].updated_at > NOON


async def test_a_move_of_an_appointment_without_reservation_is_refused_and_stays_refused(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())
    clinic.calendar.reservations.clear()
    for start in (NINE, TEN):
        clinic.add(an_appointment(starts_at=start, patient=replace(appointment.patient, id=new_id())))
    context = clinic.context(DESK, appointment)
    for _ in range(2):
        with pytest.raises(Conflict, match="The time slot is already booked"):
            await clinic.actions.reschedule(context, starts_at=TEN)
    assert len(clinic.calendar.requests) == 2


async def test_an_appointment_that_cannot_be_corrected_does_not_stop_the_others(clinic: FakeClinic) -> None:
    """The first has a reservation with a doctor whose details are not available."""
    first, second = (
        clinic.add(an_appointment()),
        clinic.add(an_appointment(starts_at=TEN, patient=replace(an_appointment().patient, id=STRANGER))),
    )
    clinic.take_leave(first, "moved", starts_at=NINE, ends_at=NINE + HALF)
    clinic.take_leave(second)
    clinic.doctor_service_down = True
    await clinic.reconciliation.reconcile()
    assert clinic.store.appointments[first.id] == first
    assert clinic.store.appointments[second.id].status is AppointmentStatus.CANCELLED


async def test_an_unexpected_failure_of_one_appointment_does_not_stop_the_retry_of_the_others(clinic: FakeClinic) -> None:
    broken, pending = (
        clinic.add(an_appointment(AppointmentStatus.PENDING)),
        clinic.add(an_appointment(AppointmentStatus.PENDING, starts_at=TEN)),
    )
    complete_pending = clinic.synchronizer.complete_pending

    class FailingSynchronizer:
        async def complete_pending(self, appointment: Appointment) -> Appointment:
            if appointment.id == broken.id:
                raise ZeroDivisionError
            return await complete_pending(appointment)

    reconciliation = replace(clinic.reconciliation, synchronizer=FailingSynchronizer())  # type: ignore[arg-type]
    assert await reconciliation.retry_pending() == 1
    assert clinic.store.appointments[pending.id].status is AppointmentStatus.BOOKED


async def test_requests_that_keep_failing_do_not_hide_newer_ones(clinic: FakeClinic) -> None:
    """The job reads a hundred at once, and more than that fail."""
    failing = [clinic.add(an_appointment(AppointmentStatus.PENDING)) for _ in range(BATCH + 20)]
    newest = clinic.add(an_appointment(AppointmentStatus.PENDING, starts_at=TEN))
    reconciliation = replace(clinic.reconciliation, synchronizer=synchronizer_without(clinic, failing))
    assert [await reconciliation.retry_pending() for _ in range(2)] == [0, 1]
    assert clinic.store.appointments[newest.id].status is AppointmentStatus.BOOKED


async def test_a_request_is_retried_after_a_pause_as_long_as_it_has_waited_and_within_a_minute(clinic: FakeClinic) -> None:
    appointment, attempts = clinic.add(an_appointment(AppointmentStatus.PENDING)), list[float]()

    class Synchronizer:
        async def complete_pending(self, appointment: Appointment) -> Appointment:
            attempts.append((clinic.clock() - NOON).total_seconds())
            raise Unavailable

    clinic.clock.set(NOON)
    reconciliation = replace(clinic.reconciliation, synchronizer=Synchronizer())  # type: ignore[arg-type]
    for _ in range(48):
        clinic.clock.advance(timedelta(seconds=5))
        await reconciliation.retry_pending()
    assert attempts == [45, 90, 150, 210]
    await clinic.restart()
    assert clinic.store.appointments[appointment.id].status is AppointmentStatus.BOOKED


async def test_unanswered_requests_that_cannot_expire_do_not_hide_later_ones(clinic: FakeClinic) -> None:
    failing = [an_appointment(AppointmentStatus.REQUESTED) for _ in range(BATCH + 20)]
    clinic.store.appointments |= {appointment.id: appointment for appointment in failing}
    last = clinic.add(an_appointment(AppointmentStatus.REQUESTED, starts_at=TEN))
    clinic.clock.set(TEN)
    save = clinic.store.save

    async def save_others(appointment: Appointment) -> Appointment:
        if appointment.id in {other.id for other in failing}:
            raise ZeroDivisionError
        return await save(appointment)

    clinic.store.save = save_others  # type: ignore[method-assign]
    assert await clinic.reconciliation.expire_requests() == 1
    assert clinic.store.appointments[last.id].status is AppointmentStatus.EXPIRED


def synchronizer_without(clinic: FakeClinic, failing: list[Appointment]) -> Any:
    """Return the clinic's synchronizer, except that it fails for some appointments."""
    failing_ids, complete_pending = {appointment.id for appointment in failing}, clinic.synchronizer.complete_pending

    class Synchronizer:
        async def complete_pending(self, appointment: Appointment) -> Appointment:
            if appointment.id in failing_ids:
                raise ZeroDivisionError
            return await complete_pending(appointment)

    return Synchronizer()


async def test_an_operator_can_allow_more_releases(clinic: FakeClinic) -> None:
    orphans = [reservation_of(an_appointment()) for _ in range(25)]
    clinic.calendar.reservations = {reservation.appointment_id: reservation for reservation in orphans}
    one_page = replace(clinic.calendar)
    one_page.list_live = all_in_one_page(one_page)  # type: ignore[method-assign]
    reconciliation = replace(clinic.reconciliation, calendar=one_page)
    for max_releases, left in ((24, 25), (25, 0)):
        await replace(reconciliation, max_releases=max_releases).reconcile()
        assert len(one_page.reservations) == left


async def test_what_is_over_is_neither_listed_nor_released(clinic: FakeClinic) -> None:
    clinic.reserve_for(an_appointment())
    clinic.clock.set(NINE + timedelta(days=1))
    await clinic.reconciliation.reconcile()
    assert len(clinic.calendar.reservations) == 1


@pytest.mark.parametrize(("orphans", "others", "stops"), [(20, 0, False), (21, 0, True), (30, 2970, False), (30, 2969, True)])
async def test_too_many_releases_stop_the_job_before_the_first_one(clinic: FakeClinic, orphans: int, others: int, stops: bool) -> None:
    """An appointment without its reservation is not corrected either: a person must look first."""
    stopped: list[None] = []
    reconciliation = replace(clinic.reconciliation, count_stopped=lambda: stopped.append(None))
    pages = [reservation_of(an_appointment()) for _ in range(orphans)]
    known = [an_appointment() for _ in range(others)]
    clinic.store.appointments |= {appointment.id: appointment for appointment in known}
    clinic.calendar.reservations = {reservation.appointment_id: reservation for reservation in [*pages, *map(reservation_of, known)]}
    without_reservation = an_appointment(starts_at=TEN)
    clinic.store.appointments[without_reservation.id] = without_reservation
    one_page = replace(clinic.calendar)
    one_page.list_live = all_in_one_page(one_page)  # type: ignore[method-assign]
    await replace(reconciliation, calendar=one_page, synchronizer=replace(clinic.synchronizer, calendar=one_page)).reconcile()
    assert (len(stopped), len(one_page.reservations)) == ((1, orphans + others) if stops else (0, others + 1))


def reservation_of(appointment: Appointment) -> Reservation:
    clinic = FakeClinic()
    clinic.reserve_for(appointment)
    return clinic.calendar.reservations[appointment.id]


def all_in_one_page(calendar: FakeCalendar) -> Any:
    async def list_live(_ends_after: datetime, _after: str | None) -> tuple[list[Reservation], str | None]:
        return list(calendar.reservations.values()), None

    return list_live
