"""The transitions: from every status, every action does what the table says, or is refused with the allowed statuses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import product

import pytest

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.refusals import IllegalMove, TooEarly, TooLate
from appointment_svc.domain.transitions import TRANSITIONS, AppointmentStatus, allowed_statuses
from shared.contracts.http import Actor
from shared.contracts.identity import Caller
from shared.kit.ids import new_id
from tests.unit.appointment.builders import ADMIN, ANNA, DESK, DESK_ACTOR, DR_WEISS, NINE, NOON, TEN, a_change, an_appointment
from tests.unit.appointment.fakes import FakeClinic

S = AppointmentStatus
LATER = NINE + timedelta(hours=2)
BECOMES = {
    S.PENDING: {S.BOOKED, S.REQUESTED, S.REFUSED},
    S.REQUESTED: {S.BOOKED, S.DECLINED, S.CANCELLED, S.EXPIRED},
    S.BOOKED: {S.CHECKED_IN, S.CANCELLED, S.MISSED, S.REQUESTED},
    S.CHECKED_IN: {S.IN_PROGRESS, S.COMPLETED},
    S.IN_PROGRESS: {S.COMPLETED},
}
LEADS_TO = {
    "approve": {S.REQUESTED: S.BOOKED},
    "decline": {S.REQUESTED: S.DECLINED},
    "expire": {S.REQUESTED: S.EXPIRED},
    "cancel": {S.REQUESTED: S.CANCELLED, S.BOOKED: S.CANCELLED, S.CANCELLED: S.CANCELLED},
    "check_in": {S.BOOKED: S.CHECKED_IN},
    "start": {S.CHECKED_IN: S.IN_PROGRESS},
    "complete": {S.CHECKED_IN: S.COMPLETED, S.IN_PROGRESS: S.COMPLETED},
    "miss": {S.BOOKED: S.MISSED},
    "reschedule": {S.REQUESTED: S.REQUESTED, S.BOOKED: S.BOOKED},
    "reassign": {S.REQUESTED: S.REQUESTED, S.BOOKED: S.BOOKED},
    "restore": {S.CANCELLED: S.BOOKED, S.DECLINED: S.BOOKED, S.MISSED: S.BOOKED, S.CHECKED_IN: S.BOOKED},
}
ALLOWED = {status: sorted(BECOMES.get(status, ())) for status in S} | {
    **{status: [S.BOOKED] for status in (S.CANCELLED, S.DECLINED, S.MISSED)},
    S.CHECKED_IN: [S.BOOKED, S.COMPLETED, S.IN_PROGRESS],
}


async def act(clinic: FakeClinic, action: str, appointment: Appointment) -> Appointment:
    context, actions = clinic.context(DESK, appointment), clinic.actions
    if action == "expire":
        return await clinic.synchronizer.complete_pending(await clinic.store.save(appointment.expire(a_change(DESK_ACTOR, clinic.clock()))))
    if action in ("reschedule", "reassign"):
        colleague = next(doctor_id for doctor_id in clinic.doctors if doctor_id != appointment.doctor_id) if action == "reassign" else None
        return await actions.reschedule(context, starts_at=TEN if action == "reschedule" else None, doctor_id=colleague)
    reason = (None,) if action in ("cancel", "decline") else ()
    after: Appointment = await getattr(actions, action)(context, *reason)
    return after


def test_the_transitions_are_the_agreed_ones() -> None:
    assert {status: set(moves) for status, moves in TRANSITIONS.items()} == {status: BECOMES.get(status, set()) for status in S}
    assert {status: allowed_statuses(status) for status in S} == ALLOWED


@pytest.mark.parametrize(("action", "status"), list(product(LEADS_TO, [status for status in S if status is not S.PENDING])))
async def test_every_action_from_every_status(action: str, status: AppointmentStatus) -> None:
    clinic = FakeClinic()
    before = clinic.add(an_appointment(status))
    clinic.clock.set(LATER)
    becomes = LEADS_TO[action].get(status)
    if becomes is None:
        with pytest.raises(IllegalMove) as refusal:
            await act(clinic, action, before)
        assert (refusal.value.facts, clinic.topics) == ({"allowed": ALLOWED[status]}, [])
        return
    after = await act(clinic, action, before)
    assert (after.status, clinic.inconsistencies()) == (becomes, [])
    assert len(clinic.topics) == after.version - before.version == (0 if (action, status) == ("cancel", S.CANCELLED) else 1)


@pytest.mark.parametrize(
    ("status", "wanted"),
    list(product(S, [status for status in S if status not in (S.PENDING, S.REQUESTED, S.REFUSED, S.EXPIRED)])),
)
def test_every_status_from_every_other(status: AppointmentStatus, wanted: AppointmentStatus) -> None:
    appointment = an_appointment(status)

    def step() -> Appointment:
        return appointment.transition_to(wanted, a_change(DESK_ACTOR, LATER, note="because"))

    restores = wanted is S.BOOKED and status in (S.CANCELLED, S.DECLINED, S.MISSED, S.CHECKED_IN)
    if wanted is status:
        assert step() == appointment
    elif restores or (wanted in BECOMES.get(status, ()) and status is not S.PENDING):
        after = step()
        assert (after.sync.intent.note if after.sync.intent and restores else after.history[-1].note) == "because"
    elif status is not S.PENDING:
        with pytest.raises(IllegalMove):
            step()


@pytest.mark.parametrize("action", [action for action in LEADS_TO if action not in ("expire", "restore")])
async def test_a_pending_booking_is_completed_before_any_action(action: str) -> None:
    clinic = FakeClinic()
    clinic.clock.set(LATER)
    pending = clinic.add(an_appointment(S.PENDING))
    allowed = S.BOOKED in LEADS_TO[action]
    if allowed:
        assert (await act(clinic, action, pending)).status is LEADS_TO[action][S.BOOKED]
    else:
        with pytest.raises(IllegalMove) as refusal:
            await act(clinic, action, pending)
        assert refusal.value.facts["allowed"] == ALLOWED[S.BOOKED]
    assert clinic.topics[:1] == ["booked"]
    assert clinic.inconsistencies() == []


@pytest.mark.parametrize(("minutes", "refused"), [(-1, True), (0, False), (1, False)])
@pytest.mark.parametrize("caller", [ANNA, DR_WEISS])
def test_a_cut_off_is_elapsed_time_and_includes_its_last_moment(minutes: int, refused: bool, caller: Caller) -> None:
    appointment = an_appointment(service={"cancel_cutoff_minutes": 120, "reschedule_cutoff_minutes": 120})
    change = a_change(Actor.from_caller(caller), NINE - timedelta(minutes=120 + minutes))
    assert is_too_late(lambda: appointment.cancel(change)) is refused
    assert is_too_late(lambda: appointment.reschedule(change, starts_at=TEN)) is refused


def is_too_late(action: Callable[[], Appointment]) -> bool:
    try:
        action()
    except TooLate:
        return True
    return False


def test_staff_are_never_too_late() -> None:
    appointment = an_appointment(service={"cancel_cutoff_minutes": 1440})
    for caller in (DESK, ADMIN):
        assert appointment.cancel(a_change(Actor.from_caller(caller), NINE)).status is S.CANCELLED


def test_an_appointment_cannot_be_missed_before_its_start() -> None:
    appointment = an_appointment()
    with pytest.raises(TooEarly):
        appointment.miss(a_change(DESK_ACTOR, NINE - timedelta(seconds=1)))
    assert appointment.miss(a_change(DESK_ACTOR, NINE)).status is S.MISSED


def test_a_history_entry_has_actor_action_time_and_the_state_before_and_after() -> None:
    operation_id = new_id()
    entry = an_appointment().cancel(a_change(operation_id=operation_id, note="ill")).history[-1]
    assert (entry.id, entry.at, entry.actor, entry.action, entry.note) == (operation_id, NOON, DESK_ACTOR, "cancelled", "ill")
    assert (entry.before["status"], entry.after["status"], entry.before["starts_at"]) == ("booked", "cancelled", "2026-03-09T08:00:00Z")


def test_an_event_contains_no_names_or_reasons() -> None:
    appointment = an_appointment(reason="knee", intake={"pain": "yes"})
    unsaved = appointment.cancel(a_change(note="better")).unsaved_change
    assert unsaved is not None
    event = unsaved.event
    assert event is not None
    text = event.model_dump_json()
    for word in ("Anna", "Weiss", "Knee", "knee", "pain", "better", "Room"):
        assert word not in text
    assert (event.topic, event.version, event.sequence, event.actor) == ("appointment.cancelled.v1", appointment.version + 1, 1, DESK_ACTOR)


def test_every_change_is_a_line_of_the_audit_trail_with_states_and_without_texts() -> None:
    appointment = an_appointment()
    change = a_change(note="a secret reason")
    unsaved = appointment.cancel(change).unsaved_change
    assert unsaved is not None
    line = unsaved.audit
    assert (line.action, line.actor_id, line.actor_role, line.relation) == (
        "appointment.cancelled",
        change.actor.id,
        change.actor.role,
        change.actor.role.value,
    )
    assert (line.subject_id, line.row_id, line.occurred_at, line.outcome) == (appointment.patient_id, unsaved.entry.id, change.at, "done")
    assert line.before == {"appointment_id": str(appointment.id), **unsaved.entry.before}
    assert line.after == {"appointment_id": str(appointment.id), **unsaved.entry.after}
    assert (line.before["status"], line.after["status"]) == ("booked", "cancelled")
    assert "secret" not in line.model_dump_json()
