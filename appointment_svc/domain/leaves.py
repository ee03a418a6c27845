"""What a doctor's leave does to an appointment: the calendar has decided, the appointment comes after it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.moves import RESCHEDULABLE, RESCHEDULED, Status
from appointment_svc.domain.snapshots import DoctorSnapshot
from shared.contracts.http import Actor, Displaced

AWAY = "The doctor is away."


def concerns(displaced: Displaced, one: Appointment) -> bool:
    """Whether it still stands where the leave found it, and has not begun: what came later stays as it is."""
    return one.status in RESCHEDULABLE and one.place == (displaced.previous_starts_at, displaced.previous_doctor_id)


def left_behind(displaced: Displaced, one: Appointment) -> bool:
    """Whether a claim was moved of which nothing is to come: the appointment ended meanwhile."""
    return displaced.action == "moved" and not one.holds_time


def called_off(displaced: Displaced, one: Appointment, by: Actor, at: datetime, *, once: UUID) -> Appointment:
    """Whatever the cut-off. There is no claim any more; giving it back once more is harmless."""
    return replace(_later(displaced, one), cancel_reason=AWAY).freed(Status.CANCELLED, by, at, once, AWAY)


def brought_after(displaced: Displaced, one: Appointment, doctor: DoctorSnapshot, by: Actor, at: datetime, *, once: UUID) -> Appointment:
    """To where its claim is."""
    assert displaced.starts_at is not None
    assert displaced.ends_at is not None
    moved = replace(_later(displaced, one), starts_at=displaced.starts_at, ends_at=displaced.ends_at, doctor=doctor)
    return moved.told(one, RESCHEDULED, "rescheduled", by, at, once, AWAY)


def without_claim(displaced: Displaced, one: Appointment, by: Actor, at: datetime, *, once: UUID) -> Appointment:
    """Gives the moved claim back."""
    return _later(displaced, one).giving_back(by, at, once)


def _later(displaced: Displaced, one: Appointment) -> Appointment:
    """What is wished next comes after the leave."""
    return replace(one, revision=max(one.revision, displaced.revision))
