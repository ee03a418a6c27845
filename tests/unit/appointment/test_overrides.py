"""Overrides: who may lift a rule, what the appointment keeps of it, and how long."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.calendar_sync import IntentKind
from appointment_svc.domain.overrides import AppointmentOverride, OverridePolicy
from appointment_svc.domain.snapshots import PatientSnapshot
from appointment_svc.domain.transitions import AppointmentStatus
from appointment_svc.repository.documents import from_document, to_document
from shared.contracts.appointments import OverrideCode
from shared.contracts.http import Actor, StaffOverride
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import Conflict, Unavailable
from shared.contracts.relayed_refusals import OverrideNotAllowed
from shared.kit.ids import new_id
from tests.unit.appointment.builders import (
    ADMIN,
    ANNA,
    COLLEAGUE,
    DESK,
    DOCTOR,
    DR_WEISS,
    NINE,
    NOON,
    PATIENT,
    STRANGER,
    TEN,
    a_booking_request,
    a_change,
    an_appointment,
    request_of,
)
from tests.unit.appointment.fakes import FakeClinic

S = AppointmentStatus
OVERBOOK = StaffOverride(code=OverrideCode.OVERBOOK, reason="In acute pain")
MARK = AppointmentOverride(OverrideCode.OVERBOOK, Actor.from_caller(DESK), NOON, "In acute pain")
RECEPTION_WITHOUT_RIGHT = Caller(UUID(int=0xC3), Role.RECEPTION)
API_CLIENT, OTHERS_JOB = Caller(UUID(int=0xC1), Role.CLIENT), Caller(UUID(int=0xC2), Role.SYSTEM)


@pytest.fixture
def clinic() -> FakeClinic:
    """A clinic in which somebody else is booked at nine."""
    clinic = FakeClinic()
    clinic.add(an_appointment(patient=PatientSnapshot(STRANGER, "Bo Berg")))
    return clinic


async def book(clinic: FakeClinic, caller: Caller = DESK, override: StaffOverride | None = OVERBOOK, **changes: Any) -> Appointment:
    request = a_booking_request(patient_id=PATIENT, override=override, **changes)
    return await clinic.booking.book(request, caller, changes.get("id", new_id()))


async def edit(clinic: FakeClinic, appointment: Appointment, caller: Caller = DESK, **changes: Any) -> Appointment:
    fields = {"starts_at": None, "doctor_id": None, "status": None, "reason": "On the phone"} | changes
    return await clinic.actions.edit(clinic.context(caller, appointment), **fields)


@pytest.mark.parametrize("code", list(OverrideCode))
def test_admins_may_lift_every_rule_and_the_reception_those_that_are_left_to_it(code: OverrideCode) -> None:
    override = StaffOverride(code=code, reason="Because")
    OverridePolicy().require_may_override(ADMIN, override)
    OverridePolicy(frozenset({code})).require_may_override(DESK, override)
    for policy in (OverridePolicy(), OverridePolicy(frozenset(OverrideCode) - {code})):
        with pytest.raises(OverrideNotAllowed):
            policy.require_may_override(DESK, override)


@pytest.mark.parametrize("caller", [ANNA, DR_WEISS, API_CLIENT, OTHERS_JOB], ids=lambda caller: caller.role.value)
def test_nobody_else_may_lift_a_rule(caller: Caller) -> None:
    with pytest.raises(OverrideNotAllowed):
        OverridePolicy(frozenset(OverrideCode)).require_may_override(caller, OVERBOOK)


async def test_an_overbooked_appointment_says_which_rule_was_lifted_by_whom_and_when(clinic: FakeClinic) -> None:
    booked = await book(clinic)
    assert (booked.status, booked.overridden, booked.history[-1].override) == (S.BOOKED, MARK, MARK)
    (event,) = clinic.store.override_events
    assert (event.action, event.relation, event.subject_id, event.actor_id, event.row_id, event.outcome) == (
        "appointment.overridden", "overbook", PATIENT, DESK.id, booked.id, "done",
    )  # fmt: skip
    assert "In acute pain" not in event.model_dump_json()
    assert "overrid" not in clinic.store.events[-1].model_dump_json()


async def test_an_override_that_nothing_needed_leaves_no_mark_and_no_line_in_the_audit_trail(clinic: FakeClinic) -> None:
    booked = await book(clinic, starts_at=TEN)
    assert (booked.overridden, booked.history[-1].override, clinic.store.override_events) == (None, None, [])


async def test_a_patient_who_sends_an_override_is_refused_and_nothing_is_stored(clinic: FakeClinic) -> None:
    before = set(clinic.store.appointments)
    with pytest.raises(OverrideNotAllowed):
        await book(clinic, ANNA)
    assert (set(clinic.store.appointments), clinic.calendar.requests) == (before, [])


async def test_only_staff_see_that_a_rule_was_lifted(clinic: FakeClinic) -> None:
    booked = await book(clinic)
    for caller in (ANNA, DR_WEISS):
        seen = await clinic.queries.get(caller, booked.id)
        assert (seen.overridden, [entry.override for entry in seen.history if entry.override]) == (None, [])
    assert (await clinic.queries.get(ADMIN, booked.id)).overridden == MARK
    cancelled = await clinic.actions.cancel(clinic.context(ANNA, booked), None)
    assert cancelled.overridden is None
    assert clinic.store.appointments[booked.id].overridden == MARK


async def test_a_booking_that_the_calendar_answers_later_keeps_its_override(clinic: FakeClinic) -> None:
    clinic.calendar.failure = Unavailable()
    pending = await book(clinic)
    assert (pending.status, pending.overridden) == (S.PENDING, None)
    await clinic.restart()
    settled = clinic.store.appointments[pending.id]
    assert (settled.status, settled.overridden) == (S.BOOKED, MARK)


async def test_a_move_can_lift_a_rule_and_a_move_to_a_regular_time_removes_the_mark(clinic: FakeClinic) -> None:
    booked = await book(clinic, override=None, starts_at=TEN)
    with pytest.raises(Conflict, match="already booked"):
        await edit(clinic, booked, starts_at=NINE)
    moved = await edit(clinic, booked, starts_at=NINE, override=OVERBOOK)
    assert (moved.starts_at, moved.overridden) == (NINE, MARK)
    back = await edit(clinic, moved, starts_at=TEN)
    assert (back.starts_at, back.overridden, back.history[-1].override) == (TEN, None, None)


async def test_a_move_to_a_colleague_needs_an_override_of_its_own(clinic: FakeClinic) -> None:
    booked = await book(clinic)
    moved = await edit(clinic, booked, doctor_id=COLLEAGUE)
    assert (moved.doctor_id, moved.overridden) == (COLLEAGUE, None)
    with pytest.raises(Conflict, match="already booked"):
        await edit(clinic, moved, doctor_id=DOCTOR)


async def test_a_restored_appointment_lifts_its_rule_again(clinic: FakeClinic) -> None:
    booked = await book(clinic)
    await clinic.actions.cancel(clinic.context(DESK, booked), None)
    restored = await clinic.actions.restore(clinic.context(DESK, booked))
    assert (restored.status, restored.overridden, len(clinic.store.override_events)) == (S.BOOKED, MARK, 1)


@pytest.mark.parametrize("caller", [DR_WEISS, RECEPTION_WITHOUT_RIGHT], ids=["doctor", "reception"])
async def test_who_may_not_lift_a_rule_cannot_restore_an_appointment_into_a_taken_time(clinic: FakeClinic, caller: Caller) -> None:
    booked = await book(clinic)
    await clinic.actions.cancel(clinic.context(DESK, booked), None)
    actions = clinic.actions if caller is DR_WEISS else replace(clinic.actions, override_policy=OverridePolicy())
    with pytest.raises(Conflict, match="already booked"):
        await actions.restore(clinic.context(caller, booked))
    with pytest.raises(Conflict, match="already booked"):
        await actions.edit(clinic.context(caller, booked), starts_at=None, doctor_id=None, status=S.BOOKED, reason="x")
    assert clinic.store.appointments[booked.id].status is S.CANCELLED


async def test_a_mistaken_check_in_of_an_overbooked_visit_is_undone_by_whoever_may_undo_it(clinic: FakeClinic) -> None:
    booked = await book(clinic)
    clinic.clock.set(NINE)
    await clinic.actions.check_in(clinic.context(DR_WEISS, booked))
    restored = await clinic.actions.restore(clinic.context(DR_WEISS, booked))
    assert (restored.status, clinic.store.appointments[booked.id].overridden) == (S.BOOKED, MARK)


async def test_an_appointment_can_be_restored_with_an_override(clinic: FakeClinic) -> None:
    booked = await book(clinic, override=None, starts_at=TEN)
    await clinic.actions.cancel(clinic.context(DESK, booked), None)
    clinic.add(an_appointment(starts_at=TEN, patient=PatientSnapshot(STRANGER, "Bo Berg")))
    with pytest.raises(Conflict, match="already booked"):
        await edit(clinic, booked, status=S.BOOKED)
    restored = await edit(clinic, booked, status=S.BOOKED, override=OVERBOOK)
    assert (restored.status, restored.overridden) == (S.BOOKED, MARK)


async def test_the_reception_may_not_lift_a_rule_by_an_edit_that_the_clinic_does_not_leave_to_it(clinic: FakeClinic) -> None:
    booked = await book(clinic, override=None, starts_at=TEN)
    off_hours = StaffOverride(code=OverrideCode.OFF_HOURS, reason="Late shift")
    with pytest.raises(OverrideNotAllowed):
        await edit(clinic, booked, starts_at=NINE, override=off_hours)


async def test_a_reservation_that_is_claimed_again_keeps_the_override(clinic: FakeClinic) -> None:
    booked = await book(clinic)
    clinic.calendar.reservations.pop(booked.id)
    reclaiming = clinic.store.appointments[booked.id].with_reclaim(a_change())
    assert (request_of(reclaiming).override, reclaiming.sync.intent and reclaiming.sync.intent.kind) == (
        OverrideCode.OVERBOOK, IntentKind.RECLAIM,
    )  # fmt: skip
    await clinic.store.save(reclaiming)
    await clinic.restart()
    assert clinic.store.appointments[booked.id].overridden == MARK
    assert len(clinic.store.override_events) == 1


async def test_the_reason_is_erased_with_the_other_texts(clinic: FakeClinic) -> None:
    erased = clinic.store.appointments[(await book(clinic)).id].erase_texts(a_change())
    assert "In acute pain" not in str(to_document(erased))
    assert erased.overridden == MARK.without_reason()


async def test_a_stored_appointment_is_read_back_with_its_override(clinic: FakeClinic) -> None:
    stored = clinic.store.appointments[(await book(clinic)).id]
    assert from_document(to_document(stored)) == stored
