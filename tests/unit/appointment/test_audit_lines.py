"""Every change of an appointment is a line of the audit trail, which names who changed what of whose visit, and has no texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.recording import OVERRIDDEN_ACTION
from appointment_svc.domain.snapshots import PatientSnapshot
from appointment_svc.domain.transitions import AppointmentStatus as Status
from shared.contracts.appointments import OverrideCode
from shared.contracts.audit_actions import AUDIT_ACTIONS
from shared.contracts.events import AuditRecorded
from shared.contracts.http import Actor, Reservation, StaffOverride
from shared.contracts.identity import Service
from shared.contracts.relayed_refusals import SlotTaken
from shared.contracts.values import format_instant
from tests.unit.appointment.builders import (
    ANNA,
    DESK_ACTOR,
    DOCTOR,
    NINE,
    PATIENT,
    STRANGER,
    TEN,
    a_change,
    a_patient,
    after_reply,
    an_appointment,
    request_of,
)

NOTE = "A text that stays in the appointment"
CHANGE = a_change(at=NINE, note=NOTE)
OVERBOOK = StaffOverride(code=OverrideCode.OVERBOOK, reason=NOTE)


def granted(appointment: Appointment) -> Appointment:
    """Return the appointment after the calendar has granted what it requests."""
    request, length = request_of(appointment), timedelta(minutes=30)
    reply = Reservation(
        appointment_id=appointment.id,
        service_id=request.service_id,
        doctor_id=request.doctor_id or DOCTOR,
        patient_id=request.patient_id,
        starts_at=request.starts_at,
        ends_at=request.starts_at + length,
        revision=request.revision,
        override=request.override,
    )
    return after_reply(appointment, reply)


def merged() -> Appointment:
    return an_appointment().change_patient(PatientSnapshot.of(a_patient(id=STRANGER)), CHANGE)


CHANGES: dict[str, Callable[[], Appointment]] = {
    "requested": lambda: granted(an_appointment(Status.PENDING, service={"requires_approval": True})),
    "booked": lambda: granted(an_appointment(Status.PENDING)),
    "refused": lambda: after_reply(an_appointment(Status.PENDING), SlotTaken()),
    "rescheduled": lambda: granted(an_appointment().reschedule(CHANGE, starts_at=TEN)),
    "restored": lambda: granted(an_appointment(Status.CANCELLED).restore(CHANGE)),
    "amended": lambda: an_appointment().amend({"reason": NOTE}, CHANGE),
    "confirmed": lambda: an_appointment().confirm(CHANGE),
    "declined": lambda: an_appointment(Status.REQUESTED).decline(CHANGE),
    "cancelled": lambda: an_appointment().cancel(CHANGE),
    "expired": lambda: an_appointment(Status.REQUESTED).expire(CHANGE),
    "checked_in": lambda: an_appointment().check_in(CHANGE),
    "in_progress": lambda: an_appointment(Status.CHECKED_IN).start(CHANGE),
    "completed": lambda: an_appointment(Status.IN_PROGRESS).complete(CHANGE),
    "missed": lambda: an_appointment().miss(CHANGE),
    "erased": lambda: an_appointment().erase(CHANGE),
}


def line_of(appointment: Appointment) -> AuditRecorded:
    assert appointment.unsaved_change is not None
    assert appointment.unsaved_change.audit in appointment.unsaved_change.events
    return appointment.unsaved_change.audit


def test_every_action_of_the_list_has_a_change_that_reports_it() -> None:
    reported = {f"appointment.{name}" for name in CHANGES} | {OVERRIDDEN_ACTION}
    assert reported == AUDIT_ACTIONS[Service.APPOINTMENT].keys()


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_reported_with_what_was_before_and_after(name: str) -> None:
    appointment = CHANGES[name]()
    line, entry = line_of(appointment), appointment.history[-1]
    assert (line.action, line.outcome, line.source) == (f"appointment.{name}", "done", Service.APPOINTMENT)
    assert (line.subject_id, line.row_id, line.actor_id) == (PATIENT, entry.id, entry.actor.id)
    assert line.after is not None
    assert line.after["appointment_id"] == str(appointment.id)
    assert (line.after["status"], line.after["starts_at"]) == (appointment.status, format_instant(appointment.starts_at))
    assert line.before is not None
    assert line.before["appointment_id"] == str(appointment.id)
    assert {"status", "starts_at"} <= line.before.keys()
    assert NOTE not in line.model_dump_json()


def test_the_states_before_and_after_a_move_are_both_there() -> None:
    line = line_of(CHANGES["rescheduled"]())
    assert (line.before or {})["starts_at"] == format_instant(NINE)
    assert (line.after or {})["starts_at"] == format_instant(TEN)


def test_the_relation_of_a_line_says_why_the_actor_may_change_the_visit() -> None:
    own, by_staff = a_change(Actor.from_caller(ANNA)), a_change(DESK_ACTOR)
    appointment = an_appointment()
    assert [line_of(appointment.confirm(change)).relation for change in (own, by_staff)] == ["self", "reception"]


def test_after_a_merge_the_line_is_about_the_patient_who_is_left() -> None:
    line = line_of(merged())
    assert (line.action, line.subject_id) == ("appointment.amended", STRANGER)


def test_a_lifted_rule_is_a_line_of_its_own_and_names_the_rule_only() -> None:
    appointment = granted(an_appointment().reschedule(CHANGE, starts_at=TEN, override=OVERBOOK))
    assert appointment.unsaved_change is not None
    line = appointment.unsaved_change.override
    assert line is not None
    assert (line.action, line.relation, line.row_id) == (OVERRIDDEN_ACTION, "overbook", appointment.id)
    assert NOTE not in line.model_dump_json()
    unchanged = replace(appointment, unsaved_change=None).confirm(CHANGE)
    assert unchanged.unsaved_change is not None
    assert unchanged.unsaved_change.override is None, "the line is not repeated with each later change"
