"""The appointments of a merged patient become those of the patient into whom they were merged, whatever stops or fails meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.snapshots import ERASED_NAME, PatientSnapshot
from appointment_svc.domain.transitions import TOPICS, AppointmentStatus
from appointment_svc.ports import StoredAppointment
from shared.contracts.events import PatientMerged
from shared.contracts.refusals import Unavailable
from shared.kit.ids import new_id
from tests.unit.appointment.builders import DESK, NINE, NOON, PATIENT, STRANGER, TEN, a_change, a_patient, an_appointment
from tests.unit.appointment.fakes import FakeClinic, ProcessStopped

S = AppointmentStatus
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LAST = UUID(int=0xC)


def a_clinic() -> FakeClinic:
    """A clinic in which Anna is about to be merged into Bo."""
    clinic = FakeClinic()
    clinic.patients[STRANGER] = a_patient(id=STRANGER, full_name="Bo Lind")
    clinic.patients[LAST] = a_patient(id=LAST, full_name="Cy Lind")
    return clinic


async def merge(clinic: FakeClinic, patient_id: UUID = PATIENT, into: UUID = STRANGER) -> None:
    """Merge a patient in patient-service, and deliver the event."""
    clinic.patients.pop(patient_id, None)
    clinic.merged_into = {old: into if new == patient_id else new for old, new in clinic.merged_into.items()} | {patient_id: into}
    await clinic.merge_follower.note_merge(PatientMerged(id=new_id(), occurred_at=NOON, patient_id=patient_id, into=into, version=2))


async def finish(clinic: FakeClinic) -> None:
    """Run the job until a minute has passed and it has nothing left to do."""
    for pause in (timedelta(), MINUTE, timedelta()):
        clinic.clock.advance(pause)
        await clinic.merge_follower.follow_merges()


async def merge_and_finish(clinic: FakeClinic) -> None:
    await merge(clinic)
    await finish(clinic)


def stored(clinic: FakeClinic, appointment: Appointment) -> Appointment:
    return clinic.store.appointments[appointment.id]


@pytest.mark.parametrize("status", list(S))
async def test_an_appointment_in_every_status_is_changed_once(status: AppointmentStatus) -> None:
    clinic = a_clinic()
    before = clinic.add(an_appointment(status))
    await merge(clinic)
    await finish(clinic)
    after, booked = stored(clinic, before), status is S.PENDING
    assert (after.patient.id, after.patient.full_name, after.former_patient_ids) == (STRANGER, "Bo Lind", (PATIENT,))
    assert (after.version, after.sequence) == (before.version + 1 + booked, before.sequence)
    assert (after.history[-1].action, after.history[-1].actor.role) == ("amended", "system")
    assert len(after.history) == len(before.history) + 1 + booked
    is_announced = status in TOPICS or booked
    amended = [event for event in clinic.store.events if event.topic == "appointment.amended.v1"]
    assert [(event.changed, event.patient_id, event.version, event.status) for event in amended] == (
        [(["patient"], STRANGER, after.version, after.status.value)] if is_announced else []
    )
    assert clinic.store.followed_patients == {PATIENT}


async def test_the_target_of_one_merge_that_is_merged_itself_hands_everything_on() -> None:
    clinic = a_clinic()
    early, late = clinic.add(an_appointment()), clinic.add(an_appointment(starts_at=TEN))
    await merge(clinic)
    await finish(clinic)
    await merge(clinic, STRANGER, LAST)
    await finish(clinic)
    for appointment in (early, late):
        assert (stored(clinic, appointment).patient_id, stored(clinic, appointment).former_patient_ids) == (LAST, (PATIENT, STRANGER))
    assert [event.patient_id for event in clinic.store.events if event.appointment_id == early.id] == [STRANGER, LAST]


@pytest.mark.parametrize("second_event", ["late", "first"])
async def test_two_merges_whose_events_come_late_or_in_the_wrong_order_end_with_the_last_patient(second_event: str) -> None:
    clinic = a_clinic()
    own, other = clinic.add(an_appointment()), clinic.add(an_appointment(patient=PatientSnapshot(STRANGER, "Bo Lind"), starts_at=TEN))
    clinic.merged_into, clinic.patients = {PATIENT: LAST, STRANGER: LAST}, {LAST: clinic.patients[LAST]}
    events = [(PATIENT, STRANGER), (STRANGER, LAST)]
    for old, new in events if second_event == "late" else reversed(events):
        await clinic.merge_follower.note_merge(PatientMerged(id=new_id(), occurred_at=NOON, patient_id=old, into=new, version=2))
        await clinic.merge_follower.follow_merges()
    await finish(clinic)
    assert {stored(clinic, appointment).patient_id for appointment in (own, other)} == {LAST}
    assert [event.changed for event in clinic.store.events] == [["patient"]] * 2, "each was changed once"
    assert clinic.store.followed_patients == {PATIENT, STRANGER}


async def test_where_the_target_was_erased_the_appointments_are_erased_too_and_nothing_is_left_to_follow() -> None:
    clinic = a_clinic()
    ahead, over = (clinic.add(an_appointment(starts_at=start, reason="knee", intake={"pain": "yes"})) for start in (NINE, NOON - HOUR))
    await merge(clinic)
    del clinic.patients[STRANGER]
    await finish(clinic)
    for appointment, status in ((ahead, S.CANCELLED), (over, S.BOOKED)):
        after = stored(clinic, appointment)
        assert (after.status, after.patient_id, after.patient.full_name) == (status, STRANGER, ERASED_NAME)
        assert (after.reason, after.intake, {entry.note for entry in after.history}) == (None, None, {None})
    assert clinic.store.followed_patients == {PATIENT}
    assert clinic.inconsistencies() == []


async def test_a_booking_that_is_stored_after_the_first_run_follows_with_the_second() -> None:
    clinic = a_clinic()
    await merge(clinic)
    await clinic.merge_follower.follow_merges()
    late = clinic.add(an_appointment(S.PENDING))
    await clinic.merge_follower.follow_merges()
    assert stored(clinic, late).patient_id == PATIENT
    await finish(clinic)
    assert (stored(clinic, late).patient_id, stored(clinic, late).status) == (STRANGER, S.BOOKED)
    assert (clinic.topics, clinic.without_answers) == (["booked", "amended"], [PATIENT])
    assert clinic.store.followed_patients == {PATIENT}


async def test_a_process_that_stops_while_following_is_finished_by_the_next_one() -> None:
    def prepared(stop_at: int | None, *, is_erased: bool) -> FakeClinic:
        clinic = a_clinic()
        clinic.add(an_appointment(reason="knee"))
        clinic.add(an_appointment(starts_at=TEN, reason="hip"))
        if is_erased:
            del clinic.patients[STRANGER]
        clinic.stop_points.stop_at = stop_at
        return clinic

    for is_erased in (False, True):
        clinic = prepared(None, is_erased=is_erased)
        await merge_and_finish(clinic)
        for point in range(clinic.stop_points.count):
            clinic = prepared(point, is_erased=is_erased)
            with pytest.raises(ProcessStopped):
                await merge_and_finish(clinic)
            await clinic.restart()
            clinic.merge_follower.reviewed.clear()
            await merge_and_finish(clinic)  # the event of a process that stopped is delivered again
            patients = {(saved.patient_id, saved.reason) for saved in clinic.store.appointments.values()}
            assert patients == ({(STRANGER, None)} if is_erased else {(STRANGER, "knee"), (STRANGER, "hip")}), point
            amended = [event for event in clinic.store.events if event.topic == "appointment.amended.v1" and event.patient_id == STRANGER]
            assert ([event.changed for event in amended], clinic.inconsistencies()) == ([["patient"]] * 2, []), point
            assert clinic.store.followed_patients == {PATIENT}, point


async def test_an_appointment_that_changes_meanwhile_follows_all_the_same() -> None:
    clinic = a_clinic()
    appointment = clinic.add(an_appointment())
    clinic.store.saved_meanwhile = [appointment.amend({"reason": "knee"}, a_change())]
    await merge(clinic)
    await clinic.merge_follower.follow_merges()
    assert (stored(clinic, appointment).reason, stored(clinic, appointment).patient_id) == ("knee", STRANGER)


async def test_an_appointment_that_moves_to_an_earlier_time_while_the_list_is_read_is_not_forgotten() -> None:
    clinic, moved = a_clinic(), an_appointment(starts_at=NINE - HOUR)
    clinic.add(an_appointment())
    await merge(clinic)
    clinic.clock.advance(MINUTE)
    list_of_patient = clinic.store.list_of_patient

    async def list_while_it_moves(patient_id: UUID, limit: int, after: StoredAppointment | None) -> list[Appointment]:
        if after is not None and moved.id not in clinic.store.appointments:
            clinic.add(moved)
        return await list_of_patient(patient_id, limit, after)

    clinic.store.list_of_patient = list_while_it_moves  # type: ignore[method-assign]
    for _ in range(3):
        await clinic.merge_follower.follow_merges()
    assert (stored(clinic, moved).patient_id, clinic.store.followed_patients) == (STRANGER, {PATIENT})


async def test_an_appointment_that_fails_stops_neither_the_others_nor_its_own_next_try() -> None:
    clinic = a_clinic()
    stuck, other = clinic.add(an_appointment(S.PENDING)), clinic.add(an_appointment(starts_at=TEN))
    clinic.calendar.failure = Unavailable()
    await merge(clinic)
    await finish(clinic)
    assert [stored(clinic, appointment).patient_id for appointment in (stuck, other)] == [PATIENT, STRANGER]
    assert clinic.store.followed_patients == set()
    clinic.calendar.failure = None
    await finish(clinic)
    assert (stored(clinic, stuck).patient_id, clinic.store.followed_patients) == (STRANGER, {PATIENT})


async def test_a_patient_whose_appointments_cannot_be_listed_does_not_stop_the_others() -> None:
    clinic = a_clinic()
    appointment = clinic.add(an_appointment())
    unlisted = UUID(int=1)
    list_of_patient = clinic.store.list_of_patient

    async def list_of_others(patient_id: UUID, *arguments: Any) -> list[Appointment]:
        if patient_id == unlisted:
            raise ZeroDivisionError
        return await list_of_patient(patient_id, *arguments)

    clinic.store.list_of_patient = list_of_others  # type: ignore[method-assign, assignment]
    for patient_id in (unlisted, PATIENT):
        await merge(clinic, patient_id)
    await finish(clinic)
    assert (stored(clinic, appointment).patient_id, clinic.store.followed_patients) == (STRANGER, {PATIENT})


async def test_nothing_is_changed_while_patient_service_does_not_answer() -> None:
    clinic = a_clinic()
    appointment = clinic.add(an_appointment())
    await merge(clinic)
    clinic.patient_service_down = True
    await finish(clinic)
    assert (stored(clinic, appointment), clinic.store.followed_patients) == (appointment, set())
    clinic.patient_service_down = False
    await finish(clinic)
    assert stored(clinic, appointment).patient_id == STRANGER


async def test_the_calendar_and_the_appointment_agree_after_the_visit_is_moved_cancelled_and_restored_for_the_target() -> None:
    clinic = a_clinic()
    appointment = clinic.add(an_appointment())
    await merge(clinic)
    await finish(clinic)
    await clinic.actions.reschedule(clinic.context(DESK, appointment), starts_at=TEN)
    await clinic.actions.cancel(clinic.context(DESK, appointment), None)
    await clinic.actions.restore(clinic.context(DESK, appointment))
    assert [request.patient_id for request in clinic.calendar.requests] == [STRANGER] * 2
    assert (stored(clinic, appointment).status, clinic.inconsistencies()) == (S.BOOKED, [])
