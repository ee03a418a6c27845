"""What a doctor's leave does to an appointment: the calendar has decided, the appointment comes after it.

What the calendar has now is what counts, not what was said of it on the way: messages come late, twice and in any order.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.moves import RESCHEDULABLE, RESCHEDULED, Status
from appointment_svc.domain.snapshots import DoctorSnapshot
from shared.contracts.http import Actor, Reservation
from shared.kit.ids import derive_id

AWAY = "The doctor is away."


def is_at(one: Appointment, claim: Reservation) -> bool:
    """Whether the claim is where the appointment is."""
    return claim.live and one.place == (claim.starts_at, claim.doctor_id)


def is_brought(one: Appointment, claim: Reservation) -> bool:
    """Whether it has to go where its claim is."""
    return claim.live and one.status in RESCHEDULABLE and not is_at(one, claim)


def is_moved_by_clinic(one: Appointment, claim: Reservation | None) -> bool:
    """Whether the calendar has changed the claim by itself: no wish that was made of it is later, and what was granted is where the
    appointment is."""
    return claim is not None and claim.revision >= one.revision and not is_at(one, claim)


def followed(one: Appointment, claim: Reservation, doctor: DoctorSnapshot | None, by: Actor, at: datetime) -> Appointment:
    """The appointment as its claim is, whatever the cut-off; `doctor` is the claim's where it is brought there. What has begun goes on, and
    claims its time again."""
    known = replace(one, revision=max(one.revision, claim.revision))
    once = derive_id(one.id, claim.revision, "leave")
    if not one.holds_time:
        return known.giving_back(by, at, once) if claim.live and not one.gives_back(claim.revision) else one
    if is_at(one, claim):
        return known
    if one.has_begun:
        return one.reclaim(by, at, claim.revision)
    if not claim.live:
        return replace(known, cancel_reason=AWAY).freed(Status.CANCELLED, by, at, once, AWAY)
    there = replace(known, starts_at=claim.starts_at, ends_at=claim.ends_at, doctor=doctor)
    return there.told(one, RESCHEDULED, "rescheduled", by, at, once, AWAY)
